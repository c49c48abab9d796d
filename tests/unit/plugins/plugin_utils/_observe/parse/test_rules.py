# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules take the traffic away from the one that feeds a flowtable: only certain ones, whole text or reduced."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.rules import (
    mark_first_rules,
    parse_exclusions,
    parse_rules,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Exclusion
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import AWKS, SUITES, call, captured
from tests.unit.helpers.routers import conditions_of

FLOW = "meta l4proto { tcp, udp } flow add @ft"
HOOK = "type filter hook forward priority filter; policy drop;"


def ruleset(*base: str, **others: tuple[str, ...]) -> str:
    """A table with a flowtable, a chain at the forward hook with these rules, and other chains."""
    chains = {"base": (HOOK, *base), **others}
    texts = ["table inet t {", "\tflowtable ft {", "\t\thook ingress priority filter", "\t}"]
    for name, rules in chains.items():
        texts += ["", f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]
    return "\n".join([*texts, "}", ""])


def shadow(text: str, tmp_path: Path) -> str:
    """What shadows the one feeding rule, which must not depend on what the router leaves out."""
    (rule,) = parse_rules(text)
    assert rule.reachable
    reduced = call("nftables", "_reduce", text, "awk", tmp_path)
    assert parse_rules(reduced) == (rule,)
    return rule.shadowed_by


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
    "ct state vmap { established : accept, related : accept, invalid : drop }",
    'ct state vmap { invalid : drop, established : accept } comment "!fw4: Handle forwarded flows"',
    "ct state vmap { established : accept, new : jump other }",
    "jump all",
    "jump est",
    "jump deep",
]
OTHERS = {
    "other": ("ip saddr 192.0.2.1 drop",),
    "all": ("counter drop",),
    "est": ("ct state invalid drop", "ct state established,related accept"),
    "deep": ("ip saddr 192.0.2.1 accept", "goto est"),
}


@pytest.mark.parametrize("rule", SHADOWING)
def test_a_rule_that_certainly_comes_first(rule: str, tmp_path: Path) -> None:
    assert shadow(ruleset(rule, FLOW, **OTHERS), tmp_path) == f"chain base: {rule}"
    assert shadow(ruleset("ct state invalid drop", rule, "jump feed", feed=(FLOW,), **OTHERS), tmp_path)
    assert shadow(ruleset("goto feed", feed=(rule, FLOW), **OTHERS), tmp_path) == f"chain feed: {rule}"
    assert shadow(ruleset(FLOW, rule, **OTHERS), tmp_path) == ""


@pytest.mark.parametrize(
    "rule",
    [
        "ct state new accept",
        "ct state related accept",
        "ct state invalid drop",
        "ct state != established accept",
        "ct state established,related ip saddr 192.0.2.1 accept",
        'iifname "lan0" ct state established,related accept',
        "ct state established,related counter",
        "ct state established meta mark set 0x1",
        "ct status dnat accept",
        "meta l4proto icmp accept",
        "limit rate 10/second accept",
        "tcp dport { 22, 80 } accept",
        "iifname vmap { lan0 : accept, wan0 : drop }",
        "ct state vmap { established : jump other, new : drop }",
        "ct state vmap @states",
        "ct state established,related jump all",
        "jump other",
        "jump early",
        "jump early_goto",
        "jump gone",
        "jump loop",
        "jump { accept; }",
        'log prefix "accept"',
        'comment "accept"',
        "counter",
        "queue to 1",
        "# accept",
    ],
)
def test_a_rule_that_may_leave_something(rule: str, tmp_path: Path) -> None:
    others = OTHERS | {
        "early": ('iifname "lan0" return', "accept"),
        "early_goto": ("tcp dport 1 goto other", "accept"),
        "loop": ("jump loop",),
    }
    assert shadow(ruleset(rule, FLOW, **others), tmp_path) == ""


def test_the_best_of_several_jumps_counts(tmp_path: Path) -> None:
    accept = "ct state established accept"
    assert shadow(ruleset("tcp dport 22 jump feed", accept, "jump feed", feed=(FLOW,)), tmp_path) == ""
    assert shadow(ruleset(accept, "tcp dport 22 jump feed", "jump feed", feed=(FLOW,)), tmp_path)


def test_another_base_chain_takes_nothing_away(tmp_path: Path) -> None:
    early = f"table inet fw {{\n\tchain f {{\n\t\t{HOOK}\n\t\tct state established accept\n\t\taccept\n\t}}\n}}\n"
    assert shadow(early + ruleset(FLOW), tmp_path) == ""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("meta l4proto udp flow add @ft", False),
        ("udp dport 53 flow add @ft", True),
        ("ct state established udp dport 53 flow add @ft", True),
        ("ct state established meta l4proto udp flow add @ft", True),
        ("flow add @ft", True),
        ("meta l4proto tcp flow add @ft", True),
    ],
)
def test_udp_is_offloaded_before_it_is_established(rule: str, expected: bool, tmp_path: Path) -> None:
    """With its second packet, in whichever direction it goes, so a rule for UDP alone may come later."""
    assert bool(shadow(ruleset("ct state established accept", rule), tmp_path)) is expected


@pytest.mark.parametrize("suite", SUITES)
def test_nothing_is_shadowed_in_real_rulesets(suite: str, tmp_path: Path) -> None:
    full = captured(suite, "ruleset")
    for text in (full, call("nftables", "_reduce", full, "awk", tmp_path)):
        assert [rule.shadowed_by for rule in parse_rules(text)] == [""] * 5


@pytest.mark.parametrize(
    ("text", "protocols", "other"),
    [
        (FLOW, {"tcp", "udp"}, ""),
        ("flow add @ft", {"tcp", "udp"}, ""),
        ("ct state { established, related } meta l4proto { 6, 17 } flow add @ft", {"tcp", "udp"}, ""),
        ("ct state established,related counter packets 1 bytes 2 ip protocol tcp flow add @ft accept", {"tcp"}, ""),
        ("ip6 nexthdr { tcp, udp } flow add @ft", {"tcp", "udp"}, ""),
        ('iifname "lan0" oifname "wan0" ct state established meta l4proto tcp flow add @ft', {"tcp"}, "lan0 wan0"),
        ("iifname { lan0, wan0 } flow add @ft", {"tcp", "udp"}, "lan0"),
        ("ct state new flow add @ft", {"tcp", "udp"}, "new"),
        ("ct original packets ge 30 flow add @ft", {"tcp", "udp"}, "original"),
        ("ip saddr != 192.0.2.1 meta l4proto tcp flow add @ft", {"tcp"}, "192.0.2.1"),
        ("tcp dport 443 flow add @ft", {"tcp", "udp"}, "dport 443"),
    ],
)
def test_what_a_rule_covers(text: str, protocols: set[str], other: str) -> None:
    found, conditions = conditions_of(text)
    assert found == protocols
    assert all(word in conditions for word in other.split())
    assert bool(conditions) == bool(other)


@pytest.mark.parametrize(
    ("rules", "first"),
    [
        ((FLOW,), True),
        (('comment "a word"', "policy drop", FLOW), True),
        (("ct state invalid drop", FLOW), False),
        ((f"counter {FLOW}",), False),
    ],
)
def test_the_first_rule_of_a_forward_chain_is_marked(rules: tuple[str, ...], first: bool) -> None:
    (rule,) = parse_rules(ruleset(FLOW))
    assert [found.first for found in mark_first_rules([rule], ruleset(*rules))] == [first]
    assert [found.first for found in mark_first_rules([rule], ruleset(*rules).replace("inet t", "inet u"))] == [False]
    assert [
        found.first for found in mark_first_rules([rule], ruleset(*rules).replace("hook forward", "hook input"))
    ] == [False]


RAW = "type filter hook prerouting priority raw; policy accept;"


def raw(*rules: str, head: str = "table ip raw", hook: str = RAW) -> str:
    return "\n".join([f"{head} {{", "\tchain pre {", f"\t\t{hook}", *(f"\t\t{rule}" for rule in rules), "\t}", "}", ""])


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(
    ("text", "kind", "everything"),
    [
        (raw("notrack"), "notrack", True),
        (raw("counter notrack"), "notrack", True),
        (raw('notrack comment "all"'), "notrack", True),
        (raw("udp dport 53 notrack"), "notrack", False),
        (raw("iif lo return", "notrack"), "notrack", False),
        (raw("notrack", hook="type filter hook output priority raw; policy accept;"), "notrack", False),
        (raw("notrack", hook="type filter hook prerouting priority -301; policy accept;"), "notrack", True),
        (raw("notrack", hook="type filter hook prerouting priority raw + 99; policy accept;"), "notrack", True),
        (raw("notrack", hook="type filter hook prerouting priority raw + x; policy accept;"), "notrack", True),
        (raw("notrack", head="table bridge raw"), "notrack", False),
        (raw('tcp dport 21 ct helper set "ftp"'), "helper", False),
        (raw("udp dport 53 notrack", "udp sport 53 notrack"), "notrack", False),
    ],
)
def test_what_keeps_flows_out(text: str, kind: str, everything: bool, awk: str, tmp_path: Path) -> None:
    for seen in (text, call("nftables", "_reduce", text, awk, tmp_path)):
        found = parse_exclusions(seen)
        assert {(rule.kind, rule.everything, rule.chain) for rule in found} == {(kind, everything, "pre")}


@pytest.mark.parametrize(
    "text",
    [
        raw("notrack", hook="type filter hook prerouting priority filter; policy accept;"),
        raw("notrack", hook="type filter hook prerouting priority raw + 100; policy accept;"),
        raw("notrack", hook="type filter hook prerouting priority x; policy accept;"),
        raw("notrack", head="table ip raw {\n\tflags dormant\n}\ntable ip raw"),
    ],
)
def test_notrack_without_an_effect(text: str) -> None:
    """Once a connection is known it stays so."""
    assert parse_exclusions(text) == ()


@pytest.mark.parametrize("rule", ['log prefix "notrack"', 'comment "notrack"', "ct helper ftp accept", "accept"])
def test_what_keeps_nothing_out(rule: str) -> None:
    assert parse_exclusions(raw(rule)) == ()


def test_one_rule_of_a_kind_is_sent(tmp_path: Path) -> None:
    rules = [f"ip saddr 192.0.2.{n} notrack" for n in range(200)]
    (rule,) = parse_exclusions(call("nftables", "_reduce", raw(*rules), "awk", tmp_path))
    assert rule == Exclusion("ip", "raw", "pre", "ip saddr 192.0.2.0 notrack", "notrack")


# What others have in the ruleset must not make the answer long, nor the verdict wrong.


@pytest.mark.parametrize("awk", AWKS)
def test_thousands_of_rules_of_others_cost_nothing(awk: str, tmp_path: Path) -> None:
    rules = [f"ip saddr 10.{n // 250}.{n % 250}.0/24 tcp dport {n} jump c{n}" for n in range(1, 4000)]
    others = raw(*rules, *(f"\t}}\n\tchain c{n} {{\n\t\taccept" for n in range(1, 4000)), head="table ip kube-proxy")
    reduced = call("nftables", "_reduce", others + ruleset(FLOW), awk, tmp_path)
    assert len(reduced) < 600
    (rule,) = parse_rules(reduced)
    assert (rule.reachable, rule.shadowed_by) == (True, "")


@pytest.mark.parametrize("awk", AWKS)
def test_a_table_that_is_too_long_is_truncated_and_marked(awk: str, tmp_path: Path) -> None:
    jumps = [f"tcp dport {n} jump a_chain_with_a_long_name_{n}" for n in range(4000)]
    reduced = call("nftables", "_reduce", ruleset(*jumps, FLOW), awk, tmp_path)
    assert reduced.splitlines()[-1] == "# more"
    assert len(reduced) < 50_000
    assert parse_rules(reduced) == ()


def test_many_verdicts_in_one_chain_stay_few(tmp_path: Path) -> None:
    rules = [f"ct state established,related tcp dport {n} accept" for n in range(500)]
    assert len(call("nftables", "_reduce", ruleset(*rules, FLOW), "awk", tmp_path)) < 2000


WORDS = st.sampled_from(
    [
        *(
            "ct",
            "state",
            "established",
            ",",
            "related",
            "{",
            "}",
            "vmap",
            ":",
            "accept",
            "drop",
            "return",
            "jump",
            "goto",
        ),
        *("other", "base", "feed", "flow", "add", "@ft", "notrack", "helper", "set", '"x"', "counter", "log", "prefix"),
        *("comment", ";", "\n", "meta", "l4proto", "tcp", "udp", "!=", "_", "packets", "name"),
    ]
)


@given(st.lists(WORDS, max_size=30).map(" ".join), st.lists(WORDS, max_size=30).map(" ".join))
def test_no_rule_is_too_odd(one: str, other: str) -> None:
    text = ruleset(one, FLOW, other=(other,))
    parse_rules(text)
    parse_exclusions(text)
    conditions_of(one)


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    conditions_of(text)
    parse_exclusions(text)
    parse_rules(text)
