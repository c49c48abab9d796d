#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# One device of each kind, and routes over them. Some kernels lack a kind: what cannot be made is left out.
ip link add lan0.7 link lan0 type vlan id 7
ip address add 10.7.0.1/24 dev lan0.7
ip link add br-lan type bridge
ip address add 10.8.0.1/24 dev br-lan
ip link add port0 type veth peer name port0p
ip link add guest0 type veth peer name guest0p
ip tuntap add tap0 mode tap
ip link set port0 master br-lan
ip link set tap0 master br-lan
ip link add bond0 type bond
ip link add slave0 type veth peer name slave0p
ip link set slave0 master bond0
ip address add 10.9.0.1/24 dev bond0
ip link add link bond0 name bond0.9 type vlan id 9
ip address add 10.12.0.1/24 dev bond0.9
ip link add wg0 type wireguard
ip address add 10.11.0.1/24 dev wg0
ip link add dummy0 type dummy
ip link add vrf1 type vrf table 11
ip link add macvlan0 link lan0 type macvlan
ip link add gre1 type gre local 10.10.0.1 remote 10.10.0.9
ip link add vxlan0 type vxlan id 3 dev lan0 dstport 4789
ip link add br.empty type bridge
for device in lan0.7 br-lan port0 tap0 bond0 bond0.9 wg0 br.empty; do ip link set "$device" up; done
ip route add default table 11 via 10.9.0.2 dev bond0
ip route add unreachable default table 12
ip route add default metric 50 nexthop via 10.9.0.3 dev bond0 nexthop via 10.8.0.2 dev br-lan
exit 0
