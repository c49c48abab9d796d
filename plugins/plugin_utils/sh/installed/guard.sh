#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: loads one change of the firewall, and puts back what was there unless it is confirmed.
# usage: guard watch | guard supervise ID | guard rollback REASON | guard normalise
# Its directory holds all that it needs; it writes nothing but there.
#   tables    family and name of each table that the change may touch     before.N  table N as it was; empty: none
#   listed    family and name of a loaded table, and the file beside which its listing is staged
#   load.N    what to load, one after the other: a transaction of nft, or a script that takes load and restore
#   staged, made  files and directories to clear
#   undecided renamed to confirmed or to rolled_back: whoever does it has decided. rolled_back is renamed to rolling.PID
#             by the process that puts back; when that one is killed, another one renames it once more and goes on
#   queued    renamed to loading, then to loaded or failed; or to dropped, when it shall not be loaded any more
dir=${0%/*}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
trap '' HUP PIPE
out=
read -r id <"$dir/id"

# Seconds since boot, suspended time included: steps of the clock do not matter
now() {
  read -r uptime _idle </proc/uptime
  now=${uptime%%.*}
}

log() {
  logger -t nft-offload -p daemon.warning "$*" 2>/dev/null || echo "<4>nft-offload: $*" 2>/dev/null >/dev/kmsg
}

# here: is the change in this directory still the one that this guard was started for?
here() {
  read -r id_now 2>/dev/null <"$dir/id" && [ "$id_now" = "$id" ]
}

# outcome WORD REASON: into a file that has its page already, so that a full /run does not matter
outcome() {
  now
  printf '%s %s %s %s\n' "$id" "$1" "$now" "$2" 1<>"$dir/outcome"
  log "change $id: $1: $2"
}

# release: the outcome to where the next one looks for it, then the lock, in one rename
release() {
  if here; then
    mv -f "$dir/outcome" "${dir%/*}/last"
    mv "$dir" "${dir%/*}/gone.$$" && rm -rf "${dir%/*}/gone.$$"
  fi
}

devices_here() {
  for device in /sys/class/net/*; do printf '%s ' "${device##*/}"; done
}

# transaction FAMILY TABLE BEFORE text|devices: nft text that makes the live table as it was. Flowtables that stay the
# same stay in place with their devices: a driver may not take a second one while the first is bound. "text" brings no
# device in, "devices" brings only devices in.
transaction() {
  {
    nft -s -t list table "$1" "$2" 2>/dev/null
    echo '@@'
    cat "$3"
  } | awk -v path="$1 $2" -v part="$4" -v here=" $(devices_here)" '
    BEGIN { then = 0; order = split("map,set,chain,counter,quota,limit,ct helper,ct timeout,ct expectation,synproxy,secmark", kinds, ",") }
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
    /^\t[}]/ { kind = "" }
    then { body[++lines] = $0 }
    function statement(verb, which, name, device) {
      return verb " flowtable " path " " name " { " hook[which, name] "; devices = { \"" device "\" }; " \
        (hardware[which, name] ? "flags offload; " : "") (counts[which, name] ? "counter; " : "") "}"
    }
    END {
      if (part == "text" && live) {
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
      if (part == "text") for (i = 1; i <= lines; i++) print body[i]
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

has_table() {
  nft -t list table "$1" "$2" >/dev/null 2>&1
}

# as_before FAMILY TABLE BEFORE: is the live table as it was, but for what its sets hold and for devices?
as_before() {
  if [ ! -s "$3" ]; then
    ! has_table "$1" "$2"
    return
  fi
  has_table "$1" "$2" && [ -z "$(transaction "$1" "$2" "$3" devices)" ] &&
    ! transaction "$@" text | grep -q '^delete flowtable ' &&
    [ "$(nft -s -t list table "$1" "$2" | normalise_listing elements)" = "$(normalise_listing elements <"$3")" ]
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

# back FAMILY TABLE BEFORE: all at once; else without devices, which follow one by one; else from nothing. A copy that is
# gone is no sign that there was no table. What sets hold is part of what was there, until it is loaded once more.
back() {
  [ -e "$3" ] || return 1
  [ "$(nft -s list table "$1" "$2" 2>/dev/null)" = "$(cat "$3")" ] && as_before "$@" && return 0
  if [ ! -s "$3" ]; then
    [ -e "$3" ] || return 1
    nft delete table "$1" "$2" || ! has_table "$1" "$2"
    return
  fi
  {
    transaction "$@" text
    transaction "$@" devices
  } | nft -f - && as_before "$@" && return 0
  transaction "$@" text | nft -f - || {
    [ -e "$3" ] || return 1
    nft delete table "$1" "$2"
    transaction "$@" text | nft -f - || return
  }
  transaction "$@" devices | while read -r statement; do nft "$statement"; done
  as_before "$@"
}

# restore: every table; first those that were not there, since they may hold devices that another one wants back
restore() {
  status=0
  for text in "$dir"/load.*; do
    ! is_script "$text" || out=$(sh "$text" restore 2>&1 </dev/null) || status=1
  done
  for part in empty full; do
    number=0
    while read -r family table; do
      number=$((number + 1))
      if [ -s "$dir/before.$number" ]; then kind=full; else kind=empty; fi
      [ "$kind" = "$part" ] || continue
      for _try in 1 2 3; do
        out=$(back "$family" "$table" "$dir/before.$number" 2>&1 </dev/null) && continue 2
        sleep 1
      done
      status=1
    done <"$dir/tables"
  done
  return "$status"
}

clear_staged() {
  while read -r file; do rm -f "$file.nft-offload-new"; done <"$dir/staged"
  while read -r made; do rmdir "$made"; done <"$dir/made"
} 2>/dev/null

# An nft that outlived its guard would load what is undone once more
await_loader() {
  for _second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    # a small busybox's grep reads no further than a NUL
    cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' ' ' 2>/dev/null | grep -q "${dir##*/}[/]load[.]" || return
    sleep 1
  done
}

# put_back WORD REASON: fails when what was there is not there again
put_back() {
  clear_staged
  await_loader
  if restore; then
    outcome "$1" "$2"
    return 0
  fi
  outcome broken "$2; but what was there could not be brought back: $(printf '%s' "$out" | head -n 1)"
  return 1
}

# turn: one roll back at a time, and the next one only when that one was killed
turn() {
  [ ! -e "$dir/rolling.$$" ] || return 0
  for token in "$dir/rolled_back" "$dir"/rolling.*; do
    tr '\000' ' ' <"/proc/${token##*.}/cmdline" | grep -Eq 'guard (watch|rollback)' && continue
    mv "$token" "$dir/rolling.$$" && return
  done 2>/dev/null
  return 1
}

# rollback REASON: decided by whoever calls it
rollback() {
  until turn; do
    sleep 1
    here && continue
    read -r last_id word _rest <"${dir%/*}/last"
    [ "$last_id $word" = "$id rolled_back" ]
    return
  done
  # into the page that it has; see guarded in sh/read/change.sh
  echo "$$" 1<>"$dir/guard.pid"
  put_back rolled_back "$1"
  code=$?
  release
  return "$code"
}

is_script() {
  read -r first 2>/dev/null <"$1" && [ "$first" = '#!/bin/sh' ]
}

load() {
  for text in "$dir"/load.*; do
    if is_script "$text"; then
      who=fw4
      sh "$text" load || return
    else
      who=nft
      nft -f "$text" || return
    fi
  done
}

watch() {
  # the very last to go when memory is short
  { echo -1000 >/proc/self/oom_score_adj; } 2>/dev/null
  echo "$$" >"$dir/guard.pid" || exit 1
  read -r timeout <"$dir/timeout"
  reason="not confirmed within $timeout s"
  ended=
  trap 'ended=yes reason="its guard was stopped"' TERM INT
  if mv "$dir/queued" "$dir/loading" 2>/dev/null; then
    load >"$dir/said" 2>&1 </dev/null
    code=$?
    if [ "$code" != 0 ]; then
      # one that was killed may have been heard by the kernel
      put_back failed "$who refused it (exit code $code)"
      mv "$dir/loading" "$dir/failed"
      for _second in 1 2 3 4 5 6 7 8 9 10; do
        sleep 1
        here || exit 0
      done
      release
      exit 0
    fi
    now
    echo "$((now + timeout))" >"$dir/deadline.new" && mv -f "$dir/deadline.new" "$dir/deadline"
    deadline=$((now + timeout))
    mv "$dir/loading" "$dir/loaded"
    [ "$timeout" -gt 0 ] || exit 0
  elif [ -e "$dir/loaded" ]; then
    read -r deadline <"$dir/deadline"
  else
    [ ! -e "$dir/dropped" ] || exit 0
    deadline=0
    reason="its guard was killed while it loaded"
  fi
  while here && [ -e "$dir/undecided" ]; do
    now
    if [ -n "$ended" ] || [ "$now" -ge "${deadline:-0}" ]; then
      mv "$dir/undecided" "$dir/rolled_back" 2>/dev/null && rollback "$reason"
      break
    fi
    sleep 1
  done
  # another one that decided to roll back does it, unless it is killed; so may this one have been, before it started again
  sleep 1
  for decided in "$dir/rolled_back" "$dir"/rolling.*; do
    if here && [ -e "$decided" ]; then rollback "$reason"; fi
  done
  exit 0
}

# supervise ID: watch, where no systemd starts it again when it did not end by itself. A shell that cannot fork ends, but
# not before it became another one, which needs no fork.
supervise() {
  id=$1
  trap 'exec /bin/sh "$0" supervise "$id"' EXIT
  while here; do
    /bin/sh "$0" watch && break
    sleep 1
  done
  trap - EXIT
}

case $1 in
watch) watch ;;
supervise) supervise "$2" ;;
rollback) rollback "$2" ;;
normalise) normalise_listing ;;
esac
