# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # apply/steps.sh and read/change.sh set the rest, and apply/steps.sh reads some
# SPDX-License-Identifier: GPL-3.0-or-later
# needs events apply/steps read/change read/login
# A change of the firewall that is confirmed or undone; apply/commit.sh has its end. The files of a change are listed in sh/installed/guard.sh.
change=
# id of the change that this shell began, or goes on with
mine=
# whether this shell has started a guard
guarded=
# how nft lists the tables that shall be loaded, with @@ between two; empty where that is not known
wanted=
# whether another shell has done what is left to do
over=
# for apply/steps
holder=as_holder

# begin DIR CONFIRMED LAST ID TIMEOUT LIMIT GUARD [FAMILY TABLE TEXT]...: take the lock, and copy what the router runs.
# CONFIRMED is the file that names the ruleset confirmed last, and LAST its text as it was read; TEXT is the file that made
# the table, or -.
begin() {
  change_home "$1"
  (umask 077 && mkdir -p "$home/pending") && chmod 0700 "$home" "$home/pending" || return
  find_pending
  [ -z "$pending" ] || take_over "$pending" || {
    _change
    return 1
  }
  shift
  mkdir -m 0700 "$home/pending/$3" || return
  # of two that come at the same time, one sees the other at least
  for _entry in "$home"/pending/*; do
    [ "${_entry##*/}" = "$3" ] || {
      rmdir "$home/pending/$3"
      echo "another change was quicker"
      return 1
    }
  done
  seconds_up
  identify
  # not where this shell was stopped for so long that another one took the directory away, or has its events there
  (umask 077 && set -C && echo "$3 begun $identity $up ." >"$home/pending/$3/events") 2>/dev/null || {
    [ -s "$home/pending/$3/events" ] || unlock "$3"
    echo "its events could not be written to $home/pending/$3"
    return 1
  }
  mine=$3
  change=$home/pending/$mine
  suffix=.$mine.nft-offload-new
  for _gone in "$home"/gone.*; do rm -rf "$_gone"; done
  # of a shell that has not come here in a day, nothing comes any more
  for _gone in "$home"/used/*/*; do
    case ${_gone##*/} in *[!0-9-]* | ?*-*) continue ;; esac
    [ "$up" -le "$((${_gone##*/} + 86400))" ] || rmdir "$_gone" "${_gone%/*}"
  done 2>/dev/null
  if ! finish_commit "${1%/*}/committing"; then
    echo "what was confirmed before could not be put in place"
  elif ! clear_leftovers "${1%/*}"; then
    echo "what an earlier change staged could not be cleared away"
  elif [ "$(cat "$1" 2>/dev/null)" != "$2" ]; then
    echo "another change was confirmed since the router was read: $(cat "$1" 2>/dev/null)"
  else
    keep journal "${1%/*}/committing" && shift 2 && keep_all "$@" && is_wanted && return
  fi
  change=
  unlock "$mine"
  return 1
}

# use ID: for once: of those that begin a change and those that give it up before, one is the first
use() {
  (umask 077 && mkdir -p "$home/used" && mkdir "$home/used/$1" && { mkdir "$home/used/$1/$up" || :; }) 2>/dev/null
}

# is_wanted: whether it was neither given up while this shell came here, nor made by another one before. Whoever gives it up
# looks for what is pending after that, so this comes once it has its id.
is_wanted() {
  use "$mine" && return
  [ -d "$home/used/$mine" ] && echo "it was over before it began" || echo "there is no room in $home"
  return 1
}

# clear_leftovers DIR: what an earlier change staged, where a power cut or a file system that was read-only then kept it.
# What other tasks stage there does not wait for the lock, and may be in use; it has no id.
clear_leftovers() {
  for _left in "$1"/*-????????.nft-offload-new "$1"/history/*-????????.nft-offload-new "$1"/committing.*; do
    [ ! -f "$_left" ] || rm -f "$_left" || return
  done
}

# unlock ID: in one rename, of that change and no other one
unlock() {
  mv "$home/pending/$1" "$home/gone.$1" && rm -rf "$home/gone.$1"
}

# as_holder VERB [ARGUMENT...]: a shell that was stopped for long goes on in nobody else's change
as_holder() {
  [ -z "$over" ] || {
    echo "left to another shell"
    return 0
  }
  [ -z "$mine" ] || is_mine || return
  "$@"
}

# is_mine: whether the pending change is still the one of this shell, which may have been stopped for long
is_mine() {
  if [ -z "$mine" ] || ! is_pending "$mine"; then
    echo "change $mine is over"
    return 1
  fi
}

# keep_all ID TIMEOUT LIMIT GUARD [FAMILY TABLE TEXT]...
keep_all() {
  # in the environment of what the guard starts: nobody else can have it in that of a process of theirs
  { read -r _mark </proc/sys/kernel/random/uuid; } 2>/dev/null || _mark=$change
  keep mark "$_mark" || return
  keep id "$1" && keep timeout "$2" && keep limit "$3" || return
  _over=$(ssh_connection) || {
    echo "over which connection this is could not be seen"
    return 1
  }
  keep guard.new "$4" && mv "$change/guard.new" "$change/guard" && keep connection "$_over" && keep outcome "$(printf '%4000s.' '')" || return
  keep printed.load '' && keep printed.restore '' && keep staged '' && keep made '' && keep tables '' && keep expected '' || return
  shift 4
  _number=0
  while [ "$#" -gt 2 ]; do
    _number=$((_number + 1))
    echo "$1 $2" >>"$change/tables" || return
    # in the zone in which the guard reads it; empty must mean that there is none: an undo then deletes the table
    if _live=$(umask 077 && TZ=UTC0 nft -s list table "$1" "$2" 2>"$change/problem"); then
      case $_live in
      "table $1 $2 {"*'}') ;;
      *)
        echo "what nft lists of table $1 $2 has no beginning or no end"
        return 1
        ;;
      esac
    elif grep -q 'Error:.*No such file' "$change/problem"; then
      _live=
    else
      cat "$change/problem"
      return 1
    fi
    keep "before.$_number" "$_live" || return
    # without it what nft lists must do, see copies
    [ "$3" = - ] || ! _text=$(cat "$3" 2>/dev/null) || [ -z "$_text" ] || keep "text.$_number" "$_text" || return
    shift 3
  done
  sh "$change/guard" copies
}

# keep NAME TEXT: read back, because a full /run must show before anything is loaded
keep() {
  # cat prints why it cannot write, a shell's own printf only that it cannot
  printf "%s${2:+\\n}" "$2" | (umask 077 && cat >"$change/$1") || return
  [ "$(cat "$change/$1")" = "$(printf '%s' "$2")" ] || {
    echo "$change/$1: what was written does not read back"
    return 1
  }
}

# take_over DIR: a change that nothing guards any more, and that nobody is about to begin or to put in place. A guard is
# started again, which brings it to its end.
take_over() {
  if [ ! -s "$1/events" ]; then
    # one that has only begun has none yet. Where it goes on after that, its directory is gone.
    sleep 5
    [ ! -s "$1/events" ] && [ ! -e "$1/guard" ] && unlock "${1##*/}"
    return
  fi
  guarded "$1"
  seconds_up
  if [ -n "$active" ]; then
    # the others end one that is stopped, but may be stopped too
    case $active_state in T | t) [ "$up" -lt "${deadline:-0}" ] || start_guard "$1" ;; esac
    return 1
  fi
  _taken=$_current
  if [ -z "$loading" ] && [ "$decision" != committed ]; then
    ! owner_lives || [ "$up" -ge "$((begun_at + 120))" ] || return
    # else it would go on, in the next change
    ! owner_lives || kill -9 "${owner% *}"
    record "$1" "$_taken" undo "it was left behind"
    [ -e "$1/guard" ] || {
      unlock "$_taken"
      return
    }
  fi
  start_guard "$1"
  if [ -n "$loading" ] && [ -z "$decision" ] && [ "$up" -lt "${deadline:-0}" ]; then return 1; fi
  _was_loading=$loading
  wait_for_end "$1" "$_taken" || return
  [ -n "$_was_loading" ] || return 0
  read -r _id _word _rest 2>/dev/null <"$home/last"
  [ "$_id $_word" != "$_taken confirmed" ] || return 0
  echo "it was rolled back just now, because its guard had ended; what the router runs is as before that change"
  return 1
}

# wait_for_end DIR ID: until it is undone, but not for as long as a guard may have to try; with a guard
wait_for_end() {
  seconds_up
  _until=$((up + 90))
  _unguarded=$((up + 5))
  while is_pending "$2"; do
    seconds_up
    [ "$up" -lt "$_until" ] || return
    ! guarded "$1" || _unguarded=$((up + 5))
    [ "$up" -lt "$_unguarded" ] || {
      start_guard "$1"
      _unguarded=$((up + 5))
    }
    case $(head -n 1 "$1/outcome" 2>/dev/null) in "$2 broken "*" attempt 3,"*) return 1 ;; esac
    sleep 0.1 2>/dev/null || sleep 1
  done
}

# note_files PATH...: what is staged now or later, so that the guard can clear it away
note_files() {
  is_mine || return
  for _file in "$@"; do echo "$_file" >>"$change/staged" || return; done
  for _dir in $made; do echo "$_dir" >>"$change/made" || return; done
}

# stage_listing PATH FAMILY TABLE: how the kernel lists the table now, for the confirmation and for later runs. It must be
# what was to be loaded, as nft itself lists that; rehearse put it into $wanted.
stage_listing() {
  is_mine || return
  _listing=$(nft -s -t list table "$2" "$3") || return
  if [ -n "$wanted" ]; then
    _sorted=$(printf '%s\n' "$_listing" | sort_listing)
    _next=${wanted#*"
@@
"}
    if [ -z "$_sorted" ] || [ "$_sorted" != "$(printf '%s\n' "${wanted%%"
@@"*}" | sort_listing)" ]; then
      echo "table $2 $3 is not what was to be loaded"
      return 1
    fi
    [ "$_next" != "$wanted" ] || _next=
    wanted=$_next
  fi
  echo "$2 $3 $1" >>"$change/expected" || return
  stage "$1" 0600 "$_listing
"
}

# normalise_listing: a listing less what changes by itself. The guard, which is there already, has the function for it.
normalise_listing() {
  sh "$change/guard" normalise
}

# sort_listing: what stays in place is listed before what is new
sort_listing() {
  normalise_listing | awk '
    /^\t?[^\t}]/ && object != "" { print object; object = "" }
    NF { object = object "\034" $0 }
    END { print object }' | sort
}

# expect_gone [FAMILY TABLE]...: tables that were dropped, which must still be gone when it is confirmed
expect_gone() {
  while [ "$#" -gt 1 ]; do
    echo "$1 $2 -" >>"$change/expected" || return
    shift 2
  done
}

# queue NUMBER TEXT: one transaction, to be loaded by the guard
queue() {
  is_mine && keep "load.$1" "$2"
}

# load_guarded: a guard does it, in a session of its own that outlives this one; wait for what nft prints
load_guarded() {
  is_mine || return
  start_guard "$change"
  _id=$mine
  seconds_up
  _until=$((up + 3 * $(cat "$change/limit") + 30))
  _unguarded=$((up + 10))
  while read_events "$change" "$_id" && [ -z "$load" ] && [ -z "$decision" ]; do
    seconds_up
    [ -z "$active" ] || _unguarded=$((up + 10))
    if [ "$up" -ge "$_until" ] || [ "$up" -ge "$_unguarded" ]; then
      echo "no guard of this change answers"
      return 1
    fi
    sleep 0.1 2>/dev/null || sleep 1
  done
  cat "$change/printed.load" 2>/dev/null
  record "$change" "$_id" seen
  if [ "$load" = loaded ]; then
    echo "deadline=$deadline"
  else
    read_events "$change" "$_id"
    [ "$load" = failed ] && [ -s "$change/printed.load" ] || echo "$reason"
    return 1
  fi
}

# start_guard DIR: two of them, in sessions of their own, and again whenever one ends with anything but 0: killed, or, as
# sh does, with 2 when a fork fails
start_guard() {
  guarded=yes
  # no setsid and no nohup on a small router
  if has setsid; then
    setsid /bin/sh "$1/guard" supervise </dev/null >/dev/null 2>&1 &
  elif has start-stop-daemon; then
    start-stop-daemon -S -b -q -p /dev/null -x /bin/sh -- "$1/guard" supervise </dev/null >/dev/null 2>&1 &
  fi
  if [ -d /run/systemd/system ] && has systemd-run; then
    # shellcheck disable=SC2016 # for that shell to expand
    systemd-run --quiet --collect --no-block --unit="nft-offload-guard-${1##*/}-$$" \
      -p Restart=on-failure -p RestartSec=1 -p StartLimitIntervalSec=0 -p TimeoutStopSec=20 -p DefaultDependencies=no \
      /bin/sh -c 'cd "$0" 2>/dev/null || exit 0; exec /bin/sh ./guard watch' "$1" </dev/null >/dev/null 2>&1 &
  else
    # nobody's child, deaf to hangups, and with no end of the connection in hand
    ( (trap '' HUP && exec /bin/sh "$1/guard" supervise) </dev/null >/dev/null 2>&1 &) \
      </dev/null >/dev/null 2>&1
  fi
}

# is_pending ID: by the shell alone, for a tool that fails is no sign that it is over
is_pending() {
  [ -e "$home/pending/$1/id" ]
}

# hold DIR ID: go on with a change that an earlier exec began
hold() {
  change_home "$1"
  if ! is_pending "$2"; then
    echo "last=$(head -n 1 "$home/last" 2>/dev/null)"
    return 1
  fi
  mine=$2
  change=$home/pending/$mine
  suffix=.$mine.nft-offload-new
}

# give_up DIR ID REASON: back to what the router ran before, now; fails when it runs something else then
give_up() {
  change_home "$1"
  seconds_up
  use "$2"
  is_pending "$2" || {
    # where it has not begun, whoever had it in hand must not begin it any more
    [ -d "$home/used/$2" ] && return
    echo "there is no room in $home to say that it is over"
    return 1
  }
  _pending=$home/pending/$2
  record "$_pending" "$2" undo "$3"
  read_events "$_pending" "$2"
  if [ "$decision" = confirmed ]; then
    record "$_pending" "$2" withdrawn "$3"
    read_events "$_pending" "$2"
  fi
  identify
  if [ -z "$loading" ] && [ -z "$active" ] && [ -z "$guarded" ] && [ "$owner" = "$identity" ]; then
    # nobody but this shell, which began it, would have started a guard, which would release it too
    finish
    unlock "$2"
    return
  fi
  if [ -z "$loading" ] && [ "$owner" != "$identity" ] && owner_lives; then
    # else it would go on, in the next change
    kill -9 "${owner% *}"
  fi
  # it was begun, and not more: there is no guard to start, and nothing that one would clear
  [ -e "$_pending/guard" ] || {
    unlock "$2"
    return
  }
  [ -n "$active" ] || start_guard "$_pending"
  wait_for_end "$_pending" "$2" || {
    echo "it is still being undone: $(head -n 1 "$_pending/outcome" | grep "^$2 ")"
    return 1
  }
  read -r _id _word _rest <"$home/last"
  case "$_id $_word" in
  "$2 rolled_back" | "$2 failed") ;;
  "$2 confirmed")
    echo "it was confirmed by another try of this run"
    return 1
    ;;
  *) return 1 ;;
  esac
}

# abandon DIR ID REASON: when a step failed after the lock was taken, and before any file was in place
abandon() {
  [ -n "$failed" ] && [ -n "$change" ] && [ -z "$committed" ] || return 0
  section abandon give_up "$@"
}
