# shellcheck shell=sh disable=SC2034 # for whoever calls read_events
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard of a change and the verbs have in common: above all its events. They are lines of the file "events",
# appended by whoever did it and never rewritten, so that all read them in one order. Appending is done by the shell itself,
# into a page that the file has already: neither a process that cannot be started nor a full /run keeps anyone from it.
# A part of the guard too. Each line is ID WORD REST, and a point at its end, without which it was cut off:
#   begun PID START SECONDS            by whom, and when, in seconds since boot
#   guard PID START                    guards the change from now on; the first one alive acts, the others stand by
#   deadline SECONDS                   when the router undoes it, in seconds since boot; the last one counts
#   loading, loaded, failed            the load; loading counts only before the change is decided
#   confirmed PID START SECONDS, undo REASON     the first of them decides
#   committed PID START, withdrawn REASON        the first of them decides what becomes of a change that was confirmed; the
#                                      first of those that committed it and live puts the files in place
#   seen                               what nft printed was read
#   undone                             what was there is there again

# record DIR ID WORD...: one event
record() {
  _events=$1/events
  shift
  printf '%s\n' "$* ." >>"$_events"
}

# read_events DIR ID: what they tell so far; fails where there are none, because nothing is pending any more
read_events() {
  decision=
  reason=
  deadline=
  loading=
  load=
  seen=
  undone=
  confirmed_at=
  owner=
  begun_at=
  active=
  active_state=
  while read -r _of _word _rest; do
    [ "$_of" = "$2" ] || continue
    case " $_rest" in *" .") ;; *) continue ;; esac
    _rest=${_rest%.}
    _rest=${_rest% }
    # another line may have joined one that was cut off
    case $_word in
    begun | confirmed) are_numbers 3 "$_rest" ;;
    guard | committed) are_numbers 2 "$_rest" ;;
    deadline) are_numbers 1 "$_rest" ;;
    esac || continue
    case $_word in
    begun) [ -n "$owner" ] || owner=${_rest% *} begun_at=${_rest##* } ;;
    guard) [ -n "$active" ] || ! is_alive "${_rest% *}" "${_rest#* }" || active=$_rest active_state=$process_state ;;
    deadline) deadline=$_rest ;;
    loading) [ -n "$decision" ] || loading=yes ;;
    loaded | failed) [ -n "$load" ] || load=$_word ;;
    seen) seen=yes ;;
    undone) undone=yes ;;
    confirmed) [ -n "$decision" ] || decision=confirmed owner=${_rest% *} confirmed_at=${_rest##* } ;;
    undo) [ -n "$decision" ] || decision=undo reason=$_rest ;;
    committed)
      case $decision/$loading in
      confirmed/* | /) decision=committed owner=$_rest ;;
      committed/*) owner_lives || owner=$_rest ;;
      esac
      ;;
    withdrawn) [ "$decision" != confirmed ] || decision=undo reason=$_rest ;;
    esac
  done 2>/dev/null <"$1/events"
}

# are_numbers COUNT TEXT
are_numbers() {
  case $2 in *[!0-9\ ]*) return 1 ;; esac
  _count=$1
  # shellcheck disable=SC2086 # numbers
  set -- $2
  [ "$#" = "$_count" ]
}

# is_alive PID START: the very process, and not another one that got its number: field 22 of /proc/PID/stat is when it
# was started. Sets process_state and process_parent.
is_alive() {
  read -r _stat 2>/dev/null <"/proc/$1/stat" || return 1
  _start=$2
  # the name of a process may hold blanks and brackets
  # shellcheck disable=SC2086 # fields
  set -- ${_stat##*) }
  process_state=$1
  [ "${20}" = "$_start" ] && case $process_state in Z | X) false ;; esac
}

# end_marked MARK [PID]: every process that has it in its environment, as NAME=VALUE, and so all that was started with it;
# and that process with its children and theirs, whatever is in their environment. Fails where one does not end.
end_marked() {
  if [ -n "$2" ]; then
    list_family "$2"
    # shellcheck disable=SC2086 # numbers
    kill -9 $family 2>/dev/null
  fi
  # anybody may have processes with large environments, or with one that cannot be read in time
  within 10 end_those "$1"
  case $? in 0) return 0 ;; 1) return 1 ;; esac
  within 30 end_each "$1"
  return 0
}

# end_those MARK: with 2, where grep does not even find itself. Others can read its arguments.
end_those() {
  for _round in 1 2 3 4 5 6 7 8 9 10; do
    # shellcheck disable=SC2062 # files
    _marked=$(printf '%s\n' "$1" | NFT_OFFLOAD_SELF=$1 grep -lFf - /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$_marked" ] || return 2
    _ended=
    for _process in $_marked; do
      _process=${_process#/proc/}
      kill -9 "${_process%/environ}" 2>/dev/null && _ended=yes
    done
    [ -n "$_ended" ] || return 0
    sleep 0.2 2>/dev/null || sleep 1
  done
  return 1
}

# end_each MARK: by the shell alone, and of all at the same time
end_each() {
  for _round in 1 2 3; do
    for _process in /proc/[0-9]*; do
      while IFS= read -r _line || [ -n "$_line" ]; do
        case $_line in *"$1"*) kill -9 "${_process#/proc/}" ;; esac
        _line=
      done 2>/dev/null <"$_process/environ" &
    done
    wait
  done
}

# within SECONDS COMMAND [ARGUMENT...]: 3 where it took longer, and was ended with all that it started
within() {
  seconds_up
  _ends_at=$((up + $1))
  shift
  "$@" &
  _waited=$!
  # in short steps: whoever watches this process sees that it lives
  while read -r _stat 2>/dev/null <"/proc/$_waited/stat"; do
    case ${_stat##*) } in Z*) break ;; esac
    seconds_up
    [ "$up" -lt "$_ends_at" ] || {
      list_family "$_waited"
      # shellcheck disable=SC2086 # numbers
      kill -9 $family 2>/dev/null
      return 3
    }
    sleep 0.1 2>/dev/null || sleep 1
  done
  wait "$_waited"
}

# list_family PID: it, its children and theirs
list_family() {
  family=" $1 "
  _known=
  while [ "$_known" != "$family" ]; do
    _known=$family
    for _process in /proc/[0-9]*; do
      read -r _stat 2>/dev/null <"$_process/stat" || continue
      _parent=${_stat##*) ? }
      case $family in
      *" ${_process#/proc/} "*) ;;
      *" ${_parent%% *} "*) family="$family${_process#/proc/} " ;;
      esac
    done
  done
}

# identify: this shell, as is_alive knows it
identify() {
  read -r _stat <"/proc/$$/stat" || return
  # shellcheck disable=SC2086 # fields
  set -- ${_stat##*) }
  identity="$$ ${20}"
}

# owner_lives: whoever began it, confirmed it or puts its files in place, in that order
owner_lives() {
  [ -n "$owner" ] && is_alive "${owner% *}" "${owner#* }"
}

# finish_commit JOURNAL: the rest of it; of an earlier change too, whose shell was killed, before the next one stages
# files that a boot would take for confirmed ones
finish_commit() {
  [ -e "$1" ] || return 0
  # a list that was moved into a directory would be one that nobody finds
  [ -f "$1" ] || {
    echo "$1: it is no file"
    return 1
  }
  while read -r _suffix _file; do
    [ ! -e "$_file$_suffix" ] || mv -f "$_file$_suffix" "$_file" || return
    to_disk "${_file%/*}"
  done <"$1"
  rm -f "$1" && to_disk "${1%/*}"
}

# to_disk PATH: an older sync knows no files, and does it for all of them
to_disk() {
  sync "$1" 2>/dev/null || sync
}

# seconds_up: since boot, suspended time included: steps of the clock do not matter
seconds_up() {
  read -r up _rest </proc/uptime
  up=${up%%.*}
}
