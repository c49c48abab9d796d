# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The live flowtables, and the devices that they list; and our own table.

read_flowtables() {
  ! has nft || section flowtables _flowtables
}

_flowtables() {
  _found=$(nft list flowtables)
  _code=$?
  _flowtable_listing=$_found
  printf '%s\n' "$_found"
  _listed=" $(printf '%s\n' "$_found" | awk '
    sub(/^[ \t]*devices = [{]/, "") {
      gsub(/["{},]/, " ")
      for (i = 1; i <= NF; i++) if (!seen[$i]++) printf "%s ", $i
    }
  ')"
  return "$_code"
}

# read_live_table FAMILY TABLE: as nft lists it, less what changes while traffic flows; and the second table, where it is
# there. After read_flowtables.
read_live_table() {
  has nft || return 0
  section live nft -s -t list table "$1" "$2"
  case $_flowtable_listing in
  *"table $1 $2_software {"*) section live_software nft -s -t list table "$1" "$2_software" ;;
  esac
}
