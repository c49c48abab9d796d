# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
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

_change() {
  seconds_up
  echo "now=$up"
  if [ -d "$home/pending" ]; then
    for _key in id began deadline timeout; do
      echo "$_key=$(cat "$home/pending/$_key" 2>/dev/null)"
    done
    if guarded "$home/pending"; then echo guard=alive; fi
  fi
  if [ -f "$home/last" ]; then echo "last=$(head -n 1 "$home/last")"; fi
}

# guarded DIR: whether the guard of that change runs, or what puts back what was there
guarded() {
  read -r _guard 2>/dev/null <"$1/guard.pid" &&
    tr '\000' ' ' 2>/dev/null <"/proc/$_guard/cmdline" | grep -Eq 'guard (watch|rollback)'
}

# seconds_up: since boot, which no step of the clock changes
seconds_up() {
  read -r up _rest </proc/uptime
  up=${up%%.*}
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
