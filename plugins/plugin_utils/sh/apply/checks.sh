# shellcheck shell=sh
# shellcheck disable=SC2154 # apply/change.sh sets the change
# SPDX-License-Identifier: GPL-3.0-or-later
# needs events
# What must work before a change is confirmed.
# checks that this shell made
checked=0
# what the names of the last one's files begin with: another shell may go on with the same change
_check=

# check_command TEXT yes|no [WORD]...: does it succeed? It is run by a shell of its own, which gets it on standard input:
# every user of a router can read arguments. With "no" nothing is kept of what it prints; show_check has the rest.
check_command() {
  if [ "$2" = yes ]; then _run_check "$1"; else _run_check "$1" >/dev/null 2>&1; fi
}

_run_check() {
  printf '%s\n' "$1" | sh -c 'nft_offload_check=$(cat) && eval "$nft_offload_check" </dev/null'
}

# show_check MOST CHECK [ARGUMENT...]: the last lines of what it printed, which was cut to MOST bytes where it was more.
# Of a command with asterisks for each WORD. A part of a word would not be found, so what was cut begins behind a blank.
show_check() {
  _printed=$(cat "$_check.said")
  _cut=
  [ "$(wc -c <"$_check.said")" -le "$1" ] || _cut=yes
  if [ -n "$_cut" ]; then
    case $_printed in
    *[[:space:]]*) _printed=${_printed#*[[:space:]]} ;;
    *) _printed= ;;
    esac
  fi
  if [ "$2" = check_command ]; then
    shift 4
    for _word in "$@"; do
      [ -z "$_cut" ] || _hide_end "$_word"
      _hide "$_word"
    done
  fi
  [ -z "$_printed" ] || printf '%s\n' "$_printed" | tail -n 5
}

# _hide WORD: in what was printed
_hide() {
  _left=
  while :; do
    case $_printed in *"$1"*) ;; *) break ;; esac
    _left="$_left${_printed%%"$1"*}***"
    _printed=${_printed#*"$1"}
  done
  _printed=$_left$_printed
}

# _hide_end WORD: of one with blanks, where what was printed was cut in it
_hide_end() {
  _left=$1
  while :; do
    case $_left in *[[:space:]]?*) ;; *) break ;; esac
    _left=${_left#*[[:space:]]}
    case $_printed in "$_left"*) _printed="***${_printed#"$_left"}" ;; esac
  done
}

# check_here SECONDS COMMAND [ARGUMENT...]: a small router has no timeout(1). A check that takes too long is ended, with all
# that it started; what it prints must neither hold the connection open nor fill /run. How it ended is what its shell says,
# and nothing that was printed.
check_here() {
  _limit=$1
  shift
  _mark=
  read -r _mark 2>/dev/null <"$change/mark"
  checked=$((checked + 1))
  _mark="NFT_OFFLOAD_CHECK=${_mark:-$change} $$ $checked"
  _check=$change/check.$$.$checked
  # of a shell that had this number before
  rm -f "$_check".*
  {
    {
      export "${_mark?}"
      "$@"
      _code=$?
      (umask 077 && echo "$_code" >"$_check.code.new")
      mv "$_check.code.new" "$_check.code"
    } 2>&1 | (umask 077 && tail -c 2001 >"$_check.said.new" && mv "$_check.said.new" "$_check.said")
  } </dev/null >/dev/null 2>&1 &
  _child=$!
  seconds_up
  _until=$((up + _limit))
  while [ ! -e "$_check.code" ]; do
    seconds_up
    if [ "$up" -gt "$_until" ]; then
      end_marked "$_mark" "$_child"
      echo "no answer within $_limit s"
      return 1
    fi
    sleep 0.1 2>/dev/null || sleep 1
  done
  _code=
  read -r _code 2>/dev/null <"$_check.code"
  # the last of what it printed; what it left behind may hold that back, and stays where the check is a good one
  _has_printed || [ "$_code" = 0 ] || {
    end_marked "$_mark"
    _has_printed
  }
  [ ! -e "$_check.said" ] || show_check 2000 "$@"
  return "${_code:-1}"
}

# _has_printed: in a moment, if nothing holds its output any more
_has_printed() {
  for _round in 1 2 3 4 5; do
    [ ! -e "$_check.said" ] || return 0
    sleep 0.1 2>/dev/null || sleep 1
  done
  [ -e "$_check.said" ]
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
