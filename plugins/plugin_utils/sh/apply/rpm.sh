# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/packages
# What dnf and zypper share (_systems/rpm.py): a package is installed when rpm lists it.

# _installed: kernels and their modules are installed in several versions beside each other; of all others the name counts,
# or one that came in a newer version as a dependency would be taken out when the installation is undone. A key that was
# trusted stays so.
_installed() {
  rpm -qa --qf '%{NAME} %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' | awk '$1 != "gpg-pubkey" { print $1 ~ /^kernel/ ? $2 : $1 }'
}

# _remove_only: rpm itself refuses where somebody else needs one of them by now; its managers would take that out too
_remove_only() {
  run_manager rpm -e "$@"
}

# check_rpms PACKAGE...: fails where one is not installed, as when zypper of an image-based system only says so
check_rpms() {
  for _package in "$@"; do
    rpm -q --quiet "$_package" || {
      print_failure
      echo "$_package is not installed"
      return 1
    }
  done
}
