# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which traffic gets to the rule that feeds a flowtable, and which rule decides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import SUITES, captured
from tests.unit.helpers.firewalls import rendered
from tests.unit.helpers.topologies import DOCKER, RULESETS
from tests.unit.helpers.walks import FLOW, HOOK, accepting, deciders, outcomes, reduced, ruleset, traverse

OTHERS = {
    "other": ("ip saddr 192.0.2.1 drop",),
    "all": ("counter drop",),
    "est": ("ct state invalid drop", "ct state established,related accept"),
    "deep": ("ip saddr 192.0.2.1 accept", "goto est"),
    "early": ('iifname "lan0" return', "accept"),
    "ends": ("counter accept",),
}
MAPS = """table inet t {
	map states {
		type ct_state : verdict
		elements = { established : accept, related : accept, invalid : drop }
	}

	map ways {
		type ct_state : verdict
		elements = { established : goto ends, new : drop }
	}

	map pairs {
		typeof iifname . oifname : verdict
		elements = { "lan0" . "wan0" : accept, "wan0" . "lan0" : goto ends }
	}
}
"""
SHADOWING = [
    "accept",
    "drop",
    "return",
    "reject",
    "reject with icmpx admin-prohibited",
    "counter accept",
    "counter packets 4 bytes 3 drop",
    'log prefix "all: " accept',
    'log prefix "{ x" level info flags all drop comment "z"',
    'accept comment "flow add @ft"',
    "goto other",
    "ct state established accept",
    "ct state established,related accept",
    "ct state { established, related } counter accept",
    "ct state new,established,related accept",
    "ct state & (established | related) != 0 accept",
    "ct state & established == established accept",
    "ct state != new accept",
    "ct state != { new, invalid, untracked } accept",
    "ct state vmap { established : accept, related : accept, invalid : drop }",
    'ct state vmap { invalid : drop, established : accept } comment "!fw4: Handle forwarded flows"',
    "ct state vmap { established : accept, new : jump other }",
    "ct state vmap { established : goto ends, related : goto ends }",
    "ct state vmap { invalid : drop, * : accept }",
    "ct state vmap @states",
    "ct state vmap @ways",
    "iifname . oifname vmap @pairs",
    'iifname . oifname { "lan0" . "wan0", "wan0" . "lan0" } accept',
    "meta l4proto { tcp, udp } ct state established,related accept",
    "meta l4proto vmap { tcp : accept, udp : goto ends, icmp : drop }",
    "meta nfproto { ipv4, ipv6 } accept",
    "meta protocol { ip, ip6 } accept",
    "meta nfproto vmap { ipv4 : accept, ipv6 : jump est }",
    'iifname vmap { "lan0" : accept, "wan0" : drop }',
    'iifname { "lan*", "wan0" } accept',
    'iifname != "lo" accept',
    'oifname != { "lo", "docker0" } goto ends',
    "meta l4proto != { icmp, ipv6-icmp } accept",
    "meta l4proto 6-17 accept",
    "ct state established,related jump all",
    "jump all",
    "jump est",
    "jump deep",
    "jump {\n\t\t\tcounter accept\n\t\t}",
    "meta mark set 0x7 meta mark 0x7 accept",
    "meta pkttype host accept",
]


@pytest.mark.parametrize("rule", SHADOWING)
def test_a_rule_that_certainly_comes_first(rule: str) -> None:
    name = f"chain base: {rule}".partition(" {\n")[0]
    text = MAPS + ruleset(rule, FLOW, **OTHERS)
    assert not {"surely", "may"} & set(outcomes(text).values())
    assert deciders(text) == {name}
    text = MAPS + ruleset("ct state invalid drop", rule, "jump feed", feed=(FLOW,), **OTHERS)
    assert deciders(text) == {name}
    text = MAPS + ruleset("goto feed", feed=(rule, FLOW), **OTHERS)
    assert deciders(text) == {name.replace("base", "feed")}
    assert set(outcomes(MAPS + ruleset(FLOW, rule, **OTHERS)).values()) == {"surely"}


@pytest.mark.parametrize(
    "rule",
    [
        "ct state new accept",
        "ct state related accept",
        "ct state invalid drop",
        "ct state != established accept",
        "ct state & established == 0 accept",
        "ct state != { established, related } accept",
        "ct state established,related counter",
        "ct state established meta mark set 0x1",
        "ct state established meta mark set 0x1 meta mark 0x2 accept",
        "meta l4proto icmp accept",
        "meta l4proto { icmp, ipv6-icmp } accept",
        "icmp type echo-request accept",
        "ct state vmap { established : jump other, new : drop }",
        "ct state vmap { new : accept, invalid : drop }",
        "jump other",
        'log prefix "accept"',
        'comment "accept"',
        "counter",
        "# accept",
        "tcp option maxseg size set rt mtu",
        "meta skuid 0 accept",
        "meta protocol arp accept",
        'iifname "lo" accept',
        'iifname . oifname { "lan0" . "eth9" } accept',
        "ip saddr 192.0.2.1 drop",
        "ip6 saddr 2001:db8::/32 tcp dport 22 reject with tcp reset",
        "limit rate over 10/second drop",
        "ip saddr @blocked drop",
        "ct count over 20 drop",
        "fib saddr . iif oif missing drop",
    ],
)
def test_a_rule_that_takes_nothing(rule: str) -> None:
    """What is dropped is no traffic that should be offloaded."""
    assert set(outcomes(ruleset(rule, FLOW, **OTHERS)).values()) == {"surely"}


@pytest.mark.parametrize(
    "rule",
    [
        "ct state established,related ip saddr 192.0.2.1 accept",
        "ct status dnat accept",
        "limit rate 10/second accept",
        "tcp dport { 22, 80 } accept",
        "th dport 443 accept",
        "ct state vmap @gone",
        "jump gone",
        "ct direction reply accept",
        "ct mark 0x1 accept",
        "meta mark & 0xff00 == 0x100 accept",
        "ct original packets 1-6 accept",
        "ct packets < 20 return",
        "numgen inc mod 2 0 accept",
        "numgen random mod 3 vmap { 0 : accept, 1 : drop }",
        "iifgroup 3 accept",
        "ip saddr . tcp dport { 192.0.2.1 . 22 } accept",
        "queue to 1",
        "some words that nobody knows accept",
        'meta hour "17:00"-"19:00" accept',
        "fib daddr type local accept",
        "ip dscp ef accept",
        "socket transparent 1 accept",
        "tcp flags & (fin | rst) != 0 accept",
        "ip saddr vmap @gone",
        "quota over 100 mbytes accept",
    ],
)
def test_a_rule_that_may_take_a_part(rule: str) -> None:
    found = outcomes(accepting(ruleset(rule, FLOW, **OTHERS)))
    assert "may" in found.values()
    assert set(found.values()) <= {"may", "surely"}


@pytest.mark.parametrize(
    ("rule", "never"),
    [
        ("ip protocol { tcp, udp } flow add @ft", "ipv6"),
        ("ip6 nexthdr { tcp, udp } flow add @ft", "ipv4"),
        ("meta nfproto ipv4 flow add @ft", "ipv6"),
        ("meta protocol ip6 flow add @ft", "ipv4"),
        ("ip version 4 flow add @ft", "ipv6"),
        ("meta l4proto tcp flow add @ft", "udp"),
        ("meta l4proto != tcp flow add @ft", "tcp"),
        ("ct protocol udp flow add @ft", "tcp"),
        ('iifname "lan0" meta l4proto { tcp, udp } flow add @ft', "wan0 lan0"),
        ('oifname "wan*" flow add @ft', "wan0 lan0"),
        ('iif != "wan0" flow add @ft', "wan0 lan0"),
        ("iif 3 flow add @ft", "lan0 wan0"),
        ("ct state new flow add @ft", "ipv"),
    ],
)
def test_a_rule_for_a_part(rule: str, never: str) -> None:
    found = outcomes(ruleset(rule))
    assert {name for name, value in found.items() if value != "surely"} == {name for name in found if never in name}
    assert {value for name, value in found.items() if never in name} <= {"dropped"}
    found = outcomes(ruleset(rule, "accept"))
    assert {value for name, value in found.items() if never in name} == {"never"}
    assert deciders(ruleset(rule, "accept")) == {f"chain base: {rule}"}


def test_the_best_of_several_jumps_counts() -> None:
    accept = "ct state established accept"
    assert set(outcomes(ruleset("tcp dport 22 jump feed", accept, "jump feed", feed=(FLOW,))).values()) == {
        "may",
        "never",
    }
    assert set(outcomes(ruleset('iifname "lan0" jump feed', accept, "jump feed", feed=(FLOW,))).values()) == {
        "surely",
        "never",
    }


def test_base_chains_are_traversed_in_order() -> None:
    """An accept ends its own base chain, a drop ends all."""
    early = "table inet fw {{\n\tchain f {{\n\t\t{}\n\t\tct state established {}\n\t}}\n}}\n"
    before = HOOK.replace("priority filter", "priority -10")
    after = HOOK.replace("priority filter", "priority 10")
    assert set(outcomes(early.format(before, "accept") + ruleset(FLOW)).values()) == {"surely"}
    assert set(outcomes(early.format(before, "drop") + ruleset(FLOW)).values()) == {"dropped"}
    assert set(outcomes(early.format(after, "drop") + ruleset(FLOW)).values()) == {"surely"}
    policy = early.format(before, "counter")
    assert set(outcomes(policy + ruleset(FLOW)).values()) == {"dropped"}
    assert deciders(policy + ruleset(FLOW)) == {"chain f: policy"}
    assert set(outcomes(early.format(before.replace("forward", "prerouting"), "drop") + ruleset(FLOW)).values()) == {
        "dropped"
    }
    ip4 = early.format(before, "drop").replace("inet fw", "ip fw")
    assert outcomes(ip4 + ruleset(FLOW)) == {
        name: "dropped" if "ipv4" in name else "surely" for name in outcomes(ruleset(FLOW))
    }
    nat = early.format(before.replace("forward", "prerouting").replace("filter hook", "nat hook"), "drop")
    assert set(outcomes(nat + ruleset(FLOW)).values()) == {"surely"}, "only the first packet goes through them"
    dormant = early.format(before, "drop").replace("chain f", "flags dormant\n\tchain f")
    assert set(outcomes(dormant + ruleset(FLOW)).values()) == {"surely"}


def test_a_return_comes_back_and_a_goto_does_not() -> None:
    assert set(outcomes(ruleset("jump other", FLOW, other=("return", "accept"))).values()) == {"surely"}
    assert set(outcomes(ruleset("goto other", FLOW, other=("return", "accept"))).values()) == {"dropped"}
    text = ruleset("jump one", FLOW, one=("goto two", "accept"), two=("counter",))
    assert set(outcomes(text).values()) == {"surely"}
    assert set(outcomes(ruleset(other=(FLOW,))).values()) == {"dropped"}


def test_marks_are_remembered() -> None:
    set_and_match = ('iifname "lan0" meta mark set 0x1', "meta mark 0x1 accept", FLOW)
    found = outcomes(ruleset(*set_and_match))
    assert found["ipv4 tcp lan0 wan0"] == "never"
    assert found["ipv4 tcp wan0 lan0"] == "may", "it may come with a mark"
    cleared = outcomes(ruleset("meta mark set 0x0", "meta mark & 0x1 == 0x1 accept", FLOW))
    assert set(cleared.values()) == {"surely"}
    vague = outcomes(ruleset("meta mark set ct mark", "meta mark 0x1 accept", FLOW))
    assert set(vague.values()) == {"may"}


RAW = "type filter hook prerouting priority raw; policy accept;"


def raw(*rules: str, hook: str = RAW, head: str = "table inet raw") -> str:
    return "\n".join([f"{head} {{", "\tchain pre {", f"\t\t{hook}", *(f"\t\t{rule}" for rule in rules), "\t}", "}", ""])


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        (("notrack",), "never"),
        (("counter notrack",), "never"),
        (("meta l4proto { tcp, udp } notrack",), "never"),
        (("accept", "notrack"), "surely"),
        (("ip saddr 192.0.2.1 notrack",), "may"),
        (("meta l4proto icmp notrack",), "surely"),
        (('iif "lo" notrack',), "surely"),
        (("meta nfproto { ipv4, ipv6 } accept", "notrack"), "surely"),
    ],
)
def test_what_is_not_tracked_is_never_offloaded(rules: tuple[str, ...], outcome: str) -> None:
    text = raw(*rules) + accepting(ruleset(FLOW))
    found = outcomes(text)
    assert outcome in found.values()
    assert set(found.values()) <= {outcome, "surely"}
    assert traverse(text).is_all_untracked is (outcome == "never")
    late = raw(*rules, hook=RAW.replace("raw", "mangle"))
    assert set(outcomes(late + ruleset(FLOW)).values()) == {"surely"}, "once a connection is known it stays so"


@pytest.mark.parametrize("name", RULESETS)
def test_the_firewalls_of_others_surely_offload(name: str) -> None:
    table, chains = RULESETS[name]
    for beside in ("", DOCKER):
        text = f"{beside}table {table} {{\n\tflowtable ft {{\n\t}}\n\n\t{chains}\n}}\n"
        assert set(outcomes(text, ("br-lan", "wan0", "lan0", "docker0")).values()) == {"surely"}


@pytest.mark.parametrize("suite", SUITES)
def test_real_rulesets(suite: str) -> None:
    full = captured(suite, "ruleset")
    for text in (full, reduced(full)):
        met = traverse(text).record.first_fed
        assert set(met) == {"inet nft_offload ft", "inet nft_offload idle"}


def test_devices_that_no_rule_distinguishes_are_one_class() -> None:
    devices = [f"d{number}" for number in range(3000)]
    found = traverse(ruleset('iifname "d7" accept', FLOW), devices)
    assert len(found.judged) == 4 * 2 * 1
    one = found.find("ipv6", "udp", "d7", "d2999")
    assert one and one.outcome == "never"
    assert found.find("ipv6", "udp", "d8", "nobody") is None
    many = traverse(ruleset(*(f'iifname "{name}" oifname "x{name}" accept' for name in devices), FLOW), devices)
    assert {one.outcome for one in many.judged} == {"surely"}, "none of them leaves by such a device"
    many = traverse(ruleset(*(f'iifname "{name}" accept' for name in devices[:200]), FLOW), devices)
    assert {one.outcome for one in many.judged} == {"never", "may", "surely"}
    assert not many.gave_up


def test_too_many_ways_are_not_known() -> None:
    chains = {f"c{number}": (f"jump c{number + 1}",) * 8 for number in range(14)}
    text = ruleset("jump c0", FLOW, **chains, c14=("counter",))
    found = traverse(text)
    assert found.gave_up
    assert {one.outcome for one in found.judged} == {"may"}


def test_the_packet_that_no_rule_names() -> None:
    """What rules select is a part only; an ordinary packet surely gets there, unless all are named."""
    excluding = traverse(ruleset("ip saddr 192.0.2.0/24 accept", "th dport { 22, 5060-5090 } accept", FLOW))
    assert {(one.outcome, one.shown) for one in excluding.judged} == {("may", "surely")}
    asking = traverse(ruleset("tcp dport 443 flow add @ft", "accept"))
    assert {(one.outcome, one.shown) for one in asking.judged if one.protocol == "tcp"} == {("may", "surely")}
    every = traverse(ruleset("th dport 0-1023 accept", "th dport 1024-65535 accept", FLOW))
    assert "surely" not in {one.shown for one in every.judged}
    unknown = traverse(ruleset("numgen inc mod 2 0 accept", FLOW))
    assert {(one.outcome, one.shown) for one in unknown.judged} == {("may", "may")}
    grown = traverse(accepting(ruleset("ct packets < 20 return", FLOW)))
    assert {(one.outcome, one.shown) for one in grown.judged} == {("may", "surely")}


WORDS = st.sampled_from(
    [
        *("ct", "state", "established", ",", "related", "{", "}", "vmap", ":", "accept", "drop", "return", "jump"),
        *("goto", "other", "base", "feed", "flow", "add", "@ft", "notrack", "helper", "set", '"x"', "counter", "log"),
        *("prefix", "comment", ";", "\n", "meta", "l4proto", "tcp", "udp", "!=", "_", "packets", "name", "12", "mark"),
        *(
            "addresses",
            "conditions",
            "any",
            "ip",
            "saddr",
            "10.0.0.0/8",
            ".",
            "&",
            "(",
            ")",
            "|",
            "==",
            "limit",
            "rate",
        ),
        *("iifname", '"lan0"', '"lan*"', "fib", "numgen", "mod", "map", "-", "1-2", "option", "elements", "=", "dscp"),
    ]
)


@given(st.lists(WORDS, max_size=30).map(" ".join), st.lists(WORDS, max_size=30).map(" ".join))
def test_no_rule_is_too_odd(one: str, other: str) -> None:
    traverse(ruleset(one, FLOW, other=(other,)))


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    traverse(text)


EXCLUDE = [
    {"services": ["sip"]},
    {"addresses": ["10.10.0.3", "fd00:11::3"]},
    {"dscp": ["ef"]},
    {"marks": ["0x10"]},
    {"services": ["udp/7105"], "packets": 20},
    {"addresses": [f"192.0.2.{number}" for number in range(1, 20)]},
]


ZONES = [
    {"name": "lan", "devices": ["lan0"], "services": ["ssh"]},
    {"name": "wan", "devices": ["wan0"], "masquerade": True},
]
FIREWALL = {"flow_offload_router": {"zones": ZONES, "forward": [{"from": "lan", "to": ["wan"]}]}}


@pytest.mark.parametrize("router", [{}, FIREWALL], ids=["overlay", "router"])
def test_what_the_role_leaves_out_is_a_part(router: dict[str, Any]) -> None:
    """However many rules that takes, and in either direction: the rest is offloaded."""
    text = rendered({**router, "flow_offload_exclude": EXCLUDE})
    chains = text[text.index("\tchain") :].replace("established, related", "established,related")
    seen = f"table inet t {{\n\tflowtable ft {{\n\t\thook ingress priority filter\n\t}}\n\n{chains}"
    assert {(one.outcome, one.shown) for one in traverse(reduced(seen)).judged} == {("may", "surely")}


def test_many_rules_in_front_of_flow_add_stay() -> None:
    """Those are not summed up that a packet might be looked for by."""
    rules = [f"ip saddr 192.0.2.{number} tcp dport {number} return" for number in range(1, 30)]
    text = reduced(ruleset(*rules, "ct mark 0x7 return", 'iifname "lan7" return', FLOW))
    assert "_ " not in text
    assert {one.shown for one in traverse(text).judged} == {"surely"}
    assert "_ 26 addresses return" in reduced(ruleset("jump deep", FLOW, deep=[*rules, "accept"]))


def test_rules_that_stay_keep_their_order() -> None:
    rules = [f"ip saddr 10.0.0.{number} return" for number in range(5)]
    whole = [*rules, "ip saddr 192.168.0.0/16 return", "ip saddr 192.168.0.0/24 jump b", "ip daddr 10.9.9.9 accept"]
    seen = reduced(ruleset(*whole, FLOW, b=(FLOW,))).splitlines()
    assert [line for line in seen if line.startswith("ip ")] == whole


def test_what_is_more_exact_takes_no_room_from_another_chain() -> None:
    """Of 32 chains with 50 rules and a rule that feeds each: all are there."""
    chains = {
        f"zone{zone}": (*(f"ip saddr 10.{zone}.0.{at} tcp dport {at + 9} accept" for at in range(50)), FLOW)
        for zone in range(32)
    }
    seen = reduced(ruleset(*(f'iifname "lan{zone}" jump zone{zone}' for zone in range(32)), **chains))
    assert seen.count("flow add") == 32
    assert len(seen) < 49152
    assert "_ 47 addresses accept" in seen
