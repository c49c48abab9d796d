# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What OpenRC knows of a service of ours (_systems/openrc.py).

# read_openrc NAME: whether boot starts it, and whether it was started
read_openrc() {
  [ ! -d /run/openrc ] || section "openrc.$1" _openrc "$1"
}

_openrc() {
  for _link in /etc/runlevels/*/"$1"; do
    # by a name that leads nowhere nothing is started
    [ ! -x "$_link" ] || echo "enabled=${_link%/*}"
  done
  [ ! -L "/run/openrc/started/$1" ] || echo started=yes
}
