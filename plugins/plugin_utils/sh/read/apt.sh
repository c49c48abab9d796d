# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/packages
# Packages, through apt and dpkg. Read by _systems/apt.py.

# read_apt PACKAGE...: the status of each, and what apt could install of those that are missing
read_apt() {
  has dpkg-query && has apt-cache || return 0
  # Ubuntu's cloud kernels keep these modules in a package of their own
  modprobe -anq nf_flow_table nf_flow_table_inet nft_flow_offload || set -- "$@" "linux-modules-extra-$(uname -r)"
  section apt-get.packages _packages "$@"
  _lacking=
  for _package in "$@"; do
    [ "$(_package_status "$_package")" = installed ] || _lacking="$_lacking $_package"
  done
  # shellcheck disable=SC2086 # package names hold no blanks (deb-control(5)), the plan checks those of the user
  [ -z "$_lacking" ] || section apt-get.candidates apt-cache policy $_lacking
}

_packages() {
  for _package in "$@"; do echo "$_package $(_package_status "$_package")"; done
}

_package_status() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1
}

# read_apt_removal RECORD: for each package that this collection brought, what its removal would take along, and what shows
# that somebody uses it by now
read_apt_removal() {
  has apt-get && [ -f "$1" ] || return 0
  for _package in $(list_recorded "$1"); do
    [ "$(_package_status "$_package")" = installed ] || continue
    section "apt-get.removal.$_package" apt-get -s remove "$_package"
    section "apt-get.used.$_package" _apt_used "$_package"
  done
}

_apt_used() {
  dpkg --verify "$1" | print_edited
  dpkg-query -L "$1" | print_active
}
