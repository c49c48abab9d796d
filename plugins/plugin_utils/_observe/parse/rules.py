# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A ruleset, whole or reduced by sh/read/nftables.sh -> the rules that feed flowtables, and those that keep flows out.

A feeding rule is reachable if a forwarded packet can get there at all (any jump counts, whatever its conditions). It is
shadowed if a rule before it certainly decides over all that it could offload. Only rules without a condition of their
own count for that, and ``ct state established accept``: a rule that is not understood shadows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..._core.text import read_number
from ..state import Exclusion, FlowRule
from .nft import Statement, parse_statements

LAYER_3 = {"ip", "ip6", "inet"}
"""families of tables whose forward hook can feed a flowtable"""
PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
CONNTRACK = -200
"""priority at which connections are looked up (NF_IP_PRI_CONNTRACK)"""
LONGEST_RULE = 300
"""characters of a rule that many others may name"""
DEEPEST = 24
"""jumps that are followed into each other; nf_tables itself allows 16 (NFT_JUMP_STACK_SIZE)"""

# What is left of the traffic at some place of a chain.
NOTHING, NEW_ONLY, ALL = 0, 1, 2
"""no packet gets there for certain; none of an established connection does; nothing is certain"""

_STATES = {"established", "related", "new", "invalid", "untracked"}
_LOG_OPTIONS = {"prefix", "level", "flags", "group", "snaplen", "queue-threshold"}
_SHORT = {"iif", "iifname", "oif", "oifname"}
"""conditions that nft lists with one word, not two"""
_OPERATORS = {"!", "=", "<", ">"}
"""``!=`` is two words for the tokenizer"""
_PROTOCOLS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp"}


@dataclass
class _Chain:
    """A chain, or a verdict map, and what stands in it."""

    hook: str = ""
    early: bool = False
    """before connection tracking, so that notrack has an effect (nft_ct.c: nft_notrack_eval)"""
    dormant: bool = False
    lines: list[Statement] = field(default_factory=list)


_Key = tuple[str, str, str, str]
"""family, table, chain or map, name"""


@dataclass(frozen=True)
class _Remaining:
    """How much of the traffic is left at some place of a chain, and which rule decided over the rest."""

    level: int = ALL
    decided_by: str = ""


def parse_rules(text: str, unknown: list[str] | None = None) -> tuple[FlowRule, ...]:
    """The rules that feed flowtables, with their conditions, whether packets reach them, and what shadows them.

    ``text`` is a ruleset; elements of verdict maps may follow it, in tables of the same name. Lines outside of any
    table are appended to ``unknown``. ``first`` is not set: see ``mark_first_rules``.
    """
    chains = _parse_chains(text, unknown if unknown is not None else [])
    left = _traverse(chains)
    return tuple(
        FlowRule(
            key[0],
            key[1],
            key[3],
            flowtable,
            statement.text,
            key in left,
            left.get(key, {}).get(number, ""),
            *parse_conditions(statement.words),
        )
        for key, chain in chains.items()
        for number, statement in enumerate(chain.lines)
        for flowtable in _list_fed(statement.words)
    )


def parse_exclusions(text: str) -> tuple[Exclusion, ...]:
    """Rules with ``notrack`` or ``ct helper set``; the reduction leaves one of each kind in a chain."""
    found = []
    for (family, table, _kind, name), chain in _parse_chains(text, []).items():
        for number, statement in enumerate(() if chain.dormant else chain.lines):
            if "notrack" in statement.words and (chain.early or not chain.hook):
                first = number == 0 and chain.hook == "prerouting"
                everything = first and statement.depth == 0 and _deciding_words(statement.words) == ("notrack",)
                found.append(Exclusion(family, table, name, statement.text, "notrack", everything))
            elif ("ct", "helper", "set") in zip(
                statement.words, statement.words[1:], statement.words[2:], strict=False
            ):
                found.append(Exclusion(family, table, name, statement.text, "helper"))
    return tuple(found)


def mark_first_rules(rules: Iterable[FlowRule], listing: str) -> tuple[FlowRule, ...]:
    """The rules, ``first`` set of those that a whole listing of their table has first in a chain at the forward hook.

    The ruleset that ``parse_rules`` reads does not show it: sh/read/nftables.sh leaves rules out.
    """
    first: set[tuple[str, ...]] = set()
    opened: set[_Key] = set()
    for statement in parse_statements(listing):
        key = (statement.family, statement.table, statement.kind, statement.name)
        if statement.kind != "chain" or not statement.words or statement.words[0] in {"policy", "comment"}:
            continue
        if statement.words[0] == "type" and ("hook", "forward") in pairwise(statement.words):
            opened.add(key)
        elif key in opened:
            opened.remove(key)
            first.add((*key, statement.text))
    return tuple(
        replace(rule, first=(rule.family, rule.table, "chain", rule.chain, rule.text) in first) for rule in rules
    )


def parse_conditions(words: tuple[str, ...]) -> tuple[frozenset[str], str]:
    """Of the words of a rule that feeds a flowtable: protocols out of tcp and udp, and its other conditions, if any."""
    words = _deciding_words(words[: words.index("flow")] if "flow" in words else words)
    protocols = frozenset({"tcp", "udp"})
    other: list[str] = []
    start = 0
    while start < len(words):
        key, end = _find_condition(words, start)
        values = {word for word in words[key:end] if word not in "{},"}
        match words[start:key]:
            case ("ct", "state") if "established" in values and values <= _STATES:
                pass
            case ("meta", "l4proto") | ("ip", "protocol") | ("ip6", "nexthdr") if values and values <= {*_PROTOCOLS}:
                protocols &= {_PROTOCOLS[value] for value in values}
            case _:
                other += words[start:end]
        start = end
    return protocols, " ".join(other)


def _find_condition(words: tuple[str, ...], start: int) -> tuple[int, int]:
    """Where the values of the condition begin that starts at this word, and where they end.

    ``iifname "lan0"``, ``meta l4proto { 6, 17 }``, ``ct state established,related``, ``ip saddr != 192.0.2.1``
    """
    key = start + (1 if words[start] in _SHORT else 2)
    while words[key : key + 1] and words[key] in _OPERATORS:
        key += 1
    if words[key : key + 1] == ("{",):
        try:
            return key, words.index("}", key) + 1
        except ValueError:
            return key, len(words)
    end = key + 1
    while words[end : end + 1] == (",",):
        end += 2
    return key, end


def _parse_chains(text: str, unknown: list[str]) -> dict[_Key, _Chain]:
    """Every chain and map that has something in it; those of dormant tables have no hooks."""
    chains: dict[_Key, _Chain] = {}
    dormant: set[tuple[str, str]] = set()
    for statement in parse_statements(text):
        key = (statement.family, statement.table, statement.kind, statement.name)
        if not statement.table and statement.words:
            unknown.append(statement.text)
        if not statement.kind and statement.words[:1] == ("flags",) and "dormant" in statement.words:
            dormant.add((statement.family, statement.table))
        if statement.kind not in {"chain", "map"} or not statement.words or statement.words[0] in {"policy", "comment"}:
            continue
        chain = chains.setdefault(key, _Chain())
        if statement.words[0] == "type":
            chain.hook = next((hook for word, hook in pairwise(statement.words) if word == "hook"), "")
            chain.early = _parse_priority(statement.words) < CONNTRACK
        else:
            chain.lines.append(statement)
    for key, chain in chains.items():
        chain.dormant = key[:2] in dormant
        if chain.dormant or key[0] not in LAYER_3:
            chain.hook = ""
    return chains


def _parse_priority(words: tuple[str, ...]) -> int:
    """``priority filter + 10``, ``priority -300``; 0 when it is not understood."""
    order = list(words[words.index("priority") + 1 :]) if "priority" in words else []
    base = PRIORITIES.get(order[0], 0) if order else 0
    number = "".join(order[1:] if order and order[0] in PRIORITIES else order)
    return base + read_number(number) if re.fullmatch(r"[+-]?[0-9]{1,9}", number) else base


def _list_fed(words: tuple[str, ...]) -> list[str]:
    """Flowtables named by ``flow add @name``; nft up to 0.9.0 wrote ``flow offload``."""
    return [
        name[1:]
        for flow, verb, name in zip(words, words[1:], words[2:], strict=False)
        if flow == "flow" and verb in {"add", "offload"} and name.startswith("@")
    ]


def _list_targets(key: _Key, words: tuple[str, ...]) -> list[_Key]:
    """Chains and verdict maps to which a rule, or an element of a map, passes packets on."""
    found: list[_Key] = []
    for verb, target in pairwise(words):
        if verb in {"jump", "goto"}:
            found.append((key[0], key[1], "chain", target))
        elif verb == "vmap" and target.startswith("@"):
            found.append((key[0], key[1], "map", target[1:]))
    return found


def _traverse(chains: Mapping[_Key, _Chain]) -> dict[_Key, dict[int, str]]:
    """Chains and maps that a forwarded packet can reach -> number of a rule that offloads -> the rule that shadows it.

    A chain is traversed again when more of the traffic is found to reach it, so at most three times.
    """
    pending = [(key, _Remaining()) for key, chain in chains.items() if chain.hook == "forward"]
    best: dict[_Key, int] = {}
    shadows: dict[_Key, dict[int, str]] = {}
    passing: dict[_Key, int] = {}
    while pending:
        key, left = pending.pop()
        if best.get(key, -1) >= left.level:
            continue
        best[key] = left.level
        shadows[key] = {}
        chain = chains.get(key, _Chain())
        for number, statement in enumerate(chain.lines):
            if _list_fed(statement.words) and (
                left.level == NOTHING or (left.level == NEW_ONLY and _needs_established(statement))
            ):
                shadows[key][number] = left.decided_by
            pending += [(target, left) for target in _list_targets(key, statement.words)]
            level = (
                NOTHING
                if _deciding_words(statement.words) == ("return",)
                else _left_after(key, statement, chains, passing, 0)
            )
            if key[2] == "chain" and statement.depth == 0 and level < left.level:
                left = _Remaining(level, f"chain {key[3]}: {statement.text[:LONGEST_RULE]}")
    return shadows


def _needs_established(statement: Statement) -> bool:
    """Does the rule need established connections? Every TCP flow is one; UDP is offloaded with its second packet."""
    protocols, _other = parse_conditions(statement.words)
    return protocols != {"udp"} or "established" in statement.words


def _left_after(
    key: _Key, statement: Statement, chains: Mapping[_Key, _Chain], passing: dict[_Key, int], depth: int
) -> int:
    """How much of the traffic is certainly left behind a rule that all of it reached."""
    match _deciding_words(statement.words):
        case ("accept" | "drop",) | ("reject", *_) | ("goto", _):
            return NOTHING
        case ("jump", target):
            return _left_through((key[0], key[1], "chain", target), chains, passing, depth + 1)
        case ("ct", "state", "vmap", "{", *pairs) if _decides_established(pairs):
            return NEW_ONLY
        case ("ct", "state", *states, "accept" | "drop"):
            values = set(states) - {"{", "}", ","}
            return NEW_ONLY if "established" in values and values <= _STATES else ALL
    return ALL


def _decides_established(pairs: list[str]) -> bool:
    """Do the elements of a verdict map accept or drop established connections?"""
    return any(
        words in {("established", ":", "accept"), ("established", ":", "drop")}
        for words in zip(pairs, pairs[1:], pairs[2:], strict=False)
    )


def _left_through(key: _Key, chains: Mapping[_Key, _Chain], passing: dict[_Key, int], depth: int) -> int:
    """How much of the traffic certainly returns from a chain that all of it jumps to."""
    if key in passing or depth > DEEPEST:
        return passing.get(key, ALL)
    passing[key] = level = ALL  # while it is looked at: a loop takes nothing
    for statement in chains.get(key, _Chain()).lines:
        deciding = _deciding_words(statement.words)
        if deciding == ("return",):
            break
        if deciding[:1] == ("goto",):
            target = (key[0], key[1], "chain", deciding[1] if len(deciding) > 1 else "")
            level = min(level, _left_through(target, chains, passing, depth + 1))
            break
        if (deciding[:1] != ("jump",) and {"return", "goto"} & set(statement.words)) or _jumps_by_map(statement.words):
            break  # some packets may leave from here without meeting what comes next
        if statement.depth == 0:
            level = min(level, _left_after(key, statement, chains, passing, depth))
        if level == NOTHING:
            break
    passing[key] = level
    return level


def _jumps_by_map(words: tuple[str, ...]) -> bool:
    """Does a rule take its verdict from a named map, whose elements may jump anywhere?"""
    return any(verb == "vmap" and target.startswith("@") for verb, target in pairwise(words))


def _deciding_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a rule that match or decide: not counter, log and comment."""
    found: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "counter":
            at += {"packets": 4, "name": 2}.get(words[at] if at < len(words) else "", 0)
        elif word == "comment":
            at += 1
        elif word == "log":
            while at < len(words) and words[at] in _LOG_OPTIONS:
                at += 2
        else:
            found.append(word)
    return tuple(found)
