# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pieces of sh that several faults are made of: most load a ruleset."""

from __future__ import annotations

OURS = "inet nft_offload"
RULE = "ct state { established, related } meta l4proto { tcp, udp } flow add @ft"
BASE = "type filter hook forward priority 20; policy accept;"
HARDWARE = "flags offload;"
FEATURES_ON = "for nic in lan0 wan0; do ethtool -K $nic hw-tc-offload on; done"
GUESTS = """ip netns add guest
ip link add br-guest type bridge
ip link add veth0 type veth peer name eth0 netns guest
ip link set veth0 master br-guest
ip link set veth0 up
ip address add 10.40.0.1/24 dev br-guest
ip link set br-guest up
ip -n guest address add 10.40.0.2/24 dev eth0
ip -n guest link set eth0 up
"""
DELETE_OURS = f"nft delete table {OURS}"


def load(text: str) -> str:
    """sh that loads this text."""
    return f"nft -f - <<'EOT'\n{text}\nEOT\n"


def load_table(
    devices: str = "lan0, wan0",
    *,
    name: str = "inet fw",
    flags: str = HARDWARE,
    rule: str = RULE,
    before: str = "",
    base: str = BASE,
) -> str:
    """sh that loads a table with a flowtable; ``before`` are rules in front of the one that feeds it."""
    listed = f"devices = {{ {devices} }};" if devices else ""
    return load(
        f"table {name} {{ flowtable ft {{ hook ingress priority 0; {listed} {flags} }}\n"
        f"chain forward {{ {base}\n{before}\n{rule}\n}}\n}}"
    )


def other_table(*chains: str, name: str = "inet beside") -> str:
    """sh that loads another table."""
    return load("\n".join((f"table {name} {{", *chains, "}")))


def detach(device: str) -> str:
    """sh that removes a device from our flowtable."""
    return f"nft 'delete flowtable {OURS} ft {{ hook ingress priority 0; devices = {{ {device} }}; }}'\n"


def set_faults(device: str, *faults: str) -> str:
    """sh that gives a NIC of the lab exactly these faults; see lab/nic/fault.c."""
    return f"echo {' '.join((device, *faults))} >/sys/module/labnic/parameters/fault\n"


def add_nic(device: str, host: str, address: int) -> str:
    """sh that plugs another NIC in, with a host of its own: 10.ADDRESS.0.1 and fd00:ADDRESS::1, the host has 2."""
    return f"""
if [ -e /sys/module/labnic ]; then /bin/echo "{device} {device}p" >/sys/module/labnic/parameters/add
else ip link add {device} type veth peer name {device}p; fi
ip netns list | grep -qw {host} || ip netns add {host}
ip -n {host} link set lo up
ip netns exec {host} sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
ip link set {device}p netns {host}
ip -n {host} address add 10.{address}.0.2/24 dev {device}p
ip -n {host} address add fd00:{address}::2/64 dev {device}p nodad
ip -n {host} link set {device}p up
ip address add 10.{address}.0.1/24 dev {device}
ip address add fd00:{address}::1/64 dev {device} nodad
ip link set {device} up
ip -n {host} route replace default via 10.{address}.0.1
ip -n {host} -6 route replace default via fd00:{address}::1
"""


def start_sink(host: str) -> str:
    """sh that answers the lab's traffic in another host too."""
    return f"""setsid ip netns exec {host} python3 /usr/lib/lab/traffic.py sink </dev/null >/dev/null 2>&1 &
for _try in $(seq 100); do ip netns exec {host} ss -ltn | grep -q ':7000 ' && break; sleep 0.3; done
"""
