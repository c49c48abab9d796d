# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The full firewall's finer rules, and exclusions, with real packets on every kernel and with the flowtable on.

The tests of one kernel share a router with one firewall; the last tests load others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.edge import (
    BLOCKED,
    BOGON,
    ELSEWHERE,
    FORGED,
    GUEST,
    LAN,
    OTHER_LAN,
    ROUTER_LAN,
    ROUTER_STATIC,
    ROUTER_WAN,
    WAN,
    Address,
    Edge,
)
from tests.lab.rack import Rack

pytestmark = pytest.mark.parametrize(
    "edge",
    [
        pytest.param(kind, marks=pytest.mark.router(kind, "tools"))
        for kind in ("trixie/offload", "bookworm/offload", "forky/offload")
    ],
    indirect=True,
)
BOTH = pytest.mark.parametrize("version", [4, 6])

FIREWALL: dict[str, Any] = {
    "flow_offload_ruleset": "router",
    "flow_offload_devices": ["lan0", "wan0"],
    "flow_offload_router": {
        "zones": [
            {"name": "lan", "devices": ["lan0"], "services": ["ssh"], "antispoof": "strict"},
            {"name": "guest", "devices": ["lan0.7"]},
            {"name": "wan", "devices": ["wan0"], "masquerade": True, "bogons": True, "mss": "1300"},
            {"name": "mgmt", "devices": ["mgmt0"], "services": ["ssh"]},
        ],
        "sets": [{"name": "bad", "elements": [BLOCKED[4], BLOCKED[6]]}],
        "blocklists": [{"set": "bad", "from": ["wan"], "to": ["wan"]}],
        "bogon_exceptions": ["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/32"],
        "forward": [
            {"from": ["lan"], "to": ["wan"], "services": ["tcp/7110"]}
            | {"limit": {"rate": "1/hour", "burst": 3, "per": "source"}},
            {"from": ["lan"], "to": ["wan"], "services": ["tcp/7111"], "connections": {"max": 2, "per": "source"}},
            {"from": ["lan", "guest"], "to": ["wan"]},
        ],
        "port_forwards": [
            {"name": "web", "from": ["wan"], "to": "lan", "port": "8443", "ipv4": LAN[4], "target_port": 443}
            | {"ipv6": LAN[6], "hairpin": ["lan"]},
        ],
        "source_nat": [
            {"to": ["wan"], "sources": ["10.7.0.0/24"], "action": "none"},
            {"to": ["wan"], "sources": [OTHER_LAN[4]], "address": ROUTER_STATIC},
        ],
    },
}

# where clients reach the server behind the port forward
DOOR: Address = {4: ROUTER_WAN[4], 6: LAN[6]}
# the source address of the LAN host that a server on the WAN side sees
LAN_OUTSIDE: Address = {4: ROUTER_WAN[4], 6: LAN[6]}


def refused(version: int, door: Address) -> dict[str, tuple[str, str, int, str]]:
    """Name -> what the firewall must drop: (side of the sender, address, port, source address)."""
    return {
        "no such port forward": ("wan", door[version], 8080, WAN[version]),
        "blocked source": ("wan", door[version], 8443, BLOCKED[version]),
        "bogon as a source": ("wan", door[version], 8443, BOGON[version]),
        "blocked destination": ("lan", BLOCKED[version], 7100, LAN[version]),
        "bogon as a destination": ("lan", BOGON[version], 7100, LAN[version]),
        "forged source": ("lan", WAN[version], 7100, FORGED[version]),
    }


def dial_all(edge: Edge, attempts: dict[str, tuple[str, str, int, str]]) -> dict[str, str]:
    """Name of each attempt -> the source address that the server saw, or nothing."""
    answers: dict[str, str] = {}
    for sender in ("lan", "wan"):
        jobs = {
            name: ("tcp", {"address": address, "port": port, "source": source})
            for name, (side, address, port, source) in attempts.items()
            if side == sender
        }
        answers |= dict(zip(jobs, edge.many(sender, list(jobs.values())), strict=True))
    return answers


def sources(attempts: dict[str, tuple[str, str, int, str]]) -> dict[str, str]:
    return {name: source for name, (_side, _address, _port, source) in attempts.items()}


def check_without_firewall(edge: Edge) -> None:
    """Assert that everything that the firewall will drop gets through without it."""
    for version in (4, 6):
        attempts = refused(version, LAN)
        assert dial_all(edge, attempts) == sources(attempts)
        free = edge.dial("lan", WAN[version], 7100, source=LAN[version], ask="mss")
        assert free == {4: "1448", 6: "1428"}[version], "timestamps take 12 bytes of each segment"


@pytest.fixture(scope="module")
def edge(request: pytest.FixtureRequest, rack: Rack) -> Iterator[Edge]:
    """A router of this kind with FIREWALL on it."""
    with contextlib.closing(Edge(rack.get(request.param, "tools"))) as edge:
        check_without_firewall(edge)
        run = edge.router.role(**FIREWALL).worked()
        assert run.task("ruleset").result["flowtables"][0]["offload"] == "hardware"
        yield edge


@BOTH
def test_refused(edge: Edge, version: int) -> None:
    counters = ("blocklist_bad", "bogons", "spoofed")
    before = [edge.counter(name) for name in counters]
    attempts = refused(version, DOOR)
    assert dial_all(edge, attempts) == dict.fromkeys(attempts, "nothing")
    assert all(edge.counter(name) > count for name, count in zip(counters, before, strict=True))


@BOTH
def test_similar_packets_are_not_refused(edge: Edge, version: int) -> None:
    assert edge.dial("wan", DOOR[version], 8443, source=ELSEWHERE[version]) == ELSEWHERE[version]
    assert edge.dial("lan", ELSEWHERE[version], 7100, source=LAN[version]) == LAN_OUTSIDE[version]
    assert edge.dial("lan", WAN[version], 7100, source=GUEST[version]) == GUEST[version]


@pytest.mark.parametrize(
    ("side", "address", "port", "source", "server_sees"),
    [
        ("wan", ROUTER_WAN[4], 8443, WAN[4], WAN[4]),
        ("wan", LAN[6], 8443, WAN[6], WAN[6]),
        ("lan", ROUTER_WAN[4], 8443, LAN[4], ROUTER_LAN[4]),
        ("lan", WAN[4], 7100, LAN[4], ROUTER_WAN[4]),
        ("lan", WAN[4], 7100, OTHER_LAN[4], ROUTER_STATIC),
        ("lan", WAN[4], 7100, GUEST[4], GUEST[4]),
        ("lan", WAN[6], 7100, LAN[6], LAN[6]),
    ],
    ids=["port forward", "let in", "hairpin", "masquerade", "static source", "no translation", "routed"],
)
def test_translated_and_offloaded(
    edge: Edge, side: str, address: str, port: int, source: str, server_sees: str
) -> None:
    """The NIC rewrites what the kernel would: data passes in both directions before and after it has taken the flow."""
    sport = edge.sport()
    assert edge.dial(side, address, port, source=source, sport=sport, keep=True) == server_sees
    assert edge.talk(side)
    expected = {sport: "HW_OFFLOAD"}
    assert edge.marks(expected) == expected
    assert edge.talk(side)
    edge.release()


@BOTH
def test_segment_size(edge: Edge, version: int) -> None:
    """In both directions; check_without_firewall has checked the size without the firewall."""
    assert edge.dial("lan", WAN[version], 7100, source=LAN[version], ask="mss") == "1288"
    assert edge.dial("wan", DOOR[version], 8443, source=WAN[version], ask="mss") == "1288"


@BOTH
def test_rate_for_each_source(edge: Edge, version: int) -> None:
    before = edge.counter("over_limit")
    answers = [edge.dial("lan", WAN[version], 7110, source=LAN[version]) for _each in range(4)]
    assert answers == 3 * [LAN_OUTSIDE[version]] + ["nothing"]
    assert edge.counter("over_limit") > before
    assert edge.dial("lan", WAN[version], 7100, source=LAN[version]) == LAN_OUTSIDE[version]
    other = {4: ROUTER_STATIC, 6: OTHER_LAN[6]}[version]
    assert edge.dial("lan", WAN[version], 7110, source=OTHER_LAN[version]) == other


# The NIC may carry the last ACK of all, for which conntrack then waits; Linux 7.2 keeps a closed flow in the flowtable
# until it times out. Both take 30 s by default.
CLOSED_AFTER = (
    "cd /proc/sys/net/netfilter && echo {last_ack} >nf_conntrack_tcp_timeout_last_ack && "
    "echo {flow} >nf_flowtable_tcp_timeout"
)


@BOTH
def test_connections_for_each_source(edge: Edge, version: int) -> None:
    """They are offloaded and still count, until conntrack treats them as closed."""
    edge.router.sh(CLOSED_AFTER.format(last_ack=1, flow=5))
    sports = [edge.sport(), edge.sport()]
    options = {"source": LAN[version], "keep": True}
    for sport in sports:
        assert edge.dial("lan", WAN[version], 7111, sport=sport, **options) == LAN_OUTSIDE[version]
        assert edge.talk("lan")
    offloaded = dict.fromkeys(sports, "HW_OFFLOAD")
    assert edge.marks(offloaded) == offloaded
    assert edge.dial("lan", WAN[version], 7111, **options) == "nothing"
    other = {4: ROUTER_STATIC, 6: OTHER_LAN[6]}[version]
    assert edge.dial("lan", WAN[version], 7111, source=OTHER_LAN[version]) == other
    edge.release()
    again = (edge.dial("lan", WAN[version], 7111, source=LAN[version]) for _each in range(4))
    assert LAN_OUTSIDE[version] in again
    edge.router.sh(CLOSED_AFTER.format(last_ack=30, flow=30))


EXCLUDE: list[dict[str, Any]] = [
    {"services": ["sip"]},
    {"addresses": [OTHER_LAN[4], OTHER_LAN[6]]},
    {"dscp": ["ef"]},
    {"marks": ["0x10"]},
    {"services": ["udp/7105"], "packets": 20},
]
# name -> (protocol, options, whether it is excluded)
FLOWS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "nothing": ("udp", {}, False),
    "service": ("udp", {"port": 5060}, True),
    "nothing, TCP": ("tcp", {}, False),
    "service, TCP": ("tcp", {"port": 5060}, True),
    "address": ("udp", {"source": OTHER_LAN}, True),
    "class ef": ("udp", {"dscp": 46}, True),
    "class cs3": ("udp", {"dscp": 24}, False),
    "connection mark 0x10": ("udp", {"port": 7103}, True),
    "connection mark 0x20": ("udp", {"port": 7104}, False),
    "zone or device": ("udp", {"source": GUEST}, True),
    "few packets": ("udp", {"port": 7105}, True),
}
MARKS = (
    "'add table inet marks; add chain inet marks c { type filter hook prerouting priority mangle; }; "
    "add rule inet marks c udp dport 7103 ct mark set 0x10; add rule inet marks c udp dport 7104 ct mark set 0x20'"
)


def flow(name: str, version: int, sport: int, count: int = 6) -> tuple[str, dict[str, Any]]:
    """One of FLOWS as a job of the LAN host: six datagrams and their answers, or a connection that stays open."""
    protocol, options, _left_out = FLOWS[name]
    more = {"keep": True, "ask": "mss"} if protocol == "tcp" else {"count": count}
    source = options.get("source", LAN)[version]
    return protocol, {"address": WAN[version], "port": 7100, **more, **options, "source": source, "sport": sport}


def check_offloaded(edge: Edge, left_out: bool) -> None:
    """Send every flow, and assert that all are offloaded, or with ``left_out`` all but the excluded ones."""
    # the kernel offers a NIC no flow whose neighbours it does not know yet, and comes back with later packets only
    sources = [
        flow(name, version, edge.sport()) for name in ("nothing", "address", "zone or device") for version in (4, 6)
    ]
    edge.many("lan", sources)
    cases = {edge.sport(): (name, version) for name in FLOWS for version in (4, 6)}
    answers = edge.many("lan", [flow(*case, sport) for sport, case in cases.items()])
    assert "nothing" not in answers, dict(zip(cases.values(), answers, strict=True))
    expected = {sport: "" if left_out and FLOWS[name][2] else "HW_OFFLOAD" for sport, (name, _) in cases.items()}
    marks = edge.marks(expected)
    edge.release()
    wrong = {cases[sport]: mark for sport, mark in marks.items() if mark != expected[sport]}
    assert wrong == {}, "flow -> its mark, where that is not the expected one"


def test_everything_offloads_where_nothing_is_left_out(edge: Edge) -> None:
    edge.router.nft(MARKS)
    check_offloaded(edge, left_out=False)


@pytest.mark.parametrize(
    ("variables", "exclusion"),
    [
        (FIREWALL, {"zones": ["guest"]}),
        (FIREWALL | {"flow_offload_ruleset": "overlay", "flow_offload_router": {}}, {"devices": ["lan0.7"]}),
    ],
    ids=["router", "overlay"],
)
def test_what_is_left_out(edge: Edge, variables: dict[str, Any], exclusion: dict[str, Any]) -> None:
    edge.router.role(
        **variables, flow_offload_exclude=[*EXCLUDE, exclusion], flow_offload_remove_firewall=True
    ).worked()
    check_offloaded(edge, left_out=True)


def test_after_so_many_packets(edge: Edge) -> None:
    """After six datagrams and their answers it was not offloaded; after twelve it is."""
    jobs = {sport: flow("few packets", version, sport) for version in (4, 6) for sport in [edge.sport()]}
    for mark in ("", "HW_OFFLOAD"):
        assert "nothing" not in edge.many("lan", list(jobs.values()))
        expected = dict.fromkeys(jobs, mark)
        assert edge.marks(expected) == expected
