# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/ruleset
# What the ruleset module may do, beside apply/change.sh.

# dry_load TEXT: a check run loads no module, so not where nft would need the flowtables' own; what the kernel loads to
# check a text (nft_masq and the like) is unloaded again
dry_load() {
  flowtables_loaded || return 0
  _before=$(_netfilter_modules)
  printf '%s\n' "$1" | nft -c -f -
  _rc=$?
  while _unload_since "$_before"; do :; done
  return "$_rc"
}

# rehearse MODE FAMILY TABLE TEXT SCRATCH EDITS NAMED [LINE NAME]...: would boot load the text? It is loaded in a network
# namespace where there are no devices and no name server. Where there is none to be had, it is loaded as another table
# that gets no packet, and refused with NAMED, which says what of it boot would not find by what the text looks like, and
# where it names a host that /etc/hosts does not know. The same text makes the same
# listing: what the router must list once the text is live, but for the order of its objects, devices and elements of
# sets, is then in $wanted, of a second table of the text (TABLE_software) behind the first. A text that nft takes and does
# not list is refused: it may do nothing at all.
rehearse() {
  wanted=
  _before=
  if [ "$1" = check ]; then
    flowtables_loaded || {
      _refuse_named "$7"
      return
    }
    _before=$(_netfilter_modules)
  fi
  _rehearse "$@"
  _rc=$?
  if [ "$1" = check ]; then
    # what a namespace held goes a moment after it
    for _second in 0 1 2; do
      [ "$_before" != "$(_netfilter_modules)" ] || break
      sleep "$_second"
      while _unload_since "$_before"; do :; done
    done
  fi
  return "$_rc"
}

_rehearse() {
  shift
  _second=
  case $3 in *"
table $1 ${2}_software "*) _second=${2}_software ;; esac
  wanted=$({ printf '%s\n' "$3" | _in_empty_network "$1" "$2" "$_second"; } 2>/dev/null)
  case $? in
  0) ;;
  40)
    printf '%s\n' "$wanted"
    wanted=
    return 1
    ;;
  41)
    wanted=
    echo "nft took the text, and lists no table $1 $2${_second:+, or no table $1 $_second}"
    return 1
    ;;
  *)
    wanted=
    _in_scratch "$@"
    ;;
  esac
}

# _in_empty_network FAMILY TABLE SECOND: how nft lists the text on standard input, or with exit code 40 why it does not load it.
# Name services that are asked through sockets in /run would answer there too.
_in_empty_network() {
  # shellcheck disable=SC2016 # for that shell to expand
  unshare -n -m sh -c '
    for dir in /run /var/run /var/lib/sss/pipes; do
      [ ! -d "$dir" ] || [ -L "$dir" ] || mount -t tmpfs none "$dir" || exit 42
    done
    nft list tables >&2 || exit 42
    said=$(nft -f - 2>&1) || { printf "%s\n" "$said"; exit 40; }
    nft -s -t list table "$1" "$2" || exit 41
    [ -z "$3" ] || { echo @@ && nft -s -t list table "$1" "$3"; } || exit 41
    nft delete table "$1" "$2" >&2 || :' sh "$@"
}

# _refuse_named COMPLAINTS
_refuse_named() {
  [ -z "$1" ] || {
    printf '%s\n' "$1"
    return 1
  }
}

# _edited TEXT EDITS OLD NEW: the text with other lines in place of some: "NUMBER LINE", where OLD is called NEW. By
# standard input, for a line may be longer than an argument can be; what came in part only is not whole.
_edited() {
  printf '%s\n' "$2" . "$1" . | awk -v old="$3" -v new="$4" '
    !text && $0 == "." { text = 1; next }
    !text && /^[0-9]+ / { number = $1; sub(/^[0-9]+ /, ""); gsub(old, new); line[number] = $0; next }
    !text { next }
    held { print last }
    { held = 1; count++; end = $0; last = (count in line) ? line[count] : $0 }
    END { exit !(held && end == "." && count > 1) }'
}

# _in_scratch FAMILY TABLE TEXT SCRATCH EDITS NAMED [LINE NAME]...
_in_scratch() {
  _refuse_named "$6" || return
  _family=$1 _table=$2
  read -r _uptime _idle </proc/uptime || _uptime=0
  _uptime=${_uptime%%.*}
  _scratch=nft_offload_rehearsal_$((_uptime + 120))_$$
  _text=$(_edited "$3" "$5" "$4" "$_scratch") || {
    echo "the text could not be made ready for a trial"
    return 1
  }
  shift 6
  # what a run left that was killed; another controller may try one at this moment
  nft list tables 2>/dev/null | awk -v now="$_uptime" '
    $3 !~ /^nft_offload_rehearsal_/ || ($3 ~ /^nft_offload_rehearsal_[0-9]+_[0-9]+$/ &&
      split($3, part, "_") && part[4] >= now + 0) { next }
    { print $2, $3 }' |
    while read -r _left _name; do nft delete table "$_left" "$_name"; done
  _unknown=
  while [ "$#" -gt 1 ]; do
    _known_host "$2" || _unknown="$_unknown/dev/stdin:$1:1-1: Error: Could not resolve hostname: $2 is not in /etc/hosts
"
    shift 2
  done
  if [ -n "$_unknown" ]; then
    printf '%s' "$_unknown"
    return 1
  fi
  printf '%s\n' "$_text" | nft -f - || return
  wanted=$(nft -s -t list table "$_family" "$_scratch" 2>/dev/null |
    awk -v scratch="$_scratch" -v table="$_table" '
      NR == 1 { sub(" " scratch " ", " " table " ") }
      NR == 2 && /^\tflags dormant$/ { next }
      NR == 3 && $0 == "" { next }
      { print }')
  [ -n "$wanted" ] || echo "nft took the text, and lists no table $_family $_table"
  nft delete table "$_family" "$_scratch" || nft list table "$_family" "$_scratch" 2>&1 | grep -q 'Error:.*No such file' || return
  [ -n "$wanted" ]
}

# _known_host NAME
_known_host() {
  awk -v name="$1" '
    { sub(/#.*/, ""); for (field = 2; field <= NF; field++) if ($field == name) found = 1 }
    END { exit !found }' /etc/hosts
}

_netfilter_modules() {
  sed -n 's/^\(nft*_[^ ]*\) .*/\1/p' /proc/modules
}

# _unload_since MODULES: those that came later; fails when none of them goes
_unload_since() {
  _rest=1
  for _module in $(_netfilter_modules | grep -vxF "$1"); do rmmod "$_module" 2>/dev/null && _rest=0; done
  return "$_rest"
}

# flush_connections [FROM TO]...: between these devices, any where none is named, all but those that are named with a "!".
# The rules re-evaluate the next packet of each as that of a new connection. The entries of those with a translated
# destination hold the router's address, so all of them. What goes back through the one device that has the default route
# cannot be distinguished from all else that goes through it, and is rare.
flush_connections() {
  _flushed=0
  while [ "$#" -gt 1 ]; do
    for _family in 4 6; do
      _targets=$(_networks "$_family" "$2")
      for _from in $(_networks "$_family" "$1"); do
        for _to in $_targets; do
          [ "$_from $_to" = "any any" ] && _one_device "$1" "$2" || _flush "$_family" "$_from" "$_to" || return
        done
      done
    done
    shift 2
  done
  _flush 4 any any --dst-nat || return
  echo "flushed=$_flushed"
}

# _one_device FROM TO
_one_device() {
  [ "$1" = "$2" ] && case $1 in '' | '!'* | *' '* | *'*') false ;; esac
}

# _networks FAMILY DEVICES: what is reached through the devices, by any table of routes; "any" for a default route, for more
# networks than are worth a scan of all connections each, and in doubt
_networks() {
  # busybox lists no devices of a route with several; link-local addresses are never forwarded
  ip -o "-$1" route show table all 2>/dev/null | awk -v devices=" $2 " '
    BEGIN { many = split(devices, listed, " ") }
    # by its name, or by a pattern such as ppp*
    function named(device, i, name) {
      for (i = 1; i <= many; i++) {
        name = listed[i]
        sub(/^!/, "", name)
        if (name == device || (sub(/[*]$/, "", name) && index(device, name) == 1)) return 1
      }
    }
    function ours(device) {
      return index(devices, "!") ? device != "lo" && !named(device) : named(device)
    }
    function here(field, dev) {
      for (field = 1; field < NF; field++) if ($field == "dev") { dev = 1; if (ours($(field + 1))) return 1 }
      return !dev
    }
    devices !~ /[^ ]/ { any = 1; exit }
    /^(local|broadcast|anycast|multicast|unreachable|blackhole|prohibit|throw|fe80|ff)/ || $1 in found || !here() { next }
    $1 == "default" || $1 == "nexthop" || count == 8 { any = 1; exit }
    { found[$1]; count++ }
    END { if (any || !NR) print "any"; else for (network in found) print network }'
}

# _flush FAMILY FROM TO [OPTION]...
# shellcheck disable=SC2086 # options are words
_flush() {
  _filter="-f ipv$1"
  [ "$2" = any ] || _filter="$_filter -s $2"
  [ "$3" = any ] || _filter="$_filter -d $3"
  shift 3
  # exit code 1 is also that of nothing to delete
  _out=$(conntrack -D $_filter "$@" 2>&1 >/dev/null)
  case $_out in
  *' flow entries have been deleted'*) ;;
  *)
    printf '%s\n' "$_out"
    return 1
    ;;
  esac
  _out=${_out% flow entries have been deleted*}
  _flushed=$((_flushed + ${_out##* }))
}
