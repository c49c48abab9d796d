# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How the guard puts a table back: what it was is in before.N and text.N, see guard.sh.

# what the programs of awk begin with: nft lists a line end in a string as it is, which ends no line then. It lists a quote
# in a string as it is too, and that one may be without an end; it does not hide where the next listing begins. With
# breaks=1, nor what looks like the next table; what is left of its own is in torn.
# shellcheck disable=SC2016 # for awk to expand
whole_lines='{ torn = "" }
gsub(/"/, "\"") % 2 {
  while ((getline following) > 0) {
    if (following == "@@" || (breaks && following ~ /^table [a-z0-9]+ [^ ]+ [{]$/)) { torn = $0; $0 = following; break }
    $0 = $0 "\n" following
    if (gsub(/"/, "\"", following) % 2) break
  }
}'

# kinds of a table's objects other than flowtables, in an order in which nft deletes them
object_kinds='map,set,chain,counter,quota,limit,ct helper,ct timeout,ct expectation,synproxy,secmark'

devices_here() {
  for device in /sys/class/net/*; do printf '%s ' "${device##*/}"; done
}

# print_file FILE: by the shell itself, where there is no cat any more
print_file() {
  cat "$1" 2>/dev/null || while IFS= read -r line; do printf '%s\n' "$line"; done <"$1"
}

# utc COMMAND...: nft lists the hours and days of a rule in the zone of the router, which may have changed by the time
# that a copy is loaded; and west of Greenwich, 1.0 cannot read what it lists
utc() {
  TZ=UTC0 "$@"
}

# transaction FAMILY TABLE BEFORE clear|body|devices: nft text that makes the live table as it was, in three parts: what
# empties it, what it held but for devices, and the devices. Flowtables that stay the same stay in place with theirs: a
# driver may not take a second one while the first is bound.
transaction() {
  {
    nft -s -t list table "$1" "$2" 2>/dev/null
    echo '@@'
    print_file "$3"
  } | awk -v path="$1 $2" -v part="$4" -v objects="$object_kinds" -v here=" $(devices_here)" "$whole_lines"'
    BEGIN { then = 0; order = split(objects, kinds, ",") }
    $0 == "@@" && !then { then = 1; next }
    !then && /^table / { live = 1 }
    /^\t[^\t].* [{]$/ {
      kind = $0
      sub(/^\t/, "", kind)
      sub(/ [{]$/, "", kind)
      name = kind
      sub(/.* /, "", name)
      kind = substr(kind, 1, length(kind) - length(name) - 1)
      if (kind == "flowtable") known[then, name] = 1
      if (!then) names[kind] = names[kind] " " name
      else if (kind == "flowtable") flowtables[++count] = name
    }
    kind == "flowtable" && /^\t\thook / { line = $0; sub(/^\t\t/, "", line); sub(/;$/, "", line); hook[then, name] = line }
    kind == "flowtable" && /^\t\tflags .*offload/ { hardware[then, name] = 1 }
    kind == "flowtable" && /^\t\tcounter/ { counts[then, name] = 1 }
    kind == "flowtable" && /^\t\tdevices = / {
      line = $0
      sub(/^\t\tdevices = [{]/, "", line)
      gsub(/["{},;]/, " ", line)
      devices[then, name] = " " line " "
      if (then) next
    }
    /^\t(comment|flags) / { head[then] = head[then] $0 "\n" }
    /^\t[}]/ { kind = "" }
    then { body[++lines] = $0 }
    function statement(verb, which, name, device) {
      return verb " flowtable " path " " name " { " hook[which, name] "; devices = { \"" device "\" }; " \
        (hardware[which, name] ? "flags offload; " : "") (counts[which, name] ? "counter; " : "") "}"
    }
    END {
      if (!then) exit 1
      # a table takes a comment only when it is made
      again = live && head[0] != head[1]
      if (again) for (device in devices) if (index(device, "0" SUBSEP) == 1) delete devices[device]
      if (part == "clear" && again) print "delete table " path
      else if (part == "clear" && live) {
        print "flush table " path
        for (i = 1; i <= order; i++) {
          total = split(names[kinds[i]], list, " ")
          for (j = 1; j <= total; j++) print "delete " kinds[i] " " path " " list[j]
        }
        total = split(names["flowtable"], list, " ")
        for (j = 1; j <= total; j++) {
          name = list[j]
          same = ((1, name) in known) && hardware[0, name] == hardware[1, name] && hook[0, name] == hook[1, name]
          if (!same) { print "delete flowtable " path " " name; continue }
          many = split(devices[0, name], held, " ")
          for (k = 1; k <= many; k++)
            if (!index(devices[1, name], " " held[k] " ")) print statement("delete", 0, name, held[k])
        }
      }
      if (part == "body") for (i = 1; i <= lines; i++) print body[i]
      if (part == "devices") for (j = 1; j <= count; j++) {
        name = flowtables[j]
        many = split(devices[1, name], held, " ")
        for (k = 1; k <= many; k++)
          if (index(here, " " held[k] " ") && !index(devices[0, name], " " held[k] " "))
            print statement("add", 1, name, held[k])
      }
    }
  '
}

# is_gone FAMILY TABLE: an nft that fails for another reason is no sign of it, and neither are words in a listing
is_gone() {
  ! said=$(nft -t list table "$1" "$2" 2>&1) || return 1
  case $said in *Error:*'No such file or directory'*) ;; *) return 1 ;; esac
}

# as_before FAMILY TABLE BEFORE: is the live table as it was, but for what its sets hold and for devices?
as_before() {
  missing=$(transaction "$1" "$2" "$3" devices) && [ -z "$missing" ] &&
    cleared=$(transaction "$1" "$2" "$3" clear) || return
  case $cleared in *'
delete flowtable '*) return 1 ;; esac
  listed=$(utc nft -s -t list table "$1" "$2" | normalise_listing elements) &&
    [ -n "$listed" ] && [ "$listed" = "$(normalise_listing elements <"$3")" ]
}

# normalise_listing [elements]: a listing of nft less what changes while traffic flows and devices come and go: the
# devices of its flowtables, and how many elements a set holds, which nft 1.1.7 lists behind the set's size; with
# "elements", less those too. The rest that moves, -s and -t leave out. Nothing in a string is taken for any of it.
# _observe/parse/nft.py does the same on the controller, and a test holds one against the other.
normalise_listing() {
  awk -v lists="^[ \t]*(devices${1:+|$1}) = [{]" '
    !quoted && !inside && $0 ~ lists { inside = 1 }
    inside {
      held[++lines] = rest = $0
      while (inside && match(rest, /["}]/)) {
        if (substr(rest, RSTART, 1) == "\"") quoted = !quoted
        else if (!quoted) inside = 0
        rest = substr(rest, RSTART + 1)
      }
      if (inside) next
      lines = 0
      sub(/^[ \t;]+/, "", rest)
      if (rest == "") next
      $0 = rest
    }
    {
      rest = $0
      if (gsub(/"/, "", rest) % 2) quoted = !quoted
      if (!quoted) sub(/[ \t]+# count [0-9]+$/, "")
      print
    }
    # a list that never ended stays
    END { for (i = 1; i <= lines; i++) print held[i] }
  '
}

# as_kept FAMILY TABLE BEFORE: to the letter
as_kept() {
  [ "$(utc nft -s list table "$1" "$2" 2>/dev/null)" = "$(print_file "$3")" ]
}

# load_text TEXT [utc]: a copy is loaded in the zone of its listing
load_text() {
  # shellcheck disable=SC2086 # or none
  printf '%s\n' "$1" | $2 nft -f -
}

# content FAMILY TABLE N: what table N held, in the form that nft is known to load; see copies.
content() {
  if [ -e "text.$3" ]; then print_file "text.$3"; else transaction "$1" "$2" "before.$3" body; fi
}

# zone_of N: of that form
zone_of() {
  [ -e "text.$1" ] || echo utc
}

# anew FAMILY TABLE: in one transaction with what follows
anew() {
  printf 'table %s %s\ndelete table %s %s\n' "$1" "$2" "$1" "$2"
}

# keeping_flowtables FAMILY TABLE: nft text that empties the live table but for its flowtables, by the shell alone
keeping_flowtables() (
  listing=$(nft -s -t list table "$1" "$2") || return
  printf 'flush table %s %s\n' "$1" "$2"
  IFS=,
  for kind in $object_kinds; do
    printf '%s\n' "$listing" | while IFS= read -r line; do
      case $line in
      "	$kind "*" {")
        line=${line#"	$kind "}
        printf 'delete %s %s %s %s\n' "$kind" "$1" "$2" "${line% \{}"
        ;;
      esac
    done || return
  done
)

# load_copy FAMILY TABLE N: the very copy, with nothing but nft; else in the emptied table, for a driver may not take a
# flowtable while the one of before is bound
load_copy() {
  copy=before.$3
  [ ! -e "text.$3" ] || copy=text.$3
  copy=$(print_file "$copy") && [ -n "$copy" ] || return
  load_text "$(anew "$1" "$2")
$copy" "$(zone_of "$3")" || { emptied=$(keeping_flowtables "$1" "$2") && load_text "$emptied
$copy" "$(zone_of "$3")"; }
}

# back FAMILY TABLE N: all at once; else without devices, which follow one by one; else in the place of the table; else
# the very copy, which takes nothing but nft. Each is one transaction, so nothing is deleted before nft takes what replaces
# it. A copy that is gone is no sign that there was no table. What sets hold is part of what was there.
back() {
  before=before.$3
  [ -e "$before" ] || {
    echo "$before: the copy of table $1 $2 is gone"
    return 1
  }
  if [ ! -s "$before" ]; then
    is_gone "$1" "$2" || nft delete table "$1" "$2"
    return
  fi
  ! as_kept "$1" "$2" "$before" || return 0
  zone=$(zone_of "$3")
  if clear=$(transaction "$1" "$2" "$before" clear) && content=$(content "$@") && [ -n "$content" ] &&
    devices=$(transaction "$1" "$2" "$before" devices); then
    load_text "$clear
$content
$devices" "$zone" && as_before "$1" "$2" "$before" && return 0
    load_text "$(transaction "$1" "$2" "$before" clear)
$content" "$zone" || load_text "$(anew "$1" "$2")
$content" "$zone" || load_copy "$@" || return
    transaction "$1" "$2" "$before" devices | while read -r statement; do nft "$statement"; done
  else
    load_copy "$@" || return
  fi
  as_before "$1" "$2" "$before" || as_kept "$1" "$2" "$before"
}
