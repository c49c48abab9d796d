#!/bin/sh
# A stand-in for OpenWrt's `apk`. It leaves out: every command but update, add, del, info and list,
# every option but --simulate, and what feed.sh leaves out.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Nothing of it was compared with the real program; its texts are those of reports about it.
# /etc/stand-in/replaces-kernel: it plans another kernel instead of refusing, as early versions of it did.
# shellcheck disable=SC2154 # feed.sh sets feed and installed
lists=/var/cache/apk/index
info=/lib/apk/packages
# shellcheck source=/dev/null
. /usr/lib/stand-in/feed.sh
mkdir -p "$info" "${lists%/*}"
dry=

options() {
  while [ "${1#-}" != "$1" ]; do
    case $1 in -s | --simulate) dry=yes ;; esac
    shift
  done
  packages=$*
}

add() {
  unknown=
  broken=
  # shellcheck disable=SC2046,SC2086 # one word a package
  plan=$(wanted $packages)
  for name in $plan; do
    case $name in
    \?*)
      unknown="$unknown  ${name#\?} (no such package):
    required by: world[${name#\?}]
"
      continue
      ;;
    esac
    for_kernel=$(index_line "$name" | cut -d ' ' -f 3)
    [ "$for_kernel" = - ] || [ "$for_kernel" = "$(version_of kernel)" ] || broken="$broken $name"
  done
  kernel=
  if [ -n "$broken" ] && [ -e /etc/stand-in/replaces-kernel ]; then
    kernel=$(index_line "${broken##* }" | cut -d ' ' -f 3)
    broken=
  fi
  [ -z "$unknown$broken" ] || {
    {
      echo "ERROR: unable to select packages:"
      [ -z "$broken" ] || echo "  kernel-$(version_of kernel):"
      for name in $broken; do
        echo "    breaks: $name-$(index_line "$name" | cut -d ' ' -f 2)[kernel=$(index_line "$name" | cut -d ' ' -f 3)]"
      done
      [ -z "$broken" ] || echo "    satisfies: world[kernel=$(version_of kernel)]"
      printf '%s' "$unknown"
    } >&2
    return 1
  }
  total=$(echo "$plan${kernel:+ kernel}" | wc -w)
  number=0
  [ -z "$kernel" ] || {
    number=1
    echo "(1/$total) Upgrading kernel ($(version_of kernel) -> $kernel)"
    [ -n "$dry" ] || sed -i "s/^kernel .*/kernel $kernel/" "$installed"
  }
  failed=0
  for name in $plan; do
    number=$((number + 1))
    echo "($number/$total) Installing $name ($(index_line "$name" | cut -d ' ' -f 2))"
    [ -n "$dry" ] && continue
    if [ -e "$feed/down" ]; then
      echo "ERROR: $name-$(index_line "$name" | cut -d ' ' -f 2): network error (check Internet connection and firewall)" >&2
      failed=$((failed + 1))
    elif [ "$(free_space)" -lt "$(index_line "$name" | cut -d ' ' -f 4)" ]; then
      echo "ERROR: $name-$(index_line "$name" | cut -d ' ' -f 2): No space left on device" >&2
      failed=$((failed + 1))
    else
      unpack "$name" "$info/$name.list" "$packages"
      echo "Executing $name-$(index_line "$name" | cut -d ' ' -f 2).post-install"
      after "$name" "$info/$name.list"
    fi
  done
  [ "$failed" = 0 ] || echo "$failed errors; 1 MiB in $(wc -l <"$installed") packages"
  [ "$failed" != 0 ] || echo "OK: 1 MiB in $(wc -l <"$installed") packages"
  return "$failed"
}

command=$1
shift
case $command in
update)
  if [ -e "$feed/down" ]; then
    echo "WARNING: updating and opening http://feed/packages.adb: network error (check Internet connection and firewall)" >&2
    echo "1 unavailable, 0 stale; 0 distinct packages available"
    exit 1
  fi
  cp "$feed/index" "$lists"
  echo "OK: $(wc -l <"$lists") distinct packages available"
  ;;
add)
  options "$@"
  add
  ;;
del)
  options "$@"
  for package in $packages; do
    others=$(users "$package")
    [ -z "$others" ] || {
      echo "World updated, but the following packages are not removed due to:" >&2
      printf '  %s:' "$package" >&2
      printf ' %s' "$others" >&2
      echo >&2
      continue
    }
    [ -n "$(version_of "$package")" ] || {
      echo "ERROR: No such package: $package" >&2
      exit 1
    }
    echo "(1/1) Purging $package ($(version_of "$package"))"
    [ -n "$dry" ] || away "$package" "$info/$package.list"
    while [ -z "$dry" ] && left=$(orphans) && [ -n "$left" ]; do
      for gone in $left; do away "$gone" "$info/$gone.list"; done
    done
  done
  ;;
info)
  [ "$#" -gt 0 ] || sed 's/ .*//' "$installed"
  [ "$#" -gt 0 ] || exit 0
  code=0
  shift
  for package in "$@"; do
    if [ -n "$(version_of "$package")" ]; then echo "$package"; else code=1; fi
  done
  exit "$code"
  ;;
list)
  case $1 in
  -I | --installed) sed -n "s/^\($2\) \(.*\)/\1-\2 x86_64 {\1} (GPL-2.0) [installed]/p" "$installed" ;;
  *) sed -n "s/^\($1\) \([^ ]*\) .*/\1-\2 x86_64 {\1} (GPL-2.0)/p" "$lists" 2>/dev/null ;;
  esac
  ;;
*) exit 1 ;;
esac
