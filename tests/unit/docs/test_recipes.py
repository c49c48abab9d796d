# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the flowtable, which this machine's kernel may not have: each recipe of guide_recipes, with real packets."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.spec import WEEKDAYS
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import (
    normalise_listing,
    parse_objects,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    DesiredTable,
    kept_objects,
    transactions,
)

from tests.unit.helpers.firewalls import needs_namespaces, rendered, without_flowtable
from tests.unit.helpers.guides import recipes
from tests.unit.helpers.network import ELSEWHERE, HOST, ROUTER, Network, dial, ping, send

RECIPES = recipes()
GRE, ESP, SCTP = 47, 50, 132
BOTH = pytest.mark.parametrize("version", [4, 6])


@pytest.mark.parametrize("title", RECIPES)
def test_the_role_takes_it(title: str) -> None:
    assert "flow add @ft" in rendered(RECIPES[title])


@pytest.fixture
def lan(net: Network) -> Iterator[str]:
    """Further addresses of the hosts, gone afterwards; the host in the LAN."""
    added = [("lan", "fd00:10::c0de/64"), ("wan", "2001:db8:1::9/128")]
    for side, address in added:
        net.run("ip", "-n", side, "addr", "add", address, "dev", "eth0", "nodad", "preferred_lft", "0")
    net.run("ip", "-n", "wan", "route", "add", "10.0.0.0/8", "via", ROUTER["wan"][4])
    net.run("ip", "-n", "wan", "-6", "route", "add", "2001:db8:1::/64", "via", ROUTER["wan"][6])
    yield "lan"
    net.run("ip", "-n", "wan", "route", "del", "10.0.0.0/8")
    net.run("ip", "-n", "wan", "-6", "route", "del", "2001:db8:1::/64")
    for side, address in added:
        net.run("ip", "-n", side, "addr", "del", address, "dev", "eth0")


@needs_namespaces
def test_a_server_behind_a_prefix_that_changes(net: Network) -> None:
    addresses = ("fd00:30::c0de", "fd00:31::c0de", "fd00:31::2")
    for address in addresses:
        net.run("ip", "-n", "dmz", "addr", "add", f"{address}/64", "dev", "eth0", "nodad", "preferred_lft", "0")
    net.run("ip", "-6", "route", "add", "fd00:31::/64", "dev", "dmz0")
    net.load(RECIPES["A server behind a prefix that changes"])
    for address in addresses[:2]:
        assert dial(net, "wan", address, 443) == HOST["wan"][6]
        assert dial(net, "wan", address, 25) == "nothing"
    assert dial(net, "wan", HOST["dmz"][6], 443) == "nothing"
    for address in (HOST["dmz"][6], "fd00:31::2"):
        assert dial(net, "wan", address, 25) == HOST["wan"][6]
    assert dial(net, "wan", ROUTER["wan"][4], 25) == HOST["wan"][4]
    for address in addresses:
        net.run("ip", "-n", "dmz", "addr", "del", f"{address}/64", "dev", "eth0")
    net.run("ip", "-6", "route", "del", "fd00:31::/64", "dev", "dmz0")


@needs_namespaces
def test_ipv6_behind_the_address_of_the_router(net: Network) -> None:
    net.load(RECIPES["IPv6 behind the router's address"])
    assert dial(net, "lan", HOST["wan"][6], 443) == ROUTER["wan"][6]
    assert ping(net, "lan", HOST["wan"][6]) == "answer"


@needs_namespaces
def test_ports_that_move_together(net: Network) -> None:
    net.load(RECIPES["Ports that move together"])
    for port, taken in ((8442, True), (8443, True), (8441, False), (8446, False)):
        expected = HOST["wan"][4] if taken else "refused" if port == 8441 else "nothing"
        assert dial(net, "wan", ROUTER["wan"][4], port) == expected, port
    assert net.hosts["lan"]("serve", port=441) == "None"
    assert dial(net, "wan", ROUTER["wan"][4], 8441) == HOST["wan"][4], "it moved there, and nothing else does"


def checksum(data: bytes) -> int:
    """CRC32c, which SCTP has in its header (RFC 9260, appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp_init(port: int) -> str:
    """A first packet to that port, as hexadecimal digits."""
    head = (40000).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(4)
    chunk = bytes.fromhex("01000014 00000001 00010000 00010001 00000001")
    return (head + checksum(head + bytes(4) + chunk).to_bytes(4, "little") + chunk).hex()


@needs_namespaces
def test_tunnels_to_a_server_inside(net: Network) -> None:
    net.load(RECIPES["Tunnels to a server inside"])
    wan, lan = net.hosts["wan"], net.hosts["lan"]
    for protocol in (GRE, ESP, SCTP):
        lan("hear", protocol=protocol)
        wan("hear", protocol=protocol)
    for protocol, body in ((GRE, "00000800"), (ESP, "00001234")):
        wan("raw", address=ROUTER["wan"][4], protocol=protocol, body=f"{body}{'00' * 20}")
        assert lan("heard", protocol=protocol) == f"{HOST['wan'][4]} {body}"
        lan("raw", address=HOST["wan"][4], protocol=protocol, body=f"{body}{'00' * 20}")
        assert wan("heard", protocol=protocol) == f"{ROUTER['wan'][4]} {body}", "the answer goes back"
    wan("raw", address=ROUTER["wan"][4], protocol=SCTP, body=sctp_init(3869))
    wan("raw", address=ROUTER["wan"][4], protocol=SCTP, body=sctp_init(3868))
    assert lan("heard", protocol=SCTP) == f"{HOST['wan'][4]} {40000:04x}{3868:04x}"


@needs_namespaces
def test_an_address_that_is_shared_by_its_ports(net: Network) -> None:
    net.load(RECIPES["An address that is shared by its ports (MAP-E)"])
    blocks = (range(5136, 5152), range(9232, 9248), range(13328, 13344))
    seen = [net.hosts["lan"]("source_port", address=HOST["wan"][4], port=443) for _each in range(6)]
    assert [sum(int(port) in block for port in seen) for block in blocks] == [2, 2, 2], seen
    assert dial(net, "lan", HOST["wan"][4], 443) == ROUTER["wan"][4]
    assert send(net, "lan", HOST["wan"][4], 53) == ROUTER["wan"][4]
    assert ping(net, "lan", HOST["wan"][4]) == "answer"
    (tracked,) = net.run("conntrack", "-L", "-p", "icmp", "-s", HOST["lan"][4]).splitlines()
    identifier = int(tracked.rsplit("id=", 1)[1].split()[0])
    assert any(identifier in block for block in blocks), tracked


@needs_namespaces
def test_one_network_for_another(net: Network, lan: str) -> None:
    net.load(RECIPES["One network for another (NPTv6)"])
    assert dial(net, lan, HOST["wan"][6], 443) == "2001:db8:1::2"
    assert dial(net, lan, HOST["wan"][6], 443, source="fd00:10::c0de") == "2001:db8:1::c0de"
    assert dial(net, "wan", "2001:db8:1::2", 443) == HOST["wan"][6]
    assert dial(net, "wan", "2001:db8:1::2", 80) == "nothing"
    assert dial(net, "wan", "2001:db8:1::c0de", 443) == "nothing"
    net.run("ip", "addr", "add", "2001:db8:1::1/128", "dev", "wan0", "nodad")
    assert ping(net, "wan", "2001:db8:1::1") == "answer", "the router's own"
    net.run("ip", "addr", "del", "2001:db8:1::1/128", "dev", "wan0")


@needs_namespaces
@BOTH
def test_every_dns_question_to_the_router(net: Network, version: int) -> None:
    """The host outside answers too, with the address that it sees, so who is not connected to it has no route there."""
    net.load(RECIPES["Every DNS question to the router"])
    nobody = {4: "100.64.0.1", 6: "2001:db8:ffff::1"}[version]
    assert send(net, "lan", nobody, 53) == HOST["lan"][version]
    assert dial(net, "lan", nobody, 53) == HOST["lan"][version]
    assert dial(net, "lan", ROUTER["lan"][version], 53) == HOST["lan"][version]
    net.run("nft", "flush", "chain", "inet", "nft_offload", "lan_to_wan")
    assert dial(net, "lan", ELSEWHERE[version], 80) == HOST["lan"][version], "the router's port 8080"
    assert dial(net, "lan", HOST["wan"][version], 80) == "nothing"
    assert dial(net, "lan", ROUTER["lan"][version], 8080) == "nothing", "not redirected"
    assert send(net, "wan", ROUTER["wan"][version], 53) == "nothing"


def hours(first: int, last: int) -> str:
    """From so many hours from now to so many, in UTC, as rules have them."""
    now = datetime.now(UTC)
    return "-".join(f"{now + timedelta(hours=each):%H:%M}" for each in (first, last))


@needs_namespaces
@BOTH
def test_hours_and_single_hosts(net: Network, version: int) -> None:
    """A connection that is open ends with its hours, and only those of the host that the rule names stay slow."""
    variables = copy.deepcopy(RECIPES["Hours, days and single hosts"])
    child, _others, _work = variables["flow_offload_router"]["forward"]
    (own,) = re.findall("link/ether ([0-9a-f:]+)", net.run("ip", "-n", "lan", "link", "show", "eth0"))
    net.load(variables)
    assert send(net, "lan", HOST["wan"][version], 53, count=9) == HOST["lan"][version]
    assert net.offloaded() == 8, "packets of the side that began, but for the first"
    child |= {"source_mac": [own.upper()], "hours": hours(2, 22)}
    net.load(variables)
    assert dial(net, "lan", HOST["wan"][version], 443, keep=True) == HOST["lan"][version]
    assert net.hosts["lan"]("talk") == "still there"
    assert send(net, "lan", HOST["wan"][version], 53, count=9) == HOST["lan"][version]
    assert net.offloaded() == 0
    child["hours"] = hours(-1, 1)
    net.load(variables)
    assert net.hosts["lan"]("talk") == "nothing"
    assert dial(net, "lan", HOST["wan"][version], 443) == "refused"
    child["hours"] = hours(-22, -2)
    net.load(variables)
    assert dial(net, "lan", HOST["wan"][version], 443) == HOST["lan"][version], "not now"
    child |= {"hours": hours(-1, 1), "source_mac": ["02:00:00:00:00:05"]}
    net.load(variables)
    assert dial(net, "lan", HOST["wan"][version], 443) == HOST["lan"][version], "another host"
    net.hosts["lan"]("release")


@needs_namespaces
def test_weekdays(net: Network) -> None:
    variables = copy.deepcopy(RECIPES["Hours, days and single hosts"])
    work = variables["flow_offload_router"]["forward"][-1]
    del work["hours"]
    today = f"{datetime.now(UTC):%a}".lower()
    for weekdays, seen in (([today], HOST["dmz"][4]), ([day for day in WEEKDAYS if day != today], "nothing")):
        work["weekdays"] = weekdays
        net.load(variables)
        assert dial(net, "dmz", HOST["wan"][4], 443) == seen, weekdays


@needs_namespaces
@BOTH
def test_addresses_that_are_banned_for_a_while(net: Network, version: int) -> None:
    net.load(RECIPES["Addresses that are banned for a while"])

    def element(verb: str, name: str) -> None:
        net.run("nft", f"{verb} element inet nft_offload {name}{version} {{ {HOST['wan'][version]} }}")

    wan, router, dmz = net.hosts["wan"], ROUTER["wan"][version], HOST["dmz"][version]
    assert dial(net, "wan", dmz, 443) == dial(net, "wan", router, 443) == "nothing"
    element("add", "admins")
    for address in (dmz, router):
        assert dial(net, "wan", address, 443, keep=True) == HOST["wan"][version]
        assert wan("talk") == "still there"
        element("delete", "admins")
        assert wan("talk") == "nothing", f"{address}: the set has changed"
        element("add", "admins")
    assert dial(net, "wan", dmz, 80, keep=True) == HOST["wan"][version]
    assert wan("talk") == "still there"
    assert net.offloaded() == 0
    element("add", "banned")
    assert wan("talk") == "nothing"
    element("delete", "banned")
    assert send(net, "lan", HOST["wan"][version], 53, count=9) == HOST["lan"][version]
    assert net.offloaded() > 0, "what was opened from inside"
    wan("release")


@needs_namespaces
def test_banned_addresses_stay_over_an_unrelated_change(net: Network) -> None:
    """As the module ruleset changes a table; and a listing can be loaded again, as a guard does."""
    variables = RECIPES["Addresses that are banned for a while"]

    def listed(*flags: str) -> str:
        return net.run("nft", "-s", *flags, "list", "table", "inet", "nft_offload")

    old = DesiredTable("inet", "nft_offload", without_flowtable(net.load(variables)), ())
    recorded = listed("-t")
    net.run("nft", "add element inet nft_offload banned4 { 198.51.100.7 timeout 10m, 198.51.100.64/26 }")
    assert normalise_listing(listed("-t")) == normalise_listing(recorded), "no change by hand"
    changed = copy.deepcopy(variables)
    changed["flow_offload_router"]["forward"].pop()
    new = DesiredTable("inet", "nft_offload", without_flowtable(rendered(changed)), ())
    kept = kept_objects(old.boot_text(), new.boot_text(), recorded, listed("-t"))
    net.run("nft", "-f", "-", text="".join(transactions(new, (), parse_objects(listed("-t")), (), kept)))
    assert dial(net, "wan", ROUTER["wan"][4], 443, source=ELSEWHERE[4]) == "nothing"
    elements = net.run("nft", "list", "set", "inet", "nft_offload", "banned4")
    assert re.search(r"198\.51\.100\.7 timeout 10m expires 9m\w+", elements)
    assert re.search(r"198\.51\.100\.64/26 expires 59m\w+", elements)
    before = listed()
    net.run("nft", "-f", "-", text=f"delete table inet nft_offload\n{before}")
    assert listed() == before


@needs_namespaces
@BOTH
def test_two_zones_on_one_device(net: Network, version: int) -> None:
    prefix = {4: "10.66.0.", 6: "fd00:66::"}[version]
    added = [("router", f"{prefix}1"), ("lan", f"{prefix}2")]
    for side, address in added:
        where = ["ip", "-n", "lan"] if side == "lan" else ["ip"]
        more = ["nodad", "preferred_lft", "0"] if version == 6 else []
        net.run(
            *where,
            "addr",
            "add",
            f"{address}/{24 if version == 4 else 64}",
            "dev",
            f"{'eth' if side == 'lan' else 'lan'}0",
            *more,
        )
    net.load(RECIPES["Two zones on one device"])
    own, outside = f"{prefix}2", HOST["wan"][version]
    assert dial(net, "lan", outside, 80) == HOST["lan"][version]
    assert dial(net, "lan", outside, 443, source=own) == own
    assert dial(net, "lan", outside, 80, source=own) == "nothing"
    assert dial(net, "lan", ROUTER["lan"][version], 22) == HOST["lan"][version]
    for address in (f"{prefix}1", ROUTER["lan"][version]):
        assert dial(net, "lan", address, 22, source=own) == "nothing"
        assert send(net, "lan", address, 53, source=own) == own
    assert dial(net, "wan", own, 80) == outside
    assert dial(net, "wan", own, 22) == dial(net, "wan", HOST["lan"][version], 80) == "nothing"
    for side, address in added:
        where = ["ip", "-n", "lan"] if side == "lan" else ["ip"]
        net.run(
            *where,
            "addr",
            "del",
            f"{address}/{24 if version == 4 else 64}",
            "dev",
            f"{'eth' if side == 'lan' else 'lan'}0",
        )


@needs_namespaces
def test_no_spoofed_source_is_in_the_rest(net: Network) -> None:
    """Nor is what no subnet places: an address family that one of the zones has none of, link-local addresses."""
    variables = copy.deepcopy(RECIPES["Two zones on one device"])
    zone = variables["flow_offload_router"]["zones"][-1]
    variables["flow_offload_router"]["forward"][0]["counter"] = "passed"
    variables["flow_offload_router"]["zones"][0]["services"].append("dns")
    net.load(variables)
    for source in ("198.18.0.9", HOST["dmz"][4], ELSEWHERE[4]):
        before = net.counter("spoofed")
        net.hosts["lan"]("forge", source=source, address=HOST["wan"][4], port=53)
        ping(net, "lan", ROUTER["lan"][4])  # the router has seen what came before
        assert net.counter("spoofed") == before + 1, source
    assert net.counter("passed") == 0
    links = net.run("ip", "-6", "-o", "addr", "show", "dev", "lan0", "scope", "link")
    router = next(word.split("/")[0] for word in links.split() if word.startswith("fe80"))
    assert send(net, "lan", f"{router}%eth0", 53) == "nothing"
    assert dial(net, "lan", HOST["wan"][6], 80) == HOST["lan"][6]
    zone["subnets"] += ["fe80::/10"]
    net.load(variables)
    assert send(net, "lan", f"{router}%eth0", 53).startswith("fe80::")
    zone["subnets"] = ["10.66.0.0/24"]
    net.load(variables)
    assert dial(net, "lan", HOST["wan"][6], 80) == "nothing"
    assert dial(net, "lan", HOST["wan"][4], 80) == HOST["lan"][4]


@needs_namespaces
def test_marks_for_policy_routing(net: Network) -> None:
    marked = "10.10.0.66"
    net.run("ip", "-n", "lan", "addr", "add", f"{marked}/24", "dev", "eth0")
    net.run("ip", "-n", "dmz", "addr", "add", f"{ELSEWHERE[4]}/32", "dev", "lo")
    net.run("ip", "rule", "add", "fwmark", "0x10", "table", "100")
    net.run("ip", "route", "add", "default", "via", HOST["dmz"][4], "table", "100")
    net.run("sh", "-c", "for each in all dmz0; do echo 0 >/proc/sys/net/ipv4/conf/$each/rp_filter; done")
    net.load(RECIPES["Marks for policy routing"])
    assert send(net, "lan", ELSEWHERE[4], 53, count=9, source=marked) == marked
    assert (net.counter("second_uplink"), net.offloaded()) == (1, 0)
    assert send(net, "lan", ELSEWHERE[4], 53, count=9, source=HOST["lan"][4]) == HOST["lan"][4]
    assert (net.counter("second_uplink"), net.offloaded()) == (1, 8)
    net.run("ip", "rule", "del", "fwmark", "0x10", "table", "100")
    net.run("ip", "-n", "dmz", "addr", "del", f"{ELSEWHERE[4]}/32", "dev", "lo")
    net.run("ip", "-n", "lan", "addr", "del", f"{marked}/24", "dev", "eth0")


@needs_namespaces
def test_helpers_of_connection_tracking(net: Network) -> None:
    """Active FTP: the client announces where it listens, and the server connects to that."""
    net.load(RECIPES["Helpers of connection tracking"])
    net.hosts["wan"]("serve", port=21)
    assert dial(net, "lan", HOST["wan"][4], 21, keep=True) == HOST["lan"][4]
    assert dial(net, "wan", HOST["lan"][4], 8080) == "nothing"
    for line in ("USER anonymous\r\n", f"PORT {HOST['lan'][4].replace('.', ',')},{8080 >> 8},{8080 & 255}\r\n"):
        assert net.hosts["lan"]("talk", data=line) == line
    assert dial(net, "wan", HOST["lan"][4], 8080) == HOST["wan"][4]
    net.hosts["lan"]("release")


@needs_namespaces
def test_television_by_multicast(net: Network) -> None:
    text = net.load(RECIPES["Television by multicast"])
    assert "ip daddr 224.0.0.0/4 udp dport 1024-65535 accept" in text
    refused = net.counter("input_refused_wan")
    net.hosts["wan"]("raw", address=ROUTER["wan"][4], protocol=2, body="1114ee9b00000000")
    ping(net, "wan", ROUTER["wan"][4])  # the router has seen what came before
    assert net.counter("input_refused_wan") == refused


@needs_namespaces
def test_a_daemon_for_upnp(net: Network) -> None:
    net.load(RECIPES["A daemon for UPnP"])
    assert dial(net, "wan", ROUTER["wan"][4], 5060) == "nothing"
    mapping = f"iifname wan0 tcp dport 5060 dnat ip to {HOST['lan'][4]}:80"
    net.run(
        "nft", f"table inet theirs {{ chain prerouting {{ type nat hook prerouting priority dstnat; {mapping}; }}; }}"
    )
    assert dial(net, "wan", ROUTER["wan"][4], 5060) == HOST["wan"][4]
    assert dial(net, "wan", HOST["lan"][4], 80) == "nothing"


@needs_namespaces
def test_programs_that_ban_addresses(net: Network) -> None:
    """A table as fail2ban makes it: before ours, and without any word about what it does not drop."""
    net.firewall({"wan": {"services": ["https"]}})
    assert dial(net, "wan", ROUTER["wan"][4], 443) == HOST["wan"][4]
    banning = f"chain f2b-chain {{ type filter hook input priority filter - 1; ip saddr {HOST['wan'][4]} reject; }}"
    net.run("nft", f"table inet f2b-table {{ {banning}; }}")
    assert dial(net, "wan", ROUTER["wan"][4], 443) == "refused"
