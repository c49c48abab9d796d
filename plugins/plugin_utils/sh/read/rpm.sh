# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/packages
# What rpm knows, for dnf and zypper alike (_systems/rpm.py).

rpm_installed=

# read_rpm_packages MANAGER PACKAGE...: of each whether it is installed; fails where rpm cannot tell
read_rpm_packages() {
  _manager=$1
  shift
  section "$_manager.installed" _read_rpm_list || return
  section "$_manager.packages" _rpm_statuses "$@"
}

# _read_rpm_list: each by its name alone, and with its version, as the package of a certain kernel is called
_read_rpm_list() {
  rpm_installed=$(rpm -qa --qf '%{NAME}\n%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' 2>&1) || {
    _rc=$?
    printf '%s\n' "$rpm_installed" | tail -n 4
    return "$_rc"
  }
}

# has_rpm PACKAGE: is it installed?
has_rpm() {
  printf '%s\n' "$rpm_installed" | grep -qxF -e "$1"
}

_rpm_statuses() {
  for _package in "$@"; do
    print_status "$(! has_rpm "$_package" || echo yes)" "$_package"
  done
}

# list_lacking_rpms PACKAGE...: those that are not installed
list_lacking_rpms() {
  for _package in "$@"; do has_rpm "$_package" || echo "$_package"; done
}

# read_rpm_removal MANAGER RECORD: what needs each package that this collection brought, and what shows that somebody uses it
read_rpm_removal() {
  _manager=$1
  section "$_manager.installed" _read_rpm_list || return 0
  for _package in $(list_recorded "$2"); do
    has_rpm "$_package" || continue
    section "$_manager.removal.$_package" rpm -e --test "$_package"
    section "$_manager.used.$_package" _rpm_used "$_package"
  done
}

_rpm_used() {
  rpm -V "$1" | print_edited
  rpm -ql "$1" | print_active
}
