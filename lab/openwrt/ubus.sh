#!/bin/sh
# A stand-in for OpenWrt's `ubus` and its daemons. It leaves out: every object except network.device (status),
# network.interface (dump) and system (board), every command except list and call, most fields of their answers, sockets.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compared with the real program and ubusd (2025-12), with objects that give the same answers: the output of list and call,
# also with -S and -v; exit codes and texts for unknown objects and methods, arguments that do not parse, a missing
# argument, an unknown command. (Where a method fails, it exits with 256 minus the code without a terminal, and older ones
# with the code, so only success can be relied on.) Of the real netifd (2026-07): the names of what it answers; that an
# unknown device is "Invalid argument"; and that it gives hw-tc-offload and devtype only of a device whose driver answers
# ETHTOOL_GLINKSETTINGS, which here is every one but those of lines "DEVICE silent".
#
# Reads /etc/stand-in/interfaces, lines "NAME DEVICE L3_DEVICE PROTO up|down", with a dash for a missing device; the
# kernel's devices; and, for hw-tc-offload, /etc/stand-in/hw-tc-offload, lines "DEVICE true|false|silent", or an ethtool
# at /usr/lib/stand-in/ethtool, since such a router has none of its own.
home=/etc/stand-in
simple=
verbose=
while getopts Svt: option; do
  case $option in
  S) simple=yes ;;
  v) verbose=yes ;;
  t) ;;
  *) set -- ;;
  esac
done
shift $((OPTIND - 1))

usage() {
  echo "Usage: ubus [<options>] <command> [arguments...]" >&2
  exit "$1"
}

# fail_call CODE TEXT ARGUMENT...: the program returns a negative number, of which a shell sees 8 bits
fail_call() {
  code=$1
  text=$2
  shift 2
  [ -n "$simple" ] && exit "$code"
  echo "Command failed: ubus call $* ($text)" >&2
  exit $((256 - code))
}

not_found() {
  [ -n "$simple" ] || echo "Command failed: Not found" >&2
  exit 4
}

# format: JSON with a tab for each level; with -S in one line
format() {
  if [ -z "$simple" ]; then
    cat
  else
    sed 's/^	*//; s/^\("[^"]*"\): /\1:/' | tr -d '\n'
    echo
  fi
}

hw_tc_offload() {
  if [ -x /usr/lib/stand-in/ethtool ]; then
    case $(/usr/lib/stand-in/ethtool -k "$1" 2>/dev/null | grep '^hw-tc-offload:') in *": on"*) echo true ;; *) echo false ;; esac
  else
    found=$(sed -n "s/^$1 //p" "$home/hw-tc-offload" 2>/dev/null)
    echo "${found:-false}"
  fi
}

# device NAME INDENT
device() {
  kind=$(sed -n 's/^DEVTYPE=//p' "/sys/class/net/$1/uevent" 2>/dev/null)
  case $kind in
  bridge) type=bridge ;;
  vlan) type=8021q ;;
  dsa) type="Network device" ;;
  *) type="Network device" kind=${kind:-ethernet} ;;
  esac
  up=true
  [ "$(cat "/sys/class/net/$1/operstate" 2>/dev/null)" != down ] || up=false
  printf '%s\t"external": false,\n%s\t"present": true,\n%s\t"type": "%s",\n%s\t"up": %s,\n%s\t"carrier": %s' \
    "$2" "$2" "$2" "$type" "$2" "$up" "$2" "$up"
  feature=$(hw_tc_offload "$1")
  [ "$feature" = silent ] ||
    printf ',\n%s\t"hw-tc-offload": %s,\n%s\t"devtype": "%s"' "$2" "$feature" "$2" "$kind"
  echo
}

network_device_status() {
  name=$(printf '%s' "$1" | sed -n 's/.*"name" *: *"\([^"]*\)".*/\1/p')
  echo "{"
  if [ -n "$name" ]; then
    [ -e "/sys/class/net/$name" ] || return 2
    device "$name" ""
  else
    first=yes
    for path in /sys/class/net/*; do
      [ -n "$first" ] || echo ","
      first=
      printf '\t"%s": {\n%s\n\t}' "${path##*/}" "$(device "${path##*/}" "	")"
    done
    echo
  fi
  echo "}"
}

network_interface_dump() {
  printf '{\n\t"interface": [\n'
  first=yes
  while read -r name device l3 proto state; do
    [ -n "$first" ] || echo ","
    first=
    up=false
    [ "$state" != up ] || up=true
    printf '\t\t{\n\t\t\t"interface": "%s",\n\t\t\t"up": %s,\n\t\t\t"pending": false,\n\t\t\t"available": true' "$name" "$up"
    [ "$l3" = - ] || printf ',\n\t\t\t"l3_device": "%s"' "$l3"
    printf ',\n\t\t\t"proto": "%s"' "$proto"
    [ "$device" = - ] || printf ',\n\t\t\t"device": "%s"' "$device"
    printf '\n\t\t}'
  done <"$home/interfaces"
  printf '\n\t]\n}\n'
}

system_board() {
  # shellcheck source=/dev/null
  . /etc/openwrt_release
  # shellcheck disable=SC2153 # openwrt_release sets them
  printf '{\n\t"kernel": "%s",\n\t"hostname": "OpenWrt",\n\t"model": "%s",\n\t"board_name": "%s",\n' \
    "$(uname -r)" "a lab's router" "lab,router"
  # shellcheck disable=SC2153
  printf '\t"rootfs_type": "squashfs",\n\t"release": {\n\t\t"distribution": "%s",\n\t\t"version": "%s",\n\t\t"target": "%s"\n\t}\n}\n' \
    "$DISTRIB_ID" "$DISTRIB_RELEASE" "$DISTRIB_TARGET"
}

signature() {
  case $1 in
  network.device) echo "	\"status\":{\"name\":\"String\"}" ;;
  network.interface) echo "	\"dump\":{}" ;;
  system) echo "	\"board\":{}" ;;
  esac
}

[ "$#" -gt 0 ] || usage 1
command=$1
shift
case $command in
list)
  [ "$#" -le 1 ] || usage 254
  found=
  for object in network.device network.interface system; do
    # shellcheck disable=SC2254 # a pattern
    case $object in ${1:-*}) ;; *) continue ;; esac
    found=yes
    if [ -n "$verbose" ] && [ -z "$simple" ]; then
      echo "'$object' @00000000"
      signature "$object"
    else
      echo "$object"
    fi
  done
  [ -n "$found" ] || not_found
  ;;
call)
  [ "$#" = 2 ] || [ "$#" = 3 ] || usage 254
  if [ "$#" = 3 ]; then case $3 in "{"*"}") ;; *) fail_call 12 "Parsing message data failed" "$@" ;; esac fi
  case $1 in network.device | network.interface | system) ;; *) not_found ;; esac
  method=$(echo "${1}_$2" | tr . _)
  case $method in
  network_device_status | network_interface_dump | system_board)
    answer=$("$method" "${3:-}") || fail_call 2 "Invalid argument" "$@"
    printf '%s\n' "$answer" | format
    ;;
  *) fail_call 3 "Method not found" "$@" ;;
  esac
  ;;
*) usage 254 ;;
esac
