#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: a device appeared; set its features. $1 is its name or its sysfs path.
status=0
while read -r device feature value _found; do
  [ "$device" != "${1##*/}" ] || ethtool -K "$device" "$feature" "$value" || status=1
done </etc/nft-offload/features
exit "$status"
