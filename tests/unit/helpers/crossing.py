# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router between two hosts, in network namespaces of this machine, whose kernel says which packets met which rule.

The connections are there before a ruleset is loaded, so that every packet is one of an established connection. The TCP
segments are made by hand: a ruleset may drop them, and no stack of TCP is there to mind it. Where a flowtable would be
fed, a set notes what came by.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from tests.unit.helpers.contained import contain

contain()


def feed(family: str) -> str:
    """Stands for ``flow add @ft``, which this kernel may not have: it, too, is for packets with a connection."""
    return f"ct state established add @met {{ {'meta nfproto . ' if family == 'inet' else ''}meta l4proto . iifname }}"


def met_set(family: str) -> str:
    """The set that notes what came by."""
    kind = f"typeof {'meta nfproto . ' if family == 'inet' else ''}meta l4proto . iifname"
    return f"set met {{ {kind}; flags dynamic; size 99; }}\n"


END = """
table inet end {
  set left { typeof meta nfproto . meta l4proto . iifname; flags dynamic; size 99; }
  chain forward {
    type filter hook forward priority 400; policy accept;
    meta l4proto { tcp, udp } add @left { meta nfproto . meta l4proto . iifname }
  }
  chain postrouting {
    type filter hook postrouting priority 400; policy accept;
    ct state established counter
  }
}
"""
FLOWS = {"lan": 40001, "wan": 40002}
"""side that begins a flow -> port of it"""
KINDS = ("tcp4", "tcp6", "udp4", "udp6")
HOST_PROGRAM = Path(__file__).with_name("crossing_host.py")
SETUP = """
set -e
mount -t tmpfs none /run && mkdir /run/netns
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
side() { # NAME NET OTHER
  ip netns add "$1"
  ip netns exec "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
  ip link add "$1"0 type veth peer name eth0 netns "$1"
  ip link set "$1"0 address 02:00:00:00:0$2:01
  ip -n "$1" link set eth0 address 02:00:00:00:0$2:02
  ip addr add 10.$2.0.1/24 dev "$1"0
  ip addr add fd00:$2::1/64 dev "$1"0 nodad
  ip link set "$1"0 up
  ip -n "$1" addr add 10.$2.0.2/24 dev eth0
  ip -n "$1" addr add fd00:$2::2/64 dev eth0 nodad
  ip -n "$1" link set lo up
  ip -n "$1" link set eth0 up
  ip -n "$1" route add default via 10.$2.0.1
  ip -n "$1" -6 route add default via fd00:$2::1
  for address in 10.$2.0. fd00:$2::; do
    ip neigh replace "$address"2 lladdr 02:00:00:00:0$2:02 dev "$1"0 nud permanent
    ip -n "$1" neigh replace "$address"1 lladdr 02:00:00:00:0$2:01 dev eth0 nud permanent
  done
  # nobody answers a segment of a connection that is none
  ip netns exec "$1" nft add table inet quiet
  ip netns exec "$1" nft 'add chain inet quiet out { type filter hook output priority 0; }'
  ip netns exec "$1" nft add rule inet quiet out tcp flags rst drop
}
side lan 1
side wan 2
echo ready
exec cat
"""


class Crossing:
    """``lan`` and ``wan`` are the hosts, lan0 and wan0 the router's devices."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c", SETUP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.holder.stdout is not None and self.holder.stdout.readline() == "ready\n"
        self.hosts = {side: self._start(side, net) for side, net in (("lan", 2), ("wan", 1))}
        self._connect()

    def _start(self, side: str, net: int) -> subprocess.Popen[str]:
        program = [sys.executable, "-IS", str(HOST_PROGRAM), f"10.{net}.0.2", f"fd00:{net}::2"]
        command = [*self.inside, "ip", "netns", "exec", side, *program]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def inside(self) -> list[str]:
        """The words before a command that runs on the router."""
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m"]

    def nft(self, *arguments: str, text: str | None = None) -> str:
        """Its output."""
        done = subprocess.run(
            [*self.inside, "nft", *arguments], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stderr}\n{text}"
        return done.stdout

    def _send(self, side: str, *steps: str) -> None:
        host = self.hosts[side]
        assert host.stdin is not None and host.stdout is not None
        host.stdin.write(" ".join(steps) + "\n")
        host.stdin.flush()
        assert host.stdout.readline() == "sent\n"

    def _connect(self) -> None:
        """A connection of each kind from each side, as connection tracking sees it."""
        for name, value in (("nf_conntrack_tcp_be_liberal", 1), ("nf_conntrack_checksum", 0)):
            path = f"/proc/sys/net/netfilter/{name}"
            subprocess.run([*self.inside, "sh", "-c", f"echo {value} >{path}"], check=True)
        self.nft("-f", "-", text=END)
        deadline = time.monotonic() + 20
        while len(self._list_set("end", "left")) < 2 * len(KINDS):  # a new link takes a while to carry IPv6
            assert time.monotonic() < deadline, self._list_set("end", "left")
            for side, other in (("lan", "wan"), ("wan", "lan")):
                for end in (side, other):
                    self._send(end, *(f"{kind}:{FLOWS[side]}:bind" for kind in KINDS if kind.startswith("udp")))
                for sender, flags in ((side, "S"), (other, "SA"), (side, "A")):
                    self._send(sender, *(f"{kind}:{FLOWS[side]}:{flags}" for kind in KINDS))
            time.sleep(0.05)

    def load(self, text: str) -> str:
        """This ruleset instead of the last one; returns how nft lists it, with elements, flowtable and 'flow add'."""
        self.nft("-f", "-", text=f"flush ruleset\n{END}\n{text}")
        listing = self.nft("-s", "list", "ruleset")
        listing = re.sub(r"ct state established add @met \{[^}]*\}", "flow add @ft", listing)
        return re.sub(r"^table inet end .*?^}\n", "", listing, flags=re.DOTALL | re.MULTILINE)

    def cross(self) -> tuple[set[str], set[str]]:
        """A packet of every connection in every direction -> classes that met a feeding rule, and that were forwarded.

        A class is 'ipv4 tcp lan0', by where it enters.
        """
        for side in self.hosts:
            self._send(side, *(f"{kind}:{port}:A" for kind in KINDS for port in FLOWS.values()))
        time.sleep(0.01)
        met: set[str] = set()
        left: set[str] = set()
        listing = self.nft("-s", "list", "ruleset")
        for family, name, table in re.findall(r"^table (\w+) (\w+) (.*?)^}", listing, re.DOTALL | re.MULTILINE):
            sets = "".join(re.findall(r"set (?:met|left) \{.*?\n\t\}", table, re.DOTALL))
            (left if name == "end" else met).update(_classes(sets, family))
        return met, left

    def _list_set(self, table: str, name: str) -> set[str]:
        return _classes(self.nft("list", "set", "inet", table, name))

    def close(self) -> None:
        for host in self.hosts.values():
            host.kill()
            host.wait()
        self.holder.kill()
        self.holder.wait()


def _classes(text: str, family: str = "inet") -> set[str]:
    """Of the elements of a set: 'ipv4 tcp lan0'"""
    if family == "inet":
        return {" ".join(found) for found in re.findall(r'(ipv[46]) \. (tcp|udp) \. "(\w+)"', text)}
    known = "ipv4" if family == "ip" else "ipv6"
    return {f"{known} {protocol} {device}" for protocol, device in re.findall(r'(tcp|udp) \. "(\w+)"', text)}
