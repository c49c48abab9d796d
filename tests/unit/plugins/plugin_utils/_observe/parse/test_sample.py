# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sample counted: nft's listing -> lines, on the router; lines -> Sample, here."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.sample import MOST, parse_sample
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.share import estimate_share
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    Device,
    Direction,
    Entrance,
    Sample,
    Share,
    Taken,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import AWKS, call

DEVICES = {
    "lan0": Device("lan0", 2, up=True),
    "lan1": Device("lan1", 3, up=True),
    "wan0": Device("wan0", 4, up=True),
    "br0": Device("br0", 5, kind="bridge", up=True, lowers=("lan0", "lan1")),
    "wan0.7": Device("wan0.7", 6, kind="vlan", up=True, lowers=("wan0",)),
}
LISTING = """\
time 100.25 103.31
lan0 5000 50 6000 60
wan0 0 0 0 0
lan0 9223372036854775000 150 6100 61
wan0 1 1 1 1
table inet nft_offload_sample_9_ab {
	set traversed4 {
		type ifname . ifname
		size 128	# count 2
		flags dynamic
		elements = { "br0" . "wan0.7" counter packets 12 bytes 900,
				"wan0.7" . "br0" counter packets 4000000000 bytes 5000000000000 }
	}

	set late4 {
		type ifname . ifname
		size 128
		flags dynamic
	}

	set slow4 {
		typeof iifname . oifname . meta l4proto . ct id
		size 1024
		flags dynamic
		elements = { "br0" . "wan0.7" . tcp . 3141592653 counter packets 10 bytes 600,
				"br0" . "wan0.7" . tcp . 271828 counter packets 90 bytes 9000,
				"br0" . "wan0.7" . udp . 577215 counter packets 11 bytes 1100,
				"br0" . "wan0.7" . tcp . 1 counter packets 9 bytes 500 }
	}

	set traversed6 {
		type ifname . ifname
		elements = { "counter" . "}" counter packets 1 bytes 2, "packets" . "a,b{=" counter packets 3 bytes 4 }
	}

	chain forward {
		type filter hook forward priority -1000000; policy accept;
		meta nfproto ipv4 update @traversed4 { iifname . oifname counter }
		meta nfproto ipv6 update @traversed6 { iifname . oifname counter packets 0 bytes 0 }
	}
}
table netdev nft_offload_sample_9_ab {
	set before4 {
		type ifname . inet_proto
		elements = { "lan0" . tcp counter packets 7 bytes 8 }
	}

	set pppoe_after6 {
		type ifname
		elements = { "wan0" counter packets 5 bytes 6 }
	}
}
"""
LINES = {
    "seconds 3.06",
    "device lan0 100 9223372036854769664 1 100",
    "device wan0 1 1 1 1",
    "traversed4 br0 wan0.7 12 900",
    "traversed4 wan0.7 br0 4000000000 5000000000000",
    "slow4 br0 wan0.7 tcp 2 100 9600",
    "slow4 br0 wan0.7 udp 1 11 1100",
    "traversed6 counter } 1 2",
    "traversed6 packets a,b{= 3 4",
    "before4 lan0 tcp 7 8",
    "after6 wan0 5 6",
}


@pytest.mark.parametrize("awk", AWKS)
def test_a_listing_becomes_few_lines(awk: str, tmp_path: Path) -> None:
    lines = call("sample", "_reduce_sample", LISTING, awk, tmp_path).splitlines()
    # a double has 53 bits: counters beyond 9 petabytes are rounded
    assert {line.replace("9223372036854770000", "9223372036854769664") for line in lines} == LINES


FLOWTABLES = """\
table {0} a {{
	flowtable ft {{
		hook ingress priority filter
		devices = {{ lan0 }}
	}}
}}
table {1} b {{
	flowtable ft {{
		hook ingress priority {2}
	}}
}}
table inet c {{
}}
"""


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(
    ("first", "second", "priority", "place"),
    [
        ("inet", "ip", "filter", "inet -1 1"),
        ("ip", "ip", "filter + 10", "ip -1 11"),
        ("ip6", "ip6", "filter - 5", "ip6 -6 1"),
        ("ip", "ip6", "-300", "inet -301 1"),
    ],
)
def test_beside_the_flowtables(awk: str, first: str, second: str, priority: str, place: str, tmp_path: Path) -> None:
    text = FLOWTABLES.format(first, second, priority)
    assert call("sample", "_place", text, awk, tmp_path).strip() == place


@pytest.mark.parametrize("awk", AWKS)
def test_the_devices_of_flowtables_that_there_are(awk: str, tmp_path: Path) -> None:
    names = ["lo", "lan0", "lan01", 'la"n', "wan1", "wan*", "wan\\2", "wa"]
    output = call("sample", "_to_hook", "\n".join([" lan0 wan* gone0 ", *names]), awk, tmp_path)
    assert output == '"lan0", "wan1"'
    assert call("sample", "_to_hook", " \nlo\nlan0", awk, tmp_path) == ""


def test_shares() -> None:
    text = """\
family inet
classed yes
seconds 3.06
traversed4 br0 wan0.7 112 900
traversed4 wan0.7 br0 30 900
traversed6 br0 wan0.7 5 900
slow4 br0 wan0.7 tcp 2 60 9600
slow4 br0 wan0.7 17 1 40 400
late4 wan0.7 br0 25 2000
before4 lan0 300 30000
before4 lan1 200 20000
before4 wan0 75 500
before6 wan0 40 400
after4 lan0 100 10000
after4 lan1 202 20000
"""
    unknown: list[str] = []
    sample = parse_sample(text, DEVICES, unknown)
    assert unknown == []
    assert sample == Sample(
        seconds=3.06,
        traversed_bytes=2700,
        total=Share(147, 25, 100, 315, *estimate_share(125, 315)),
        entrances=(
            Entrance(112, 0, 100, 200, *estimate_share(100, 200), "ipv4", "br0", ("lan0", "lan1")),
            Entrance(30, 25, 0, 75, *estimate_share(25, 75), "ipv4", "wan0.7", ("wan0",)),
            Entrance(0, 0, 0, 40, *estimate_share(0, 40), "ipv6", "wan0", ("wan0",)),
            Entrance(5, 0, 0, 0, None, None, "ipv6", "br0", ("lan0", "lan1")),
        ),
        directions=(
            Direction(
                112, 0, 100, 200, *estimate_share(100, 200), "ipv4", "br0", "wan0.7", 3, 0, {"tcp": 60, "udp": 40}
            ),
            Direction(30, 25, 0, 75, *estimate_share(25, 75), "ipv4", "wan0.7", "br0", 0, 2000),
            Direction(5, 0, 0, 0, None, None, "ipv6", "br0", "wan0.7"),
        ),
        slow_protocols={"ipv4 tcp": 60, "ipv4 udp": 40},
        slow_bytes=12000,
        bypassed_bytes=20900,
        taken={"lan0": 200, "wan0": 115},
    )


@pytest.mark.parametrize(
    ("part", "rest", "percent", "error"),
    [(0, 0, None, None), (0, 100, 0.0, 3.7), (50, 50, 50.0, 9.62), (1, 0, 100, 79.35)],
)
def test_a_share_and_its_error(part: int, rest: int, percent: float | None, error: float | None) -> None:
    assert estimate_share(part, rest) == (percent, error)


def test_bytes_that_only_the_nic_saw() -> None:
    seen = "device lan0 100 90000 1 1\narrived lan0 10 1000\ndevice wan0 100 9000 1 1\narrived wan0 100 8000"
    sample = parse_sample(seen, DEVICES)
    assert sample.nic_bytes == 90000 - 2 * (1000 + 24 * 10)
    assert sample.nic_devices == {"lan0": sample.nic_bytes}


def test_what_was_taken_and_what_left_again() -> None:
    """Less what went through postrouting, by a device of its own and by one that stands on others."""
    text = """\
exits lan0 lan1 wan0
before4 lan0 tcp 300 9
after4 lan0 tcp 100 9
before4 wan0 6 150 9
before4 wan0 40 9
before6 lan1 udp 90 9
before4 lan0 icmp 9 9
left4 lan1 tcp 60 9
left4 wan0 6 330 9
left6 wan0 17 85 9
astray4 wan0 6 7 9
sent4 br0 tcp 20 9
sent4 wan0.7 tcp 30 9
sent4 mgmt0 tcp 500 9
sent6 lan1 udp 90 9
device wan0 1 1 700 90000
departed wan0 10 1000
"""
    unknown: list[str] = []
    sample = parse_sample(text, DEVICES, unknown)
    assert unknown == []
    assert sample.deliveries == (Taken("ipv4", "tcp", 350, 333, 7), Taken("ipv6", "udp", 90, 0))
    assert sample.exits == ("lan0", "lan1", "wan0")
    assert (sample.sent, sample.nic_sent) == ({"wan0": 700}, {"wan0": 90000 - 2 * (1000 + 24 * 10)})
    assert sample.total.bypassed == 200 + 150 + 40 + 90 + 9


@pytest.mark.parametrize("awk", AWKS)
def test_where_packets_leave(awk: str, tmp_path: Path) -> None:
    """What is listed, and what is at the bottom: a bridge's ports, not the NIC below a VLAN that is listed."""
    lines = ["above br0 lan0", "above wan0.7 wan0", "lo", "lan0", "br0", "wan0", "wan0.7", "wg0", 'x"y']
    assert call("sample", "_to_watch", "\n".join([" lan0 wan0.7 ", *lines]), awk, tmp_path) == '"lan0", "wan0.7", "wg0"'
    assert call("sample", "_to_watch", "\n".join([" br0 ", *lines]), awk, tmp_path) == '"br0", "wan0", "wg0"'


def test_many_directions_stay_few() -> None:
    lines = [f"traversed4 in{n} out{m} 1 1" for n in range(11) for m in range(11)]
    sample = parse_sample("\n".join(lines), {})
    assert sample.total.traversed == 121
    assert (len(sample.directions), len(sample.entrances)) == (MOST, 11)
    assert len(json.dumps(asdict(sample))) < 7000


@pytest.mark.parametrize(
    "line",
    ["traversed4 lan0 wan0 5", "walked5 lan0 wan0 5 5", "seconds x", "late4 a b c 5", "slow4 a b tcp 5 5",
     "before4 a -1 2", "device lan0 1 2 3", "arrived lan0 x 1", "what"],
)  # fmt: skip
def test_an_unknown_line_is_reported(line: str) -> None:
    unknown: list[str] = []
    assert parse_sample(line, DEVICES, unknown) == parse_sample("", DEVICES)
    assert unknown == [f"sample: {line}"]


WORDS = st.sampled_from(
    [
        "traversed4",
        "late6",
        "slow4",
        "before4",
        "after6",
        "left4",
        "astray4",
        "sent6",
        "exits",
        "departed",
        "device",
        "arrived",
        "seconds",
        "br0",
        "wan0",
        "9",
        "²",
        "1.5",
    ]
)


@given(st.one_of(st.text(), st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=8).map("\n".join)))
def test_no_text_is_too_odd(text: str) -> None:
    json.dumps(asdict(parse_sample(text, DEVICES)))
