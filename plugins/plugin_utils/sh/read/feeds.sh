# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# OpenWrt's packages, through opkg or apk, in the words that dpkg and apt have for it (_observe/parse/packages.py).

feeds_list=

# read_feeds PACKAGE...: of each whether it is installed, and what the lists have of those that are not
read_feeds() {
  [ -x /sbin/procd ] || return 0
  has opkg || has apk || return 0
  section installed _feed_list || return 0
  section image _image
  [ -e /sys/module/nft_flow_offload ] || [ -n "$(_feed_version kmod-nft-offload)" ] || set -- "$@" kmod-nft-offload
  section packages _feed_statuses "$@"
  section candidates _feed_candidates "$@"
}

# _feed_list: what is installed, read once; what the manager says where it cannot tell: opkg lets one in at a time
_feed_list() {
  if has opkg; then
    feeds_list=$(opkg list-installed 2>&1)
  else
    feeds_list=$(apk list -I 2>&1)
  fi || {
    _rc=$?
    printf '%s\n' "$feeds_list" | tail -n 4
    return "$_rc"
  }
}

# what the modules of this image are for, and how much of UCI is staged: an installation may commit that
_image() {
  echo "kernel=$(_feed_version kernel)"
  ! has uci || uci -q changes | sed 's/=.*//; s/^/staged=/'
}

# _feed_version PACKAGE: of what is installed
_feed_version() {
  if has opkg; then
    printf '%s\n' "$feeds_list" | sed -n "s/^$1 - \([^ ]*\).*/\1/p"
  else
    printf '%s\n' "$feeds_list" | sed -n "s/^$1-\([0-9][^ ]*\) .*/\1/p"
  fi | head -n 1
}

_feed_statuses() {
  for _package in "$@"; do
    if [ -n "$(_feed_version "$_package")" ]; then echo "$_package installed"; else echo "$_package"; fi
  done
}

_feed_candidates() {
  for _package in "$@"; do
    [ -z "$(_feed_version "$_package")" ] || continue
    printf '%s:\n  Candidate: ' "$_package"
    if has opkg; then
      opkg list "$_package" | sed -n "s/^$_package - \([^ ]*\).*/\1/p"
    else
      apk list "$_package" | sed -n "s/^$_package-\([0-9][^ ]*\) .*/\1/p"
    fi 2>/dev/null | head -n 1 | grep . || echo
  done
}

# read_feed_removal RECORD: what each manager says to the removal of what this collection brought
read_feed_removal() {
  [ -x /sbin/procd ] && [ -f "$1" ] || return 0
  has opkg || has apk || return 0
  section installed _feed_list || return 0
  while read -r _kind _package _found; do
    if [ "$_kind" != package ] || [ -z "$(_feed_version "$_package")" ]; then
      continue
    elif has opkg; then
      section "removal.$_package" opkg --noaction remove "$_package"
    else
      section "removal.$_package" apk del --simulate "$_package"
    fi
  done <"$1"
}
