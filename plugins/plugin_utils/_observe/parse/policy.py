# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Policy routing, IPsec and rules of others, as sh/read/conflicts.sh and nftables.sh print them."""

from __future__ import annotations

import re

from ..._core.text import iterate_lines, read_number, split_words
from .nft import parse_statements

_NAME = re.compile(r"[A-Za-z0-9_.@+\-]{1,64}")
_COUNTS = re.compile(r"\s*SPD IN +([0-9]{1,9}) OUT ([0-9]{1,9}) FWD ([0-9]{1,9})\b.*")


def parse_mark_rules(text: str) -> tuple[str, ...]:
    """Lines ``ipv4 from all fwmark 0x1 lookup 100`` -> 'ipv4: from all fwmark 0x1 lookup 100'."""
    rules = (split_words(line) for line in iterate_lines(text))
    return tuple(
        f"{rule[0]}: {' '.join(rule[1:])}" for rule in rules if rule[:1] in (["ipv4"], ["ipv6"]) and "fwmark" in rule
    )


def parse_policy_counts(text: str) -> dict[str, int]:
    """``ip xfrm policy count``, `` SPD IN  0 OUT 1 FWD 1`` -> in, out, fwd -> policies; empty without xfrm."""
    for line in iterate_lines(text):
        if found := _COUNTS.fullmatch(line):
            return dict(zip(("in", "out", "fwd"), map(read_number, found.groups()), strict=True))
    return {}


def parse_xfrm_errors(text: str) -> tuple[str, ...]:
    """Lines of /proc/net/xfrm_stat whose counter is not zero: ``XfrmInNoStates 3``."""
    found = (re.fullmatch(r"(Xfrm\w+)\s+([0-9]+)", line.strip(), re.ASCII) for line in iterate_lines(text))
    return tuple(f"{stat[1]} {stat[2]}" for stat in found if stat and stat[2].strip("0"))


def parse_legacy_tables(text: str) -> tuple[str, ...]:
    """Lines ``ip filter``, other ones left out."""
    return tuple(line.strip() for line in iterate_lines(text) if re.fullmatch(r"ip6? \S+", line.strip()))


def parse_names(text: str) -> tuple[str, ...]:
    """One name a line; what is none that a network namespace or a device may have in a message is left out."""
    return tuple(line for line in iterate_lines(text) if _NAME.fullmatch(line))


def parse_firewalld(text: str) -> tuple[str, ...]:
    """``NftablesFlowtable=eth0 eth1`` as its value, of the first line; empty for off, as firewalld has it."""
    words = split_words(text.partition("\n")[0])
    if len(words) == 1 and words[0].lower() in {"off", "no", "false"}:
        return ()
    return tuple(dict.fromkeys(word for word in words if _NAME.fullmatch(word)))


def parse_forward_chains(text: str) -> tuple[str, ...]:
    """'family table chain' of each base chain at the forward hook, those of dormant tables left out.

    ``text`` is a ruleset, whole or as sh/read/nftables.sh reduces it.
    """
    dormant: set[tuple[str, str]] = set()
    found: dict[str, tuple[str, str]] = {}
    for statement in parse_statements(text):
        if not statement.kind and statement.words[:1] == ("flags",) and "dormant" in statement.words:
            dormant.add((statement.family, statement.table))
        at_forward = ("hook", "forward") in zip(statement.words, statement.words[1:], strict=False)
        if (
            statement.kind == "chain"
            and statement.words[:1] == ("type",)
            and at_forward
            and statement.family in {"ip", "ip6", "inet"}
        ):
            found[f"{statement.family} {statement.table} {statement.name}"] = (statement.family, statement.table)
    return tuple(chain for chain, table in found.items() if table not in dormant)


def parse_queues(text: str) -> tuple[str, ...]:
    """'family table chain: RULE' of each chain that queues packets to a program, not those at input and output."""
    own: set[tuple[str, str, str]] = set()
    found: dict[str, None] = {}
    for statement in parse_statements(text):
        place = (statement.family, statement.table, statement.name)
        if statement.kind == "chain" and statement.words[:1] == ("type",):
            own |= {place} if {"input", "output"} & set(statement.words) else set()
        elif statement.kind == "chain" and "queue" in statement.words and place not in own:
            found[f"{' '.join(place)}: {statement.text}"] = None
    return tuple(found)


def has_mss_clamp(text: str) -> bool:
    """Does any rule of a ruleset set the MSS of TCP connections?"""
    return any(
        triple == ("maxseg", "size", "set")
        for statement in parse_statements(text)
        for triple in zip(statement.words, statement.words[1:], statement.words[2:], strict=False)
    )
