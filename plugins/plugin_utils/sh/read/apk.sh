# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/packages
# Packages, through Alpine's apk. Read by _systems/apk_alpine.py; OpenWrt's is in read/feeds.sh.

apk_installed=

_has_apk() {
  has apk && [ ! -x /sbin/procd ]
}

# read_apk PACKAGE...: of each whether it is installed, and what the lists have of those that are not
read_apk() {
  _has_apk || return 0
  section apk.installed _read_apk_list || return 0
  section apk.packages _apk_statuses "$@"
  section apk.candidates print_candidates "$(_apk_offers "$@")" "$@"
}

# _read_apk_list: once, the names; prints apk's reason where it cannot list them
_read_apk_list() {
  apk_installed=$(apk info 2>&1) || {
    _rc=$?
    printf '%s\n' "$apk_installed" | tail -n 4
    return "$_rc"
  }
}

_has_apk_package() {
  printf '%s\n' "$apk_installed" | grep -qxF -e "$1"
}

_apk_statuses() {
  for _package in "$@"; do
    print_status "$(! _has_apk_package "$_package" || echo yes)" "$_package"
  done
}

# _apk_offers PACKAGE...: lines NAME VERSION from the lists as they are, of those that are not installed
_apk_offers() {
  for _package in "$@"; do
    _has_apk_package "$_package" || apk search --exact "$_package" 2>/dev/null | sed -n "s/^$_package-\([0-9]\)/$_package \1/p"
  done
}

# read_apk_removal RECORD: what keeps each package that this collection brought, and what shows that somebody uses it
read_apk_removal() {
  _has_apk && [ -f "$1" ] || return 0
  section apk.installed _read_apk_list || return 0
  _edited=$(apk audit --backup 2>/dev/null)
  for _package in $(list_recorded "$1"); do
    _has_apk_package "$_package" || continue
    section "apk.removal.$_package" apk del --simulate "$_package"
    section "apk.used.$_package" _apk_used "$_package"
  done
}

# lines 'U etc/FILE' of the audit, and of the package's files 'etc/FILE'
_apk_used() {
  apk info --contents "$1" 2>/dev/null | while read -r _file; do
    ! printf '%s\n' "$_edited" | grep -qxF -e "U $_file" || echo "/$_file was edited"
    case $_file in
    etc/init.d/*) [ ! -L "/run/openrc/started/${_file##*/}" ] || echo "${_file##*/} is active" ;;
    esac
  done
}
