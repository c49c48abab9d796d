# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How apply/feeds.sh asks opkg (_systems/opkg.py).

# of each package a list of its files
# shellcheck disable=SC2034 # apply/feeds.sh looks there
feeds_info=/usr/lib/opkg/info

_list_installed() {
  opkg list-installed
}

_update_lists() {
  opkg update
}

_plan_install() {
  opkg --noaction install "$@"
}

_install() {
  opkg install "$@"
}

_remove() {
  opkg remove "$@"
}

_remove_with_orphans() {
  opkg --autoremove remove "$@"
}

# it keeps no list of what it was asked for
_world() {
  :
}
