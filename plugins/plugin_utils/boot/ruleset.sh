#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: load our table, then bring in the devices that are there already (features first).
nft -f /etc/nft-offload/ruleset.nft || exit
while read -r device statement; do
  [ -e "/sys/class/net/$device" ] || continue
  [ ! -x /usr/local/lib/nft-offload/features ] || /usr/local/lib/nft-offload/features "$device"
  nft "$statement" || echo "device $device stays out of its flowtable" >&2
done </etc/nft-offload/devices
exit 0
