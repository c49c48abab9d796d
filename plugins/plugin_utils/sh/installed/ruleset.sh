#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: load our table, then bring in the devices that are there already (features first).
# A text that was confirmed may not load at boot, and a router must not come up without its filter. No controller is there
# to decide, so in its place comes the newest ruleset of history/ that loads, else emergency.nft, which exists where our
# table is the router's filter. Only nft is needed for that: the rest is done by the shell itself, and may fail.
home=/etc/nft-offload
run=/run/nft-offload
kernel_log=/dev/kmsg
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

# finish CODE: only now, because a disk may let sync wait
finish() {
  [ -n "$left" ] || {
    sync
    rm -f "$home/committing"
  }
  exit "$1"
}

# record WORD...: what runs since this start, for whoever reads the router
record() {
  [ -d "${run%/*}" ] || run=/var$run
  umask 077
  [ -d "$run" ] || mkdir "$run"
  printf 'loaded=%s\ncomplaint=%.500s\n' "$*" "${complaint%%"$line_end"*}" >"$run/boot"
} 2>/dev/null

# confirmed NAME: sets file to the one that was confirmed, which may not have come into its place
confirmed() {
  file=$home/$1
  [ ! -f "$home/committing" ] || [ ! -f "$file.nft-offload-new" ] || file=$file.nft-offload-new
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
    # shellcheck disable=SC2086 # words, with one blank between them
    set -- ${line%%#*}
    case "$*" in *'type filter hook input '*) return 0 ;; esac
  done
  return 1
} 2>/dev/null <"$1"

# is_live: does the kernel list our table, with its filter where it has one?
is_live() {
  # shellcheck disable=SC2086 # family and name
  listing=$(nft -t list table $ours 2>&1) || return
  [ ! -f "$emergency" ] || case $listing in
  *"$line_end$tab${tab}type filter hook input "*) ;;
  *) return 1 ;;
  esac
}

# load FILE: an nft that answers that it did, and did not, is one that failed; a listing that fails proves nothing
load() {
  if [ ! -f "$1" ]; then
    said="$1 does not exist"
    return 1
  fi
  said=$(nft -f "$1" 2>&1) || return
  is_live && return
  case $listing in Error:*'No such file'* | 'table '*) said="nft took $1, and the kernel does not list what is in it" ;; *) return 0 ;; esac
  return 1
}

# attach DEVICE STATEMENT
attach() {
  [ -e "/sys/class/net/$1" ] || return 0
  [ ! -x /usr/local/lib/nft-offload/features ] || /usr/local/lib/nft-offload/features "$1"
  nft "$2" || echo "device $1 stays out of its flowtable" >&2
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
    if filters_input "$file"; then [ -f "$emergency" ]; else [ ! -f "$emergency" ]; fi || continue
    load "$file" && return
  done
}

# clear_fallback: what came in place of our text goes, once that one is known to load: what it does not declare would stay
# as a chain without rules, and with a policy
clear_fallback() {
  read -r found 2>/dev/null <"$run/boot" || read -r found 2>/dev/null <"/var$run/boot" || return
  case $found in loaded=kept* | loaded=emergency) ;; *) return ;; esac
  # shellcheck disable=SC2086 # family and name
  nft -c -f "$ruleset" && nft delete table $ours
} 2>/dev/null

# start: sets found to what was loaded
start() {
  clear_fallback
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
  # what keeps nft from loading anything may pass, such as a lack of memory
  for pause in 0 1 2 4 8 16 30; do
    if [ "$pause" != 0 ]; then
      sleep "$pause"
      found=confirmed
      load "$ruleset" && return
    fi
    found=kept
    load_kept 0 "$((current - 1))" && return
    load_kept "$((current + 1))" 999999999 && return
    found=none
    [ -f "$emergency" ] || return
    found=emergency
    load "$emergency" && return
    found=none
  done
}

left=nothing
if [ -f "$home/committing" ]; then
  # the power was cut while a confirmed change was put in place: the rest of it, so that what boots is all new
  left=
  while read -r file; do
    [ ! -e "$file.nft-offload-new" ] || mv -f "$file.nft-offload-new" "$file" || left=yes
  done <"$home/committing"
fi
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
case $found in
confirmed)
  complaint=
  record confirmed
  confirmed devices
  while read -r device statement; do attach "$device" "$statement"; done <"$file"
  finish 0
  ;;
live) runs="what is live stays" ;;
kept)
  runs="ruleset $kept, confirmed before, runs in its place"
  while read -r hash word device statement; do
    [ "$hash $word" != '# device' ] || attach "$device" "$statement"
  done <"$home/history/$kept.nft"
  ;;
emergency) runs="an emergency ruleset runs in its place: SSH, DHCP and ICMP only" ;;
none) runs="nothing runs in its place" ;;
esac
case $found in live) ;; kept) record "kept $kept" ;; *) record "$found" ;; esac
tell "$ruleset could not be loaded: ${complaint%%"$line_end"*}; $runs"
finish 1
