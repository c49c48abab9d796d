# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Commands for ubus, with two devices, three interfaces and a board.
run() {
  echo "\$ $*"
  "$@" >/tmp/output 2>&1
  code=$?
  sed '/^Usage: /q; s/@[0-9a-f]*$/@id/' /tmp/output
  [ "$code" = 0 ] || echo "[$code]"
}
mkdir -p /etc/stand-in /sys/class/net/eth0 /sys/class/net/br-lan
echo DEVTYPE=bridge >/sys/class/net/br-lan/uevent
echo "eth0 true" >/etc/stand-in/hw-tc-offload
echo down >/sys/class/net/br-lan/operstate
printf '%s\n' "lan br-lan br-lan static up" "wan eth0 pppoe-wan pppoe up" "vpn - - wireguard down" >/etc/stand-in/interfaces

run ubus list
run ubus list network.device
run ubus list 'network.*'
run ubus list nothing
run ubus -v list network.device
run ubus -S list
run ubus call network.device status
run ubus call network.device status '{"name":"eth0"}'
run ubus call network.device status '{ "name": "eth0" }'
run ubus -S call network.device status '{"name":"br-lan"}'
run ubus call network.device status '{"name":"gone"}'
run ubus -S call network.device status '{"name":"gone"}'
run ubus call network.device status '{"name":'
run ubus call network.device status nonsense
run ubus call network.interface dump
run ubus call network.interface dump '{}'
run ubus -S call network.interface dump
run ubus call network.interface nothing
run ubus call nothing at_all
run ubus -S call nothing at_all
run ubus call network.device
run ubus call network.device status '{}' more
run ubus nonsense
run ubus
