# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the flowtable, which this machine's kernel may not have: a counter stands where its rule would.

What must pass the role's firewall passes, what must not does not, both families, with this machine's kernel and nft.
With the flowtable and on three kernels: tests/lab/test_firewall.py and test_edge.py.
"""

from __future__ import annotations

import re

import pytest

from tests.unit.helpers.firewalls import needs_namespaces
from tests.unit.helpers.network import BOGON, ELSEWHERE, HOST, ROUTER, Network, dial, ping, send

pytestmark = needs_namespaces
BOTH = pytest.mark.parametrize("version", [4, 6])
LAN_TO_WAN = {"from": "lan", "to": "wan"}
# bogons; the host on that side sends packets of its own at any time, of an earlier test too
WAN_NETWORKS = ["203.0.113.0/24", "2001:db8::/32"]


@BOTH
def test_nothing_is_let_in_that_was_not_asked_for(net: Network, version: int) -> None:
    net.firewall({"lan": {"services": ["dns"]}, "wan": {"masquerade": True}}, forward=[LAN_TO_WAN])
    net.run("ip", "neigh", "flush", "all")  # neighbours are found again with the firewall in place
    client = ROUTER["wan"][4] if version == 4 else HOST["lan"][6]
    assert dial(net, "lan", HOST["wan"][version], 443) == client, "IPv4 is masqueraded, IPv6 never"
    assert send(net, "lan", HOST["wan"][version], 53) == client
    assert ping(net, "lan", HOST["wan"][version]) == "answer"
    assert dial(net, "lan", ROUTER["lan"][version], 22) == HOST["lan"][version]
    assert send(net, "lan", ROUTER["lan"][version], 53) == HOST["lan"][version]
    assert ping(net, "wan", ROUTER["wan"][version]) == "answer", "RFC 4890 asks for it, IPv4 needs it as well"
    refused = net.counter("input_refused_wan")
    assert dial(net, "wan", ROUTER["wan"][version], 22) == "nothing"
    assert net.counter("input_refused_wan") > refused
    assert dial(net, "lan", ROUTER["lan"][version], 8443) == "nothing"
    assert dial(net, "wan", HOST["lan"][version], 22) == "nothing"
    assert ping(net, "wan", HOST["lan"][version]) == ("nothing" if version == 4 else "answer"), "RFC 4890, 4.3.1"
    assert dial(net, "lan", HOST["dmz"][version], 22) == "nothing"
    assert dial(net, "dmz", HOST["wan"][version], 443) == "nothing"


@BOTH
def test_errors_belong_to_their_connection(net: Network, version: int) -> None:
    net.firewall(forward=[LAN_TO_WAN])
    assert send(net, "lan", HOST["wan"][version], 9999) == "refused", "port unreachable gets back to who asked"


def test_who_may_not_ping_through(net: Network) -> None:
    """A rule decides before RFC 4890 does, and so does what is dropped before any rule."""
    net.firewall(
        {"lan": {"forward": "reject"}, "dmz": {"antispoof": "strict"}},
        forward=[
            {"from": "wan", "to": "dmz", "services": "ping", "action": "drop"},
            {"from": "lan", "to": "wan", "services": "ping", "sources": [ELSEWHERE[6]], "action": "drop"},
        ],
        sets=[{"name": "bad", "elements": [ELSEWHERE[6]]}],
        blocklists=[{"set": "bad", "to": "wan"}],
        extra=[{"place": "forward_last", "rules": [f"ip6 daddr {HOST['lan'][6]} drop"]}],
    )
    assert ping(net, "lan", HOST["wan"][6]) == "answer"
    assert ping(net, "lan", HOST["dmz"][6]) == "answer"
    assert ping(net, "wan", HOST["dmz"][6]) == "nothing", "a rule"
    assert ping(net, "lan", ELSEWHERE[6]) == "nothing", "a blocklist"
    assert ping(net, "dmz", HOST["lan"][6]) == "nothing", "a rule of the user's own"
    refused = net.counter("invalid")
    net.hosts["wan"]("icmp6", address=HOST["lan"][6], kind=129, hops=64)
    ping(net, "wan", ROUTER["wan"][6])  # the router has seen what came before
    assert net.counter("invalid") == refused + 1, "an answer that nobody asked for"
    net.firewall({"lan": {"forward": "reject"}}, family="ipv4")
    assert ping(net, "lan", HOST["wan"][6]) == "nothing"


@pytest.mark.parametrize(("kinds", "hops"), [((141, 142, 148, 149), 255), ((151, 152, 153), 1)], ids=["255", "1"])
def test_what_a_link_needs_gets_in(net: Network, kinds: tuple[int, ...], hops: int) -> None:
    """RFC 4890, 4.4.1; the right hop limit proves that it comes from this link."""
    net.firewall()
    links = net.run("ip", "-6", "-o", "addr", "show", "dev", "wan0", "scope", "link")
    router = next(word.split("/")[0] for word in links.split() if word.startswith("fe80"))

    def taken(kind: int, hops: int) -> int:
        def count() -> int:
            found = re.search(rf"^Icmp6InType{kind}\s+(\d+)$", net.run("cat", "/proc/net/snmp6"), re.MULTILINE)
            return int(found[1]) if found else 0

        before = count()
        net.hosts["wan"]("icmp6", address=f"{router}%eth0", kind=kind, hops=hops)
        ping(net, "wan", ROUTER["wan"][6])  # the router has seen what came before
        return count() - before

    assert [taken(kind, hops) for kind in kinds] == [1] * len(kinds)
    assert [taken(kind, 64) for kind in kinds] == [0] * len(kinds)


@BOTH
def test_policies(net: Network, version: int) -> None:
    net.firewall({"lan": {"forward": "reject", "input": "reject"}, "dmz": {"forward": "accept", "input": "accept"}})
    assert dial(net, "lan", HOST["wan"][version], 443) == "refused"
    assert send(net, "lan", HOST["wan"][version], 53) == "refused"
    assert dial(net, "lan", ROUTER["lan"][version], 443) == "refused"
    assert dial(net, "dmz", HOST["wan"][version], 443) == HOST["dmz"][version]
    assert dial(net, "dmz", ROUTER["dmz"][version], 443) == HOST["dmz"][version]
    assert dial(net, "wan", HOST["dmz"][version], 443) == "nothing"


@BOTH
def test_zones_of_patterns(net: Network, version: int) -> None:
    """A name that begins so is of that zone, in chains, in pairs of devices and in translations alike."""
    net.firewall(
        {
            "lan": {"devices": ["la*"]},
            "wan": {"devices": ["wa*", "ppp*"], "masquerade": True},
            "dmz": {"devices": ["dmz0", "dm9*"], "input": "reject"},
        },
        forward=[LAN_TO_WAN, {"from": "lan", "to": "dmz", "services": ["http"]}],
    )
    seen = ROUTER["wan"][4] if version == 4 else HOST["lan"][6]
    assert dial(net, "lan", HOST["wan"][version], 443) == seen
    assert dial(net, "lan", HOST["dmz"][version], 80) == HOST["lan"][version]
    assert dial(net, "lan", HOST["dmz"][version], 443) == "nothing"
    assert dial(net, "wan", HOST["lan"][version], 443) == "nothing"
    assert dial(net, "dmz", ROUTER["dmz"][version], 443) == "refused"
    assert net.offloaded() > 0


@BOTH
def test_rules_in_order(net: Network, version: int) -> None:
    net.firewall(
        services=[{"name": "panel", "ports": ["tcp/8080-8443"]}],
        sets=[
            {"name": "admins", "elements": [ELSEWHERE[4], ELSEWHERE[6]]},
            {"name": "web", "type": "ports", "elements": ["80", "443"]},
        ],
        input=[
            {"from": "wan", "services": "ssh", "sources": ["@admins"], "counter": "ssh_from_admins"},
            {"from": "lan", "services": "ping", "action": "drop"},
        ],
        forward=[
            {"from": "lan", "to": "dmz", "services": "tcp/25", "action": "reject", "comment": "no mail"},
            {"from": ["lan", "wan"], "to": "dmz", "services": ["tcp/@web", "tcp/25"]},
            {"from": "lan", "to": "dmz", "services": "panel", "destinations": [HOST["dmz"][6], "10.99.0.0/16"]},
            {"from": "dmz", "to": "wan", "services": "dns", "family": "ipv4"},
        ],
    )
    assert dial(net, "wan", ROUTER["wan"][version], 22) == "nothing"
    assert dial(net, "wan", ROUTER["wan"][version], 22, source=ELSEWHERE[version]) == ELSEWHERE[version]
    assert net.counter("ssh_from_admins") == 1
    assert ping(net, "lan", ROUTER["lan"][version]) == "nothing"
    assert ping(net, "dmz", ROUTER["dmz"][version]) == "answer"
    assert dial(net, "lan", HOST["dmz"][version], 25) == "refused"
    assert dial(net, "wan", HOST["dmz"][version], 25) == HOST["wan"][version]
    assert dial(net, "lan", HOST["dmz"][version], 443) == HOST["lan"][version]
    assert send(net, "lan", HOST["dmz"][version], 443) == "nothing"
    assert dial(net, "lan", HOST["dmz"][version], 22) == "nothing"
    assert dial(net, "lan", HOST["dmz"][version], 8443) == (HOST["lan"][6] if version == 6 else "nothing")
    assert send(net, "dmz", HOST["wan"][version], 53) == (HOST["dmz"][4] if version == 4 else "nothing")


def test_port_forwards(net: Network) -> None:
    net.firewall(
        {"lan": {"services": ["ssh", "https"]}, "wan": {"masquerade": True}},
        forward=[LAN_TO_WAN],
        port_forwards=[
            {"name": "web", "from": "wan", "to": "dmz", "port": 443, "ipv4": HOST["dmz"][4], "ipv6": HOST["dmz"][6]}
            | {"hairpin": ["lan"]},
            {"name": "dns", "from": "wan", "to": "dmz", "protocols": ["udp"], "port": 53, "ipv4": HOST["dmz"][4]}
            | {"target_port": 5353, "sources": [ELSEWHERE[4]]},
            {"name": "panel", "from": "wan", "to": "lan", "port": 2222, "ipv4": HOST["lan"][4], "target_port": 8080}
            | {"hairpin": ["lan"], "address": ROUTER["wan"][4]},
        ],
    )
    outside, client = ROUTER["wan"][4], HOST["wan"][4]
    assert dial(net, "wan", outside, 443) == client, "the server sees who comes"
    assert dial(net, "wan", HOST["dmz"][6], 443) == HOST["wan"][6]
    assert dial(net, "wan", HOST["dmz"][6], 80) == "nothing"
    assert dial(net, "wan", HOST["dmz"][4], 443) == "nothing", "what was not translated is no port forward"
    assert send(net, "wan", outside, 53, source=ELSEWHERE[4]) == ELSEWHERE[4]
    assert send(net, "wan", outside, 53) == "nothing"
    assert dial(net, "wan", outside, 2222) == client
    # from inside, by the outer address
    assert dial(net, "lan", outside, 443) == HOST["lan"][4]
    assert dial(net, "lan", HOST["dmz"][6], 443) == "nothing", "IPv6 has no outer address: from there it needs a rule"
    assert dial(net, "lan", outside, 2222) == ROUTER["lan"][4], "a server in the own zone has to see the router"
    assert dial(net, "lan", ROUTER["lan"][4], 443) == HOST["lan"][4], "the router's own web page stays its own"
    assert dial(net, "lan", HOST["wan"][4], 443) == outside, "and the Internet stays the Internet"


def test_sources_are_for_the_hairpin_too(net: Network) -> None:
    other = "10.10.0.99"
    net.run("ip", "-n", "lan", "addr", "replace", f"{other}/24", "dev", "eth0")
    web = {"name": "web", "from": "wan", "to": "dmz", "port": 443, "ipv4": HOST["dmz"][4], "hairpin": ["lan"]}
    net.firewall(port_forwards=[{**web, "sources": [ELSEWHERE[4], other]}])
    assert dial(net, "lan", ROUTER["wan"][4], 443, source=other) == other
    assert dial(net, "lan", ROUTER["wan"][4], 443, source=HOST["lan"][4]) == "nothing"
    assert dial(net, "wan", ROUTER["wan"][4], 443, source=ELSEWHERE[4]) == ELSEWHERE[4]
    assert dial(net, "wan", ROUTER["wan"][4], 443) == "nothing"


def test_source_nat(net: Network) -> None:
    net.run("ip", "addr", "replace", "203.0.113.77/32", "dev", "wan0")
    net.run("ip", "addr", "replace", "203.0.113.78/32", "dev", "wan0")
    net.firewall(
        {"wan": {"masquerade": True}},
        forward=[{"from": ["lan", "dmz"], "to": "wan"}],
        maps=[{"name": "fixed", "key": "ipv4", "value": "ipv4", "file": "fixed.txt"}],
        files={"fixed.txt": "# customer  address\n10.30.0.0/24  203.0.113.78\n"},
        source_nat=[
            {"to": "wan", "destinations": [ELSEWHERE[4]], "action": "none"},
            {"to": "wan", "sources": [HOST["lan"][4]], "destinations": ["203.0.113.0/24"], "address": "203.0.113.77"},
            {"to": "wan", "map": "fixed"},
        ],
    )
    net.run("ip", "netns", "exec", "wan", "ip", "route", "replace", "10.0.0.0/8", "via", ROUTER["wan"][4])
    assert dial(net, "lan", HOST["wan"][4], 443) == "203.0.113.77"
    assert dial(net, "dmz", HOST["wan"][4], 443) == "203.0.113.78"
    assert dial(net, "lan", ELSEWHERE[4], 443) == HOST["lan"][4]
    assert dial(net, "lan", HOST["wan"][6], 443) == HOST["lan"][6]


@BOTH
def test_blocklists(net: Network, version: int) -> None:
    net.firewall(
        forward=[{"from": ["lan", "wan"], "to": ["lan", "wan"]}],
        sets=[{"name": "bad", "file": "bad.txt"}],
        files={"bad.txt": "198.51.100.0/24 ; SBL1\n2001:db8:51::/48 ; SBL2\n"},
        blocklists=[{"set": "bad", "from": "wan", "to": "wan", "log": True}],
    )
    assert dial(net, "wan", HOST["lan"][version], 80) == HOST["wan"][version]
    assert dial(net, "wan", HOST["lan"][version], 80, source=ELSEWHERE[version]) == "nothing"
    assert dial(net, "lan", ELSEWHERE[version], 80) == "nothing"
    assert net.counter("blocklist_bad") >= 2


@BOTH
def test_bogons(net: Network, version: int) -> None:
    net.firewall(
        {"wan": {"bogons": True}},
        forward=[{"from": ["lan", "wan"], "to": ["lan", "wan"]}],
        bogon_exceptions=[*WAN_NETWORKS, "198.51.100.0/24"],
    )
    assert dial(net, "wan", HOST["lan"][version], 80, source=ELSEWHERE[version]) == ELSEWHERE[version]
    assert dial(net, "wan", HOST["lan"][version], 80, source=BOGON[version]) == "nothing"
    assert dial(net, "lan", BOGON[version], 80) == "nothing"
    assert dial(net, "lan", ELSEWHERE[version], 80) == HOST["lan"][version]
    assert net.counter("bogons") >= 2


@pytest.mark.parametrize(("mode", "own", "other", "none"), [("none", 1, 1, 1), ("loose", 1, 1, 0), ("strict", 1, 0, 0)])
def test_spoofed_sources(net: Network, mode: str, own: int, other: int, none: int) -> None:
    """A source of ours, one that belongs to another device, and one that has no way back at all."""
    net.firewall({"lan": {"antispoof": mode}}, forward=[{"from": "lan", "to": "wan", "counter": "passed"}])
    for source, arrives in (("10.10.0.99", own), (HOST["dmz"][4], other), ("100.99.0.1", none)):
        before = net.counter("passed")
        net.hosts["lan"]("forge", source=source, address=HOST["wan"][4], port=53)
        net.hosts["lan"]("ping", address=ROUTER["lan"][4])  # the router has seen what came before
        assert net.counter("passed") - before == arrives, source
    assert mode == "none" or net.counter("spoofed") == 2 - other
    assert dial(net, "lan", HOST["wan"][6], 80) == HOST["lan"][6], "and honest ones get through"


def test_what_dhcp_is_spared(net: Network) -> None:
    """The filter of bogons, not a blocklist; and DHCP is IPv4."""
    blocked = {"sets": [{"name": "bad", "elements": [ELSEWHERE[4]]}], "blocklists": [{"set": "bad", "from": "wan"}]}
    net.firewall({"wan": {"bogons": True}}, bogon_exceptions=WAN_NETWORKS, **blocked)
    send(net, "wan", ROUTER["wan"][4], 68, sport=67, source=BOGON[4])
    assert net.counter("bogons") == 0
    send(net, "wan", ROUTER["wan"][4], 68, sport=9067, source=BOGON[4])
    assert net.counter("bogons") == 1
    send(net, "wan", ROUTER["wan"][4], 68, sport=67, source=ELSEWHERE[4])
    assert net.counter("blocklist_bad") == 1
    refused = net.counter("input_refused_wan")
    send(net, "wan", ROUTER["wan"][6], 68, sport=67, source=HOST["wan"][6])
    assert net.counter("input_refused_wan") == refused + 1


def test_dhcpv6_client(net: Network) -> None:
    """An answer from a server of the link gets in; one from elsewhere, or where no address is asked for, does not."""
    addresses = net.run("ip", "-6", "-o", "addr", "show", "dev", "wan0", "scope", "link")
    router = next(word.split("/")[0] for word in addresses.split() if word.startswith("fe80"))
    net.firewall({"wan": {"dhcp_client": False}})
    assert send(net, "wan", f"{router}%eth0", 546, sport=547) == "nothing"
    net.firewall()
    assert send(net, "wan", f"{router}%eth0", 546, sport=547).startswith("fe80::")
    assert send(net, "wan", f"{router}%eth0", 546, sport=9547).startswith("fe80::"), "a server may use any (RFC 8415)"
    assert send(net, "wan", ROUTER["wan"][6], 546, sport=547) == "nothing"


@BOTH
def test_segment_size(net: Network, version: int) -> None:
    net.firewall(forward=[LAN_TO_WAN])
    free = int(dial(net, "lan", HOST["wan"][version], 80, ask="mss"))
    net.firewall({"wan": {"mss": 1300}}, forward=[LAN_TO_WAN])
    fixed = int(dial(net, "lan", HOST["wan"][version], 80, ask="mss"))
    net.run("ip", "link", "set", "wan0", "mtu", "1400")
    net.firewall({"wan": {"mss": "pmtu"}}, forward=[LAN_TO_WAN])
    clamped = int(dial(net, "lan", HOST["wan"][version], 80, ask="mss"))
    net.run("ip", "link", "set", "wan0", "mtu", "1500")
    # timestamps take 12 bytes of each segment
    assert (free, fixed) == (1448 if version == 4 else 1428, 1288)
    assert clamped == 1400 - (40 if version == 4 else 60) - 12


@BOTH
def test_one_family(net: Network, version: int) -> None:
    net.firewall(forward=[LAN_TO_WAN])
    dial(net, "lan", HOST["wan"][version], 443, keep=True)
    net.firewall({"lan": {"input": "accept"}}, family="ipv4", forward=[LAN_TO_WAN])
    assert net.hosts["lan"]("talk") == ("still there" if version == 4 else "nothing"), "also what was there before"
    net.hosts["lan"]("release")
    own = {4: "127.0.0.1", 6: "::1"}[version]
    assert dial(net, "router", own, 443) == own, "what the router says to itself is nobody's business"
    assert (dial(net, "lan", HOST["wan"][version], 443) == HOST["lan"][4]) is (version == 4)
    assert (dial(net, "lan", ROUTER["lan"][version], 443) == HOST["lan"][4]) is (version == 4)


@BOTH
def test_rules_of_the_users_own(net: Network, version: int) -> None:
    net.firewall(
        forward=[LAN_TO_WAN],
        files={"mine.nft": "tcp dport 8443 accept\n"},
        extra=[
            {"place": "table", "rules": ["counter mine { }"]},
            {"place": "early", "rules": ["tcp dport 25 drop"]},
            {"place": "input", "rules": ["tcp dport 22 reject with tcp reset"]},
            {"place": "input_last", "file": "mine.nft"},
            {"place": "forward", "rules": ["tcp dport 2222 drop"]},
            {"place": "forward_last", "rules": ["tcp dport 8080 accept"]},
            {"place": "mangle", "rules": ['tcp dport 443 counter name "mine"']},
            {"place": "output", "rules": ["udp sport 5353 drop"]},
        ],
    )
    assert dial(net, "lan", HOST["wan"][version], 25) == "nothing"
    assert dial(net, "lan", ROUTER["lan"][version], 22) == "refused"
    assert dial(net, "wan", ROUTER["wan"][version], 8443) == HOST["wan"][version]
    assert dial(net, "lan", HOST["wan"][version], 2222) == "nothing"
    assert dial(net, "dmz", HOST["wan"][version], 8080) == HOST["dmz"][version]
    assert dial(net, "lan", HOST["wan"][version], 443) == HOST["lan"][version]
    assert net.counter("mine") > 0


FLOW = {"port": 5060, "count": 6}


@BOTH
@pytest.mark.parametrize("ruleset", ["router", "overlay"])
@pytest.mark.parametrize(
    ("exclude", "fed"),
    [
        ([], 11),
        ([{"services": ["sip"]}], 0),
        ([{"services": ["dns", "tcp/5060"]}], 11),
        ([{"addresses": [HOST["wan"][4], HOST["wan"][6]]}], 0),
        ([{"addresses": ["198.51.100.0/24", "2001:db8:51::/48"]}], 11),
        ([{"addresses": [HOST["wan"][4], HOST["wan"][6]], "services": ["dns"]}], 11),
        ([{"devices": ["wan0"]}], 0),
        ([{"devices": ["dmz0"]}], 11),
        ([{"dscp": ["ef"]}], 0),
        ([{"dscp": ["cs3"]}], 5),
        ([{"marks": ["0x10"]}], 0),
        ([{"marks": ["0x20/0xf0"]}], 5),
        ([{"marks": ["0x10"], "dscp": ["ef"]}], 0),
        ([{"marks": ["0x10"], "dscp": ["cs3"]}], 5),
        ([{"marks": ["0x10"], "services": ["dns"]}], 11),
        ([{"packets": 9}], 4),
        ([{"packets": 9, "services": ["dns"]}], 11),
    ],
    ids=str,
)
def test_exclusions(net: Network, version: int, ruleset: str, exclude: list[dict[str, object]], fed: int) -> None:
    """Six datagrams and their answers, marked EF by who began: all but the first one could be offloaded."""
    net.run("nft", "flush", "ruleset")
    if ruleset == "router":
        net.firewall(forward=[LAN_TO_WAN], exclude=exclude)
    else:
        net.load({"flow_offload_exclude": exclude})
    net.run(
        "nft",
        "add table inet marks; add chain inet marks c { type filter hook prerouting priority mangle; }; "
        "add rule inet marks c udp dport 5060 meta mark set 0x10",  # the answers have none
    )
    assert send(net, "lan", HOST["wan"][version], 5060, count=6, dscp=46) == HOST["lan"][version]
    assert net.offloaded() == fed


@BOTH
def test_the_mark_of_a_connection_excludes_it(net: Network, version: int) -> None:
    """One that only the answers bring about: how connections are marked by what a server is."""
    net.run("nft", "flush", "ruleset")
    net.firewall(forward=[LAN_TO_WAN], exclude=[{"marks": ["0x10"]}])
    net.run(
        "nft",
        "add table inet marks; add chain inet marks c { type filter hook prerouting priority mangle; }; "
        "add rule inet marks c udp sport 5060 ct mark set 0x10",
    )
    assert send(net, "lan", HOST["wan"][version], 5060, count=6) == HOST["lan"][version]
    assert net.offloaded() == 0
    assert send(net, "lan", HOST["wan"][version], 53, count=6) == HOST["lan"][version]
    assert net.offloaded() == 5


@BOTH
def test_what_the_users_own_rules_keep_slow_stays_so(net: Network, version: int) -> None:
    """A rule that fits packets of the side that began and none of the answers."""
    net.firewall(forward=[LAN_TO_WAN], extra=[{"place": "fast_path", "rules": ["udp dport 5060 return"]}])
    assert send(net, "lan", HOST["wan"][version], 5060, count=6) == HOST["lan"][version]
    assert net.offloaded() == 0
    assert send(net, "lan", HOST["wan"][version], 53, count=6) == HOST["lan"][version]
    assert net.offloaded() == 5


@BOTH
def test_zones_are_excluded_both_ways(net: Network, version: int) -> None:
    net.firewall(forward=[{"from": ["lan", "dmz"], "to": ["wan", "dmz"]}], exclude=[{"zones": ["dmz"]}])
    send(net, "dmz", HOST["wan"][version], 53, count=3)
    send(net, "lan", HOST["dmz"][version], 53, count=3)
    assert net.offloaded() == 0
    send(net, "lan", HOST["wan"][version], 53, count=3)
    assert net.offloaded() == 5
