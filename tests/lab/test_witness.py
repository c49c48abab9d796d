# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change that lets the controller in and stops everybody else is undone, because users' traffic bears witness."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults import topologies
from tests.lab.plays import Task
from tests.lab.router import Live
from tests.lab.rulesets import CONTENT, FLOWTABLE

pytestmark = pytest.mark.router("trixie/plain", "tools")

USERS = Path(__file__).with_name("users.py").read_text(encoding="utf-8")
WAN_HOST = "203.0.113.2 2001:db8:203::2"
SOFTWARE = {**FLOWTABLE, "offload": "software"}
TIMEOUT = 90
"""an emulated router takes its time to count"""
BUSY = 240
"""seconds that users go on"""

# IPv4 over a next hop that has an IPv6 address. A flowtable takes the far host behind it for the next hop.
NEXT_HOP_OF_ANOTHER_FAMILY = f"set -e{topologies.NEXT_HOP_OF_ANOTHER_FAMILY}"
FAR_HOST = "192.0.2.2 2001:db8:2::2"

# IPv4 in IPv6: the fast path of Linux 7.0 and later puts packets into the tunnel by itself.
DS_LITE = """set -e
ip netns exec wan sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
ip link add tun0 type ip6tnl mode ipip6 local 2001:db8:203::1 remote 2001:db8:203::2 encaplimit none
ip link set tun0 up
ip -4 address flush dev wan0
ip address add 100.64.9.1/30 dev tun0
ip route replace default via 100.64.9.2
ip -n wan link add tun0 type ip6tnl mode ipip6 local 2001:db8:203::2 remote 2001:db8:203::1 encaplimit none
ip -n wan link set tun0 up
ip -n wan -4 address flush dev eth0
ip -n wan address add 100.64.9.2/30 dev tun0
ip -n wan address add 192.0.2.2/32 dev lo
ip -n wan -4 route replace 10.10.0.0/24 dev tun0
"""
BEHIND_TUNNEL = "192.0.2.2 2001:db8:203::2"


def busy(router: Live, hosts: str = WAN_HOST) -> None:
    """Users who go on in the background; returns once they are answered, in both families."""
    router.sh(f"cat >/run/users.py <<'END'\n{USERS}END")
    router.sh(f"setsid ip netns exec lan python3 /run/users.py busy {BUSY} {hosts} </dev/null >/run/users 2>&1 &")
    router.sh("for _try in $(seq 60); do grep -q ready /run/users && exit; sleep 0.5; done; exit 1")
    for host in hosts.split():
        reaches(router, host)


def reaches(router: Live, host: str) -> None:
    """Assert that a new TCP connection through the router carries something there and back."""
    program = (
        f"import socket; s = socket.create_connection(('{host}', 7000), 5); s.settimeout(5); "
        "[(s.sendall(b'x' * 40), s.recv(40)) for _n in range(5)]"
    )
    until = time.monotonic() + 20
    while not router.succeeds(f'ip netns exec lan python3 -c "{program}"'):
        assert time.monotonic() < until, f"{host} does not answer"


def undone(router: Live, task: Task) -> str:
    """Assert that the router put back what it ran, at once, because of its users' traffic; the reason."""
    change = task.result.get("change", {})
    assert task.status == "failed" and change.get("rolled_back") and not change["confirmed"], f"{change}: {task.msg}"
    assert change["traffic"]["verdict"] == "stopped", change
    assert len(task.execs) == 3, "it costs no exec of its own"
    assert not router.succeeds("nft list table inet nft_offload")
    assert "nft_offload_witness" not in router.sh("nft list tables; ps -e -o args=")
    assert "users' traffic stopped" in router.sh("journalctl -t nft-offload -o cat")
    assert router.succeeds("true"), "the controller came in unharmed"
    return str(change["reason"])


def load(router: Live, content: str = CONTENT, **options: Any) -> Task:
    options = {"flowtables": [SOFTWARE], "confirm_timeout": TIMEOUT, **options}
    return router.module("ruleset", content=content, **options)


def test_traffic_that_goes_on_is_counted_and_confirmed(router: Live) -> None:
    busy(router)
    task = load(router)
    assert task.status == "ok", task.msg
    traffic = task.result["change"]["traffic"]
    assert traffic["verdict"] == "kept" and len(task.execs) == 3
    for family in ("ipv4", "ipv6"):
        assert traffic["before"][family]["fast_path_taken"] == 0 < traffic["before"][family]["data_to_lan"]
        assert traffic["after"][family]["fast_path_taken"] > 20, "the fast path is counted too"
    assert all(gateway["answers"] for gateway in traffic["after"]["gateways"])
    assert "nft_offload_witness" not in router.sh("nft list tables")


def test_nothing_to_forward_costs_a_second(router: Live) -> None:
    task = load(router)
    assert task.status == "ok", task.msg
    assert task.result["change"]["traffic"]["verdict"] == "quiet"


@pytest.mark.parametrize("rule", ["meta nfproto ipv6 drop", "ct state new drop"])
def test_a_rule_that_stops_users(router: Live, rule: str) -> None:
    """The controller still gets in, and what is already open may go on."""
    busy(router)
    chain = f"chain stop {{ type filter hook forward priority 10; policy accept; {rule}\n }}"
    reason = undone(router, load(router, f"{CONTENT}table inet nft_offload {{ {chain}\n }}\n"))
    assert "IPv6" in reason and ("IPv4" in reason) is ("new" in rule)
    for host in WAN_HOST.split():
        reaches(router, host)


def test_off(router: Live) -> None:
    busy(router)
    chain = "chain stop { type filter hook forward priority 10; policy drop; }"
    task = load(router, f"{CONTENT}table inet nft_offload {{ {chain}\n }}\n", traffic_witness="off")
    assert task.status == "ok" and "traffic" not in task.result["change"]


def test_ipv4_over_a_next_hop_of_ipv6(router: Live) -> None:
    router.sh(NEXT_HOP_OF_ANOTHER_FAMILY)
    busy(router, FAR_HOST)
    reason = undone(router, load(router))
    assert "IPv4: the fast path took" in reason and "IPv6" not in reason
    for host in FAR_HOST.split():
        reaches(router, host)


@pytest.mark.router("forky/plain", "tools")
def test_ds_lite(router: Live) -> None:
    router.sh(DS_LITE)
    busy(router, BEHIND_TUNNEL)
    devices = ["lan0", "tun0", "wan0"]
    reason = undone(router, load(router, flowtables=[{**SOFTWARE, "devices": devices}]))
    assert "IPv4: TCP connections brought the LAN side" in reason and "IPv6" not in reason
    for host in BEHIND_TUNNEL.split():
        reaches(router, host)


def test_the_gateway_answers_no_more(router: Live) -> None:
    """Neighbour discovery is what a ruleset that drops ICMPv6 forgets."""
    rule = "icmpv6 type { nd-neighbor-advert, echo-reply } drop"
    chain = f"chain in {{ type filter hook input priority 0; policy accept; {rule}\n }}"
    reason = undone(router, load(router, f"{CONTENT}table inet nft_offload {{ {chain}\n }}\n"))
    assert "the gateway of the IPv6 default route, 2001:db8:203::2 on wan0, answered before" in reason


def test_a_check_of_the_gateway(router: Live) -> None:
    task = load(router, checks=[{"gateway": "ipv4"}, {"gateway": "ipv6"}])
    assert task.status == "ok", task.msg
