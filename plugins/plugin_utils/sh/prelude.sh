# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# First fragment of every script: the environment and the section protocol (_core/sections.py reads it).
# A lost connection must not stop a change half-way, so a lost reader is not a reason to die.
trap '' HUP PIPE
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
# the hours in a rule are in the zone of the router, as when it boots, and not in that of a login
unset TZ
umask 022

# section NAME COMMAND [ARGUMENT...]: what the command prints, its errors too, between two markers; returns its exit code
section() {
  _section=$1
  shift
  # shellcheck disable=SC2154 # the nonce is set by the line before this fragment
  printf '@@%s + %s\n' "$nonce" "$_section"
  "$@" 2>&1
  _rc=$?
  printf '\n@@%s - %s %s\n' "$nonce" "$_section" "$_rc"
  return "$_rc"
}

# has COMMAND: is it on this router? (`type` is in every POSIX sh, `which` is not)
has() {
  type "$1" >/dev/null 2>&1
}
