# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/packages
# OpenWrt's packages, through opkg or apk, in the words that dpkg and apt have for it. Read by _systems/feeds.py.

feeds_installed=

# _feed_manager: what each manager is asked, and what stands between a package's name and version in its lists. Fails on any
# other distribution.
_feed_manager() {
  [ -x /sbin/procd ] || return
  if has opkg; then
    feeds_manager=opkg feeds_ask='opkg list-installed' feeds_list='opkg list' feeds_removal='opkg --noaction remove'
    feeds_version=' - \([^ ]*\).*'
  elif has apk; then
    feeds_manager=apk feeds_ask='apk list -I' feeds_list='apk list' feeds_removal='apk del --simulate'
    feeds_version='-\([0-9][^ ]*\) .*'
  else
    return 1
  fi
}

# read_feeds PACKAGE...: of each whether it is installed, and what the lists have of those that are not
read_feeds() {
  _feed_manager || return 0
  section "$feeds_manager.installed" _read_installed || return 0
  section "$feeds_manager.image" _image
  [ -e /sys/module/nft_flow_offload ] || [ -n "$(_feed_version kmod-nft-offload)" ] || set -- "$@" kmod-nft-offload
  section "$feeds_manager.packages" _feed_statuses "$@"
  section "$feeds_manager.candidates" _feed_candidates "$@"
}

# _read_installed: once; prints the manager's reason where it cannot list what is installed: opkg lets one in at a time
_read_installed() {
  feeds_installed=$($feeds_ask 2>&1) || {
    _rc=$?
    printf '%s\n' "$feeds_installed" | tail -n 4
    return "$_rc"
  }
}

# the kernel that the modules of this image are for, and what is staged in UCI: an installation may commit that
_image() {
  echo "kernel=$(_feed_version kernel)"
  ! has uci || uci -q changes | sed 's/=.*//; s/^/staged=/'
}

# _feed_version PACKAGE
_feed_version() {
  printf '%s\n' "$feeds_installed" | _version "$1"
}

# _version PACKAGE: the first in a list on standard input
_version() {
  sed -n "s/^$1$feeds_version/\1/p" | head -n 1
}

_feed_statuses() {
  for _package in "$@"; do print_status "$(_feed_version "$_package")" "$_package"; done
}

_feed_candidates() {
  for _package in "$@"; do
    [ -z "$(_feed_version "$_package")" ] || continue
    printf '%s:\n  Candidate: ' "$_package"
    $feeds_list "$_package" 2>/dev/null | _version "$_package" | grep . || echo
  done
}

# read_feed_removal RECORD: what the manager prints on the removal of each package that this collection brought
read_feed_removal() {
  _feed_manager && [ -f "$1" ] || return 0
  section "$feeds_manager.installed" _read_installed || return 0
  for _package in $(list_recorded "$1"); do
    [ -n "$(_feed_version "$_package")" ] || continue
    # shellcheck disable=SC2086 # a command and its arguments
    section "$feeds_manager.removal.$_package" $feeds_removal "$_package"
  done
}
