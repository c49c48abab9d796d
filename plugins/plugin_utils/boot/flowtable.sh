#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: a device appeared; bring it into its flowtable. $1 is its name or its sysfs path.
while read -r device statement; do
  [ "$device" != "${1##*/}" ] || nft "$statement" || exit
done </etc/nft-offload/devices
