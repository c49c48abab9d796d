#!/bin/sh
# A stand-in for nft where no kernel can hold a flowtable: tables are files as nft lists them, in /var/run/nft. It leaves
# out all but whole tables, the flowtables in them, and their devices; what it does not know it takes as it is.
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
    /^[ \t]*elements = [{]/ || held { held = !/[}]$/; print; next }
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

# bind FILE FLOWTABLE [+|- DEVICE]: list a flowtable with its devices, one more, or one less
bind() {
  awk -v head="	flowtable $2 {" -v sign="$3" -v device="$4" '
    $0 == head { inside = 1 }
    inside && /^\t\tdevices = / {
      gsub(/.*[{]|["},;]/, " ")
      total = split($0, names, " ")
      next
    }
    inside && /^\t[}]/ {
      inside = 0
      if (sign == "+") names[++total] = device
      text = ""
      for (i = 1; i <= total; i++) if (sign != "-" || names[i] != device) text = text (text == "" ? "" : ", ") "\"" names[i] "\""
      if (text != "") print "\t\tdevices = { " text " }"
      for (i = 1; i <= kept; i++) print later[i]
      kept = 0
    }
    inside && /^\t\t(flags|counter)/ { later[++kept] = $0; next }
    { print }' "$1" >"$1.new" && mv "$1.new" "$1"
}

# bound FILE FLOWTABLE
bound() {
  sed -n "/^	flowtable $2 {/,/^	}/s/^		devices = {\(.*\)}.*/\1/p" "$1" 2>/dev/null | tr -d '",'
}

load() {
  set -- "$(echo "$1" | sed -e '/^table .* { flags dormant; }$/d' -e 's/^\(table .* {\) flags dormant;$/\1\n\tflags dormant;/')"
  echo "$1" | sed -n 's/^delete table \([a-z0-9]*\) \([^ ;]*\).*/\1-\2/p' | while read -r file; do rm -f "$live/$file"; done
  echo "$1" | sed -n 's/^table \([a-z0-9]*\) \([^ ]*\) {$/\1 \2/p' | sort -u | while read -r family table; do
    before=
    # a flowtable that is declared once more keeps its devices
    echo "$1" | grep -qx "delete flowtable $family $table ft" || before=$(bound "$live/$family-$table" ft)
    echo "$1" | listing "$family" "$table" >"$live/.new"
    mv "$live/.new" "$live/$family-$table"
    [ -n "$(bound "$live/$family-$table" ft)" ] || for device in $before; do bind "$live/$family-$table" ft + "$device"; done
  done
  echo "$1" | sed -n 's/^\(add\|delete\) flowtable \([a-z0-9]*\) \([^ ]*\) \([^ ]*\) .*devices = { "\([^"]*\)" }.*/\1 \2-\3 \4 \5/p' |
    while read -r verb file name device; do
      case $verb in add) bind "$live/$file" "$name" + "$device" ;; *) bind "$live/$file" "$name" - "$device" ;; esac
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
