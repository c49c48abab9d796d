#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: a device came or went. $1 is join or leave, $2 the device's name or its sysfs path; with
# listed the exit code says whether it is in a flowtable, by its name or by a pattern such as ppp*.
name=${2##*/}
found=1
code=0
while read -r device statement; do
  case $device in
  "$name") ;;
  *'*')
    case $name in *[\"*]*) continue ;; "${device%\*}"*) ;; *) continue ;; esac
    statement=${statement%%"\"$device\""*}\"$name\"${statement#*"\"$device\""}
    ;;
  *) continue ;;
  esac
  found=0
  if [ "$1" = join ]; then
    # of two flowtables, one may take it where the other one does not
    nft "$statement" || code=$?
  elif [ "$1" = leave ] && [ ! -e "/sys/class/net/$name" ]; then
    # From Linux 6.16 on its name stays in the flowtable, and Linux 7.2 then refuses a new device of that name until
    # its features are on; before, the name left with the device, and there is nothing to delete.
    nft "delete${statement#add}" 2>/dev/null
  fi
done </etc/nft-offload/devices
[ "$1" != listed ] || exit "$found"
exit "$code"
