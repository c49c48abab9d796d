# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/packages read/rpm
# Packages, through zypper and rpm. Read by _systems/zypper.py.

# read_zypper PACKAGE...: of each whether it is installed, and what zypper's lists have of those that are not
read_zypper() {
  has zypper && has rpm || return 0
  read_rpm_packages zypper "$@" || return 0
  # shellcheck disable=SC2046 # one word per package
  set -- $(list_lacking_rpms "$@")
  [ $# = 0 ] || section zypper.candidates print_candidates "$(_zypper_offers "$@")" "$@"
}

# _zypper_offers PACKAGE...: lines NAME VERSION from the lists as they are
_zypper_offers() {
  zypper --non-interactive --no-refresh info "$@" 2>/dev/null |
    awk '/^Name +: / { name = $3 } /^Version +: / { print name, $3 }'
}

# read_zypper_removal RECORD
read_zypper_removal() {
  ! has zypper || ! has rpm || [ ! -f "$1" ] || read_rpm_removal zypper "$1"
}
