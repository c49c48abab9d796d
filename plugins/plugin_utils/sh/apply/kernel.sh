# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Kernel modules (_kernel/verbs.py). Each verb leaves nothing behind when it fails.
modules_new=

_loaded() {
  cut -d ' ' -f 1 /proc/modules
}

# Only the end of a long output travels, and only of a failure
_quiet() {
  _output=$("$@" 2>&1) && return 0
  _rc=$?
  # without a terminal, OpenWrt's modprobe and rmmod tell their reason to syslog; what boot did there is none
  [ -n "$_output" ] || ! has logread ||
    _output=$(logread -e kmodloader 2>/dev/null | grep -v 'loading kernel modules from' | tail -n 3)
  echo "$_output" | tail -n 12
  return "$_rc"
}

# load_modules MODULE...
load_modules() {
  _before=$(_loaded)
  for _module in "$@"; do
    _quiet modprobe "$_module" || {
      _rc=$?
      break
    }
    _rc=0
  done
  modules_new="$modules_new $(_loaded | grep -vxF "$_before")"
  [ "$_rc" = 0 ] || unload_new
  return "$_rc"
}

# unload_new: what load_modules brought; as long as a round unloads something, another one is worth it
unload_new() {
  while [ -n "$modules_new" ]; do
    _left=
    _progress=
    for _module in $modules_new; do
      if rmmod "$_module" 2>/dev/null; then _progress=yes; else _left="$_left $_module"; fi
    done
    modules_new=$_left
    [ -n "$_progress" ] || break
  done
  [ -z "$modules_new" ] || {
    echo "still loaded:$modules_new"
    return 1
  }
}

# unload_modules MODULE...: in this order, all or none
unload_modules() {
  _gone=
  for _module in "$@"; do
    _quiet rmmod "$_module" || {
      _rc=$?
      for _back in $_gone; do modprobe "$_back"; done
      return "$_rc"
    }
    _gone="$_module $_gone"
  done
}
