# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What ``nft list`` prints -> flowtables, the objects of a table, and the rules that feed flowtables.

The text form, because nft's JSON has neither flags nor counter for flowtables (json.c, up to 1.1.6). Styles of 0.9.6 to
1.1.7 are read: device names are quoted since 1.1.4, priorities are names or numbers. No function here raises, whatever
the text; what is not known is added to the caller's list of ``unknown`` lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import FlowRule, Flowtable

# Comments and strings first: nothing in them is grammar. nft knows no escape inside a string.
_TOKEN = re.compile(r'"[^"]*"|\#[^\n]*|\n|[{};,=]|[^\s{};,="#][^\s{};,=]*|["]')
_DEVICE_LIST = re.compile(r'"[^"]*"|^[ \t]*devices = \{(?:"[^"]*"|[^"}])*\}[ \t;]*\n?', re.MULTILINE)
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


def statements(text: str) -> Iterator[Statement]:
    """Every statement of a listing, in order."""
    place = Statement()
    level = 0  # 0 outside, 1 in a table, 2 in an object, 3 and more in anonymous chains
    literal = 0  # depth of braces that hold elements, not statements
    words: list[str] = []
    start: int | None = None

    def said(end: int) -> Iterator[Statement]:
        nonlocal words, start
        if words and start is not None:
            yield Statement(place.family, place.table, place.kind, place.name, tuple(words), _line(text[start:end]))
        words, start = [], None

    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.startswith("#") or (token == "\n" and literal):
            continue
        if start is None:
            start = match.start()
        if literal:
            words.append(token)
            literal += {"{": 1, "}": -1}.get(token, 0)
        elif token == "{":
            if level >= 2 and not (place.kind == "chain" and words and words[-1] in _OPENS_CHAIN):
                words.append(token)
                literal = 1
                continue
            if level >= 2:
                yield from said(match.start())
            else:
                place = _opened(place, level, words)
                yield place
                words, start = [], None
            level += 1
        elif token in {"}", ";", "\n"}:
            yield from said(match.start())
            start = None
            if token == "}" and level:
                level -= 1
                place = Statement(*((place.family, place.table) if level == 1 else ())) if level < 2 else place
        else:
            words.append(token)
    yield from said(len(text))


def _line(text: str) -> str:
    return " ".join(text.split())


def _opened(place: Statement, level: int, words: list[str]) -> Statement:
    if level == 1:
        return Statement(place.family, place.table, " ".join(words[:-1]), words[-1] if words else "")
    if words[:1] == ["table"] and len(words) in {2, 3}:
        return Statement(words[1] if len(words) == 3 else "ip", words[-1])
    return Statement(words=tuple(words), text=" ".join(words))


def parse_flowtables(text: str, unknown: list[str] | None = None) -> tuple[Flowtable, ...]:
    """The flowtables of ``nft list flowtables``, of a table or of a whole ruleset."""
    unknown = unknown if unknown is not None else []
    found: dict[tuple[str, str, str], Flowtable] = {}
    for said in statements(text):
        key = (said.family, said.table, said.name)
        if not said.table:
            if said.words:
                unknown.append(said.text)
        elif said.kind == "flowtable":
            known = found.setdefault(key, Flowtable(*key))
            if said.words:
                found[key] = _with(known, said, unknown)
    return tuple(found.values())


def _with(flowtable: Flowtable, said: Statement, unknown: list[str]) -> Flowtable:
    """The flowtable with one more of its lines understood."""
    match said.words:
        case ("hook", "ingress", "priority", *priority) if priority:
            return replace(flowtable, priority=" ".join(priority))
        case ("devices", "=", "{", *devices, "}"):
            return replace(flowtable, devices=tuple(device.strip('"') for device in devices if device != ","))
        case ("flags", *flags) if set(flags) <= {"offload", ","}:
            return replace(flowtable, hardware="offload" in flags)
        case ("counter",):
            return replace(flowtable, counter=True)
    unknown.append(f"flowtable {flowtable.path}: {said.text}")
    return flowtable


def parse_table(text: str) -> dict[str, tuple[str, ...]]:
    """Names of what stands in the tables of a listing, by kind as ``nft delete`` takes it: chain, ct helper, ..."""
    found: dict[str, list[str]] = {}
    for said in statements(text):
        if said.table and said.kind and not said.words:
            found.setdefault(said.kind, []).append(said.name)
    return {kind: tuple(names) for kind, names in found.items()}


def listing_without_devices(text: str) -> str:
    """A listing less the ``devices = { ... }`` lines of its flowtables, to compare across re-plugs."""
    return _DEVICE_LIST.sub(lambda match: match.group() if match.group().startswith('"') else "", text)


@dataclass
class _Chain:
    """What a chain, or a verdict map, leads to."""

    forward: bool = False
    jumps: set[str] = field(default_factory=set)
    maps: set[str] = field(default_factory=set)


_Key = tuple[str, str, str, str]
"""family, table, chain or map, name"""


def parse_rules(text: str, unknown: list[str] | None = None) -> tuple[FlowRule, ...]:
    """The rules that feed flowtables, each with whether packets at a forward hook can get to its chain.

    ``text`` is a ruleset, whole or reduced by scripts/nftables.sh. Elements of verdict maps may follow it in further
    tables of the same name.
    """
    unknown = unknown if unknown is not None else []
    chains: dict[_Key, _Chain] = {}
    dormant: set[tuple[str, str]] = set()
    fed: list[tuple[_Key, str, str]] = []
    for said in statements(text):
        key = (said.family, said.table, said.kind, said.name)
        if not said.table and said.words:
            unknown.append(said.text)
        if not said.kind and said.words[:1] == ("flags",) and "dormant" in said.words:
            dormant.add((said.family, said.table))
        if said.kind not in {"chain", "map"} or not said.words:
            continue
        chain = chains.setdefault(key, _Chain())
        pairs = list(zip(said.words, said.words[1:], strict=False))
        chain.forward |= said.words[0] == "type" and ("hook", "forward") in pairs
        chain.jumps |= {target for verb, target in pairs if verb in _OPENS_CHAIN}
        chain.maps |= {target[1:] for verb, target in pairs if verb == "vmap" and target.startswith("@")}
        fed += [(key, flowtable, said.text) for flowtable in _fed_by(said.words)]
    reached = {key for key in _reached(chains) if key[:2] not in dormant}
    return tuple(FlowRule(key[0], key[1], key[3], flowtable, rule, key in reached) for key, flowtable, rule in fed)


def _fed_by(words: tuple[str, ...]) -> list[str]:
    """Flowtables named by ``flow add @name``; nft up to 0.9.0 wrote ``flow offload``."""
    return [
        name[1:]
        for flow, verb, name in zip(words, words[1:], words[2:], strict=False)
        if flow == "flow" and verb in {"add", "offload"} and name.startswith("@")
    ]


def _reached(chains: Mapping[_Key, _Chain]) -> set[_Key]:
    """Chains (and maps) that a forwarded packet can get to."""
    ahead = [key for key, chain in chains.items() if chain.forward and key[0] in {"ip", "ip6", "inet"}]
    reached: set[_Key] = set()
    while ahead:
        key = ahead.pop()
        if key in reached:
            continue
        reached.add(key)
        chain = chains.get(key, _Chain())
        ahead += [(key[0], key[1], "chain", name) for name in chain.jumps]
        ahead += [(key[0], key[1], "map", name) for name in chain.maps]
    return reached
