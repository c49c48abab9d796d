# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab router between more networks than the lab's own two, whose hosts open the connections that a test needs.

Guests are a VLAN of the LAN's cable. LAN host and guest are one machine, so a source that belongs to the guests can be
sent from the LAN as well, and its answer arrives.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lab import routers
from tests.lab.router import Live
from tests.unit.helpers.network import HOST_PROGRAM, Host

SIDES = ("lan", "wan")
PORTS = (443, 5060, 7100, 7103, 7104, 7105, 7110, 7111, 8080, 8443)
PATIENCE = 3
"""seconds to wait for an answer, enough for an emulated router"""

Address = Mapping[int, str]

ROUTER_LAN: Address = {4: "10.10.0.1", 6: "fd00:10::1"}
ROUTER_WAN: Address = {4: "203.0.113.1", 6: "2001:db8:203::1"}
ROUTER_STATIC = "203.0.113.77"
LAN: Address = {4: "10.10.0.2", 6: "fd00:10::2"}
OTHER_LAN: Address = {4: "10.10.0.3", 6: "fd00:11::3"}
"""in another /64, because limits per source count a /64 as one"""
GUEST: Address = {4: "10.7.0.2", 6: "fd00:7::2"}
FORGED: Address = {4: "10.7.0.9", 6: "fd00:7::9"}
"""a guest's address, sent from the LAN"""
WAN: Address = {4: "203.0.113.2", 6: "2001:db8:203::2"}
ELSEWHERE: Address = {4: "198.51.100.7", 6: "2001:db8:51::7"}
BLOCKED: Address = {4: "198.51.100.66", 6: "2001:db8:66::66"}
BOGON: Address = {4: "192.168.77.7", 6: "fc00:77::7"}

# Of several addresses of a device, one with preferred_lft 0 is used only by sockets bound to it.
NETWORKS = f"""set -e
ip address add {ROUTER_STATIC}/32 dev wan0
ip address add fd00:11::1/64 dev lan0 nodad
ip link add link lan0 name lan0.7 type vlan id 7
ip link set lan0.7 up
ip address add 10.7.0.1/24 dev lan0.7
ip address add fd00:7::1/64 dev lan0.7 nodad
ip -n lan link add link eth0 name eth0.7 type vlan id 7
ip -n lan link set eth0.7 up
ip -n lan -batch - <<END
address add {OTHER_LAN[4]}/24 dev eth0
address add {OTHER_LAN[6]}/64 dev eth0 nodad preferred_lft 0
address add {GUEST[4]}/24 dev eth0.7
address add {GUEST[6]}/64 dev eth0.7 nodad preferred_lft 0
address add {FORGED[4]}/24 dev eth0.7
address add {FORGED[6]}/64 dev eth0.7 nodad preferred_lft 0
route add default via 10.7.0.1 table 7
route add default via fd00:7::1 table 7
END
ip -n lan rule add from {GUEST[4]} lookup 7
ip -n lan -6 rule add from {GUEST[6]} lookup 7
for address in {ELSEWHERE[4]}/32 {BLOCKED[4]}/32 {BOGON[4]}/32 {ELSEWHERE[6]} {BLOCKED[6]} {BOGON[6]}; do
  ip -n wan address add $address dev lo
done
"""


class Edge:
    """The router and its hosts. Connections made with ``keep`` stay open until ``release``."""

    def __init__(self, router: Live) -> None:
        self.router = router
        self._sports = itertools.count(20000)
        router.sh(NETWORKS)
        router.sh(f"cat >/run/host.py <<'END'\n{HOST_PROGRAM.read_text(encoding='utf-8')}END")
        login = routers.get(router.name).login.ssh()
        program = f"python3 -IS /run/host.py {PATIENCE}"
        self.hosts = {side: Host([*login, "--", f"exec ip netns exec {side} {program}"]) for side in SIDES}
        for host in self.hosts.values():
            for port in PORTS:
                host("serve", port=port)

    def close(self) -> None:
        for host in self.hosts.values():
            host.close()

    def sport(self) -> int:
        """A source port that no connection has used yet."""
        return next(self._sports)

    def dial(self, side: str, address: str, port: int, **options: Any) -> str:
        """Open a TCP connection; the source address that the server saw, or ``refused``, or ``nothing``."""
        return self.hosts[side]("tcp", address=address, port=port, **options)

    def talk(self, side: str) -> bool:
        """Whether the last kept connection still carries data in both directions."""
        return [self.hosts[side]("talk", data=word) for word in ("one", "two")] == ["one", "two"]

    def release(self) -> None:
        for host in self.hosts.values():
            host("release")

    def many(self, side: str, jobs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
        """Call functions of the host at the same time; each job is (function, options)."""
        self.router.acts += 1
        return self.hosts[side].many([(name, dict(options)) for name, options in jobs])

    def counter(self, name: str) -> int:
        """Packets that a named counter of the firewall has."""
        found = re.search(r"packets (\d+)", self.router.nft(f"list counter inet nft_offload {name}"))
        assert found
        return int(found[1])

    def marks(self, expected: Mapping[int, str]) -> dict[int, str]:
        """Source port -> OFFLOAD, HW_OFFLOAD or nothing, for the connections from the ports of ``expected``.

        Waits for these marks: the flowtable takes a flow with its packets, the NIC may take it later.
        """
        deadline = time.monotonic() + 8
        while True:
            tracked = self.router.sh("cat /proc/net/nf_conntrack").splitlines()
            found = {int(line.split("sport=")[1].split()[0]): line for line in tracked if "sport=" in line}
            marks = {port: _mark(found.get(port, "[not tracked]")) for port in expected}
            if marks == expected or time.monotonic() > deadline:
                return marks
            time.sleep(0.3)


def _mark(line: str) -> str:
    found = re.search(r"\[(HW_OFFLOAD|OFFLOAD|not tracked)\]", line)
    return found[1] if found else ""
