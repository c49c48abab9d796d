# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Policy routing, IPsec and rules of others, as sh/read/conflicts.sh and nftables.sh print them."""

from __future__ import annotations

import re

from .nft import parse_statements

_COUNTS = re.compile(r"\s*SPD IN +([0-9]{1,9}) OUT ([0-9]{1,9}) FWD ([0-9]{1,9})\b.*")


def parse_mark_rules(text: str) -> tuple[str, ...]:
    """Lines ``ipv4 from all fwmark 0x1 lookup 100``."""
    found = (re.fullmatch(r"(ipv[46])\s+(.*\bfwmark\b.*)", line.strip()) for line in text.splitlines())
    return tuple(f"{rule[1]}: {' '.join(rule[2].split())}" for rule in found if rule)


def parse_policy_counts(text: str) -> dict[str, int]:
    """``ip xfrm policy count``: `` SPD IN  0 OUT 1 FWD 1``; empty where ip knows no xfrm."""
    for line in text.splitlines():
        if found := _COUNTS.fullmatch(line):
            return dict(zip(("in", "out", "fwd"), map(int, found.groups()), strict=True))
    return {}


def parse_xfrm_errors(text: str) -> tuple[str, ...]:
    """Lines of /proc/net/xfrm_stat whose counter is not zero: ``XfrmInNoStates 3``."""
    found = (re.fullmatch(r"(Xfrm\w+)\s+([0-9]+)", line.strip()) for line in text.splitlines())
    return tuple(f"{stat[1]} {stat[2]}" for stat in found if stat and stat[2].strip("0"))


def parse_legacy_tables(text: str) -> tuple[str, ...]:
    """Lines ``ip filter``."""
    return tuple(line.strip() for line in text.splitlines() if re.fullmatch(r"ip6? \S+", line.strip()))


def parse_forward_chains(text: str) -> tuple[str, ...]:
    """Base chains at the forward hook, in a ruleset or what sh/read/nftables.sh keeps of it; no dormant ones."""
    dormant: set[tuple[str, str]] = set()
    found: dict[str, tuple[str, str]] = {}
    for said in parse_statements(text):
        if not said.kind and said.words[:1] == ("flags",) and "dormant" in said.words:
            dormant.add((said.family, said.table))
        at_forward = ("hook", "forward") in zip(said.words, said.words[1:], strict=False)
        if said.kind == "chain" and said.words[:1] == ("type",) and at_forward and said.family in {"ip", "ip6", "inet"}:
            found[f"{said.family} {said.table} {said.name}"] = (said.family, said.table)
    return tuple(chain for chain, table in found.items() if table not in dormant)


def parse_queues(text: str) -> tuple[str, ...]:
    """Chains that hand packets to a program, those of the router's own packets left out."""
    own: set[tuple[str, str, str]] = set()
    found: dict[str, None] = {}
    for said in parse_statements(text):
        place = (said.family, said.table, said.name)
        if said.kind == "chain" and said.words[:1] == ("type",):
            own |= {place} if {"input", "output"} & set(said.words) else set()
        elif said.kind == "chain" and "queue" in said.words and place not in own:
            found[f"{' '.join(place)}: {said.text}"] = None
    return tuple(found)


def has_mss_clamp(text: str) -> bool:
    """Does any rule set the MSS of TCP connections?"""
    return any(
        triple == ("maxseg", "size", "set")
        for said in parse_statements(text)
        for triple in zip(said.words, said.words[1:], said.words[2:], strict=False)
    )
