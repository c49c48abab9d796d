# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the readers of package managers share: how a section is written that _systems/package_manager.py reads.

# print_status INSTALLED PACKAGE: in dpkg's words; INSTALLED is empty for one that is not
print_status() {
  echo "$2${1:+ installed}"
}

# print_candidates OFFERED PACKAGE...: as apt-cache policy does, from lines NAME VERSION
print_candidates() {
  _offered=$1
  shift
  for _package in "$@"; do
    echo "$_package:"
    printf '%s\n' "$_offered" | awk -v name="$_package" '$1 == name { print "  Candidate:", $2; exit }'
  done
}

# list_recorded RECORD: the packages that this collection brought
list_recorded() {
  while read -r _kind _package _found; do
    [ "$_kind" != package ] || echo "$_package"
  done <"$1"
}

# print_edited: from what dpkg or rpm verifies, '??5?????? c PATH' for a changed file of the configuration
print_edited() {
  sed -n 's/^[^ ]*5[^ ]* *c \(.*\)/\1 was edited/p'
}

# print_active: from the paths of a package's files, the services among them that run
print_active() {
  sed -n 's/.*\/systemd\/system\/\(.*\.service\)$/\1/p' | while read -r _unit; do
    ! systemctl --quiet is-active "$_unit" || echo "$_unit is active"
  done 2>/dev/null
}
