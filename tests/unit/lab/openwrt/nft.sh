#!/bin/sh
# A stand-in for nft where no kernel can hold a flowtable: tables are files as nft lists them, in /var/run/nft. It leaves
# out all but whole tables, the flowtables in them, and deleting either; what it does not know it takes as it is.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# /etc/stand-in/nft-refuses: lines "hardware DEVICE" for a NIC whose driver takes no flows, or "text WORD" for a text with
# that word in it that is refused when it is loaded, "check WORD" when it is loaded or checked.
live=/var/run/nft
refuses=/etc/stand-in/nft-refuses
mkdir -p "$live"
echo "nft $*" >>/tmp/nft.log

refuse() {
  echo "/dev/stdin:1:1-2: Error: Could not process rule: $1" >&2
  exit 1
}

# listing FAMILY TABLE: of a text with that table's block, as nft lists it
listing() {
  awk -v head="table $1 $2 {" '
    $0 == head { inside = 1; print; next }
    !inside { next }
    /^[}]/ && depth + 0 == 0 { inside = 0; exit }
    /^[ \t]*(#|define |include )/ || /^[ \t]*$/ { next }
    {
      # however it was indented
      sub(/^[ \t]+/, "")
      if (/^[}]/) depth--
      for (i = 0; i <= depth; i++) $0 = "\t" $0
      if (/[{]$/) depth++
    }
    { sub(/flow offload @/, "flow add @"); sub(/priority 0;/, "priority filter;") }
    /^\tflowtable / { flowtable = 1; counts = ""; print; next }
    flowtable && /^\t\tcounter/ { counts = "\t\tcounter"; next }
    flowtable && /^\t[}]/ { if (counts != "") print counts; flowtable = 0; print; print ""; next }
    flowtable { sub(/;$/, "") ; print; next }
    { sub(/;$/, ""); if (/hook .* priority .*; policy [a-z]*$/) $0 = $0 ";"; print }
    END { print "}" }'
}

# check_text TEXT MODE
check_text() {
  [ -f "$refuses" ] || touch "$refuses"
  while read -r kind word; do
    case $kind in
    hardware) ! echo "$1" | grep -q 'flags offload' || ! echo "$1" | grep -q "\"$word\"" || refuse "Operation not supported" ;;
    check) case $1 in *"$word"*) refuse "Invalid argument" ;; esac ;;
    text) [ "$2" = check ] || case $1 in *"$word"*) refuse "Invalid argument" ;; esac ;;
    esac
  done <"$refuses"
  for device in $(echo "$1" | sed -n -e '/^#/d' -e 's/.*[[:space:]]devices = {\([^}]*\)}.*/\1/p' | tr -d '",'); do
    [ -e "/sys/class/net/$device" ] || refuse "No such file or directory"
  done
}

load() {
  echo "$1" | sed -n 's/^delete table \([a-z0-9]*\) \([^ ;]*\).*/\1-\2/p' | while read -r file; do rm -f "$live/$file"; done
  echo "$1" | sed -n 's/^table \([a-z0-9]*\) \([^ ]*\) {$/\1 \2/p' | sort -u | while read -r family table; do
    echo "$1" | listing "$family" "$table" >"$live/$family-$table"
  done
}

check=load
json=
while :; do
  case $1 in
  -c)
    check=check
    shift
    ;;
  -s | -t | -e | --terse) shift ;;
  -j | --json)
    json=yes
    shift
    ;;
  *) break ;;
  esac
done

# included: a text with its includes in their places
included() {
  while IFS= read -r line; do
    case $line in
    *include\ \"*\")
      files=${line#*\"}
      for file in ${files%\"}; do [ ! -f "$file" ] || included <"$file"; done
      ;;
    *) printf '%s\n' "$line" ;;
    esac
  done
}

case "$1 $2" in
"-f -") text=$(included) ;;
"-f "*) text=$(included <"$2") ;;
"--version "*)
  echo "nftables v1.0.9 (Old Doc Yak #3)"
  exit
  ;;
"list tables")
  for file in "$live"/*; do
    [ ! -f "$file" ] || echo "table ${file##*/}" | sed 's/-/ /'
  done
  exit
  ;;
"list flowtables")
  [ -z "$json" ] || printf '{"nftables": [{"metainfo": {"version": "1.0.9"}}'
  for file in "$live"/*; do
    [ -f "$file" ] || continue
    name=$(sed -n 's/^\tflowtable \([^ ]*\) {/\1/p' "$file")
    table=${file##*-}
    if [ -n "$json" ]; then
      [ -z "$name" ] || printf ', {"flowtable": {"family": "inet", "name": "%s", "table": "%s", "handle": 1}}' "$name" "$table"
    else
      head -n 1 "$file"
      sed -n '/^\tflowtable /,/^\t}/p' "$file"
      echo "}"
    fi
  done
  [ -z "$json" ] || echo "]}"
  exit
  ;;
"list flowtable")
  file=$live/$3-$4
  grep -qs "^	flowtable $5 {" "$file" || refuse "No such file or directory"
  head -n 1 "$file"
  sed -n "/^	flowtable $5 {/,/^	}/p" "$file"
  echo "}"
  exit
  ;;
"list table")
  cat "$live/$3-$4" 2>/dev/null || refuse "No such file or directory"
  exit
  ;;
"list ruleset")
  cat "$live"/* 2>/dev/null
  exit 0
  ;;
"delete table")
  rm "$live/$3-$4" 2>/dev/null || refuse "No such file or directory"
  exit
  ;;
*) text=$* ;;
esac
check_text "$text" "$check"
[ "$check" = check ] || load "$text"
