#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: a device came or went. $1 is join or leave, $2 the device's name or its sysfs path.
while read -r device statement; do
  [ "$device" = "${2##*/}" ] || continue
  if [ "$1" = join ]; then
    nft "$statement" || exit
  elif [ ! -e "/sys/class/net/$device" ]; then
    # From Linux 6.16 on its name stays in the flowtable, and Linux 7.2 then refuses a new device of that name until
    # its features are on; before, the name left with the device, and there is nothing to delete.
    nft "delete${statement#add}" 2>/dev/null
  fi
done </etc/nft-offload/devices
exit 0
