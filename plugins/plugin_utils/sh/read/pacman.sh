# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/packages
# Packages, through pacman. Read by _systems/pacman.py.

pacman_installed=

# read_pacman PACKAGE...: of each whether it is installed, and what pacman's lists have of those that are not
read_pacman() {
  has pacman || return 0
  section pacman.installed _read_pacman_list || return 0
  section pacman.packages _pacman_statuses "$@"
  section pacman.candidates print_candidates "$(_pacman_offers "$@")" "$@"
}

# it warns of lists that are missing, and fails where nothing is installed
_read_pacman_list() {
  pacman_installed=$(pacman -Qq 2>/dev/null) || ! pacman -Qq 2>&1 | grep '^error: '
}

_has_pacman_package() {
  printf '%s\n' "$pacman_installed" | grep -qxF -e "$1"
}

_pacman_statuses() {
  for _package in "$@"; do
    print_status "$(! _has_pacman_package "$_package" || echo yes)" "$_package"
  done
}

# _pacman_offers PACKAGE...: lines NAME VERSION from the lists as they are, of those that are not installed
_pacman_offers() {
  for _package in "$@"; do
    _has_pacman_package "$_package" || pacman -Si "$_package" 2>/dev/null
  done | awk '/^Name +: / { name = $3 } /^Version +: / { print name, $3 }'
}

# read_pacman_removal RECORD: what needs each package that this collection brought, and what shows that somebody uses it
read_pacman_removal() {
  has pacman && [ -f "$1" ] || return 0
  section pacman.installed _read_pacman_list || return 0
  for _package in $(list_recorded "$1"); do
    _has_pacman_package "$_package" || continue
    section "pacman.removal.$_package" pacman -R --print "$_package"
    section "pacman.used.$_package" _pacman_used "$_package"
  done
}

_pacman_used() {
  # '/etc/FILE [modified]', in versions up to 6.0 'MODIFIED <tab> /etc/FILE'
  pacman -Qii "$1" | sed -n -e 's/^\(Backup Files *:\)\{0,1\} *\(\/.*\) \[modified\]$/\2 was edited/p' \
    -e 's/^MODIFIED[[:space:]]*\(\/.*\)/\1 was edited/p'
  pacman -Qlq "$1" | print_active
}
