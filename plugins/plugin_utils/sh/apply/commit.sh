# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # apply/change.sh and events set the rest, and read some
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/change
# The end of a change that apply/change.sh began: it is confirmed, its files are put in place, and its lock is released.
# whether what boots is what was confirmed, or the journal that makes it so is on disk
journalled=

# confirm NEW: decide for the change. NEW is "new" when the connection must be another one than the one that loaded it.
confirm() {
  if ! _now_over=$(ssh_connection) || [ ! -e "$change/connection" ]; then
    echo "over which connection this is could not be seen"
    return 1
  fi
  _loaded_over=
  read -r _loaded_over <"$change/connection"
  if [ "$1" = new ] && [ -n "$_loaded_over" ] && { [ -z "$_now_over" ] || [ "$_now_over" = "$_loaded_over" ]; }; then
    echo "this is the SSH connection that loaded it, or none: it proves nothing"
    return 1
  fi
  _id=$mine
  is_mine && read_events "$change" "$_id" || return
  # a second time when the answer to the first one was lost
  if [ -z "$decision" ]; then
    as_loaded || return
    seconds_up
    identify && record "$change" "$_id" confirmed "$identity $up"
    read_events "$change" "$_id"
  fi
  case $decision in
  confirmed | committed) echo "connection=${_now_over:+ssh}" ;;
  *)
    echo "it is being rolled back${reason:+: $reason}"
    return 1
    ;;
  esac
}

# as_loaded: whether the router still runs what it is about to confirm
as_loaded() {
  while read -r _family _table _listing; do
    if [ "$_listing" = - ]; then
      _live=$(nft -t list table "$_family" "$_table" 2>&1) || case $_live in *Error:*'No such file'*) continue ;; esac
    else
      _live=$(nft -s -t list table "$_family" "$_table" 2>/dev/null | normalise_listing)
      [ -n "$_live" ] && [ "$_live" = "$(normalise_listing <"$_listing$suffix")" ] && continue
    fi
    echo "table $_family $_table is not what was loaded any more: somebody else changed it since"
    return 1
  done <"$change/expected"
}

# commit_change JOURNAL PATH...: every staged file into place. Once JOURNAL is there, the next boot would do what is left.
# One shell at a time does it: the first of those that committed it and live.
commit_change() {
  _list=$1
  shift
  [ -z "$change" ] || is_mine || return
  [ -z "$change" ] || read_events "$change" "$mine" || return
  for _file in "$@"; do
    if [ -e "$_file$suffix" ]; then
      to_disk "$_file$suffix" || return
    elif [ "$decision" != committed ] && ! is_placed "$_file"; then
      # else another shell has put it in place
      echo "$_file$suffix: it was staged, and is gone"
      return 1
    fi
  done
  # whole by this name, since a guard may go on with it
  _new=$_list.${mine:-new}.$$
  if [ "$#" != 0 ]; then
    (umask 077 && for _file in "$@"; do echo "$suffix $_file" || exit; done >"$_list.part.$$") && to_disk "$_list.part.$$" && mv -f "$_list.part.$$" "$_new" || return
  fi
  if [ -n "$change" ]; then
    identify && record "$change" "$mine" committed "$identity"
    await_turn
    if [ -n "$over" ]; then
      rm -f "$_new"
      return
    fi
    if [ "$decision" != committed ] || [ "$owner" != "$identity" ]; then
      rm -f "$_new"
      echo "${reason:-another shell has confirmed it, and does not end}"
      return 1
    fi
  fi
  committed=yes
  [ "$#" = 0 ] || mv -f "$_new" "$_list" || return
  journalled=yes
  [ "$#" != 0 ] || return 0
  to_disk "${_list%/*}"
  finish_commit "$_list"
}

# is_placed PATH: a script of the load, which said so, has put it in place before
is_placed() {
  while read -r _placed; do [ "$_placed" != "$1" ] || return 0; done 2>/dev/null <"$change/placed"
  return 1
}

# await_turn: until this shell is the one that puts the files in place; sets over where another one, or a guard, has
await_turn() {
  seconds_up
  _until=$((up + 90))
  while read_events "$change" "$mine"; do
    # where it is over, neither its beginning nor its decision is there
    [ -n "$begun_at" ] || break
    [ "$decision" = committed ] && [ "$owner" != "$identity" ] || return 0
    committed=yes
    seconds_up
    [ "$up" -lt "$_until" ] || return 0
    sleep 0.1 2>/dev/null || sleep 1
  done
  decision=
  reason="it is over"
  read -r _id _word _rest 2>/dev/null <"$home/last"
  [ "$_id $_word" != "$mine confirmed" ] || over=yes committed=yes
}

# settle DIR ID: release the lock of a change that is done. What is staged stays for the confirmation or, once files are
# being put in place, for the next boot; a guard that clears it later has decided later. Where the journal could not be put
# in place the lock stays: the guard tries on, once this shell has ended.
settle() {
  change_home "$1"
  if [ -n "$journalled" ] && is_pending "$2"; then
    # what was removed or enabled must outlast a power failure as the files do
    sync
    seconds_up
    printf '%s confirmed %s\n' "$2" "$up" 1<>"$change/outcome"
    mv -f "$change/outcome" "$home/last"
    unlock "$2"
  fi
  [ -n "$committed" ] || ! is_pending "$2" || { [ -z "$failed" ] && read_events "$change" "$2" && [ -z "$decision" ]; } || finish
}
