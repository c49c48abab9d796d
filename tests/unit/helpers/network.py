# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router between three hosts, in network namespaces of this machine that nothing else sees, for real packets."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.unit.helpers.contained import contain
from tests.unit.helpers.firewalls import rendered, without_flowtable

contain()

PORTS = (22, 25, 53, 80, 442, 443, 546, 2222, 5060, 5353, 8080, 8443)
SIDES = ("lan", "wan", "dmz")
ROUTER = {
    "lan": {4: "10.10.0.1", 6: "fd00:10::1"},
    "wan": {4: "203.0.113.1", 6: "2001:db8:203::1"},
    "dmz": {4: "10.30.0.1", 6: "fd00:30::1"},
}
HOST = {side: {4: each[4][:-1] + "2", 6: each[6][:-1] + "2"} for side, each in ROUTER.items()}
# more hosts of the Internet, and an address that has no business there
ELSEWHERE = {4: "198.51.100.7", 6: "2001:db8:51::7"}
BOGON = {4: "192.168.77.7", 6: "fc00:77::7"}

SETUP = """
set -e
mount -t tmpfs none /run && mkdir /run/netns
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad # nobody else is on these links
side() { # NAME ADDRESS4 ADDRESS6, both up to the last digit
  ip netns add "$1"
  ip netns exec "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
  ip link add "$1"0 type veth peer name eth0 netns "$1"
  ip addr add "$2"1/24 dev "$1"0
  ip addr add "$3"1/64 dev "$1"0 nodad
  ip link set "$1"0 up
  ip -n "$1" addr add "$2"2/24 dev eth0
  ip -n "$1" addr add "$3"2/64 dev eth0 nodad
  ip -n "$1" link set lo up
  ip -n "$1" link set eth0 up
  ip -n "$1" route add default via "$2"1
  ip -n "$1" -6 route add default via "$3"1
}
side lan 10.10.0. fd00:10::
side wan 203.0.113. 2001:db8:203::
side dmz 10.30.0. fd00:30::
for elsewhere in 198.51.100.7 192.168.77.7; do
  ip -n wan addr add $elsewhere/32 dev lo
  ip route add $elsewhere via 203.0.113.2
done
for elsewhere in 2001:db8:51::7 fc00:77::7; do
  ip -n wan addr add $elsewhere/128 dev lo
  ip -6 route add $elsewhere via 2001:db8:203::2
done
echo ready
exec cat
"""


HOST_PROGRAM = Path(__file__).with_name("network_host.py")


class Host:
    """HOST_PROGRAM in one of the namespaces, as this command starts it."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, name: str, **options: Any) -> str:
        """One of its functions."""
        return str(self._ask(name, options))

    def many(self, jobs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
        """Several of them at the same time."""
        return list(self._ask("many", {"jobs": jobs}))

    def _ask(self, name: str, options: Mapping[str, Any]) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{(name, options)!r}\n")
        self.process.stdin.flush()
        return ast.literal_eval(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Network:
    """``hosts`` are lan, wan, dmz and router."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c", SETUP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.holder.stdout is not None and self.holder.stdout.readline() == "ready\n"
        program = [sys.executable, "-IS", str(HOST_PROGRAM)]
        self.hosts = {side: Host([*self.inside, "ip", "netns", "exec", side, *program]) for side in SIDES}
        self.hosts["router"] = Host([*self.inside, *program])
        for host in self.hosts.values():
            for port in PORTS:
                host("serve", port=port)
        self._settle()

    def _settle(self) -> None:
        """Until every host has heard of its router: a new link takes a second or two to carry IPv6."""
        deadline = time.monotonic() + 20
        for side in SIDES:
            for address in ROUTER[side].values():
                while self.hosts[side]("ping", address=address) != "answer":
                    assert time.monotonic() < deadline, f"{side} does not reach {address}"

    @property
    def inside(self) -> list[str]:
        """The words before a command that runs on the router."""
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m"]

    def run(self, *command: str, text: str | None = None) -> str:
        done = subprocess.run([*self.inside, *command], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def load(self, variables: Mapping[str, Any], files: Mapping[str, str] | None = None) -> str:
        """The role's ruleset instead of the one that was loaded before; flushing is of this namespace alone."""
        text = without_flowtable(rendered(variables, files))
        self.run("nft", "-f", "-", text="flush ruleset\n" + text)
        return text

    def firewall(self, zones: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> str:
        """The role's full firewall for the three sides; ``zones`` are what a zone has besides its name and device.

        With ``load=False`` no more than its text.
        """
        every = [{"name": side, "devices": [f"{side}0"], **(zones or {}).get(side, {})} for side in SIDES]
        files, exclude, load = more.pop("files", None), more.pop("exclude", []), more.pop("load", True)
        if not any("ssh" in zone.get("services", ()) for zone in every):
            every[0] = {**every[0], "services": ["ssh", *every[0].get("services", ())]}
        router = {"zones": every, **more}
        variables = {"flow_offload_router": router, "flow_offload_exclude": exclude}
        return self.load(variables, files) if load else rendered(variables, files)

    def counter(self, name: str) -> int:
        """Packets of a named counter."""
        found = re.search(r"packets (\d+)", self.run("nft", "list", "counter", "inet", "nft_offload", name))
        assert found
        return int(found[1])

    def offloaded(self) -> int:
        """Packets that a flowtable would have been fed with since the ruleset was loaded."""
        chain = "fast_path" if "chain fast_path" in self.run("nft", "list", "ruleset") else "forward"
        (packets,) = re.findall(
            r"^\t\t(?:[^\n]* )?counter packets (\d+) bytes \d+$",
            self.run("nft", "list", "chain", "inet", "nft_offload", chain),
            re.MULTILINE,
        )
        return int(packets)

    def close(self) -> None:
        for host in self.hosts.values():
            host.close()
        self.holder.kill()
        self.holder.wait()


def dial(net: Network, side: str, address: str, port: int, **options: object) -> str:
    return net.hosts[side]("tcp", address=address, port=port, **options)


def send(net: Network, side: str, address: str, port: int, **options: object) -> str:
    return net.hosts[side]("udp", address=address, port=port, **options)


def ping(net: Network, side: str, address: str) -> str:
    return net.hosts[side]("ping", address=address)
