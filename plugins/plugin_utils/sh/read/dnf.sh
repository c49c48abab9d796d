# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/packages read/rpm
# Packages, through dnf and rpm. Read by _systems/dnf.py.

# read_dnf PACKAGE...: of each whether it is installed, and what dnf's lists have of those that are not
read_dnf() {
  has dnf && has rpm || return 0
  modprobe -anq nf_flow_table nf_flow_table_inet nft_flow_offload || set -- "$@" "$(_dnf_modules_package "$(uname -r)")"
  read_rpm_packages dnf "$@" || return 0
  # shellcheck disable=SC2046 # one word per package
  set -- $(list_lacking_rpms "$@")
  [ $# = 0 ] || section dnf.candidates print_candidates "$(_dnf_offers "$@")" "$@"
}

# _dnf_modules_package RELEASE: such as 6.12.0-55.el10.x86_64, and ...+rt of the variant kernel-rt
_dnf_modules_package() {
  case $1 in
  *+*) echo "kernel-${1#*+}-modules-core-${1%%+*}" ;;
  *) echo "kernel-modules-core-$1" ;;
  esac
}

# _dnf_offers PACKAGE...: lines NAME VERSION from the lists as they are; a name may have a version in it
_dnf_offers() {
  dnf -q -C repoquery --latest-limit=1 \
    --qf '%{name} %{version}\n%{name}-%{version}-%{release}.%{arch} %{version}\n' "$@" 2>/dev/null
}

# read_dnf_removal RECORD
read_dnf_removal() {
  ! has dnf || ! has rpm || [ ! -f "$1" ] || read_rpm_removal dnf "$1"
}
