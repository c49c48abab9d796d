#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Devices whose names mean something to a shell, to nft or to a parser; all of them are legal (dev_valid_name).
# shellcheck disable=SC2016 # nothing in them is to be expanded
names='a"b $(id) * -n { } a,b x;y jump'
set -f
for name in $names; do ip link add name "$name" type dummy; done
nft add table inet names
for name in $names; do
	# nft itself takes no name with a quote in it, and newer ones no lone *
	nft "add flowtable inet names ft { hook ingress priority 1; devices = { \"$name\" }; }"
done
exit 0
