#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: load our table, then bring in the devices that are there already (features first).
# A text that was confirmed may not load at boot, and a router must not come up without its filter. No controller is there
# to decide, so in its place comes the newest ruleset of history/ that loads, else emergency.nft, which exists where our
# table is the router's filter. Only nft is needed for that: the rest is done by the shell itself, and may fail or hang.
# The network waits for this script, so nothing that it starts may keep it from its end.
home=/etc/nft-offload
run=/run/nft-offload
kernel_log=/dev/kmsg
# seconds that nft may take: at first, and once it hung; and that a disk may
patience=60
less_patience=30
disk_patience=10
LC_ALL=C
export LC_ALL
set -f
line_end='
'
tab=$(printf '\t')

# tell TEXT: where somebody will see it. Boot does not wait for a logger that hangs.
tell() {
  echo "$*" >&2
  [ ! -c "$kernel_log" ] || { echo "<3>nft-offload: $*" >"$kernel_log"; } 2>/dev/null
  logger -t nft-offload -p daemon.err "$*" </dev/null >/dev/null 2>&1 &
  sleep 1
}

# is_running PID: a child of ours; one that has ended stays until it is waited for
is_running() {
  read -r stat <"/proc/$1/stat" || return
  case ${stat##*) } in Z*) return 1 ;; esac
} 2>/dev/null

# limited SECONDS COMMAND...: reads $input; sets said to what it printed. One that hangs is ended, and not waited for: in
# the kernel it may hold out against that too.
limited() {
  read -r up _rest </proc/uptime || up=0
  until=$((${up%%.*} + $1))
  looks=$1
  shift
  printf '%s\n' "$input" | "$@" >"$answer" 2>&1 &
  child=$!
  while is_running "$child"; do
    sleep 0.1 2>/dev/null || sleep 1
    read -r up _rest </proc/uptime || up=0
    looks=$((looks - 1))
    # a machine that stands still for a while moves the clock, and did not let it work
    [ "${up%%.*}" -lt "$until" ] || [ "$looks" -gt 0 ] || {
      kill -9 "$child"
      hung=yes
      said="$1 did not end in time"
      return 1
    }
  done
  wait "$child"
  code=$?
  said=$(cat "$answer")
  return "$code"
}

# run_nft ARGUMENT...: as limited
run_nft() {
  hung=
  limited "$patience" nft "$@" && return
  code=$?
  [ -z "$hung" ] || {
    hangs=yes
    patience=$less_patience
  }
  return "$code"
}

# clear_leftovers: what a change of the ruleset staged that the power was cut in, before it was confirmed
clear_leftovers() {
  set +f
  set -- "$home"/*-????????.nft-offload-new "$home"/history/*-????????.nft-offload-new
  # what is staged from here on has another name
  [ ! -e "$home/committing" ] || return
  for file in "$run"/pending/* "/var$run"/pending/*; do [ ! -d "$file" ] || return; done
  for file; do [ ! -f "$file" ] || rm -f "$file"; done
}

# finish CODE: only now, because a disk may let sync wait. What it has not written by then, the next start puts in place.
finish() {
  input=
  hung=
  [ -n "$left" ] || limited "$disk_patience" sync || [ -z "$hung" ] || left=yes
  # not the one of a change that came since
  [ -n "$left" ] || [ "$(list_committing)" != "$journal" ] || rm -f "$home/committing"
  [ "$left" = yes ] || clear_leftovers
  [ "$answer" = /dev/null ] || rm -f "$answer"
  exit "$1"
}

# make_run: the directory in memory
make_run() {
  [ -d "$run" ] || mkdir "$run"
} 2>/dev/null

# record WORD...: what runs since this start, for whoever reads the router
record() {
  make_run
  printf 'loaded=%s\ncomplaint=%.500s\n' "$*" "${complaint%%"$line_end"*}" >"$run/boot"
} 2>/dev/null

# list_committing: what is to be put in place, by the shell itself
list_committing() {
  while read -r suffix target; do echo "$suffix $target"; done <"$home/committing"
}

# confirmed NAME: sets file to the one that was confirmed, which may not have come into its place
confirmed() {
  file=$home/$1
  fields=$IFS
  IFS=$line_end
  for entry in $journal; do
    target=${entry#* }
    [ "$target" != "$home/$1" ] || [ ! -f "$target${entry%% *}" ] || file=$target${entry%% *}
  done
  IFS=$fields
}

# table_of FILE: sets table to the family and name that the file begins with
table_of() {
  table=
  while read -r word family name _rest; do
    [ "$word" != table ] || {
      table="$family $name"
      return
    }
  done
} 2>/dev/null <"$1"

# filters_input FILE: is it a filter of what comes to the router?
filters_input() {
  while read -r line; do
    # a line may hold thousands of elements
    case $line in *hook*) ;; *) continue ;; esac
    # shellcheck disable=SC2086 # words, with one blank between them
    set -- ${line%%#*}
    case "$*" in *'type filter hook input '*) return 0 ;; esac
  done
  return 1
} 2>/dev/null <"$1"

# is_live: does the kernel list our table, with its filter where it has one?
is_live() {
  input=
  # shellcheck disable=SC2086 # family and name
  run_nft -t list table $ours || return
  [ ! -s "$emergency" ] || case $said in
  *"$line_end$tab${tab}type filter hook input "*) ;;
  *) return 1 ;;
  esac
}

# load FILE: in the place of whatever has the name of our table, which stays where the text does not load. Somebody else
# may have loaded that, and of a table that is only flushed the chains stay, without rules, and with their policies. An nft
# that answers that it did, and did not, is one that failed; a listing that fails proves nothing.
load() {
  if [ ! -s "$1" ]; then
    said="$1 does not exist"
    return 1
  fi
  if [ -z "$ours" ]; then
    said="$1 names no table"
    return 1
  fi
  input="table $ours
delete table $ours
include \"$1\""
  run_nft -f - || {
    case $said in 'In file included from '*"$line_end"*) said=${said#*"$line_end"} ;; esac
    return 1
  }
  is_live && return
  case $said in Error:*'No such file'* | 'table '*) said="nft took $1, and the kernel does not list what is in it" ;; *) return 0 ;; esac
  return 1
}

# attach DEVICE STATEMENT
attach() {
  [ -e "/sys/class/net/$1" ] && [ -z "$hung" ] || return 0
  input=
  if [ -x /usr/local/lib/nft-offload/features ]; then
    limited "$less_patience" /usr/local/lib/nft-offload/features "$1"
    [ -z "$said" ] || echo "$said" >&2
  fi
  [ -z "$hung" ] && run_nft "$2" || echo "device $1 stays out of its flowtable: $said" >&2
}

# attach_all DEVICE STATEMENT: DEVICE may be a pattern such as ppp*, for every device that is there now
attach_all() {
  case $1 in
  *'*')
    set +f
    for path in /sys/class/net/"${1%\*}"*; do
      set -f
      # it would mean something else to nft
      case ${path##*/} in *[\"*]*) continue ;; esac
      attach "${path##*/}" "${2%%"\"$1\""*}\"${path##*/}\"${2#*"\"$1\""}"
    done
    set -f
    ;;
  *) attach "$1" "$2" ;;
  esac
}

# load_kept FROM TO: the newest ruleset confirmed before, with a number from FROM to TO, that is our table, filters where
# our table does, and loads
load_kept() {
  upper=$(($2 + 1))
  while :; do
    kept=
    best=$1
    set +f
    for file in "$home"/history/*.nft; do
      id=${file##*/}
      id=${id%.nft}
      number=${id%-*}
      case $id in *-*-* | *[!0-9a-f-]*) continue ;; *-????????) ;; *) continue ;; esac
      case $number in '' | *[!0-9]* | ??????????*) continue ;; esac
      if [ "$number" -ge "$best" ] && [ "$number" -lt "$upper" ]; then
        best=$number
        kept=$id
      fi
    done
    set -f
    [ -n "$kept" ] || return
    upper=$best
    file=$home/history/$kept.nft
    table_of "$file"
    [ "$table" = "$ours" ] || continue
    if filters_input "$file"; then [ -s "$emergency" ]; else [ ! -s "$emergency" ]; fi || continue
    load "$file" && return
    # the next one would hang too
    [ -z "$hung" ] || return
  done
}

# load_fallback: sets found. The emergency ruleset first: while none of the others loads, nothing else shuts the router.
load_fallback() {
  found=none
  hung=
  if [ -s "$emergency" ]; then
    load "$emergency" && found=emergency
    [ -z "$hung" ] || return
  fi
  load_kept 0 "$((current - 1))" || { [ -z "$hung" ] && load_kept "$((current + 1))" 999999999; } || return
  found=kept
}

# start: sets found to what was loaded
start() {
  found=confirmed
  load "$ruleset" && return
  complaint=$said
  sleep 1
  load "$ruleset" && return
  found=live
  is_live && return
  current=
  read -r current _rest 2>/dev/null <"$home/confirmed"
  current=${current%%-*}
  case $current in '' | *[!0-9]* | ??????????*) current=0 ;; esac
  load_fallback
  [ -s "$emergency" ] || return
  # what keeps nft from loading anything may pass, such as a lack of memory
  for pause in 1 2 4 8 16 30; do
    [ "$found" = none ] && [ -z "$hangs" ] || return
    sleep "$pause"
    found=confirmed
    load "$ruleset" && return
    load_fallback
  done
}

left=nothing
journal=
if [ -f "$home/committing" ]; then
  # the power was cut while a confirmed change was put in place: the rest of it, so that what boots is all new
  left=
  journal=$(list_committing)
  while read -r suffix file; do
    [ ! -e "$file$suffix" ] || mv -f "$file$suffix" "$file" || left=yes
  done <"$home/committing"
fi
umask 077
[ -d "${run%/*}" ] || run=/var$run
make_run
answer=$run/boot.$$
{ true >"$answer"; } 2>/dev/null || answer=/dev/null
hangs=
complaint=
table=
confirmed emergency.nft
emergency=$file
confirmed ruleset.nft
ruleset=$file
table_of "$ruleset"
[ -n "$table" ] || table_of "$emergency"
ours=$table
start
hung=
case $found in
confirmed)
  complaint=
  record confirmed
  confirmed devices
  while read -r device statement; do attach_all "$device" "$statement"; done <"$file"
  finish 0
  ;;
live) runs="what is live stays" ;;
kept)
  runs="ruleset $kept, confirmed before, runs in its place"
  while read -r hash word device statement; do
    [ "$hash $word" != '# device' ] || attach_all "$device" "$statement"
  done <"$home/history/$kept.nft"
  ;;
emergency) runs="an emergency ruleset runs in its place: SSH, DHCP and ICMP only" ;;
none) runs="nothing runs in its place" ;;
esac
case $found in live) ;; kept) record "kept $kept" ;; *) record "$found" ;; esac
tell "$ruleset could not be loaded: ${complaint%%"$line_end"*}; $runs"
finish 1
