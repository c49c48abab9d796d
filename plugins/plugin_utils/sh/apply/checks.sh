# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What must work before a change is confirmed, beside what apply/change.sh has.

# check_command TEXT yes|no [WORD]...: does it succeed? It is run by a shell of its own, which gets it on standard input:
# every user of a router can read arguments. With "yes" the end of what it prints is shown, with asterisks for each WORD.
check_command() {
  # through a pipe: there may be more of it than a file system holds
  _printed=$(
    {
      sh -c 'nft_offload_check=$(cat) && eval "$nft_offload_check" </dev/null' <<END 2>&1
$1
END
      echo "@$?"
    } | tail -c 1000
  )
  _code=${_printed##*@}
  _printed=${_printed%@*}
  if [ "$2" = yes ]; then
    shift 2
    for _word in "$@"; do _hide "$_word"; done
    printf '%s' "$_printed" | tail -n 5
  fi
  return "$_code"
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
