# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that feed flowtables and those that keep flows out, and what the router sends of a ruleset."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.rules import (
    mark_first_rules,
    parse_exclusions,
    parse_rules,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import AWKS, call
from tests.unit.helpers.routers import conditions_of
from tests.unit.helpers.walks import FLOW, ruleset


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
    ("rule", "kind"),
    [
        ("notrack", "notrack"),
        ('counter notrack comment "all"', "notrack"),
        ("udp dport 53 notrack", "notrack"),
        ('tcp dport 21 ct helper set "ftp"', "helper"),
    ],
)
def test_what_keeps_flows_out(rule: str, kind: str, awk: str, tmp_path: Path) -> None:
    for seen in (raw(rule), call("nftables", "_reduce", raw(rule), awk, tmp_path)):
        assert [(found.kind, found.text, found.chain) for found in parse_exclusions(seen)] == [(kind, rule, "pre")]


@pytest.mark.parametrize("rule", ['log prefix "notrack"', 'comment "notrack"', "ct helper ftp accept", "accept"])
def test_what_keeps_nothing_out(rule: str) -> None:
    assert parse_exclusions(raw(rule)) == ()


# What others have in the ruleset must not make the answer long, nor the verdict wrong.


@pytest.mark.parametrize("awk", AWKS)
def test_a_few_rules_of_a_kind_are_sent_and_the_others_counted(awk: str, tmp_path: Path) -> None:
    rules = [f"ip saddr 192.0.2.{n} notrack" for n in range(200)]
    sent = call("nftables", "_reduce", raw(*rules), awk, tmp_path)
    assert [rule.text for rule in parse_exclusions(sent)] == [*rules[:3], "_ 197 addresses notrack"]
    mixed = [f"meta mark {n} accept" if n % 2 else f"tcp dport {n} drop" for n in range(80)]
    sent = call("nftables", "_reduce", ruleset(*mixed, "ct state invalid drop", *mixed, FLOW), awk, tmp_path)
    assert sent.count("_ 37 addresses drop") == sent.count("_ 37 conditions accept") == 2
    assert sent.index("_ 37") < sent.index("ct state invalid drop") < sent.rindex("_ 37") < sent.index("flow add")


@pytest.mark.parametrize("awk", AWKS)
def test_thousands_of_rules_of_others_cost_little(awk: str, tmp_path: Path) -> None:
    rules = [f"ip saddr 10.{n // 250}.{n % 250}.0/24 tcp dport {n} jump c{n}" for n in range(1, 4000)]
    chains = [f"\t}}\n\tchain c{n} {{\n\t\taccept" for n in range(1, 4000)]
    nat = raw(*rules, *chains, head="table ip kube-proxy", hook=RAW.replace("filter hook", "nat hook"))
    assert len(call("nftables", "_reduce", nat + ruleset(FLOW), awk, tmp_path)) < 600
    sent = call("nftables", "_reduce", raw(*rules, *chains, head="table ip kube-proxy") + ruleset(FLOW), awk, tmp_path)
    assert len(sent) < 50_000
    assert "# more" not in sent, "no base chain is missing"
    assert parse_rules(sent) == parse_rules(ruleset(FLOW))
    drops = [f"ip saddr 10.{n // 250}.{n % 250}.0/24 drop" for n in range(20000)]
    assert len(call("nftables", "_reduce", ruleset(*drops, FLOW), awk, tmp_path)) < 600


def test_a_chain_that_is_too_long_for_the_answer_is_marked(tmp_path: Path) -> None:
    chains = {f"c{n}": [f"iifname d{n}_{k} oifname {'e' * 9} accept" for k in range(90)] for n in range(40)}
    sent = call("nftables", "_reduce", ruleset(*(f"jump {name}" for name in chains), FLOW, **chains), "awk", tmp_path)
    assert len(sent) < 50_000
    assert "jump c39" in sent
    assert "chain c39" not in sent
    bases = "".join(ruleset(*rules, FLOW).replace("inet t", f"inet {name}") for name, rules in chains.items())
    sent = call("nftables", "_reduce", bases, "awk", tmp_path)
    assert sent.endswith("# more\n")
    assert len(sent) < 60_000


def test_without_a_flowtable_only_what_others_have_at_the_hooks_is_sent(tmp_path: Path) -> None:
    text = raw("ip saddr 192.0.2.1 accept", "queue to 1", "tcp flags syn tcp option maxseg size set rt mtu")
    sent = call("nftables", "_found=; _ruleset() { :; }; _whole=0 _reduce", text, "awk", tmp_path)
    assert "192.0.2.1" not in sent
    assert {"hook prerouting", "_ queue", "maxseg size set"} <= {
        word for word in ("hook prerouting", "_ queue", "maxseg size set") if word in sent
    }


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


BRIDGED = """\
table bridge fw4 {
	flowtable fb {
		hook ingress priority filter
		devices = { lan0, lan1 }
	}

	chain more {
		ct state established flow add @fb
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		ether saddr 02:00:00:00:00:01 accept
		ether type ip jump more
	}

	chain input {
		type filter hook input priority filter; policy accept;
		ether type arp accept
	}
}
"""


@pytest.mark.parametrize("awk", AWKS)
def test_a_bridge_that_feeds_a_flowtable_is_read_whole(awk: str, tmp_path: Path) -> None:
    """Its base chain too, whose rules decide what gets to the one with 'flow add'."""
    reduced = call("nftables", "_reduce", BRIDGED, awk, tmp_path)
    assert "ether saddr 02:00:00:00:00:01 accept\nether type ip jump more" in reduced
    assert "ct state established flow add @fb" in reduced
    assert "arp" not in reduced
    other = call("nftables", "_reduce", BRIDGED.replace("flow add @fb", "accept"), awk, tmp_path)
    assert "jump more" not in other  # without a flowtable nothing is asked of it
