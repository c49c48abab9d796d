# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Listings of nft -> statements, flowtables, and the objects of a table. Rules: _observe/parse/rules.py.

The text form, because nft's JSON has neither flags nor counter for flowtables (json.c, up to 1.1.6). Styles of 0.9.6 to
1.1.7 are read: device names are quoted since 1.1.4, priorities are names or numbers. No function here raises, whatever
the text; what is not known is added to the caller's list of ``unknown`` lines.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from ..._core.nft_tokens import Token, join_tokens, tokenize
from ..state import Flowtable

# A string without an end goes on to the end of the text
_STRING = r'"[^"]*(?:"|\Z)'
_LIST = rf'^[ \t]*devices = \{{(?:{_STRING}|[^"}}])*'
# In the group, what changes by itself: the devices of a flowtable; how many elements a set holds, which nft 1.1.7 lists
# behind its size. Before and behind it, what only looks like that: a string, and a list without an end.
_PASSING = re.compile(rf"{_STRING}|({_LIST}\}}[ \t;]*\n?|(?<![ \t])[ \t]+# count [0-9]+$)|{_LIST}", re.MULTILINE)
MOST_COMPARED = 4000
"""lines between the first difference and the last: to find what is the same in there takes time by their square"""
_OPENS_CHAIN = ("jump", "goto")


@dataclass(frozen=True)
class Statement:
    """One statement, and where it stands. ``words`` is empty for the line that opens a table or an object.

    Statements of an anonymous chain (``jump { ... }``) count as the chain's that holds it: they are reached together.
    """

    family: str = ""
    table: str = ""
    kind: str = ""
    """of the object it stands in: chain, set, map, flowtable, ct helper, ...; empty in the table itself"""
    name: str = ""
    words: tuple[str, ...] = ()
    text: str = ""
    depth: int = 0
    """of anonymous chains around it; 0 is the object itself"""


def parse_filtered_families(text: str) -> frozenset[str]:
    """Of ip and ip6, those for which a ruleset's text has a base chain of type filter at the input hook."""
    families = {
        statement.family
        for statement in parse_statements(text)
        if statement.kind == "chain"
        and statement.words[:2] == ("type", "filter")
        and ("hook", "input") in pairwise(statement.words)
    }
    return frozenset(ip for family in families for ip in (("ip", "ip6") if family == "inet" else (family or "ip",)))


def parse_statements(text: str) -> Iterator[Statement]:
    """Every statement of a listing or of a ruleset's text, in order; no error, whatever the text.

    The line that opens a table or an object is a statement without words.
    """
    place = Statement()
    level = 0  # 0 outside, 1 in a table, 2 in an object, 3 and more in anonymous chains
    literal = 0  # depth of braces that hold elements, not statements
    tokens: list[Token] = []

    def finish() -> Iterator[Statement]:
        """The statement that ends here, if one has begun."""
        nonlocal tokens
        if tokens:
            where = (place.family, place.table, place.kind, place.name)
            words = tuple(token.text for token in tokens)
            yield Statement(*where, words, join_tokens(tokens), max(level - 2, 0))
        tokens = []

    for token in tokenize(text):
        if literal:
            if token.text != "\n":
                tokens.append(token)
            literal += {"{": 1, "}": -1}.get(token.text, 0)
        elif token.text == "{":
            if level >= 2 and not (place.kind == "chain" and tokens and tokens[-1].text in _OPENS_CHAIN):
                tokens.append(token)
                literal = 1
                continue
            if level >= 2:
                yield from finish()
            else:
                place = _open_block(place, level, [token.text for token in tokens])
                yield place
                tokens = []
            level += 1
        elif token.text in {"}", ";", "\n"}:
            yield from finish()
            if token.text == "}" and level:
                level -= 1
                place = Statement(*((place.family, place.table) if level == 1 else ())) if level < 2 else place
        else:
            tokens.append(token)
    yield from finish()


def _open_block(place: Statement, level: int, words: list[str]) -> Statement:
    """The statement for the line that opens a table, an object, or something unknown."""
    if level == 1:
        return Statement(place.family, place.table, " ".join(words[:-1]), words[-1] if words else "")
    if words[:1] == ["table"] and len(words) in {2, 3}:
        return Statement(words[1] if len(words) == 3 else "ip", words[-1])
    return Statement(words=tuple(words), text=" ".join(words))


def parse_flowtables(text: str, unknown: list[str] | None = None) -> tuple[Flowtable, ...]:
    """The flowtables of ``nft list flowtables``, of a table's listing or of a whole ruleset's.

    Lines that are not understood are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    found: dict[tuple[str, str, str], Flowtable] = {}
    for statement in parse_statements(text):
        key = (statement.family, statement.table, statement.name)
        if not statement.table:
            if statement.words:
                unknown.append(statement.text)
        elif statement.kind == "flowtable":
            known = found.setdefault(key, Flowtable(*key))
            if statement.words:
                found[key] = _add_line(known, statement, unknown)
    return tuple(found.values())


def _add_line(flowtable: Flowtable, statement: Statement, unknown: list[str]) -> Flowtable:
    """The flowtable with what one more of its lines sets."""
    match statement.words:
        case ("hook", "ingress", "priority", *priority) if priority:
            return replace(flowtable, priority=" ".join(priority))
        case ("devices", "=", "{", *devices, "}"):
            return replace(flowtable, devices=tuple(device.strip('"') for device in devices if device != ","))
        case ("flags", *flags) if set(flags) <= {"offload", ","}:
            return replace(flowtable, hardware="offload" in flags)
        case ("counter",):
            return replace(flowtable, counter=True)
    unknown.append(f"flowtable {flowtable.path}: {statement.text}")
    return flowtable


def parse_objects(text: str) -> dict[str, tuple[str, ...]]:
    """Objects of the tables of a listing: kind as ``nft delete`` takes it (chain, set, ct helper, ...) -> names."""
    found: dict[str, list[str]] = {}
    for statement in parse_statements(text):
        if statement.table and statement.kind and not statement.words:
            found.setdefault(statement.kind, []).append(statement.name)
    return {kind: tuple(names) for kind, names in found.items()}


def normalise_listing(text: str) -> str:
    """A listing less what changes by itself: the devices of its flowtables, the number of elements that a set holds.

    Every comparison of listings on the controller uses it. On the router ``normalise_listing`` of
    sh/installed/guard_tables.sh does the same, and a test holds one against the other.
    """
    return _PASSING.sub(lambda match: match[0] if match[1] is None else "", text)


def diff_listings(recorded: str, live: str) -> tuple[str, ...]:
    """Lines of two listings of a table that differ, each behind - (recorded only) or + (live only).

    Where there are very many, lines that are the same in between may be among them.
    """
    one, other = (
        [line.strip() for line in normalise_listing(text).split("\n") if line.strip()] for text in (recorded, live)
    )
    start = next((at for at, (was, now) in enumerate(zip(one, other, strict=False)) if was != now), None)
    start = min(len(one), len(other)) if start is None else start
    one, other = one[start:], other[start:]
    while one and other and one[-1] == other[-1]:
        one.pop()
        other.pop()
    if len(one) + len(other) > MOST_COMPARED:
        return (*(f"-{line}" for line in one), *(f"+{line}" for line in other))
    changes = list(difflib.unified_diff(one, other, lineterm="", n=0))[2:]
    return tuple(line for line in changes if not line.startswith("@@"))
