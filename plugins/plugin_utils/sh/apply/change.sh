# shellcheck shell=sh
# shellcheck disable=SC2154 # apply/steps.sh and read/change.sh set the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# A change of the firewall that is confirmed or undone. The files of a change are listed in sh/installed/guard.sh.
change=

# begin DIR CONFIRMED LAST ID TIMEOUT GUARD [FAMILY TABLE]...: take the lock, and copy what the router runs. CONFIRMED is
# the file that names the ruleset confirmed last, and LAST its text as it was read.
begin() {
  change_home "$1"
  mkdir -p "$home" && chmod 700 "$home" || return
  for _gone in "$home"/gone.*; do rm -rf "$_gone"; done
  mkdir "$home/pending" 2>/dev/null || { take_over "$home/pending" && mkdir "$home/pending"; } || {
    _change
    return 1
  }
  change=$home/pending
  shift
  if ! finish_commit "${1%/*}/committing"; then
    echo "what was confirmed before could not be put in place"
  elif [ "$(cat "$1" 2>/dev/null)" != "$2" ]; then
    echo "another change was confirmed since the router was read: $(cat "$1" 2>/dev/null)"
  else
    shift 2
    keep_all "$@" && return
  fi
  change=
  unlock
  return 1
}

# unlock: in one rename
unlock() {
  mv "$home/pending" "$home/gone.$$" && rm -rf "$home/gone.$$"
}

# keep_all ID TIMEOUT GUARD [FAMILY TABLE]...
keep_all() {
  seconds_up
  keep id "$1" && keep began "$up" && keep timeout "$2" && keep guard "$3" || return
  keep connection "$(ssh_connection)" && keep outcome "$(printf '%4000s.' '')" || return
  keep staged '' && keep made '' && keep tables '' && keep undecided '' && keep queued '' || return
  shift 3
  _number=0
  while [ "$#" -gt 1 ]; do
    _number=$((_number + 1))
    echo "$1 $2" >>"$change/tables" || return
    # empty must mean that there is none: a roll back then deletes the table
    _live=$(nft -s list table "$1" "$2" 2>"$change/said") || grep -q 'No such file' "$change/said" || {
      cat "$change/said"
      return 1
    }
    keep "before.$_number" "$_live" || return
    shift 2
  done
}

# keep NAME TEXT: read back, because a full /run must show before anything is loaded
keep() {
  # cat prints why it cannot write, a shell's own printf only that it cannot
  printf "%s${2:+\\n}" "$2" | cat >"$change/$1" || return
  [ "$(cat "$change/$1")" = "$(printf '%s' "$2")" ] || {
    echo "$change/$1: what was written does not read back"
    return 1
  }
}

# take_over DIR: a change that nothing guards any more, because its shell or its guard were killed
take_over() {
  guarded "$1" && return 1
  sleep 1 # one that has only begun may not have a guard yet
  [ -d "$1" ] || return 0
  guarded "$1" && return 1
  seconds_up
  if [ -e "$1/loading" ] || [ -e "$1/loaded" ]; then
    [ ! -e "$1/undecided" ] || [ "$up" -ge "$(cat "$1/deadline" 2>/dev/null || echo 0)" ] || return 1
    if [ ! -e "$1/confirmed" ]; then
      mv "$1/undecided" "$1/rolled_back" 2>/dev/null
      sh "$1/guard" rollback "its guard had ended" &&
        echo "it was rolled back just now, because its guard had ended; what the router runs is as before that change"
      return 1
    fi
  elif [ "$up" -lt "$(($(cat "$1/began" 2>/dev/null || echo 0) + 30))" ]; then
    return 1
  fi
  unlock
}

# The connection that this shell was started over; become takes it out of the environment, but not out of /proc
ssh_connection() {
  _process=$$
  while [ "${_process:-0}" -gt 1 ]; do
    _found=$(tr '\000' '\n' 2>/dev/null <"/proc/$_process/environ" | sed -n 's/^SSH_CONNECTION=//p')
    [ -z "$_found" ] || break
    _process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$_process/status")
  done
  echo "$_found"
}

# note_files PATH...: what is staged now or later, so that the guard can clear it away
note_files() {
  for _file in "$@"; do echo "$_file" >>"$change/staged" || return; done
  for _dir in $made; do echo "$_dir" >>"$change/made" || return; done
}

# stage_listing PATH FAMILY TABLE: how the kernel lists the table now, for the confirmation and for later runs
stage_listing() {
  _listing=$(nft -s -t list table "$2" "$3") || return
  keep listed "$2 $3 $1" || return
  stage "$1" 0644 "$_listing
"
}

# queue NUMBER TEXT: one transaction, to be loaded by the guard
queue() {
  keep "load.$1" "$2"
}

# load_guarded: the guard does it, in a session of its own that outlives this one; wait for what nft prints
load_guarded() {
  start_guard || return
  _waited=0
  while [ ! -e "$change/loaded" ] && [ ! -e "$change/failed" ]; do
    guarded "$change" || _waited=$((_waited + 1))
    if [ "$_waited" -gt 100 ] || [ ! -d "$change" ]; then
      echo "the guard of this change did not start, or ended while it loaded"
      return 1
    fi
    sleep 0.1 2>/dev/null || sleep 1
  done
  cat "$change/said"
  [ -e "$change/loaded" ] && echo "deadline=$(cat "$change/deadline")"
}

# start_guard: and again whenever it ends other than by itself: killed, or, as sh does, with 2 when a fork fails. Not for
# the next change, which has the same place.
start_guard() {
  _id=$(cat "$change/id")
  if [ -d /run/systemd/system ] && has systemd-run; then
    # shellcheck disable=SC2016 # for that shell to expand
    systemd-run --quiet --collect --no-block --unit="nft-offload-guard-$_id" \
      -p Restart=on-failure -p RestartSec=1 -p StartLimitIntervalSec=0 -p TimeoutStopSec=20 -p DefaultDependencies=no \
      /bin/sh -c '[ "$(cat "$(dirname "$0")/id")" != "$1" ] || exec /bin/sh "$0" watch' \
      "$change/guard" "$_id" && return 0
  fi
  # no setsid, no nohup on a small router: nobody's child, deaf to hangups, and with no end of the connection in hand
  ( (trap '' HUP && exec /bin/sh "$change/guard" supervise "$_id") </dev/null >/dev/null 2>&1 &) \
    </dev/null >/dev/null 2>&1
}

# is_pending ID
is_pending() {
  [ "$(cat "$home/pending/id" 2>/dev/null)" = "$1" ]
}

# hold DIR ID: go on with a change that an earlier exec began
hold() {
  change_home "$1"
  if ! is_pending "$2"; then
    echo "last=$(head -n 1 "$home/last" 2>/dev/null)"
    return 1
  fi
  change=$home/pending
}

# confirm NEW: decide for the change. NEW is "new" when the connection must be another one than the one that loaded it.
confirm() {
  _now_over=$(ssh_connection)
  if [ "$1" = new ] && [ -n "$_now_over" ] && [ "$_now_over" = "$(cat "$change/connection")" ]; then
    echo "this is the SSH connection that loaded it: it proves nothing"
    return 1
  fi
  # a second time when the answer to the first one was lost
  [ -e "$change/confirmed" ] || as_loaded || return
  mv "$change/undecided" "$change/confirmed" 2>/dev/null || [ -e "$change/confirmed" ] || {
    echo "it is being rolled back"
    return 1
  }
  echo "connection=${_now_over:+ssh}"
}

# as_loaded: whether the router still runs what it is about to confirm; a table that was not listed then must be gone
as_loaded() {
  while read -r _family _table; do
    _listing=$(sed -n "s|^$_family $_table ||p" "$change/listed" 2>/dev/null)
    if [ -z "$_listing" ]; then
      nft -t list table "$_family" "$_table" 2>&1 | grep -q 'No such file' && continue
    else
      _live=$(nft -s -t list table "$_family" "$_table" 2>&1 | normalise_listing)
      [ -n "$_live" ] && [ "$_live" = "$(normalise_listing <"$_listing.nft-offload-new")" ] && continue
    fi
    echo "table $_family $_table is not what was loaded any more: somebody else changed it since"
    return 1
  done <"$change/tables"
}

# normalise_listing: a listing less what changes by itself. The guard, which is there already, has the function for it.
normalise_listing() {
  sh "$change/guard" normalise
}

# commit_change JOURNAL PATH...: every staged file into place. Once JOURNAL is there, the next boot would do what is left.
commit_change() {
  _list=$1
  shift
  if [ "$#" = 0 ]; then
    committed=yes
    return
  fi
  for _file in "$@"; do
    [ ! -e "$_file.nft-offload-new" ] || to_disk "$_file.nft-offload-new" || return
    [ -e "$_file.nft-offload-new" ] || [ -e "$_file" ] || {
      echo "$_file.nft-offload-new: it was staged, and is gone"
      return 1
    }
  done
  printf '%s\n' "$@" >"$_list.new" && to_disk "$_list.new" && mv -f "$_list.new" "$_list" || return
  committed=yes
  to_disk "${_list%/*}"
  finish_commit "$_list"
}

# finish_commit JOURNAL: the rest of it; of an earlier change too, whose shell was killed, before the next one stages
# files that a boot would take for confirmed ones
finish_commit() {
  [ -f "$1" ] || return 0
  while read -r _file; do
    [ ! -e "$_file.nft-offload-new" ] || mv -f "$_file.nft-offload-new" "$_file" || return
    to_disk "${_file%/*}"
  done <"$1"
  rm -f "$1"
}

# to_disk PATH: an older sync knows no files, and does it for all of them
to_disk() {
  sync "$1" 2>/dev/null || sync
}

# check_here SECONDS COMMAND [ARGUMENT...]: a small router has no timeout(1). What is left of a command that takes too
# long must not hold the connection open, so it prints into a file.
check_here() {
  _limit=$1
  shift
  rm -f "$change/checked"
  {
    "$@"
    echo "$?" >"$change/checked.new"
    mv "$change/checked.new" "$change/checked"
  } >"$change/check" 2>&1 &
  _child=$!
  seconds_up
  _until=$((up + _limit))
  while [ ! -e "$change/checked" ]; do
    seconds_up
    if [ "$up" -gt "$_until" ]; then
      # its shell has a copy of our own output, for afterwards
      kill -9 "$_child"
      echo "no answer within $_limit s"
      return 1
    fi
    sleep 0.1 2>/dev/null || sleep 1
  done
  tail -n 5 "$change/check"
  return "$(cat "$change/checked")"
}

# reach ADDRESS: one packet there and back, which is a flow of its own
reach() {
  case $1 in
  *:*) if has ping6; then ping6 -c 1 "$1"; else ping -6 -c 1 "$1"; fi ;;
  *) ping -c 1 "$1" ;;
  esac
}

# resolve NAME
resolve() {
  if has getent; then getent ahosts "$1"; else nslookup "$1"; fi
}

# give_up DIR ID REASON: back to what the router ran before, now; fails when it runs something else then
give_up() {
  change_home "$1"
  is_pending "$2" || return 0
  if mv "$home/pending/queued" "$home/pending/dropped" 2>/dev/null; then
    # nothing was loaded, and nothing will be
    unlock
    return
  fi
  while [ ! -e "$home/pending/loaded" ] && [ ! -e "$home/pending/failed" ] && guarded "$home/pending"; do sleep 1; done
  if is_pending "$2" && [ -e "$home/pending/failed" ]; then
    mv -f "$home/pending/outcome" "$home/last"
    unlock
  elif is_pending "$2"; then
    mv "$home/pending/undecided" "$home/pending/rolled_back" 2>/dev/null ||
      mv "$home/pending/confirmed" "$home/pending/rolled_back" 2>/dev/null
    # waits for one that is under way
    sh "$home/pending/guard" rollback "$3"
  fi
  read -r _id _word _rest <"$home/last"
  case "$_id $_word" in "$2 rolled_back" | "$2 failed") ;; *) return 1 ;; esac
}

# abandon DIR ID REASON: when a step failed after the lock was taken, and before any file was in place
abandon() {
  [ -n "$failed" ] && [ -n "$change" ] && [ -z "$committed" ] || return 0
  section abandon give_up "$@"
}

# settle DIR ID: release the lock of a change that is done. What is staged stays for the confirmation or, once files are
# being put in place, for the next boot; a guard that clears it later has decided later.
settle() {
  change_home "$1"
  if [ -n "$committed" ] && is_pending "$2"; then
    # what was removed or enabled must outlast a power failure as the files do
    sync
    seconds_up
    printf '%s confirmed %s\n' "$2" "$up" 1<>"$change/outcome"
    mv -f "$change/outcome" "$home/last"
    unlock
  fi
  [ -n "$committed" ] || { [ -z "$failed" ] && [ -e "$change/undecided" ]; } || finish
}
