# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How OpenRC comes to start what was installed (_systems/openrc.py).

# enable_service NAME: in the runlevel that comes before the network
enable_service() {
  rc-update --quiet add "$1" boot
}

# disable_service NAME: in no runlevel, and OpenRC does not remember that it was started
disable_service() {
  for _link in /etc/runlevels/*/"$1"; do
    _level=${_link%/*}
    [ ! -L "$_link" ] || rc-update --quiet delete "$1" "${_level##*/}" || return
  done
  [ ! -L "/run/openrc/started/$1" ] || rc-service --quiet "$1" zap
}
