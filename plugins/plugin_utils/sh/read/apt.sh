# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Packages, through apt and dpkg. Read by _systems/apt.py.

# read_apt PACKAGE...: the status of each, and what apt could install of those that are missing
read_apt() {
  has dpkg-query && has apt-cache || return 0
  # Ubuntu's cloud kernels keep these modules in a package of their own
  modprobe -anq nf_flow_table nf_flow_table_inet nft_flow_offload || set -- "$@" "linux-modules-extra-$(uname -r)"
  section packages _packages "$@"
  _lacking=
  for _package in "$@"; do
    [ "$(_package_status "$_package")" = installed ] || _lacking="$_lacking $_package"
  done
  # shellcheck disable=SC2086 # package names hold no blanks (deb-control(5)), the plan checks those of the user
  [ -z "$_lacking" ] || section candidates apt-cache policy $_lacking
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
  while read -r _kind _package _found; do
    [ "$_kind $(_package_status "$_package")" = "package installed" ] || continue
    section "removal.$_package" apt-get -s remove "$_package"
    section "used.$_package" _used "$_package"
  done <"$1"
}

_used() {
  # '??5?????? c PATH' is a changed file of the configuration
  dpkg --verify "$1" | sed -n 's/^[^ ]*5[^ ]* *c \(.*\)/\1 was edited/p'
  dpkg-query -L "$1" | sed -n 's/.*\/systemd\/system\/\(.*\.service\)$/\1/p' | while read -r _unit; do
    systemctl --quiet is-active "$_unit" && echo "$_unit is active"
  done
}
