# shellcheck shell=sh disable=SC2154,SC2094 # what stands before these lines sets the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# needs events installed/guard_tables installed/guard_others
# Written by kmod.nft_offload: loads one change of the firewall, and puts back what was there unless it is confirmed.
# usage: guard supervise | guard watch | guard load | guard restore | guard copies | guard unchanged | guard normalise
# Its directory holds all that it needs; it writes nothing but there. Before these lines stand events.sh with
# what happens to a change, guard_tables.sh with how a table is put back, guard_others.sh with how those of others are
# watched. Two guards watch over each change, in sessions of their own: one acts, and the other one stands by.
#   limit     seconds that a load may take, from when it touches tables
#   mark      a secret: it is in the environment of what the guard starts, so that nobody else's process has it
#   journal   path of the list of files that are being put in place
#   timeout   seconds that it waits to be confirmed; 0: it does not
#   tables    family and name of each table that the change may touch
#   before.N  table N as it was; empty: none        text.N   the text that made it, where nft cannot load what it lists
#   others    all other tables, terse; other.full   what they held, where that was not too much to keep
#   lost      those of them that could not be put back; unknown: whether any is lost
#   expected  family and name of a table that must be live when it is confirmed, and the file beside which its listing is
#             staged, or - where the table must be gone
#   load.N    what to load, one after the other: a transaction of nft, or a script that takes load and restore
#   printed.A what the action A printed: load, restore
#   staged, made  files and directories to clear
#   placed    files that a script of the load has put in place already
#   reloading it has begun to change tables
#   told      what a script tells of what it put back
#   outcome   how it ended, or what keeps it from being undone
cd "${0%/*}" || exit 1
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
# as when it boots: hours in rules are those of the router, not those of a login
unset TZ
trap '' HUP PIPE
read -r id <id
{ read -r mark <mark; } 2>/dev/null || mark=$PWD

# log TEXT: not waited for, since what reads it may be what the change has cut off
log() {
  {
    logger -t nft-offload -p daemon.warning "$1" 2>/dev/null || echo "<4>nft-offload: $1" 2>/dev/null >/dev/kmsg
  } </dev/null >/dev/null 2>&1 5>&- &
}

# outcome WORD REASON: into a file that has its page already, so that a full /run does not matter
outcome() {
  seconds_up
  printf '%s %s %s %s\n' "$id" "$1" "$up" "$2" 1<>outcome
  log "change $id: $1: $2"
}

# release: the outcome to where the next one looks for it, then the lock, in one rename
release() {
  home=${PWD%/pending/*}
  [ ! -d "$home/pending/$id" ] || {
    { [ ! -e outcome ] || mv -f outcome "$home/last"; } && mv "$home/pending/$id" "$home/gone.$id" && rm -rf "$home/gone.$id"
  }
}

# touches_tables: it says so just before it does; what others loaded until then is theirs
touches_tables() {
  [ -e reloading ]
}

# restore ATTEMPT: every table; in between those that were not there, since they may hold devices that another one wants
# back. Then what belongs to a script, and the tables of others.
restore() {
  # nobody may have seen this process yet when another one was done with it
  read_events . "$id" && [ "$decision" = undo ] && [ -z "$undone" ] || return
  status=0
  gone=0
  for part in full empty full; do
    touches_tables || break
    number=0
    status=0
    while read -r family table; do
      number=$((number + 1))
      if [ -s "before.$number" ]; then kind=full; else kind=empty; fi
      [ "$kind" != "$part" ] || back "$family" "$table" "$number" </dev/null || status=1
    done <tables || status=1
    [ "$part" != empty ] || gone=$status
  done
  for text in load.*; do
    ! is_script "$text" || sh "./$text" restore </dev/null || status=1
  done
  restore_others "$1" || status=1
  return "$((status + gone))"
}

clear_staged() {
  while read -r file; do rm -f "$file.$id.nft-offload-new"; done <staged
  while read -r made; do rmdir "$made"; done <made
} 2>/dev/null

is_script() {
  first=
  read -r first 2>/dev/null <"$1" && [ "$first" = '#!/bin/sh' ]
}

# load: what is queued, and then whether all else is as it was. What a script runs may have its reasons to change others.
# With 100 it was not nft, or the script, that failed: why, is the last line that it has printed.
load() {
  # nobody may have seen this process yet when it was decided
  read_events . "$id" && [ -z "$decision" ] || return
  is_script load.1 || {
    # what was away while it was copied, or changed since, an undo would not bring back
    unchanged || return 100
    if ! list_others >others.new || ! is_whole others.new || ! mv others.new others; then
      echo "what the other tables hold could not be kept"
      return 100
    fi
    # not more than a small router has room for
    { utc nft -s list ruleset && echo @@; } | head -c 4194304 >other.full
    is_whole other.full || printf '' >other.full
  }
  for text in load.*; do
    if is_script "$text"; then
      sh "./$text" load || return
    else
      true >reloading || {
        echo "there is no room in $PWD"
        return 100
      }
      nft -f "$text"
      code=$?
      # what nft refused touched nothing
      [ "$code$text" != 1load.1 ] || rm -f others
      [ "$code" = 0 ] || return "$code"
    fi
  done
  [ -e others ] || return 0
  touched=$(list_touched) || touched=
  case $touched in
  @@) return 0 ;;
  *@@) echo "it changed what is not its own: $(printf '%s\n' "$touched" | awk '$1 != "@@" { printf "%stable %s %s", comma, $2, $3; comma = ", " }')" ;;
  *) echo "whether it changed what is not its own could not be seen" ;;
  esac
  return 100
}

# copies: whether nft would load again what it listed; it does not always
copies() {
  number=0
  while read -r family table; do
    number=$((number + 1))
    [ -s "before.$number" ] || continue
    body=
    clear=$(transaction "$family" "$table" "before.$number" clear) &&
      body=$(transaction "$family" "$table" "before.$number" body)
    [ -n "$body" ] || {
      echo "what nft lists of table $family $table now cannot be read, so this change could not be undone"
      return 1
    }
    if problem=$(printf '%s\n' "$clear" "$body" | utc nft -c -f - 2>&1); then
      rm -f "text.$number"
    elif [ ! -s "text.$number" ] ||
      ! { printf '%s\n' "$clear" && print_file "text.$number"; } | nft -c -f - >/dev/null 2>&1; then
      echo "nft could not load again what it lists of table $family $table now, so this change could not be undone: $problem"
      return 1
    fi
  done <tables
}

# unchanged: whether the tables are still those of the copies
unchanged() {
  number=0
  while read -r family table; do
    number=$((number + 1))
    if [ -s "before.$number" ]; then as_before "$family" "$table" "before.$number"; else is_gone "$family" "$table"; fi </dev/null || {
      echo "table $family $table was changed since it was copied; run the play again"
      return 1
    }
  done <tables
}

# note WORD...: an event
note() {
  printf '%s\n' "$id $* ." >&5
}

# start_child ACTION...: marked, so that whoever comes later finds it and all that it started
start_child() {
  NFT_OFFLOAD_CHANGE="$mark $id $1" /bin/sh ./guard "$@" </dev/null >"printed.$1" 2>&1 5>&- &
  child=$!
}

# child_ended: sets code
child_ended() {
  [ -n "$child" ] || return
  if [ -e "/proc/$child" ]; then
    read -r stat 2>/dev/null <"/proc/$child/stat" || return
    # shellcheck disable=SC2086 # fields
    set -- ${stat##*) }
    # another process may have its number by now
    [ "$1" = Z ] || [ "$2" != "$$" ] || return 1
  fi
  wait "$child"
  code=$?
  child=
}

# end_children: with all that they started. What a load that has ended left running is no part of it any more.
end_children() {
  [ -z "$child" ] || kill -9 "$child" 2>/dev/null
  child=
  [ -n "$load" ] || end_marked "NFT_OFFLOAD_CHANGE=$mark $id load" || return
  end_marked "NFT_OFFLOAD_CHANGE=$mark $id restore"
}

# hold: load it, and wait for its confirmation
hold() {
  read -r limit <limit
  read -r timeout <timeout
  if [ -z "$loading" ]; then
    # a script renders and checks before it touches anything, at the pace of the router
    prepares=0
    if is_script load.1; then prepares=$limit; else touching=yes; fi
    # what must undo it is armed before it is loaded
    note deadline "$((up + prepares + limit + timeout))" && note loading && read_events . "$id" || return
    [ -z "$decision" ] || return
    start_child load
    load_until=$((up + prepares + limit))
  elif [ -n "$load" ]; then
    why="not confirmed within $timeout s"
    [ "$timeout" -gt 0 ] || why="it was left behind"
    [ "$up" -lt "$deadline" ] || note undo "$why"
  elif [ -z "$load_until" ]; then
    note undo "its guard was killed while it loaded"
  elif [ -z "$child" ] || child_ended; then
    if [ "$code" = 0 ]; then
      # one that nobody has to confirm is confirmed by who had it loaded, or was left behind
      [ "$timeout" -gt 0 ] || timeout=60
      note deadline "$((up + timeout))" && note loaded
    else
      who=nft
      ! is_script load.1 || who=fw4
      why="$who refused it (exit code $code)"
      if [ "$code" = 100 ]; then
        why="it could not be loaded"
        while read -r line; do why=$line; done <printed.load
      fi 2>/dev/null
      note failed && note undo "$why"
    fi
  elif [ -z "$touching" ] && touches_tables; then
    touching=yes
    load_until=$((up + limit))
  elif [ "$up" -ge "$load_until" ]; then
    [ -n "$touching" ] || limit=$((prepares + limit))
    note undo "it was not loaded within $limit s"
  fi
}

# undo: until it is done. The pauses grow up to a minute.
undo() {
  if [ -n "$undone" ] || [ -z "$loading" ]; then
    finish
  elif [ -z "$undoing" ]; then
    [ "$up" -ge "$undo_at" ] || return
    attempt=$((attempt + 1))
    end_children || {
      fail "what loads it does not end"
      return
    }
    undo_until=$((up + (attempt < 10 ? attempt : 10) * 60))
    start_child restore "$attempt"
    undoing=yes
  elif child_ended; then
    undoing=
    if [ "$code" = 0 ]; then
      note undone
    else
      fail "$(head -n 1 printed.restore)"
    fi
  elif [ "$up" -ge "$undo_until" ]; then
    undoing=
    end_children
    fail "it takes too long"
  fi
}

# fail PROBLEM: what was there is not there again yet
fail() {
  outcome broken "$reason; but what was there is not back after attempt $attempt, and is tried again: $1"
  undo_at=$((up + pause))
  pause=$((pause < 30 ? pause * 2 : 60))
}

# complete_commit: whoever puts the files in place was killed. Once this guard is the one that does it, no shell goes on.
complete_commit() {
  if [ "$owner" != "$identity" ]; then
    note committed "$identity" && read_events . "$id" && [ "$owner" = "$identity" ] || return
  fi
  read -r journal <journal || return
  for new in "$journal.$id".*; do [ ! -e "$new" ] || mv -f "$new" "$journal" || return; done
  finish_commit "$journal" || return
  outcome confirmed ""
  release && exit 0
}

# replace_owner: five minutes are enough to put files in place. Who is stopped or hangs goes, with all that it started but
# guards: they watch over this change.
replace_owner() {
  [ "$committing" = "$owner" ] || committing=$owner committing_until=$((up + 300))
  [ "$up" -lt "$committing_until" ] || ! owner_lives || {
    list_family "${owner% *}"
    for one in $family; do
      words=
      read -r words <"/proc/$one/cmdline"
      case $words in *guard*) ;; *) kill -9 "$one" ;; esac
    done 2>/dev/null
  }
}

# finish: what nft refused is there to be read, for a while
finish() {
  [ -n "$undone" ] || note undone || return
  if [ -z "$finishing" ]; then
    clear_staged
    finishing=$((up + 10))
    how=rolled_back
    [ "$load" != failed ] || how=failed
    [ ! -s lost ] || reason="$reason; but somebody else's is lost: $(print_file lost)"
    [ ! -e unknown ] || reason="$reason; but whether the tables of others are as before could not be seen"
    [ ! -s told ] || reason="$reason; $(head -n 1 told)"
    outcome "$how" "$reason"
  fi
  if [ "$load" = failed ] && [ -z "$seen" ] && [ "$up" -lt "$finishing" ]; then return; fi
  release && exit 0
}

# stand_by: the one that acts may be stopped, or wait for what never ends: half a minute in which it has not slept and woken
# once. Until it is time, that keeps nobody from confirming.
stand_by() {
  wakes=
  while read -r key value; do
    [ "$key" != voluntary_ctxt_switches: ] || wakes="$active $value"
  done 2>/dev/null <"/proc/${active% *}/status"
  idle=$((idle + 1))
  [ -n "$wakes" ] && [ "$wakes" = "$woke" ] || idle=0
  woke=$wakes
  [ -n "$decision" ] || [ "$up" -ge "${deadline:-$((begun_at + 60))}" ] || return
  case $active_state in T | t) ;; *) [ "$idle" -ge 30 ] || return ;; esac
  kill -9 "${active% *}"
}

# watch: the change, as one of its guards. It ends with 0 only when nothing is left to do, and is started again otherwise.
watch() {
  # the very last to go when memory is short
  { echo -1000 >/proc/self/oom_score_adj; } 2>/dev/null
  child=
  code=1
  load_until=
  touching=
  undoing=
  undo_at=0
  attempt=0
  pause=1
  finishing=
  woke=
  idle=0
  committing=
  # without a decision: the other one goes on, and this one is started again
  trap 'exit 1' TERM INT
  # open from now on: a /run that becomes read-only keeps nobody from writing
  exec 5>>events
  identify && note guard "$identity" || exit 1
  while read_events . "$id"; do
    seconds_up
    if [ "$active" != "$identity" ]; then
      stand_by
    elif [ "$decision" = committed ]; then
      [ "$owner" = "$identity" ] || replace_owner
      if [ "$owner" = "$identity" ] || ! owner_lives; then complete_commit; fi
    elif [ "$decision" = confirmed ]; then
      # the controller may try again, when the answer was lost
      [ "$up" -lt "$((confirmed_at + 90))" ] || { owner_lives && [ "$up" -lt "$((confirmed_at + 300))" ]; } ||
        note withdrawn "its files were not put in place"
    elif [ "$decision" = undo ]; then
      undo
    else
      hold
    fi
    [ -z "$child" ] || sleep 0.1 2>/dev/null || sleep 1
    [ -n "$child" ] || sleep 1
  done
  [ ! -e id ]
  exit
}

# supervise: watch, where no systemd starts it again when it did not end by itself. A shell that cannot fork ends, but
# not before it became another one, which needs no fork.
supervise() {
  trap 'exec /bin/sh ./guard supervise' EXIT
  while [ -e id ]; do
    /bin/sh ./guard watch && break
    sleep 1
  done
  trap - EXIT
}

case $1 in
supervise) supervise ;;
watch) watch ;;
load) load ;;
restore) restore "$2" ;;
copies) copies ;;
unchanged) unchanged ;;
normalise) normalise_listing ;;
esac
