# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements of sets and maps, against Python's own idea of addresses."""

from __future__ import annotations

import ipaddress
from itertools import pairwise

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall import elements, services
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.elements import Line
from hypothesis import given
from hypothesis import strategies as st

NETWORKS = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda pair: ipaddress.ip_network(pair, strict=False)),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda pair: ipaddress.ip_network((ipaddress.IPv6Address(pair[0]), pair[1]), strict=False)
    ),
)


def lines(*texts: str) -> list[Line]:
    return [Line(text, "here") for text in texts]


def held(texts: list[str]) -> list[tuple[int, int]]:
    """First and last address of what nft is given, as Python reads it."""
    found = []
    for text in texts:
        first, _dash, last = text.partition("-")
        network = ipaddress.ip_network(first)
        end = ipaddress.ip_address(last) if last else network.broadcast_address
        found.append((int(network.network_address), int(end)))
    return found


@given(st.lists(NETWORKS, max_size=12))
def test_sets_hold_what_was_written_and_nothing_overlaps(networks: list[ipaddress.IPv4Network]) -> None:
    found = elements.merge_addresses(lines(*map(str, networks)))
    for family, version in (("ipv4", 4), ("ipv6", 6)):
        spans = held(found.get(family, []))
        assert all(before[1] < after[0] for before, after in pairwise(spans))
        wanted = [n for n in networks if n.version == version]
        for network in wanted:
            first, last = int(network.network_address), int(network.broadcast_address)
            assert any(low <= first and last <= high for low, high in spans)
        together = sum(network.num_addresses for network in ipaddress.collapse_addresses(wanted))
        assert sum(high - low + 1 for low, high in spans) == together


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda pair: (min(pair), max(pair)))))
def test_holes(holes: list[tuple[int, int]]) -> None:
    left = elements.subtract([(10, 50), (40, 60)], holes)
    assert {n for low, high in left for n in range(low, high + 1)} == {
        n for n in range(10, 61) if not any(low <= n <= high for low, high in holes)
    }


@given(st.text(max_size=20))
def test_whatever_a_file_holds_is_taken_or_refused(text: str) -> None:
    for line in elements.read_lines(text, "file"):
        for read in (elements.merge_addresses, elements.merge_ports):
            try:
                read([line])
            except OffloadError as error:
                assert line.where in str(error)


def test_a_file_of_blocklists_as_they_are_published() -> None:
    text = (
        "; Spamhaus and others\n# comment\n192.0.2.0/25 ; SBL1\n192.0.2.128/25,\n\n 2001:DB8::1 \n192.0.2.1-192.0.2.9\n"
    )
    assert elements.merge_addresses(elements.read_lines(text, "list")) == {
        "ipv4": ["192.0.2.0/25", "192.0.2.128/25"],
        "ipv6": ["2001:db8::1"],
    }


@pytest.mark.parametrize("text", ["10.0.0.0/24\n", " 10.0.0.1", "10.0.0.0/ 8", "10.0.0.0/+8", "10.0.0.0/٨", "::1%eth0"])
def test_no_address(text: str) -> None:
    with pytest.raises(OffloadError, match=r"here: .* is not an address"):
        elements.merge_addresses(lines(text))


def test_a_range_may_have_spaces() -> None:
    assert elements.merge_addresses(lines("192.0.2.1 - 192.0.2.9")) == {"ipv4": ["192.0.2.1-192.0.2.9"]}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: (min(pair), max(pair)))))
def test_inside(spans: list[tuple[int, int]]) -> None:
    wide = [(2, 4), (5, 6), (4, 5), (8, 9)]
    assert elements.is_inside(spans, wide) is all(
        all(n in (2, 3, 4, 5, 6, 8, 9) for n in range(low, high + 1)) for low, high in spans
    )


def test_maps() -> None:
    pairs = lines("10.0.1.0/24 203.0.113.1", "10.0.0.0/24 : 203.0.113.2", "10.0.2.1-10.0.2.5  203.0.113.3")
    assert elements.map_elements(pairs, "ipv4", "ipv4") == [
        "10.0.0.0/24 : 203.0.113.2",
        "10.0.1.0/24 : 203.0.113.1",
        "10.0.2.1-10.0.2.5 : 203.0.113.3",
    ]
    assert elements.map_elements(lines("443 jump web", "80-81 accept"), "port", "verdict") == [
        "80-81 : accept",
        "443 : jump web",
    ]
    with pytest.raises(OffloadError, match=r"10\.0\.0\.1 is also defined in here"):
        elements.map_elements(lines("10.0.0.1 1", "10.0.0.1 2"), "ipv4", "mark")


def test_services_are_matches() -> None:
    known = {name: services.read_services(said, {}, name) for name, said in services.SERVICES.items()}

    def matches(*names: str, family: str = "both") -> list[str]:
        return services.matches(services.read_services(names, known, "here"), family)

    assert matches("ssh", "http", "tcp/8000-8010", "tcp/8005-8020") == ["tcp dport { 22, 80, 8000-8020 }"]
    assert matches("dns") == ["meta l4proto { tcp, udp } th dport 53"]
    assert matches("dns", "https") == ["tcp dport { 53, 443 }", "udp dport 53"]
    assert matches("ipsec") == ["udp dport { 500, 4500 }", "meta l4proto esp"]
    assert matches("ping") == ["icmp type echo-request", "icmpv6 type echo-request"]
    assert matches("ping", family="ipv6") == ["icmpv6 type echo-request"]
    assert matches("igmp") == ["ip protocol 2"]
    assert matches("igmp", family="ipv6") == []
