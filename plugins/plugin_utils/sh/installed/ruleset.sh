#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: load our table, then bring in the devices that are there already (features first).
home=/etc/nft-offload
if [ -f "$home/committing" ]; then
  # the power was cut while a confirmed change was put in place: the rest of it, so that what boots is all new
  left=
  while read -r file; do
    [ ! -e "$file.nft-offload-new" ] || mv -f "$file.nft-offload-new" "$file" || left=yes
  done <"$home/committing"
  sync
  [ -n "$left" ] || rm -f "$home/committing"
fi
nft -f "$home/ruleset.nft" || exit
while read -r device statement; do
  [ -e "/sys/class/net/$device" ] || continue
  [ ! -x /usr/local/lib/nft-offload/features ] || /usr/local/lib/nft-offload/features "$device"
  nft "$statement" || echo "device $device stays out of its flowtable" >&2
done <"$home/devices"
exit 0
