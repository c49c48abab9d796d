# shellcheck shell=sh
# shellcheck disable=SC2154 # apply/change.sh sets the change
# SPDX-License-Identifier: GPL-3.0-or-later
# What must work before a change is confirmed, beside what apply/change.sh has.

# check_command TEXT yes|no [WORD]...: does it succeed? It is run by a shell of its own, which gets it on standard input:
# every user of a router can read arguments. With "no" nothing is kept of what it prints; show_check has the rest.
check_command() {
  if [ "$2" = yes ]; then _run_check "$1"; else _run_check "$1" >/dev/null 2>&1; fi
}

_run_check() {
  sh -c 'nft_offload_check=$(cat) && eval "$nft_offload_check" </dev/null' <<END
$1
END
}

# show_check MOST CHECK [ARGUMENT...]: the last lines of what it printed, which was cut to MOST bytes where it was more.
# Of a command with asterisks for each WORD. A part of a word would not be found, so what was cut begins behind a blank.
show_check() {
  _printed=$(cat "$change/check")
  _cut=
  [ "$(wc -c <"$change/check")" -le "$1" ] || _cut=yes
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
