#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a router can have beside its flowtable, for an empty network namespace (unshare -n). linux-6.18.conflicts.txt is
# what read_nftables and read_conflicts then said, with lan0 and wan0 for the devices that a flowtable lists, on Linux
# 6.18 with iproute2 6.1 and nftables 1.0.6.
ip link add lan0 type veth peer lan0p
ip link add wan0 type veth peer wan0p
ip link set wan0 mtu 1420
ip link add ifb4wan0 type ifb
for device in lan0 lan0p wan0 wan0p ifb4wan0; do ip link set $device up; done
ip addr add 10.10.0.1/24 dev lan0
ip addr add 203.0.113.1/24 dev wan0
tc qdisc add dev wan0 root handle 1: htb default 1
tc class add dev wan0 parent 1: classid 1:1 htb rate 10mbit
tc qdisc add dev lan0 root tbf rate 1mbit burst 32kbit latency 400ms
tc qdisc add dev wan0 handle ffff: ingress
tc filter add dev wan0 parent ffff: protocol all prio 10 u32 match u32 0 0 action mirred egress redirect dev ifb4wan0
tc qdisc add dev lan0 clsact
tc filter add dev lan0 ingress protocol ip u32 match ip dst 192.0.2.0/24 action mirred egress redirect dev ifb4wan0
ip rule add fwmark 0x1 lookup 100
ip rule add not fwmark 0xca6c lookup 51820
ip rule add from 192.0.2.0/24 lookup 100
ip -6 rule add fwmark 0x100/0xff00 lookup 101
ip xfrm policy add src 10.0.0.0/24 dst 10.1.0.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel
ip xfrm policy add src 10.1.0.0/24 dst 10.0.0.0/24 dir fwd tmpl src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel
nft '
table inet filter {
  chain forward {
    type filter hook forward priority 0; policy drop
    tcp flags syn tcp option maxseg size set rt mtu
  }
}
table ip nat {
  chain post {
    type nat hook postrouting priority 100
  }
}'
