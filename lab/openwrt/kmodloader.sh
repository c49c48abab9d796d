#!/bin/sh
# A stand-in for OpenWrt's `kmodloader`, which is also insmod, lsmod, modinfo, modprobe and rmmod. It leaves out: options
# other than -a, -q and -v, parameters given to insmod, aliases, logging to the kernel, modules.builtin.modinfo.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All modules are in one directory, /lib/modules/RELEASE, without modules.dep; each names its dependencies in a section of
# its own. busybox's insmod and rmmod do the work, or programs of that name in /usr/lib/stand-in. As with the real program
# (2025), a reason goes to syslog where there is no terminal, and the exit code is 255.
tree=/lib/modules/$(uname -r)
quiet=

tell() {
  [ -n "$quiet" ] || if [ -t 2 ]; then echo "$*" >&2; else logger -t kmodloader "$*"; fi
}

run_real() (
  PATH=/usr/lib/stand-in:$PATH
  if [ -x "/usr/lib/stand-in/$1" ]; then "$@"; else busybox "$@"; fi
)

file_of() {
  for file in "$tree/$1.ko" "$tree/$(echo "$1" | tr _ -).ko"; do
    [ ! -e "$file" ] || {
      echo "$file"
      return
    }
  done
  return 1
}

loaded() {
  grep -q "^$(echo "$1" | tr - _) " /proc/modules
}

load() (
  loaded "$1" && return 0
  ! grep -qs "/$1\.ko" "$tree/modules.builtin" || return 0
  file=$(file_of "$1") || {
    tell "failed to find a module named $1"
    return 255
  }
  for need in $(strings "$file" | sed -n 's/^depends=//p' | head -n 1 | tr , ' '); do load "$need" || return; done
  # shellcheck disable=SC2086 # one word a parameter
  run_real insmod "$file" $2 2>/dev/null || {
    tell "failed to insert $file"
    return 255
  }
)

boot() {
  for list in "$1"/*; do
    [ -f "$list" ] || continue
    while read -r module parameters; do
      case $module in '' | '#'*) continue ;; esac
      quiet=yes load "$module" "$parameters"
    done <"$list"
  done
}

name=${0##*/}
while :; do
  case $1 in
  -q) quiet=yes ;;
  -a | -v) ;;
  --)
    shift
    break
    ;;
  *) break ;;
  esac
  shift
done
case $name in
kmodloader) boot "${1:-/etc/modules.d}" ;;
modprobe)
  for module in "$@"; do load "$module" "" || exit 255; done
  ;;
insmod)
  module=${1##*/}
  load "${module%.ko}" ""
  ;;
rmmod)
  loaded "$1" || {
    tell "module is not loaded"
    exit 255
  }
  run_real rmmod "$1" 2>/dev/null || {
    tell "unloading the module failed"
    exit 255
  }
  ;;
lsmod) sed 's/ - .*//; s/ Live.*//' /proc/modules ;;
modinfo)
  file=$(file_of "$1") || {
    tell "cannot find $1"
    exit 255
  }
  echo "module:		$file"
  strings "$file" | sed -n 's/^\(license\|depends\)=/\1:	/p'
  ;;
esac
