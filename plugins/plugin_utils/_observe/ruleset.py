# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The typed ruleset of nftables: chains, rules, and what a rule consists of. Data, and the order of hooks.

A rule is evaluated part by part (net/netfilter/nf_tables_core.c): a condition that does not hold ends it, a verdict
ends it with a decision, anything else goes on to the next part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .._core.text import read_number

PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
LEFT_OUT = "left out"
"""key of the condition that stands for rules which the router did not send"""
LEFT_OUT_ADDRESSES = "left out, addresses"
"""the same, of rules all of which name addresses or ports"""

Operator = Literal["==", "!=", "<", ">", "<=", ">="]


@dataclass(frozen=True)
class Condition:
    """``iifname != "lan0"``, ``ct state established,related``, ``ip saddr . tcp dport @set``, ``limit rate 1/day``"""

    keys: tuple[str, ...]
    """what is compared, such as 'meta l4proto'; more than one for a concatenation; empty where it is not understood"""
    values: tuple[str, ...] = ()
    """any of which fits: literals and ranges as nft prints them without quotes, or a set as @name; those of a
    concatenation are joined by ' . '"""
    operator: Operator = "=="
    mask: str = ""
    """``& mask`` before the comparison; empty for none"""
    text: str = ""


@dataclass(frozen=True)
class Verdict:
    """What ends a rule."""

    kind: Literal["accept", "drop", "return", "jump", "goto", "queue", "continue"]
    """drop stands for reject too"""
    target: str = ""
    """the chain of a jump or a goto"""


@dataclass(frozen=True)
class VerdictMap:
    """``ct state vmap { established : accept }``, ``iifname vmap @dispatch``"""

    keys: tuple[str, ...]
    elements: tuple[tuple[str, Verdict], ...] = ()
    name: str = ""
    """of a named map, whose elements stand in Ruleset.maps"""
    text: str = ""


@dataclass(frozen=True)
class Statement:
    """What neither decides nor compares."""

    kind: Literal["flow", "notrack", "helper", "mark", "ct mark", "priority", "dscp", "police", "count", "log", "other"]
    """flow: adds to a flowtable; police: limits, quotas and the like; count: counters of its own name and sets that
    grow"""
    value: str = ""
    """name of the flowtable; the mark that is set, empty where it is not a number"""
    text: str = ""


Part = Condition | Verdict | VerdictMap | Statement


@dataclass(frozen=True)
class Rule:
    """A rule as nft prints it, and its parts in order."""

    text: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Chain:
    """A chain; an anonymous one is called by the rule that holds it: '{3}'."""

    family: str
    table: str
    name: str
    rules: tuple[Rule, ...] = ()
    type: str = ""
    """filter, nat or route; empty where it is no base chain"""
    hook: str = ""
    priority: int = 0
    devices: tuple[str, ...] = ()
    """of a hook at ingress"""
    drops: bool = False
    """its policy is drop"""

    @property
    def path(self) -> str:
        """'family table name'"""
        return f"{self.family} {self.table} {self.name}"


ObjectKey = tuple[str, str, str]
"""family, table, name"""


@dataclass(frozen=True)
class Ruleset:
    """The live ruleset, as far as it was read. Tables that are dormant have no base chains."""

    chains: Mapping[ObjectKey, Chain] = field(default_factory=dict)
    sets: Mapping[ObjectKey, tuple[str, ...]] = field(default_factory=dict)
    """elements of those sets whose elements were listed"""
    maps: Mapping[ObjectKey, tuple[tuple[str, Verdict], ...]] = field(default_factory=dict)
    """the same of verdict maps"""
    partial: frozenset[ObjectKey] = frozenset()
    """sets and maps that have more elements than were listed"""


def read_priority(words: tuple[str, ...]) -> int:
    """``priority filter + 10``, ``priority -300``; 0 when it is not understood."""
    order = list(words[words.index("priority") + 1 :]) if "priority" in words else []
    base = PRIORITIES.get(order[0], 0) if order else 0
    number = "".join(order[1:] if order and order[0] in PRIORITIES else order)
    return base + read_number(number) if re.fullmatch(r"[+-]?[0-9]{1,9}", number) else base
