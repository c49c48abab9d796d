# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How apply/feeds.sh asks apk (_systems/apk_openwrt.py).

# of each package a list of its files
# shellcheck disable=SC2034 # apply/feeds.sh looks there
feeds_info=/lib/apk/packages

_list_installed() {
  apk info
}

_update_lists() {
  apk update
}

_plan_install() {
  apk add --simulate "$@"
}

_install() {
  apk add "$@"
}

_remove() {
  apk del "$@"
}

_remove_with_orphans() {
  apk del "$@"
}

# names of what it was asked for; it tries to bring in what is missing of that with every call
_world() {
  sed 's/[=<>~@].*//' /etc/apk/world 2>/dev/null
}
