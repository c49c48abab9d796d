# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conntrack: classed and counted on the router, read here."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.conntrack import parse_conntrack
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Carried, FlowPair, Flows
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import AWKS, call

LOCAL = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: wan0    inet 203.0.113.1/24 scope global wan0:1\\       valid_lft forever preferred_lft forever
9: ppp0    inet 100.64.0.7 peer 100.64.0.1/32 scope global ppp0\\       valid_lft forever preferred_lft forever
nf_conntrack_count:12
nf_conntrack_max:65536
nf_conntrack_tcp_timeout_established:432000
nf_conntrack_tcp_timeout_unacknowledged:300
nf_conntrack_udp_timeout_stream:120
00000000000000000000000000000001 01 80 10 80       lo
20010db8020300000000000000000001 03 40 00 80     wan0
--
"""
HOST4, HOST6 = "10.10.0.2", "fd00:0010:0000:0000:0000:0000:0000:0002"
FAR4, FAR6 = "198.51.100.9", "2001:0db8:0203:0000:0000:0000:0000:0002"
OWN4, OWN6 = "203.0.113.1", "2001:0db8:0203:0000:0000:0000:0000:0001"


def tuples(source: str, destination: str, back_from: str, back_to: str) -> str:
    counted = "packets=7 bytes=900 "
    return (
        f"src={source} dst={destination} sport=40222 dport=443 {counted}"
        f"src={back_from} dst={back_to} sport=443 dport=40222 {counted}"
    )


FORWARDED = tuples(HOST4, FAR4, FAR4, OWN4)  # masqueraded
PUBLISHED = tuples(FAR4, OWN4, HOST4, FAR4)  # a port forward
OUTGOING = tuples(OWN4, FAR4, FAR4, OWN4)
INCOMING = tuples(FAR4, OWN4, OWN4, FAR4)
FORWARDED6 = tuples(HOST6, FAR6, FAR6, HOST6)
INCOMING6 = tuples(FAR6, OWN6, OWN6, FAR6)


def classify(awk: str, cwd: Path, *lines: str, within: int = 5) -> Flows:
    unknown: list[str] = []
    text = LOCAL + "".join(f"{line}\n" for line in lines)
    flows = parse_conntrack(call("conntrack", f"_classify {within}", text, awk, cwd), unknown)
    assert unknown == []
    assert (flows.total, flows.maximum, flows.sampled) == (12, 65536, len(lines))
    return flows


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(
    ("line", "key"),
    [
        # up to 6.12 and later, offloaded flows print no timeout; the TCP state was printed up to 5.x
        (f"ipv4     2 tcp      6 {FORWARDED}[HW_OFFLOAD] mark=0 zone=0 use=3", "ipv4 tcp hardware"),
        (f"ipv4     2 tcp      6 ESTABLISHED {FORWARDED}[OFFLOAD] mark=0 zone=0 use=3", "ipv4 tcp software"),
        (f"ipv4     2 udp      17 {PUBLISHED}[OFFLOAD] mark=0 use=3", "ipv4 udp software"),
        (f"ipv6     10 udp      17 {FORWARDED6}[HW_OFFLOAD] mark=0 use=3", "ipv6 udp hardware"),
        (f"ipv4     2 tcp      6 431999 ESTABLISHED {FORWARDED}[ASSURED] mark=0 use=3", "ipv4 tcp slow"),
        (f"ipv4     2 tcp      6 431999 ESTABLISHED {PUBLISHED}[ASSURED] mark=0 use=3", "ipv4 tcp slow"),
        (f"ipv4     2 udp      17 119 {FORWARDED}[ASSURED] mark=0 use=3", "ipv4 udp slow"),
        (f"ipv6     10 tcp      6 300 ESTABLISHED {FORWARDED6}[ASSURED] mark=0 use=3", "ipv6 tcp slow"),
        (f"ipv4     2 tcp      6 431999 ESTABLISHED {OUTGOING}[ASSURED] mark=0 use=3", "ipv4 tcp local"),
        (f"ipv4     2 tcp      6 431999 ESTABLISHED {INCOMING}[ASSURED] mark=0 use=3", "ipv4 tcp local"),
        (f"ipv6     10 udp      17 20 {INCOMING6}mark=0 use=3", "ipv6 udp local"),
        (f"ipv4     2 udp      17 20 {tuples('100.64.0.7', FAR4, FAR4, '100.64.0.7')}use=3", "ipv4 udp local"),
        (f"ipv4     2 tcp      6 60 SYN_SENT {FORWARDED}[UNREPLIED] mark=0 use=3", None),
        (f"ipv4     2 tcp      6 100 TIME_WAIT {FORWARDED}[ASSURED] mark=0 use=3", None),
        (f"ipv4     2 udp      17 20 {FORWARDED}mark=0 use=3", None),
        (f"ipv4     2 icmp     1 20 src={HOST4} dst={FAR4} type=8 code=0 id=3 src={FAR4} dst={OWN4} use=2", None),
        ("ipv4     2 tcp", None),
        ("", None),
    ],
)
def test_classes(line: str, key: str | None, awk: str, tmp_path: Path) -> None:
    flows = classify(awk, tmp_path, line)
    assert flows.counts == ({key: 1} if key else {})
    shown = key is not None and not key.endswith("local")
    assert flows.examples == ({key.split()[-1]: (" ".join(line.split()),)} if key and shown else {})


@pytest.mark.parametrize("awk", AWKS)
def test_a_packet_just_now_shows_in_the_timeout(awk: str, tmp_path: Path) -> None:
    lines = [
        *(
            f"ipv4 2 tcp 6 {timeout} ESTABLISHED {FORWARDED}[ASSURED] use=2"
            for timeout in (432000, 431996, 431995, 301, 300, 296, 295)
        ),
        *(f"ipv4 2 udp 17 {timeout} {FORWARDED}[ASSURED] use=2" for timeout in (120, 116, 115)),
        f"ipv4 2 tcp 6 432000 ESTABLISHED {OUTGOING}[ASSURED] use=2",
    ]
    assert classify(awk, tmp_path, *lines).recent_slow == 6
    assert classify(awk, tmp_path, *lines).recent == {"ipv4 tcp": 4, "ipv4 udp": 2}
    assert classify(awk, tmp_path, *lines, within=1).recent_slow == 3
    assert classify(awk, tmp_path, *lines, within=0).recent_slow == 0


@pytest.mark.parametrize("awk", AWKS)
def test_many_lines_stay_few(awk: str, tmp_path: Path) -> None:
    lines = [
        f"ipv4 2 udp 17 {tuples(HOST4, f'198.51.100.{n}', f'198.51.100.{n}', OWN4)}[OFFLOAD] use=2" for n in range(99)
    ]
    flows = classify(awk, tmp_path, *lines)
    assert flows.counts == {"ipv4 udp software": 99}
    assert len(flows.examples["software"]) == 3
    assert flows.of("software", "hardware") == 99


def counted(protocol: str, port: int, there: int, back: int, mark: str = "[HW_OFFLOAD]") -> str:
    original = f"src={HOST4} dst={FAR4} sport={port} dport=443 packets={there} bytes=9"
    reply = f"src={FAR4} dst={OWN4} sport=443 dport={port} packets={back} bytes=9"
    return f"ipv4     2 {protocol} 6 {original} {reply} {mark} use=2"


@pytest.mark.parametrize("awk", AWKS)
def test_what_offloaded_flows_carried_meanwhile(awk: str, tmp_path: Path) -> None:
    before = [counted("tcp", 1, 9, 5), counted("tcp", 2, 100, 50), counted("udp", 2, 7, 7), counted("tcp", 4, 9, 9, "")]
    after = [
        counted("tcp", 1, 10, 15),
        counted("tcp", 2, 1100, 1050),
        counted("udp", 2, 8, 8, "[OFFLOAD]"),
        counted("udp", 3, 900, 900),  # it was not there before
        "ipv4 2 tcp 6 src=10.10.0.2 dst=198.51.100.9 sport=9 dport=9 src=1.1.1.1 dst=1.1.1.2 [OFFLOAD] use=2",
    ]
    was = call("conntrack", "_carried", "\n".join(before), awk, tmp_path)
    assert len(was.splitlines()) == 3
    text = LOCAL.replace("--\n", f"{was}--\n") + "\n".join(after)
    flows = parse_conntrack(call("conntrack", "_classify 5", text, awk, tmp_path))
    assert flows.carried == {"hardware": Carried(2, 1001, 1010), "software": Carried(1, 1, 1)}


NETWORKS = LOCAL.replace(
    "--\n",
    """\
3: br-lan    inet 10.0.0.1/8 brd 10.255.255.255 scope global br-lan
4: docker0    inet 10.172.0.1/16 scope global docker0
5: lan1    inet 192.168.1.1/25 scope global lan1
6: lan2    inet 192.168.1.129/25 scope global lan2
7: old    inet 172.16.0.1/24 scope global old
8: new    inet 172.16.0.2/24 scope global new
fe800000000000000000000000000001 03 40 20 80    wan0
fd000010000000000000000000000001 04 38 00 80   br-lan
20010db8ff0050000000000000000001 04 35 00 80     lan1
--
""",
)


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(
    ("source", "destination", "begins", "ends"),
    [
        ("10.1.0.2", "198.51.100.7", "br-lan", "-"),
        ("10.172.255.2", "203.0.113.200", "docker0", "wan0"),
        ("192.168.1.127", "192.168.1.128", "lan1", "lan2"),
        ("10.1.0.2", "10.2.0.2", "br-lan", "br-lan"),
        ("172.16.0.9", "100.64.0.1", "-", "ppp0"),
        (HOST6, FAR6, "br-lan", "wan0"),
        ("fd00:0010:0000:00ff:0000:0000:0000:0002", "fd00:0010:0000:0100:0000:0000:0000:0002", "br-lan", "-"),
        ("2001:0db8:ff00:57ff:0000:0000:0000:0002", "2001:0db8:ff00:5800:0000:0000:0000:0002", "lan1", "-"),
        ("fe80:0000:0000:0000:0000:0000:0000:0009", "2001:0db8:0203:0000:0000:0000:0000:0009", "-", "wan0"),
    ],
)
def test_between_which_devices(source: str, destination: str, begins: str, ends: str, awk: str, tmp_path: Path) -> None:
    """By the longest prefix; a network that two devices have is of neither."""
    family = "ipv6     10" if ":" in source else "ipv4     2"
    flow = tuples(source, destination, destination, OWN6 if ":" in source else OWN4)
    lines = [
        f"{family} udp      17 119 {flow}[ASSURED] mark=0 use=2",
        f"{family} tcp      6 {flow}[OFFLOAD] mark=0 use=2",
    ]
    text = NETWORKS + "".join(f"{line}\n" for line in lines)
    version = family.split(maxsplit=1)[0]
    assert set(parse_conntrack(call("conntrack", "_classify 5", text, awk, tmp_path)).pairs) == {
        FlowPair(version, "udp", "slow", begins, ends, 1, 1),
        FlowPair(version, "tcp", "software", begins, ends, 1, 0),
    }


@pytest.mark.parametrize("awk", AWKS)
def test_many_pairs_stay_few(awk: str, tmp_path: Path) -> None:
    networks = "".join(f"{n}: vlan{n}    inet 10.{n}.0.1/16 scope global vlan{n}\n" for n in range(250))
    lines = [
        f"ipv4     2 tcp      6 {tuples(f'10.{n}.0.2', FAR4, FAR4, OWN4)}[OFFLOAD] mark=0 use=2\n" for n in range(250)
    ]
    text = LOCAL.replace("--\n", f"{networks}--\n") + "".join(lines)
    pairs = parse_conntrack(call("conntrack", "_classify 5", text, awk, tmp_path)).pairs
    assert (len(pairs), sum(pair.flows for pair in pairs)) == (129, 250)
    assert pairs[0] == FlowPair("ipv4", "tcp", "software", "-", "-", 122)


@pytest.mark.parametrize(("sampled", "total", "points"), [(0, 0, 0), (9, 9, 0), (2048, 2049, 0), (2048, 10**6, 2.2)])
def test_how_far_a_share_may_be_off(sampled: int, total: int, points: float) -> None:
    assert parse_conntrack(f"sampled {sampled}\ntotal {total}").error == points


def test_over_how_long_packets_were_counted() -> None:
    assert parse_conntrack("between 100.04 108.5").carried_seconds == 8.46
    assert parse_conntrack("between 108.5 100.04").carried_seconds == 0


def test_nothing_was_printed() -> None:
    assert parse_conntrack("") == Flows(total=None, maximum=None, sampled=0, seconds=0)


@pytest.mark.parametrize(
    "line",
    ["total", "total x", "total -1", "count ipv4 tcp 4", "carried slow 1 2", "example slow", "between 1 2", "what"],
)
def test_an_unknown_line_is_reported(line: str) -> None:
    unknown: list[str] = []
    assert parse_conntrack(line, unknown) == Flows(total=None, maximum=None, sampled=0, seconds=0)
    assert unknown == [f"conntrack: {line}"]


WORDS = st.sampled_from(["waited", "between", "1.5", "total", "count", "carried", "example", "²", "٣", "9"])


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_no_text_is_too_odd(text: str) -> None:
    parse_conntrack(text)
    parse_conntrack("total " + "9" * 5000)


@pytest.mark.parametrize("awk", AWKS)
def test_what_tells_that_flows_are_not_delivered(awk: str, tmp_path: Path) -> None:
    """An address that ARP does not find beside flows that have it, and TCP flows with packets one way only."""
    flow = f"{FORWARDED}[OFFLOAD] mark=0 use=3"
    key = f"src={HOST4},dst={FAR4},sport=40222,dport=443"
    text = LOCAL.replace("--\n", f"was ipv4tcp,{key} 2 7\narp {FAR4} wan0\narp 198.51.100.8 wan0\n--\n")
    text += f"ipv4 2 tcp 6 {flow}\nipv4 2 udp 17 {flow}\nipv6 10 udp 17 {FORWARDED6}[OFFLOAD] use=3\n"
    flows = parse_conntrack(call("conntrack", "_classify 5", text, awk, tmp_path))
    assert flows.unresolved == {(FAR4, "wan0"): 2}
    assert flows.carried == {"software": Carried(1, 5, 0)}
    assert flows.one_way == {"ipv4 software": (1, 1)}
    slow = LOCAL.replace("--\n", f"arp {FAR4} wan0\n--\n") + f"ipv4 2 udp 17 119 {FORWARDED}[ASSURED] use=3\n"
    assert parse_conntrack(call("conntrack", "_classify 5", slow, awk, tmp_path)).unresolved == {}
