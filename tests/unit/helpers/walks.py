# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets for the packet walk, and what it says of them, whether the router left something out or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import parse_flowtables
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.ruleset import parse_ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.walk.classes import (
    Classes,
    TrafficClass,
    traverse_ruleset,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.walk.packet import Interface

from tests.unit.helpers.captures import call

FLOW = "meta l4proto { tcp, udp } flow add @ft"
HOOK = "type filter hook forward priority filter; policy drop;"


def ruleset(*base: str, **others: Sequence[str]) -> str:
    """A table with a flowtable, a chain at the forward hook with these rules, and other chains."""
    chains = {"base": (HOOK, *base), **others}
    texts = ["table inet t {", "\tflowtable ft {", "\t\thook ingress priority filter", "\t}"]
    for name, rules in chains.items():
        texts += ["", f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]
    return "\n".join([*texts, "}", ""])


def accepting(text: str) -> str:
    """The same with policies that accept."""
    return text.replace("policy drop", "policy accept")


def traverse(text: str, devices: Sequence[str] = ("lan0", "wan0")) -> Classes:
    """The packet walk through a text, between these devices, which are listed."""
    paths = [flowtable.path for flowtable in parse_flowtables(text)]
    interfaces = [Interface(name, index) for index, name in enumerate(devices, 2)]
    return traverse_ruleset(parse_ruleset(text), interfaces, paths)


def reduced(text: str, tmp_path: Path = Path("/"), awk: str = "awk") -> str:
    """What the router sends of it, with the elements of its maps and sets, which a terse listing does not have."""
    sent = call("nftables", "_reduce", text, awk, tmp_path)
    return sent + "".join(_list_elements(text))


def _list_elements(text: str) -> list[str]:
    listed = parse_ruleset(text)
    lines = []
    for (family, table, name), elements in listed.sets.items():
        lines.append(f"table {family} {table} {{\nset {name} {{\nelements = {{ {', '.join(elements)} }}\n}}\n}}\n")
    for (family, table, name), pairs in listed.maps.items():
        found = ", ".join(f"{value} : {verdict.kind} {verdict.target}".rstrip() for value, verdict in pairs)
        lines.append(f"table {family} {table} {{\nmap {name} {{\nelements = {{ {found} }}\n}}\n}}\n")
    return lines


def outcomes(text: str, devices: Sequence[str] = ("lan0", "wan0")) -> dict[str, str]:
    """'ipv4 tcp lan0 wan0' -> outcome, of every judged class; the same for the whole text and as it is sent."""
    whole, sent = (_by_name(traverse(seen, devices).judged) for seen in (text, reduced(text)))
    assert sent == whole, "what is left out changes the outcome"
    return whole


def deciders(text: str, devices: Sequence[str] = ("lan0", "wan0")) -> set[str]:
    """The rules that keep classes from 'flow add'."""
    return {one.decided_by for one in traverse(text, devices).judged if one.outcome != "surely"}


def _by_name(classes: Iterable[TrafficClass]) -> dict[str, str]:
    return {
        f"{one.family} {one.protocol} {enters} {leaves}": one.outcome
        for one in classes
        for enters in one.enters
        for leaves in one.leaves
        if enters != leaves
    }
