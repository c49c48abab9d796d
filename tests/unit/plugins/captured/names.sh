#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Devices whose names mean something to a shell, to nft or to a parser; all of them are legal (dev_valid_name).
# shellcheck disable=SC2016 # nothing in them is to be expanded
names='a"b $(id) * -n { } a,b x;y jump'
set -f
for name in $names; do ip link add name "$name" type dummy; done
devices=$(for name in $names; do case $name in *'"'*) ;; *) printf '"%s", ' "$name" ;; esac; done)
nft "add table inet names; add flowtable inet names ft { hook ingress priority 1; devices = { ${devices%, } }; }"
exit 0
