# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What loads now and not at boot, when there are no devices, no name server and no services yet. Pure: no I/O.

nft turns some names into numbers while it loads a text: of devices, of hosts, of control groups. ``rehearse`` of
sh/apply/ruleset.sh loads the text where there is nothing of that; these rules see it on a router where that cannot be
done, and say it in words of the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .._core.nft_tokens import WORD, Token, tokenize
from .emergency import render_emergency
from .table import DesiredTable
from .verbs import Rehearse

SCRATCH = "nft_offload_rehearsal_"
"""how the name of a table begins in which the text is tried; a token follows. ``rehearse`` has it too"""
NAMES_DEVICES_AT_HOOKS = (6, 16)
"""the first kernel that takes a hook of a device that is not there yet"""
INDEXED = "nft looks up the number of the device when it loads the text, and boot loads it before the device exists"
INDEXED_ELEMENTS = "its elements are numbers of devices, and boot loads it before the devices exist"
REMEDIES = (
    ("Interface does not exist", "name it with iifname or oifname: iif and oif need the device while they are loaded"),
    ("Could not resolve hostname", "write its addresses, or put it into /etc/hosts of the router"),
    ("User does not exist", "write the number of the user, or one that /etc/passwd of the router has"),
    ("Group does not exist", "write the number of the group, or one that /etc/group of the router has"),
    ("cgroupv2 path fails", "name a control group that exists before any service starts, such as system.slice"),
    (INDEXED, "name it with iifname or oifname: iif and oif need the device while they are loaded"),
    (INDEXED_ELEMENTS, "give the set the type ifname, and compare it with iifname or oifname"),
    ("of a device", "do it in a table of your own that is loaded once the device is there"),
)
"""(part of nft's complaint in an empty network namespace, or of a reason of ``find_obstacles``; what to do)"""

_OPERATORS = re.compile(r"[!<>&|]|[^!<>&|]+")
"""what a word is made of"""
_INDEXES = {"iif", "oif"}
_INDEX_TYPES = {"iface_index", *_INDEXES}
_ADDRESSES = {"saddr", "daddr"}
_ADDRESS_TYPES = {"ipv4_addr", "ipv6_addr", *_ADDRESSES}
_FIB_KEYS = {*_ADDRESSES, *_INDEXES, "mark"}
_NAT = {"dnat", "snat", "tproxy", "dup"}
# what may stand where a value would, of a rule that has none there
_WORDS = {
    "set", "map", "vmap", "and", "or", "xor", "eq", "ne", "lt", "gt", "le", "ge", "mod", "seed", "offset",
    "timeout", "expires", "limit", "counter", "quota", "last", "ct", "comment", "missing", "exists", "check",
    "accept", "drop", "reject", "continue", "return", "jump", "goto", "log", "queue", "notrack", "update",
    "add", "delete", "ip", "ip6", "tcp", "udp", "th", "ether", "meta", "mark", "to", "type", "devgroup",
    "jhash", "symhash", "numgen"
}  # fmt: skip
_STATEMENTS = {
    "timeout", "expires", "limit", "counter", "quota", "last", "ct", "comment", "accept", "drop", "reject", "continue",
    "return", "jump", "goto", "log", "queue", "notrack", "add", "update", "delete", "meta"
}  # fmt: skip
"""with which a statement begins that may follow a concatenation of selectors"""
_HOST_NAME = re.compile(r"(?=.*[A-Za-z])(?!0x)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?\Z")
_PORT = re.compile(r":\d+(-\d+)?\Z")


@dataclass(frozen=True)
class Obstacle:
    """Something that boot would not find; ``line`` counts from 1."""

    line: int
    text: str
    """how it stands there"""
    reason: str
    remedy: str
    seen_in_namespace: bool = True
    """whether nft refuses it in an empty network namespace, so that a trial there is the better judge"""


@dataclass(frozen=True)
class _Token:
    text: str
    line: int

    @property
    def name(self) -> str:
        """The text without quotes."""
        return self.text.strip('"')


Element = list[_Token]


def find_obstacles(content: str, kernel: tuple[int, int]) -> list[Obstacle]:
    """What is named in a ruleset's text that is not there when boot loads it, in order.

    ``kernel`` is its version, (6, 12). Hosts are not among it: see ``find_host_names``.
    """
    tokens, definitions = _read(content)
    found = [
        Obstacle(
            token.line,
            f"{selector.text} {token.text}",
            INDEXED,
            f"write {selector.text}name {token.text}",
        )
        for selector, token in _values(tokens, definitions, _INDEXES)
        if _is_device(token)
    ]
    found += [
        Obstacle(
            token.line,
            f"{kind.text} {token.text}",
            INDEXED_ELEMENTS,
            "give the set the type ifname, and compare it with iifname or oifname",
        )
        for kind, token in _elements(tokens, definitions, _INDEX_TYPES)
        if _is_device(token)
    ]
    for place, token in enumerate(tokens):
        found += _named_at_load(tokens, place, token, kernel)
    return sorted(found, key=lambda obstacle: obstacle.line)


def find_host_names(content: str) -> list[tuple[int, str]]:
    """(line, name) of each host that a ruleset's text names where an address is meant, in order."""
    tokens, definitions = _read(content)
    found = [token for _selector, token in _values(tokens, definitions, _ADDRESSES)]
    found += [token for _kind, token in _elements(tokens, definitions, _ADDRESS_TYPES)]
    found += _nat_targets(tokens, definitions)
    names = {(token.line, name): None for token in found if (name := _host_name(token))}
    return sorted(names)


def explain_complaint(message: str) -> str:
    """What to do about nft's complaint in an empty network namespace."""
    return next((remedy for part, remedy in REMEDIES if part in message), "correct that line")


def plan_rehearsal(desired: DesiredTable, token: str, checking: bool, obstacles: Collection[Obstacle] = ()) -> Rehearse:
    """The verb that tries the text for boot; a check run (``checking``) loads no modules.

    ``obstacles`` count where the router cannot try it in a network namespace.
    """
    text = desired.boot_text()
    scratch = f"{SCRATCH}{token}"
    offset = text[: text.rindex(desired.content.rstrip("\n"))].count("\n")
    hosts = [word for line, name in find_host_names(desired.content) for word in (str(line + offset), name)]
    named = [
        f"/dev/stdin:{one.line + offset}:1-1: Error: {one.text}: {one.reason} (by what the text looks like: this "
        "router has not tried it in a network namespace)"
        for one in obstacles
    ]
    return Rehearse(
        "check" if checking else "load",
        desired.family,
        desired.name,
        text,
        scratch,
        _edits(text, _dormant_text(desired, scratch)),
        "\n".join(named),
        tuple(hosts),
    )


def plan_emergency_rehearsal(desired: DesiredTable, ports: Collection[int], token: str, checking: bool) -> Rehearse:
    """The same for the emergency ruleset of that table, see ``render_emergency``."""
    scratch = f"{SCRATCH}{token}"
    text, other = (render_emergency(table, ports) or "" for table in (desired, replace(desired, name=scratch)))
    edits = _edits(text, _rename_table(other, scratch, scratch, " flags dormant;"))
    return Rehearse("check" if checking else "load", desired.family, desired.name, text, scratch, edits, "", ())


def _dormant_text(desired: DesiredTable, scratch: str) -> str:
    """The text for boot, line for line, as that of another table whose chains get no packet."""
    content = _rename_table(desired.content, desired.name, scratch)
    text = replace(desired, name=scratch, content=content, software=None).boot_text()
    path = f"{desired.family} {scratch}"
    first = text.split("\n", 1)[0]
    # what a run left that was killed goes in the same transaction
    text = text.replace(first, f"table {path}; delete table {path}", 1)
    # the second table would be the live one: it has no other name
    left_out = "\n" * desired.software.text().count("\n") if desired.software else ""
    return _rename_table(text, scratch, scratch, " flags dormant;") + left_out


def _rename_table(text: str, old: str, new: str, opening: str = "") -> str:
    """The text with another name where the table is declared, and ``opening`` in each of these declarations.

    In each, because one without a block, or without flags in it, takes them from the table again.
    """
    depth = 0
    head: list[Token] = []
    parts: list[str] = []
    end = 0
    for token in tokenize(text):
        ends = token.text in {"{", "}", ";", "\n"}
        if ends and depth == 0 and head and head[0].text == "table" and head[-1].text == old:
            block = token.text == "{"
            end, start = (token.end if block else head[-1].end), end
            parts += [text[start : head[-1].start], new, text[head[-1].end : end]]
            parts += [opening if block or not opening else f" {{{opening} }}"]
        depth += {"{": 1, "}": -1}.get(token.text, 0)
        if ends:
            head = []
        else:
            head.append(token)
    return "".join([*parts, text[end:]])


def _edits(text: str, other: str) -> str:
    """Lines "NUMBER LINE" that make ``other`` of ``text``, which has as many lines."""
    pairs = zip(text.split("\n"), other.split("\n"), strict=True)
    changed = {number: new for number, (old, new) in enumerate(pairs, start=1) if old != new}
    return "\n".join(f"{number} {new}" for number, new in changed.items())


def _read(content: str) -> tuple[list[_Token], dict[str, list[Element]]]:
    """The tokens of a text, and the values of its definitions."""
    tokens: list[_Token] = []
    for token in tokenize(content):
        parts = _OPERATORS.findall(token.text) if token.kind == WORD else [token.text]
        tokens += [_Token(part, token.line) for part in parts]
    definitions = {
        tokens[place + 1].text: _read_value(tokens, place + 3)
        for place, token in enumerate(tokens[:-3])
        if token.text in {"define", "redefine"} and tokens[place + 2].text == "="
    }
    return tokens, definitions


def _read_value(tokens: Sequence[_Token], place: int) -> list[Element]:
    """The elements of the value that stands there: those in its braces, else the one."""
    while place < len(tokens) and tokens[place].text in {"!", "=", "eq", "ne", "==", "!="}:
        place += 1
    if place >= len(tokens):
        return []
    if tokens[place].text != "{":
        element = [tokens[place]]
        while place + 2 < len(tokens) and tokens[place + 1].text == ".":
            element += tokens[place + 1 : place + 3]
            place += 2
        return [element]
    elements: list[Element] = [[]]
    depth = 0
    for token in tokens[place:]:
        depth += {"{": 1, "}": -1}.get(token.text, 0)
        if depth == 0:
            break
        if token.text == ",":
            elements.append([])
        elif token.text not in {"{", "}", "\n"}:
            elements[-1].append(token)
    return elements


def _resolve(
    elements: Sequence[Element], position: int, definitions: Mapping[str, list[Element]], depth: int = 0
) -> Iterator[_Token]:
    """The part at ``position`` of each element, the values of variables in place of them."""
    for element in elements:
        parts: list[Element] = [[]]
        for token in element:
            if token.text.startswith(":"):
                break
            if token.text == ".":
                parts.append([])
            else:
                parts[-1].append(token)
        if position >= len(parts) or not parts[position]:
            continue
        token = parts[position][0]
        if not token.text.startswith("$"):
            yield token
        elif depth < 8:
            value = definitions.get(token.text[1:], [])
            yield from (_Token(part.text, token.line) for part in _resolve(value, 0, definitions, depth + 1))


def _values(
    tokens: Sequence[_Token], definitions: Mapping[str, list[Element]], selectors: set[str]
) -> Iterator[tuple[_Token, _Token]]:
    """(selector, value) of each value that a rule compares one of the selectors with, or sets it to."""
    place = -1
    while (place := place + 1) < len(tokens):
        if tokens[place].text == "fib":
            place += 1
            while place + 1 < len(tokens) and tokens[place].text in _FIB_KEYS and tokens[place + 1].text == ".":
                place += 2
            place += 1  # the last key; then comes what is looked up
            if place >= len(tokens) or tokens[place].text not in selectors:
                continue
        elif tokens[place].text not in selectors or (place and tokens[place - 1].text == "ether"):
            continue
        position = _position(tokens, place)
        after = place + 1
        while after < len(tokens) and tokens[after].text == ".":
            after += 1
            first = after
            while after < len(tokens) and re.match(r"[a-z][a-z0-9]*\Z", tokens[after].text):
                if tokens[after].text in {"vmap", "map"} or (after > first and tokens[after].text in _STATEMENTS):
                    break
                after += 1
        while after < len(tokens) and tokens[after].text in {"vmap", "map", "set"}:
            after += 1
        value = _read_value(tokens, after)
        yield from ((tokens[place], token) for token in _resolve(value, position, definitions))


def _position(tokens: Sequence[_Token], place: int) -> int:
    """Which part of a concatenation the selector is, from 0."""
    position = 0
    while place > 1 and tokens[place - 1].text in {".", "meta", "ip", "ip6", "arp", "ct"}:
        if tokens[place - 1].text != ".":
            place -= 1
            continue
        position += 1
        place -= 1
        for _word in range(3):
            if place and re.match(r"[a-z][a-z0-9]*\Z", tokens[place - 1].text):
                place -= 1
                if place and tokens[place - 1].text == ".":
                    break
    return position


def _elements(
    tokens: Sequence[_Token], definitions: Mapping[str, list[Element]], types: set[str]
) -> Iterator[tuple[_Token, _Token]]:
    """(set or map, part of an element) for each part of one of the types, of sets and maps with a name."""
    for place, token in enumerate(tokens[:-2]):
        if token.text not in {"set", "map"} or tokens[place + 2].text != "{":
            continue
        depth = 0
        positions: list[int] = []
        for inner in range(place + 2, len(tokens)):
            text = tokens[inner].text
            depth += {"{": 1, "}": -1}.get(text, 0)
            if depth == 0:
                break
            if depth == 1 and text in {"type", "typeof"}:
                positions = _typed_positions(tokens[inner + 1 :], types)
            elif depth == 1 and text == "elements":
                value = _read_value(tokens, inner + 1)
                for position in positions:
                    yield from ((token, part) for part in _resolve(value, position, definitions))


def _typed_positions(tokens: Sequence[_Token], types: set[str]) -> list[int]:
    """Which parts of the type that begins there are of ``types``."""
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token.text in {"\n", ";", "}"} or token.text.startswith(":"):
            break
        if token.text == ".":
            parts.append([])
        else:
            parts[-1].append(token.text)
    return [at for at, words in enumerate(parts) if words and words[-1] in types and words[0] != "ether"]


def _nat_targets(tokens: Sequence[_Token], definitions: Mapping[str, list[Element]]) -> Iterator[_Token]:
    """What packets are sent to: the value behind ``dnat to`` and the like."""
    statement: set[str] = set()
    for place, token in enumerate(tokens):
        if token.text in {"\n", ";", "{", "}"}:
            statement = set()
        elif token.text == "to" and statement & _NAT and not _is_mapped(tokens, place + 1):
            for part in _resolve(_read_value(tokens, place + 1), 0, definitions):
                yield _Token(_PORT.sub("", part.name), part.line)
        statement.add(token.text)


def _is_mapped(tokens: Sequence[_Token], place: int) -> bool:
    """Whether a selector and a map stand there, and no value."""
    for token in tokens[place:]:
        if token.text in {"\n", ";", "{", "}"}:
            return False
        if token.text == "map":
            return True
    return False


def _host_name(token: _Token) -> str:
    """The name of a host that stands there; empty for addresses, ranges, sets and words of nft."""
    name = token.name
    return name if _HOST_NAME.match(name) and name not in _WORDS else ""


def _is_device(token: _Token) -> bool:
    name = token.name
    if name == "lo" or name.isdigit() or name in _WORDS:
        return False
    return re.match(r"[^@$<>&|(){};,\s\"]+\Z", name) is not None


def _named_at_load(tokens: Sequence[_Token], place: int, token: _Token, kernel: tuple[int, int]) -> Iterator[Obstacle]:
    """Control groups and devices that nft looks up while it loads the text, whatever they are compared with."""
    after = [one.text for one in tokens[place + 1 : place + 5]]
    before = [one.text for one in tokens[max(0, place - 12) : place]]
    if token.text == "cgroupv2" and after[:1] == ["level"] and len(after) > 2:
        named = [*_read_value(tokens, place + 3)]
        for element in named:
            if element and element[0].name != "system.slice" and not element[0].text.startswith(("@", "$")):
                yield Obstacle(
                    element[0].line,
                    f"cgroupv2 {element[0].text}",
                    "nft looks up the number of the control group when it loads the text, and boot loads it before "
                    "services have theirs",
                    "name a control group that exists before any service starts, such as system.slice",
                    seen_in_namespace=False,
                )
    if token.text not in {"device", "devices"}:
        return
    hook = "hook" in before[len(before) - before[::-1].index("\n") if "\n" in before else 0 :]
    if hook and kernel >= NAMES_DEVICES_AT_HOOKS:
        return
    for element in _read_value(tokens, place + 1):
        if element and _is_device(element[0]):
            yield Obstacle(
                element[0].line,
                f"{token.text} {element[0].text}",
                f"{'a chain of' if hook else 'nft looks up the number of'} a device needs the device while it is "
                "loaded, and boot loads it before the device exists",
                "do it in a table of your own that is loaded once the device is there",
            )
