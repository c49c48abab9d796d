# shellcheck shell=sh disable=SC2154 # events.sh sets the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# needs events
# Changes of the firewall that wait to be confirmed, and rulesets confirmed before. Lines of key=value.

# change_home DIR: the directory itself, or its like under /var where there is no /run
change_home() {
  if [ -d "${1%/*}" ]; then home=$1; else home=/var$1; fi
}

# read_change DIR
read_change() {
  change_home "$1"
  section change _change
}

# find_pending: sets pending to the directory of the change that waits, whose name is its id, so that a name never means
# another one; empty where there is none. After change_home.
find_pending() {
  pending=
  for _entry in "$home"/pending/*; do [ ! -d "$_entry" ] || pending=$_entry; done
}

_change() {
  seconds_up
  echo "now=$up"
  find_pending
  if [ -n "$pending" ]; then
    for _key in id timeout; do echo "$_key=$(cat "$pending/$_key" 2>/dev/null)"; done
    if guarded "$pending"; then echo guard=alive; fi
    echo "began=$begun_at"
    echo "deadline=$deadline"
    echo "decision=$decision"
    echo "trouble=$(head -n 1 "$pending/outcome" 2>/dev/null | grep ' broken ')"
  fi
  if [ -f "$home/last" ]; then echo "last=$(head -n 1 "$home/last")"; fi
}

# read_leftovers PATH...: what an earlier change staged for these files
read_leftovers() {
  for _file in "$@"; do
    for _left in "$_file".*-????????.nft-offload-new; do
      [ ! -f "$_left" ] || section "file.$_left" cat "$_left"
    done
  done
}

# guarded DIR: whether anything guards that change; what is known of it is in the variables of read_events then
guarded() {
  _current=
  read -r _current _rest 2>/dev/null <"$1/events"
  read_events "$1" "$_current"
  [ -n "$active" ]
}

# read_kept DIR: names of the rulesets confirmed before
read_kept() {
  section kept _kept "$1"
}

_kept() {
  for _file in "$1"/*.nft; do [ ! -f "$_file" ] || echo "${_file##*/}"; done
}

# read_kept_texts DIR: the rulesets themselves
read_kept_texts() {
  for _file in "$1"/*.nft; do [ ! -f "$_file" ] || section "file.$_file" cat "$_file"; done
}
