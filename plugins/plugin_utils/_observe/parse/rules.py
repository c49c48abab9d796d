# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A ruleset, whole or reduced by sh/read/nftables.sh -> the rules that feed flowtables, and those that keep flows out.

Whether packets get to them is the packet walk's to tell (_verify/walk/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from ..state import Exclusion, FlowRule
from .nft import Statement, parse_statements

_STATES = {"established", "related", "new", "invalid", "untracked"}
_LOG_OPTIONS = {"prefix", "level", "flags", "group", "snaplen", "queue-threshold"}
_SHORT = {"iif", "iifname", "oif", "oifname"}
"""conditions that nft lists with one word, not two"""
_OPERATORS = {"!", "=", "<", ">"}
"""``!=`` is two words for the tokenizer"""
_PROTOCOLS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp"}

_EXCLUDING: Mapping[Literal["notrack", "helper"], tuple[str, ...]] = {
    "notrack": ("notrack",),
    "helper": ("ct", "helper", "set"),
}


def parse_rules(text: str, unknown: list[str] | None = None) -> tuple[FlowRule, ...]:
    """The rules that feed flowtables, with their conditions.

    Lines outside of any table are appended to ``unknown``. ``first`` is not set: see ``mark_first_rules``.
    """
    unknown = unknown if unknown is not None else []
    return tuple(
        FlowRule(
            statement.family,
            statement.table,
            statement.name,
            flowtable,
            statement.text,
            *parse_conditions(statement.words),
        )
        for statement in _list_statements(text, unknown)
        for flowtable in _list_fed(statement.words)
    )


def parse_exclusions(text: str) -> tuple[Exclusion, ...]:
    """Rules with ``notrack`` or ``ct helper set``; the reduction leaves one of each kind in a chain."""
    return tuple(
        Exclusion(statement.family, statement.table, statement.name, statement.text, kind)
        for statement in _list_statements(text, [])
        for kind, words in _EXCLUDING.items()
        if words in zip(*(statement.words[at:] for at in range(len(words))), strict=False)
    )


def _list_statements(text: str, unknown: list[str]) -> Iterator[Statement]:
    """The rules of every chain; those of maps lead on, and are none."""
    for statement in parse_statements(text):
        if not statement.table and statement.words:
            unknown.append(statement.text)
        if (
            statement.kind == "chain"
            and statement.words
            and statement.words[0] not in {"policy", "comment", "type", "flags"}
        ):
            yield statement


def mark_first_rules(rules: Iterable[FlowRule], listing: str) -> tuple[FlowRule, ...]:
    """The rules, ``first`` set of those that a whole listing of their table has first in a chain at the forward hook.

    The ruleset that ``parse_rules`` reads does not show it: sh/read/nftables.sh leaves rules out.
    """
    first: set[tuple[str, ...]] = set()
    opened: set[tuple[str, ...]] = set()
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


def _list_fed(words: tuple[str, ...]) -> list[str]:
    """Flowtables named by ``flow add @name``; nft up to 0.9.0 wrote ``flow offload``."""
    return [
        name[1:]
        for flow, verb, name in zip(words, words[1:], words[2:], strict=False)
        if flow == "flow" and verb in {"add", "offload"} and name.startswith("@")
    ]


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
