# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nft's listings, of real routers and of styles that no router here has."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import (
    normalise_listing,
    parse_flowtables,
    parse_objects,
    parse_statements,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.rules import parse_rules
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import FlowRule, Flowtable
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import AWKS, SUITES, call, captured
from tests.unit.helpers.walks import traverse

FT = Flowtable("inet", "t", "ft")


def table(*lines: str, head: str = "table inet t") -> str:
    return "\n".join([f"{head} {{", *lines, "}", ""])


def flowtable(*lines: str) -> str:
    return table("\tflowtable ft {", *(f"\t\t{line}" for line in lines), "\t}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (table(), ()),
        (flowtable(), (FT,)),
        (flowtable("hook ingress priority filter"), (FT,)),
        (
            flowtable("hook ingress priority 0;", "devices = { eth0 };"),
            (Flowtable("inet", "t", "ft", ("eth0",), "0"),),
        ),
        (
            flowtable(
                "hook ingress priority filter + 10", 'devices = { "eth0", "eth1.5" }', "flags offload", "counter"
            ),
            (Flowtable("inet", "t", "ft", ("eth0", "eth1.5"), "filter + 10", hardware=True, counter=True),),
        ),
        (
            flowtable("hook ingress priority -5", "devices = { eth0,", "\t     eth1 }", "counter"),
            (Flowtable("inet", "t", "ft", ("eth0", "eth1"), "-5", counter=True),),
        ),
        (flowtable("hook ingress priority 0", "devices = { }"), (Flowtable("inet", "t", "ft", priority="0"),)),
        (flowtable("devices = { eth* }"), (Flowtable("inet", "t", "ft", ("eth*",)),)),
        (flowtable('devices = { "a}b", "{" }'), (Flowtable("inet", "t", "ft", ("a}b", "{")),)),
        ("table t {\n flowtable ft { # handle 4\n }\n}\n", (Flowtable("ip", "t", "ft"),)),
        ("table ip6 t { # progname firewalld\n flags owner\n flowtable ft {\n }\n}\n", (Flowtable("ip6", "t", "ft"),)),
        (flowtable("counter") * 2, (Flowtable("inet", "t", "ft", counter=True),)),
    ],
)
def test_flowtables(text: str, expected: tuple[Flowtable, ...]) -> None:
    unknown: list[str] = []
    assert parse_flowtables(text, unknown) == expected
    assert unknown == []


def test_what_a_string_says_is_no_flowtable() -> None:
    inside = "flowtable ft { hook ingress priority 0; devices = { eth0 } }"
    text = table(
        f'\tcomment "{inside}"', "\tchain c {", f'\t\tlog prefix "{inside}"', f'\t\tcomment "\n{inside}\n"', "\t}"
    )
    assert parse_flowtables(text) == ()
    assert parse_objects(text) == {"chain": ("c",)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("flags offload, new", "flags offload, new"),
        ("hook egress priority 0", "hook egress priority 0"),
        ("hook ingress priority", "hook ingress priority"),
        ("bandwidth 1 gbit", "bandwidth 1 gbit"),
        ("devices = eth0", "devices = eth0"),
    ],
)
def test_an_unknown_line_of_a_flowtable_is_reported(line: str, words: str) -> None:
    unknown: list[str] = []
    assert parse_flowtables(flowtable(line), unknown) == (FT,)
    assert unknown == [f"flowtable inet t ft: {words}"]


@pytest.mark.parametrize("text", ["Error: Operation not permitted", "segfault in {\n", "define x = 1\n" + table()])
def test_a_line_outside_of_tables_is_reported(text: str) -> None:
    unknown: list[str] = []
    assert parse_flowtables(text, unknown) == ()
    assert parse_rules(text) == ()
    assert len(unknown) == 1


@pytest.mark.parametrize("suite", SUITES)
def test_objects_of_real_tables(suite: str) -> None:
    kinds = parse_objects(captured(suite, "ruleset").split("table ip nat")[0])
    assert {kind: set(names) for kind, names in kinds.items()} == {
        "chain": {"feed", "viamap", "other", "nowhere", "ports-22", "forward"},
        "counter": {"cnt"},
        "ct expectation": {"ex"},
        "ct helper": {"ftp-h"},
        "ct timeout": {"tt"},
        "flowtable": {"ft", "idle"},
        "limit": {"lim"},
        "map": {"verdicts"},
        "quota": {"q"},
        "set": {"big", "dyn"},
        "synproxy": {"sp"},
    }


@pytest.mark.parametrize("suite", SUITES)
def test_flowtables_of_real_rulesets(suite: str) -> None:
    unknown: list[str] = []
    assert parse_flowtables(captured(suite, "ruleset"), unknown) == (
        Flowtable("inet", "nft_offload", "ft", ("lan0", "wan0"), "filter", hardware=True, counter=True),
        Flowtable("inet", "nft_offload", "idle", (), "filter + 10"),
        Flowtable("ip", "off", "ft", (), "filter + 10"),
    )
    assert unknown == []


def reachable(text: str) -> dict[str, bool]:
    """Chain -> does some class of traffic get to its rule, or may it?"""
    met = {(place.chain.path, place.rule.text) for place, _path in traverse(text).record.fed}
    return {rule.chain: (f"{rule.family} {rule.table} {rule.chain}", rule.text) in met for rule in parse_rules(text)}


@pytest.mark.parametrize("suite", SUITES)
def test_rules_of_real_rulesets(suite: str) -> None:
    found = [(rule.table, rule.chain, rule.flowtable) for rule in parse_rules(captured(suite, "ruleset"))]
    assert found == [
        ("nft_offload", "feed", "ft"),
        ("nft_offload", "viamap", "idle"),
        ("nft_offload", "nowhere", "idle"),
        ("nft_offload", "forward", "idle"),
        ("off", "forward", "ft"),
    ]


HOOKED = "\t\ttype filter hook forward priority filter; policy accept;"


def chains(*first: str, head: str = "table inet t") -> str:
    """A base chain with these rules, before it a chain with the rule that feeds the flowtable."""
    feeding = ("\tflowtable ft {", "\t}", "\tchain feed {", "\t\tmeta l4proto tcp flow add @ft", "\t}")
    return table(*feeding, "\tchain base {", *(f"\t\t{line}" for line in first), "\t}", head=head)


@pytest.mark.parametrize(
    "rule",
    [
        "jump feed",
        "goto feed",
        'iifname "lan0" counter packets 4 bytes 2 jump feed comment "x"',
        "ct state vmap { established : jump feed, related : accept }",
        "ct state vmap { invalid : drop,\n\t\t\t     established : goto feed }",
        "tcp dport 1 jump {\n\t\t\ttcp sport 5 goto {\n\t\t\t\tjump feed\n\t\t\t}\n\t\t}",
    ],
)
def test_ways_to_a_rule(rule: str) -> None:
    assert reachable(chains(HOOKED.strip(), rule)) == {"feed": True}
    assert reachable(chains("type filter hook forward priority 0; policy accept;", rule, head="table ip6 t")) == {
        "feed": True
    }
    assert reachable(chains(HOOKED.strip(), rule, head="table bridge t")) == {"feed": False}
    assert reachable(chains("type filter hook input priority filter;", rule)) == {"feed": False}
    assert reachable(chains(rule)) == {"feed": False}
    assert reachable(chains(HOOKED.strip(), rule).replace("chain feed", "chain other")) == {"other": False}


@pytest.mark.parametrize(
    "rule",
    [
        'comment "jump feed"',
        'log prefix "x { jump feed }"',
        "ip saddr @feed accept",
        "jump feeder",
        "# jump feed",
        "drop",
    ],
)
def test_what_does_not_lead_to_a_rule(rule: str) -> None:
    assert reachable(chains(HOOKED.strip(), rule)) == {"feed": False}


def test_a_jump_stays_in_its_table() -> None:
    text = chains() + table("\tchain base {", HOOKED, "\t\tjump feed", "\t}", head="table inet other")
    assert reachable(text) == {"feed": False}


def test_a_chain_of_jumps_and_a_loop() -> None:
    rules = [f"\tchain c{n} {{\n\t\tjump c{n + 1}\n\t}}" for n in range(2000)]
    last = "\tchain c2000 {\n\t\tjump c0\n\t\tflow add @ft\n\t}"
    found = traverse(table(*rules, last, "\tchain base {", HOOKED, "\t\tgoto c0", "\t}"))
    assert {one.outcome for one in found.judged} == {"may"}, "nft itself refuses it"


def test_a_verdict_map_leads_on() -> None:
    used = "ip saddr vmap @m"
    elements = table("\tmap m {", "\t\ttype ipv4_addr : verdict", "\t\telements = { 192.0.2.1 : jump feed }", "\t}")
    assert reachable(chains(HOOKED.strip(), used)) == {"feed": False}
    assert reachable(chains(HOOKED.strip(), used) + elements) == {"feed": True}
    assert reachable(chains(HOOKED.strip(), "ip saddr vmap @n") + elements) == {"feed": False}


def test_a_rule_in_the_hooked_chain_and_both_spellings() -> None:
    text = table("\tchain base {", HOOKED, "\t\tflow add @ft", "\t\tip protocol tcp flow offload @g counter", "\t}")
    assert parse_rules(text) == (
        FlowRule("inet", "t", "base", "ft", "flow add @ft"),
        FlowRule(
            "inet",
            "t",
            "base",
            "g",
            "ip protocol tcp flow offload @g counter",
            protocols=frozenset({"tcp"}),
        ),
    )


@pytest.mark.parametrize(("flags", "expected"), [("owner", True), ("dormant", False), ("dormant,owner", False)])
def test_a_dormant_table_has_no_hooks(flags: str, expected: bool) -> None:
    text = table(f"\tflags {flags}", "\tchain base {", HOOKED, "\t\tflow add @ft", "\t}")
    assert reachable(text) == {"base": expected}


def test_listing_without_devices() -> None:
    plain = flowtable("hook ingress priority filter", "counter")
    for devices in (
        "devices = { eth0 }",
        "devices = { eth0, eth1 };",
        'devices = { "a}b", "eth*" }',
        "devices = { eth0,\n\t\t\t    eth1 }",
        "devices = { }",
    ):
        text = flowtable("hook ingress priority filter", devices, "counter")
        assert normalise_listing(text) == plain
    assert normalise_listing(plain) == plain
    # nft 1.1.7, for a set with elements
    counted = 'table inet t {\n\tset s {\n\t\tsize 65535\t# count 2\n\t\tcomment "a\t# count 3"\n\t}\n}\n'
    assert normalise_listing(counted) == counted.replace("\t# count 2", "")


def test_other_lists_stay_in_a_listing() -> None:
    text = table(
        '\tcomment "\n\tdevices = { a }\n"',
        "\tset devices {",
        "\t\telements = { 1.2.3.4 }",
        "\t}",
        "\tchain c {",
        '\t\tlog prefix "devices = { a }"',
        "\t\ttype filter hook ingress devices = { eth0, eth1 } priority 0",
        "\t}",
    )
    assert normalise_listing(text) == text


# The reduction on the router: it must leave what parse_rules finds as it is.


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("suite", SUITES)
def test_reduction_of_real_rulesets(suite: str, awk: str, tmp_path: Path) -> None:
    full = captured(suite, "ruleset")
    reduced = call("nftables", "_reduce", full, awk, tmp_path)
    assert parse_rules(reduced) == parse_rules(full)
    assert parse_objects(reduced).keys() == {"chain"}
    assert len(reduced) < len(full) * 0.6


TRICKY = (
    chains(HOOKED.strip(), "tcp dport 1 jump {\n\t\t\tflow add @g\n\t\t\tgoto feed\n\t\t}", "flow add @h"),
    chains(HOOKED.strip(), "ct state vmap { established : jump feed, new : goto nowhere }") * 2,
    table('\tcomment "}"', "\tchain base {", HOOKED, '\t\tlog prefix "{ flow add @no" flow add @ft', "\t}"),
    table('\tcomment "two\n\tchain base { flow add @no"', "\tchain base {", HOOKED, "\t\tflow add @ft", "\t}"),
    table("\tflags dormant", "\tchain base {", HOOKED, "\t\tflow add @ft", "\t}"),
    table(head="table ip empty")
    + "table ip6 t { # progname x\n\tchain base {\n"
    + HOOKED
    + "\n\t\tflow add @ft\n\t}\n}\n",
    table(
        "\tset s {",
        "\t\telements = { 1.2.3.4,",
        "\t\t\t     1.2.3.5 }",
        "\t}",
        "\tchain c {",
        "\t\tflow add @ft",
        "\t}",
    ),
)


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("text", TRICKY)
def test_reduction_of_tricky_rulesets(text: str, awk: str, tmp_path: Path) -> None:
    reduced = call("nftables", "_reduce", text, awk, tmp_path)
    unknown: list[str] = []
    assert parse_rules(reduced, unknown) == parse_rules(text) != ()
    assert unknown == []


@pytest.mark.parametrize("awk", AWKS)
def test_reduction_keeps_a_long_rule_short(awk: str, tmp_path: Path) -> None:
    addresses = ", ".join(f"192.0.2.{n}" for n in range(250))
    text = table("\tchain base {", HOOKED, f"\t\tip saddr {{ {addresses} }} flow add @ft jump c", "\t}")
    (rule,) = parse_rules(call("nftables", "_reduce", text, awk, tmp_path))
    assert rule.text == "_ 1 conditions flow add @ft"


@pytest.mark.parametrize("awk", AWKS)
def test_reduction_passes_a_failure_on(awk: str, tmp_path: Path) -> None:
    assert call("nftables", "_reduce; echo $?", f"{table()}# failed\n", awk, tmp_path).splitlines()[-1] == "1"
    assert call("nftables", "_reduce; echo $?", table(), awk, tmp_path).splitlines()[-1] == "0"


@pytest.mark.parametrize("awk", AWKS)
def test_reduction_tells_of_a_string_without_end(awk: str, tmp_path: Path) -> None:
    text = flowtable('devices = { a"b }') + table("\tchain base {", HOOKED, "\t\tflow add @ft", "\t}")
    unknown: list[str] = []
    assert parse_rules(call("nftables", "_reduce", text, awk, tmp_path), unknown) == ()
    assert unknown[0].startswith("a string has no end: ")


PIECES = st.sampled_from(
    [
        "table",
        "inet",
        "t",
        "{",
        "}",
        ";",
        "\n",
        '"',
        "#",
        "=",
        ",",
        "flowtable",
        "chain",
        "map",
        "devices",
        "flags",
        "offload",
        "hook",
        "forward",
        "type",
        "filter",
        "jump",
        "goto",
        "vmap",
        "@m",
        "flow",
        "add",
        "@ft",
        "counter",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES).map(" ".join), st.lists(PIECES).map("".join)))
def test_no_text_is_too_odd(text: str) -> None:
    unknown: list[str] = []
    parse_flowtables(text, unknown)
    parse_rules(text, unknown)
    parse_objects(text)
    normalise_listing(text)
    assert all(isinstance(line, str) for line in unknown)


def test_depth_is_no_danger() -> None:
    text = "table inet t {\nchain c {\n" + "jump {\n" * 5000 + "flow add @ft\n" + "{" * 5000
    assert [statement.words for statement in parse_statements(text) if statement.words][-2] == ("flow", "add", "@ft")
