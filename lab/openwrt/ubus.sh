#!/bin/sh
# A stand-in for OpenWrt's `ubus` and the daemons behind it. It leaves out: every object but network.device (status),
# network.interface (dump) and system (board), every command but list and call, most of what those methods tell, sockets.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compared with the real program and ubusd (2025-12), which were given objects with the same answers: what list and call
# print, also with -S and -v; exit codes and texts for unknown objects and methods, arguments that do not parse, a missing
# argument, an unknown command. (Without a terminal it ends with 256 less
# the code where a method refuses; older ones end with the code: look at nothing but success.) What netifd itself answers could not be
# compared: the names are its documented ones.
#
# Reads /etc/stand-in/interfaces, lines "NAME DEVICE L3_DEVICE PROTO up|down", a dash for what there is not; the kernel's
# devices; and, for hw-tc-offload, /etc/stand-in/hw-tc-offload, lines "DEVICE true|false", or an ethtool at
# /usr/lib/stand-in/ethtool, since a router like this has none of its own.
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

# refuse CODE TEXT ARGUMENT...: a shell has 8 bits for what the program returns as a negative number
refuse() {
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

# printed: JSON with a tab a level, which -S prints in one line
printed() {
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
  printf '%s\t"external": false,\n%s\t"present": true,\n%s\t"type": "%s",\n%s\t"up": %s,\n%s\t"carrier": %s,\n' \
    "$2" "$2" "$2" "$type" "$2" "$up" "$2" "$up"
  printf '%s\t"hw-tc-offload": %s,\n%s\t"devtype": "%s"\n' "$2" "$(hw_tc_offload "$1")" "$2" "$kind"
}

network_device_status() {
  name=$(printf '%s' "$1" | sed -n 's/.*"name" *: *"\([^"]*\)".*/\1/p')
  echo "{"
  if [ -n "$name" ]; then
    [ -e "/sys/class/net/$name" ] || return 4
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

listed() {
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
      listed "$object"
    else
      echo "$object"
    fi
  done
  [ -n "$found" ] || not_found
  ;;
call)
  [ "$#" = 2 ] || [ "$#" = 3 ] || usage 254
  if [ "$#" = 3 ]; then case $3 in "{"*"}") ;; *) refuse 12 "Parsing message data failed" "$@" ;; esac fi
  case $1 in network.device | network.interface | system) ;; *) not_found ;; esac
  method=$(echo "${1}_$2" | tr . _)
  case $method in
  network_device_status | network_interface_dump | system_board)
    answer=$("$method" "${3:-}") || refuse 4 "Not found" "$@"
    printf '%s\n' "$answer" | printed
    ;;
  *) refuse 3 "Method not found" "$@" ;;
  esac
  ;;
*) usage 254 ;;
esac
