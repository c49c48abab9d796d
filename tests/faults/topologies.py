# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Healthy routers. No finding above information may be on any of them.

Hosts are network namespaces on the router's machine: `lan` and `wan` of the lab, and those that a setup adds.
"""

from __future__ import annotations

from tests.faults.model import Topology, Traffic
from tests.faults.rulesets import FEATURES_ON, GUESTS, add_nic, load_table, other_table, start_sink

TO_WAN = ("lan", "203.0.113.2", "2001:db8:203::2")
FLUSH_LAN = """
ip address flush dev lan0
ip -n lan address flush dev eth0
"""
LAN_ADDRESSES = """
ip address add 10.10.0.1/24 dev {device}
ip address add fd00:10::1/64 dev {device} nodad
ip link set {device} up
ip -n lan address add 10.10.0.2/24 dev {host}
ip -n lan address add fd00:10::2/64 dev {host} nodad
ip -n lan link set {host} up
ip -n lan route replace default via 10.10.0.1
ip -n lan -6 route replace default via fd00:10::1
"""

NEXT_HOP_OF_ANOTHER_FAMILY = f"""
ip netns add far
ip -n far link set lo up
ip netns exec wan sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
ip -n wan link add far0 type veth peer name eth0 netns far
ip -n wan address add 192.0.2.1/24 dev far0
ip -n wan address add 2001:db8:2::1/64 dev far0 nodad
ip -n wan address add fe80::2/64 dev eth0 nodad
ip -n wan link set far0 up
ip -n far address add 192.0.2.2/24 dev eth0
ip -n far address add 2001:db8:2::2/64 dev eth0 nodad
ip -n far link set eth0 up
ip -n far route add default via 192.0.2.1
ip -n far -6 route add default via 2001:db8:2::1
ip -4 address flush dev wan0
ip -n wan -4 address flush dev eth0
ip address add 198.51.100.1/32 dev lo
ip -4 route replace default via inet6 fe80::2 dev wan0 src 198.51.100.1
ip -6 route replace default via fe80::2 dev wan0
own=$(ip -6 -o address show dev wan0 scope link | sed 's/.*inet6 \\([^/]*\\).*/\\1/')
ip -n wan -4 route replace 10.10.0.0/24 via inet6 $own dev eth0
ip -n wan -6 route replace fd00:10::/64 via $own dev eth0
{start_sink("far")}"""
FAR = Traffic(senders=(("lan", "192.0.2.2", "2001:db8:2::2"),))


def tunnel(kind: str, outer: int) -> str:
    """sh that makes tun0 the way to a far IPv4 host, IPv6 for ip6ip6 and sit, over the address family ``outer``."""
    ends = ("203.0.113.1", "203.0.113.2") if outer == 4 else ("2001:db8:203::1", "2001:db8:203::2")
    six = "ip6ip6" in kind or kind == "sit"
    near, beyond, far, lan = (
        ("fd00:9::1/64", "fd00:9::2/64", "2001:db8:2::2/128", "fd00:10::/64")
        if six
        else ("100.64.9.1/30", "100.64.9.2/30", "192.0.2.2/32", "10.10.0.0/24")
    )
    nodad, family = (" nodad", "-6") if six else ("", "-4")
    return f"""
ip link add tun0 type {kind} local {ends[0]} remote {ends[1]}
ip -n wan link add tun0 type {kind} local {ends[1]} remote {ends[0]}
ip link set tun0 up
ip -n wan link set tun0 up
ip address add {near} dev tun0{nodad}
ip -n wan address add {beyond} dev tun0{nodad}
ip -n wan address add {far} dev lo{nodad}
ip {family} route add {far} dev tun0 via {beyond.partition("/")[0]}
ip -n wan {family} route replace {lan} dev tun0 via {near.partition("/")[0]} src {far.partition("/")[0]}
"""


def pppoe(nic: str, address: int, host: str = "wan", below: str = "eth0") -> str:
    """sh that makes a PPPoE session over a NIC the way to a far host, with Debian's server on the other side.

    ``address``: of the network between both, 100.64.ADDRESS.0, of the far host and of its session. The server reads
    frames as they are, and a sender behind a veth leaves checksums to whoever sends on a wire. Here it makes them.
    """
    near, beyond = f"100.64.{address}.1", f"100.64.{address}.2"
    return f"""
modprobe pppoe
ip netns exec lan ethtool -K eth0 tx off >/dev/null
printf 'noauth\\nlcp-echo-interval 0\\n' >/etc/ppp/server-options
ip netns exec {host} pppoe-server -I {below} -L {beyond} -R {near} -N 1 -O /etc/ppp/server-options \\
  </dev/null >/dev/null 2>&1
pppd plugin pppoe.so {nic} unit {address} noauth nodefaultroute lcp-echo-interval 0 +ipv6 updetach </dev/null >/dev/null
for _try in $(seq 50); do ip -n {host} -4 -o address show | grep -q ' {beyond} ' && break; sleep 0.2; done
session=$(ip -n {host} -o link show type ppp | sed 's/^[0-9]*: \\(ppp[0-9]*\\):.*/\\1/')
ip -n {host} address add 192.0.2.{address}/32 dev lo
ip -n {host} address add 2001:db8:{address}::2/128 dev lo nodad
ip route add 192.0.2.{address}/32 dev ppp{address}
ip -6 route add 2001:db8:{address}::2/128 dev ppp{address}
ip -n {host} route replace 10.10.0.0/24 dev $session src 192.0.2.{address}
ip -n {host} -6 route replace fd00:10::/64 dev $session src 2001:db8:{address}::2
"""


def far_host(address: int) -> tuple[str, str, str]:
    """The far host of such a session, from the LAN."""
    return "lan", f"192.0.2.{address}", f"2001:db8:{address}::2"


NO_WAN_ADDRESSES = """
ip address flush dev wan0
ip -n wan address flush dev eth0
"""
WIREGUARD = """
umask 077
wg genkey >/root/near.key
wg genkey >/root/far.key
ip link add wg0 type wireguard
ip -n wan link add wg0 type wireguard
wg set wg0 private-key /root/near.key listen-port 51820 peer $(wg pubkey </root/far.key) \\
  endpoint 203.0.113.2:51820 allowed-ips 0.0.0.0/0,::/0
ip netns exec wan wg set wg0 private-key /root/far.key listen-port 51820 peer $(wg pubkey </root/near.key) \\
  endpoint 203.0.113.1:51820 allowed-ips 0.0.0.0/0,::/0
ip link set wg0 up
ip -n wan link set wg0 up
ip address add 100.64.9.1/30 dev wg0
ip address add fd00:9::1/64 dev wg0 nodad
ip -n wan address add 100.64.9.2/30 dev wg0
ip -n wan address add fd00:9::2/64 dev wg0 nodad
ip -n wan address add 192.0.2.2/32 dev lo
ip -n wan address add 2001:db8:2::2/128 dev lo nodad
ip route add 192.0.2.2/32 dev wg0
ip -6 route add 2001:db8:2::2/128 dev wg0
ip -n wan route replace 10.10.0.0/24 dev wg0 src 192.0.2.2
ip -n wan -6 route replace fd00:10::/64 dev wg0 src 2001:db8:2::2
"""


def uplink(name: str, setup: str, *senders: tuple[str, str, str]) -> Topology:
    """A router whose uplink needs what Debian's kernel for clouds does not have."""
    return Topology(
        name,
        base="tools",
        nic="plain",
        kernel="generic",
        setup=setup,
        role={"flow_offload_devices": "auto"},
        expect="software",
        rung=6,
        traffic=Traffic(senders=senders),
    )


ALL = (
    Topology("two-nics"),
    uplink("pppoe", NO_WAN_ADDRESSES + pppoe("wan0", 1), far_host(1)),
    uplink(
        "two-pppoe",
        NO_WAN_ADDRESSES
        + """
ip netns add wan2
ip -n wan2 link set lo up
ip link add wan1 type veth peer name eth0 netns wan2
ip link set wan1 up
ip -n wan2 link set eth0 up
"""
        + pppoe("wan0", 1)
        + pppoe("wan1", 2, "wan2")
        + start_sink("wan2"),
        far_host(1),
        far_host(2),
    ),
    uplink(
        "pppoe-over-vlan",
        NO_WAN_ADDRESSES
        + """
ip link add link wan0 name wan0.7 type vlan id 7
ip -n wan link add link eth0 name eth0.7 type vlan id 7
ip link set wan0.7 up
ip -n wan link set eth0.7 up
"""
        + pppoe("wan0.7", 1, below="eth0.7"),
        far_host(1),
    ),
    uplink("wireguard-uplink", WIREGUARD, ("lan", "192.0.2.2", "2001:db8:2::2")),
    Topology(
        "tunnel-beside-hardware",
        base="tools",
        # the far host answers by the way that it was asked
        setup=tunnel("gre", 4)
        + """
ip -n wan route replace 10.10.0.0/24 via 203.0.113.1
ip -n wan rule add from 192.0.2.2 lookup 99
ip -n wan route add default dev tun0 table 99
""",
        role={"flow_offload_devices": "auto"},
        # a datagram would be answered from the address of the other way
        traffic=Traffic(kinds=("tcp4", "tcp6"), count=2, senders=(TO_WAN, ("lan", "192.0.2.2", "2001:db8:203::2"))),
    ),
    Topology(
        "notrack-that-nothing-reaches",
        base="tools",
        setup=other_table(
            "chain pre { type filter hook prerouting priority -300; "
            "iifname { lan0, wan0 } accept; ip saddr 0.0.0.0/0 notrack; }"
        ),
        role={},
    ),
    Topology(
        "next-hop-of-another-family",
        base="tools",
        nic="plain",
        setup=NEXT_HOP_OF_ANOTHER_FAMILY,
        role={},
        expect="software",
        rung=6,
        traffic=FAR,
    ),
    *(
        Topology(
            name,
            base="tools",
            nic="plain",
            setup=tunnel(kind, outer),
            role={},
            expect="software",
            rung=6,
            traffic=Traffic(senders=(("lan", *to),)),
        )
        for name, kind, outer, to in (
            ("ds-lite", "ip6tnl mode ipip6 encaplimit none", 6, ("192.0.2.2", "2001:db8:203::2")),
            ("ip6ip6", "ip6tnl mode ip6ip6 encaplimit none", 6, ("203.0.113.2", "2001:db8:2::2")),
            ("ipip", "ipip", 4, ("192.0.2.2", "2001:db8:203::2")),
            ("6in4", "sit", 4, ("203.0.113.2", "2001:db8:2::2")),
            ("gre", "gre", 4, ("192.0.2.2", "2001:db8:203::2")),
        )
    ),
    Topology("software", role={"flow_offload_mode": "software"}, base="tools", expect="software", rung=6),
    Topology("software-veth", role={}, base="tools", nic="plain", expect="software", rung=6),
    Topology("by-hand", base="tools", setup=f"{FEATURES_ON}\n{load_table()}"),
    Topology("by-hand-software", base="tools", setup=load_table(flags=""), expect="software", rung=6),
    Topology(
        "vlans-on-one-nic",
        setup=f"""{FLUSH_LAN}
ip link add link lan0 name lan0.10 type vlan id 10
ip -n lan link add link eth0 name eth0.10 type vlan id 10
{LAN_ADDRESSES.format(device="lan0.10", host="eth0.10")}
ip address flush dev wan0
ip link set wan0 down
ip -n wan address flush dev eth0
ip link add link lan0 name lan0.20 type vlan id 20
ip address add 203.0.113.1/24 dev lan0.20
ip address add 2001:db8:203::1/64 dev lan0.20 nodad
ip link set lan0.20 up
ip -n lan link add link eth0 name eth0.20 type vlan id 20
ip -n lan link set eth0.20 netns wan
ip -n wan address add 203.0.113.2/24 dev eth0.20
ip -n wan address add 2001:db8:203::2/64 dev eth0.20 nodad
ip -n wan link set eth0.20 up
ip -n wan route replace default via 203.0.113.1
ip -n wan -6 route replace default via 2001:db8:203::1
ip route replace default via 203.0.113.2
ip -6 route replace default via 2001:db8:203::2
""",
        role={"flow_offload_devices": "auto"},
    ),
    Topology(
        "bridge",
        setup=f"""{add_nic("lan1", "lan2", 11)}
ip address flush dev lan0
ip address flush dev lan1
ip link add br0 type bridge
ip link set lan0 master br0
ip link set lan1 master br0
ip address add 10.10.0.1/24 dev br0
ip address add fd00:10::1/64 dev br0 nodad
ip link set br0 up
ip -n lan2 address flush dev lan1p
ip -n lan2 address add 10.10.0.3/24 dev lan1p
ip -n lan2 address add fd00:10::3/64 dev lan1p nodad
ip -n lan2 route replace default via 10.10.0.1
ip -n lan2 -6 route replace default via fd00:10::1
""",
        role={},
        traffic=Traffic(senders=(TO_WAN, ("lan2", *TO_WAN[1:]))),
    ),
    Topology(
        "vlan-filtering-bridge",
        setup=f"""{FLUSH_LAN}
ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0
ip link set lan0 master br0
bridge vlan add dev lan0 vid 10 pvid untagged
bridge vlan add dev br0 vid 10 self
ip link set br0 up
ip link add link br0 name br0.10 type vlan id 10
{LAN_ADDRESSES.format(device="br0.10", host="eth0")}""",
    ),
    Topology(
        "bond",
        setup=f"""{add_nic("lan1", "lan", 11)}
ip address flush dev lan1
ip -n lan address flush dev lan1p
{FLUSH_LAN}
modprobe bonding max_bonds=0
ip link add bond0 type bond mode active-backup miimon 100
ip -n lan link add bond0 type bond mode active-backup miimon 100
for nic in lan0 lan1; do ip link set $nic down; ip link set $nic master bond0; done
for nic in eth0 lan1p; do ip -n lan link set $nic down; ip -n lan link set $nic master bond0; done
{LAN_ADDRESSES.format(device="bond0", host="bond0")}
sleep 1
""",
        base="tools",
        role={},
        expect="software",
        rung=6,
    ),
    Topology(
        "routers-id-on-a-dummy",
        setup="""
modprobe dummy numdummies=0
ip link add dummy0 type dummy
ip link set dummy0 up
ip address add 192.0.2.255/32 dev dummy0
ip address add 2001:db8::ff/128 dev dummy0 nodad
""",
        base="tools",
        role={"flow_offload_devices": "auto"},
    ),
    Topology(
        "unnumbered-uplink",
        setup="""
ip -6 address flush dev wan0 scope global
ip -n wan -6 address flush dev eth0 scope global
ip -n wan -6 address add 2001:db8:203::2/128 dev lo nodad
ip -6 address add fe80::1/64 dev wan0 nodad
ip -n wan -6 address add fe80::2/64 dev eth0 nodad
ip -6 route replace 2001:db8:203::/64 via fe80::2 dev wan0
ip -n wan -6 route replace default via fe80::1 dev eth0 src 2001:db8:203::2
""",
        base="tools",
        role={"flow_offload_devices": "auto"},
        traffic=Traffic(kinds=("tcp6", "udp6"), count=2),
    ),
    Topology(
        "qinq",
        setup=f"""{FLUSH_LAN}
ip link add link lan0 name lan0.10 type vlan proto 802.1ad id 10
ip link set lan0.10 up
ip link add link lan0.10 name lan0.10.7 type vlan id 7
ip -n lan link add link eth0 name eth0.10 type vlan proto 802.1ad id 10
ip -n lan link set eth0.10 up
ip -n lan link add link eth0.10 name eth0.7 type vlan id 7
{LAN_ADDRESSES.format(device="lan0.10.7", host="eth0.7")}""",
        base="tools",
        role={"flow_offload_mode": "software", "flow_offload_devices": "auto"},
        expect="software",
        rung=6,
    ),
    Topology(
        "macvlan",
        setup=f"""{FLUSH_LAN}
ip link add link lan0 name mv0 type macvlan mode bridge
{LAN_ADDRESSES.format(device="mv0", host="eth0")}""",
        base="tools",
        role={},
        expect="software",
        rung=6,
    ),
    Topology(
        "vrf-lite",
        setup="""
modprobe vrf
ip link add red type vrf table 10
ip link set red up
ip link add mgmt type vrf table 20
ip link set mgmt up
sysctl -qw net.ipv6.conf.all.keep_addr_on_down=1
for nic in lan0 wan0; do ip link set $nic master red; done
ip route replace default via 203.0.113.2 vrf red
ip -6 route replace default via 2001:db8:203::2 vrf red
""",
        base="tools",
        role={"flow_offload_mode": "software", "flow_offload_devices": "auto"},
        expect="software",
        rung=6,
    ),
    Topology(
        "bond-below-a-vlan-aware-bridge",
        setup=f"""{add_nic("lan1", "lan", 11)}
ip address flush dev lan1
ip -n lan address flush dev lan1p
{FLUSH_LAN}
modprobe bonding max_bonds=0
ip link add bond0 type bond mode active-backup miimon 100
ip -n lan link add bond0 type bond mode active-backup miimon 100
for nic in lan0 lan1; do ip link set $nic down; ip link set $nic master bond0; done
for nic in eth0 lan1p; do ip -n lan link set $nic down; ip -n lan link set $nic master bond0; done
ip link set bond0 up
ip -n lan link set bond0 up
ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0
ip link set bond0 master br0
bridge vlan add dev bond0 vid 10
bridge vlan add dev br0 vid 10 self
ip link set br0 up
ip link add link br0 name br0.10 type vlan id 10
ip -n lan link add link bond0 name bond0.10 type vlan id 10
{LAN_ADDRESSES.format(device="br0.10", host="bond0.10")}
sleep 1
""",
        base="tools",
        role={"flow_offload_mode": "software", "flow_offload_devices": "auto"},
        expect="software",
        rung=6,
    ),
    Topology(
        "containers-by-a-pattern",
        setup=f"{GUESTS}ip -n guest route add default via 10.40.0.1\n",
        base="tools",
        role={"flow_offload_mode": "software", "flow_offload_guests": ["veth*"]},
        expect="software",
        rung=6,
        traffic=Traffic(kinds=("tcp4", "udp4"), senders=(TO_WAN, ("guest", *TO_WAN[1:]))),
    ),
    Topology(
        "nat-and-port-forward",
        setup=other_table(
            "chain pre { type nat hook prerouting priority -100; iifname wan0 meta l4proto { tcp, udp } th dport 7000 "
            "dnat ip to 10.10.0.2; }",
            "chain post { type nat hook postrouting priority 100; oifname wan0 meta nfproto ipv4 masquerade; }",
            name="inet nat",
        )
        + start_sink("lan"),
        traffic=Traffic(senders=(TO_WAN, ("wan", "203.0.113.1", "fd00:10::2"))),
    ),
    Topology(
        "ipv4-only",
        setup="""
sysctl -qw net.ipv6.conf.all.forwarding=0
for nic in lan0 wan0; do sysctl -qw net.ipv6.conf.$nic.disable_ipv6=1; done
""",
        traffic=Traffic(kinds=("tcp4", "udp4"), count=2),
    ),
    Topology(
        "ipv6-only",
        setup="""
for nic in lan0 wan0; do ip -4 address flush dev $nic; done
sysctl -qw net.ipv4.conf.all.forwarding=0
sysctl -qw net.ipv4.ip_forward=0
""",
        traffic=Traffic(kinds=("tcp6", "udp6"), count=2),
    ),
    Topology(
        "two-lans",
        setup=add_nic("lan1", "lan2", 11),
        role={},
        traffic=Traffic(senders=(TO_WAN, ("lan2", *TO_WAN[1:]))),
    ),
    Topology(
        "two-wans",
        setup=f"""{add_nic("wan1", "wan2", 12)}
ip -n wan2 address add 192.0.2.2/32 dev lo
ip -n wan2 address add 2001:db8:2::2/128 dev lo nodad
ip -n wan2 route replace default via 10.12.0.1 src 192.0.2.2
ip -n wan2 -6 route replace default via fd00:12::1 src 2001:db8:2::2
ip route add default via 10.12.0.2 table 100
ip -6 route add default via fd00:12::2 table 100
ip rule add from 10.10.0.0/24 to 192.0.2.0/24 lookup 100
ip -6 rule add from fd00:10::/64 to 2001:db8:2::/64 lookup 100
{start_sink("wan2")}""",
        role={},
        traffic=Traffic(senders=(TO_WAN, ("lan", "192.0.2.2", "2001:db8:2::2"))),
    ),
    Topology(
        "behind-another-router",
        setup=f"""
ip netns add far
ip -n far link set lo up
ip netns exec wan sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
ip -n wan link add far0 type veth peer name eth0 netns far
ip -n wan address add 192.0.2.1/24 dev far0
ip -n wan address add 2001:db8:2::1/64 dev far0 nodad
ip -n wan link set far0 up
ip -n far address add 192.0.2.2/24 dev eth0
ip -n far address add 2001:db8:2::2/64 dev eth0 nodad
ip -n far link set eth0 up
ip -n far route add default via 192.0.2.1
ip -n far -6 route add default via 2001:db8:2::1
ip -n wan route replace 10.10.0.0/24 via 203.0.113.1
{start_sink("far")}""",
        traffic=Traffic(senders=(("lan", "192.0.2.2", "2001:db8:2::2"),)),
    ),
    Topology(
        "beside-firewalld",
        setup=other_table(
            "chain filter_FORWARD { type filter hook forward priority 10; policy accept; "
            "ct state { established, related } accept; ct status dnat accept; iifname lo accept; "
            "jump filter_FORWARD_POLICIES; ct state invalid drop; reject with icmpx admin-prohibited; }",
            "chain filter_FORWARD_POLICIES { iifname lan0 oifname wan0 accept; }",
            "chain nat_POSTROUTING { type nat hook postrouting priority 110; "
            "oifname wan0 meta nfproto ipv4 masquerade; }",
            name="inet firewalld",
        ).replace("chain filter_FORWARD {", "chain filter_FORWARD_POLICIES { }\nchain filter_FORWARD {"),
    ),
    Topology(
        "beside-docker",
        setup=other_table(
            "chain DOCKER-USER { counter return; }",
            "chain FORWARD { type filter hook forward priority 0; policy drop; counter jump DOCKER-USER; "
            "oifname docker0 ct state related,established counter accept; iifname lan0 counter accept; "
            "iifname wan0 ct state related,established counter accept; }",
            name="ip filter",
        )
        + other_table(
            "chain POSTROUTING { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 masquerade; }",
            name="ip nat",
        ),
    ),
    Topology(
        "router-ruleset",
        base="tools",
        role={
            "flow_offload_ruleset": "router",
            "flow_offload_router": {
                "zones": [
                    {"name": "lan", "devices": ["lan0"], "services": ["dns"]},
                    {"name": "wan", "devices": ["wan0"], "masquerade": True},
                    {"name": "mgmt", "devices": ["mgmt0"], "services": ["ssh"]},
                ],
                "forward": [{"from": "lan", "to": ["wan"]}],
            },
        },
    ),
)
TOPOLOGIES = {topology.name: topology for topology in ALL}
