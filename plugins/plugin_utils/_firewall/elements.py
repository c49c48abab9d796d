# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Elements of sets and maps: as a user writes them, or a file has them, to what nft takes. Pure: no I/O.

Sets may hold 100,000 prefixes, so addresses are numbers here: ``ipaddress`` would take seconds for them.
"""

from __future__ import annotations

import re
import socket
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from .._core.errors import OffloadError
from .services import braces, read_span, span

BITS = {"ipv4": 32, "ipv6": 128}
_SOCKET = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3}|[ \t]*-[ \t]*[0-9A-Fa-f:.]+)?\Z")
MASKED = re.compile(r"([0-9A-Fa-f:.]+)/(-[0-9]{1,3}|[0-9A-Fa-f]*[:.][0-9A-Fa-f:.]*)\Z")
"""an address with how many of its last bits count, or with which"""
MARK = re.compile(r"(?:0[xX][0-9A-Fa-f]+|[0-9]+)\Z")
REMEDY = "write an address, a prefix such as 192.0.2.0/24, or a range such as 192.0.2.1-192.0.2.9"

Span = tuple[int, int]
"""first and last address, as numbers"""
SUFFIXES = range(2, 1 << 64)
"""IPv6 addresses without a network: no host on the Internet or behind a router has one"""


@dataclass(frozen=True)
class Line:
    """What stands somewhere, and where: the key of a variable, or a file and its line."""

    text: str
    where: str


def read_lines(text: str, where: str) -> Iterator[Line]:
    """The elements of a file: one a line, ``#`` and ``;`` begin comments, as blocklists have them.

    ``where`` is the key that names the file, and its path.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        element = line.partition("#")[0].partition(";")[0].strip().rstrip(",").rstrip()
        if element:
            yield Line(element, f"{where}, line {number}")


def _number(text: str, family: str) -> int:
    return int.from_bytes(socket.inet_pton(_SOCKET[family], text), "big")


def _address(number: int, family: str) -> str:
    return socket.inet_ntop(_SOCKET[family], number.to_bytes(BITS[family] // 8, "big"))


def address_span(line: Line) -> tuple[str, Span]:
    """``192.0.2.1``, ``2001:db8::/32`` or ``a-b`` -> family and span; raises OffloadError."""
    if MASKED.match(line.text):
        remedy = "write it into the addresses of a rule, which may have one"
        raise OffloadError(f"{line.where}: {line.text!r} has a mask, and only single addresses go here", remedy)
    if not ADDRESS.match(line.text):
        raise OffloadError(f"{line.where}: {line.text!r} is not an address", REMEDY)
    family = "ipv6" if ":" in line.text else "ipv4"
    first, dash, last = line.text.partition("-")
    base, slash, length = first.partition("/")
    size = 1
    try:
        low = _number(base.strip(), family)
        if slash:
            size <<= BITS[family] - int(length)
        high = _number(last.strip(), family) if dash else low + size - 1
    except (OSError, ValueError):
        raise OffloadError(f"{line.where}: {line.text!r} is not an address", REMEDY) from None
    if low % size:
        meant = f"{_address(low - low % size, family)}/{length}"
        raise OffloadError(f"{line.where}: {line.text!r} has host bits set", f"did you mean {meant}?")
    if high < low:
        raise OffloadError(f"{line.where}: {line.text!r} is not a range", REMEDY)
    return family, (low, high)


def read_masked(line: Line) -> tuple[str, str] | None:
    """``::c0de/-64`` or ``::c0de/::ffff:ffff:ffff:ffff`` -> family and the match after ``saddr``; else None.

    Raises OffloadError for bits outside of the mask, and for a mask that fits every address.
    """
    if not (found := MASKED.match(line.text)):
        return None
    base, mask = found.groups()
    family = "ipv6" if ":" in base else "ipv4"
    try:
        value = _number(base, family)
        bits = (1 << int(mask[1:])) - 1 if mask.startswith("-") else _number(mask, family)
    except OSError:
        raise OffloadError(f"{line.where}: {line.text!r} is not an address", REMEDY) from None
    if not 0 < bits < 1 << BITS[family]:
        remedy = f"count from -1 to -{BITS[family]}, or write the mask as an address"
        raise OffloadError(f"{line.where}: {line.text!r} has no mask of that family", remedy)
    if value & ~bits:
        meant = f"{_address(value & bits, family)}/{mask}"
        raise OffloadError(f"{line.where}: {line.text!r} has bits outside of its mask", f"did you mean {meant}?")
    return family, f"& {_address(bits, family)} == {_address(value, family)}"


def refuse_bare_suffix(line: Line, remedy: str = "") -> None:
    """Raise OffloadError for an IPv6 address that has no network, which no packet of a host can have."""
    if "/" in line.text or "-" in line.text or ":" not in line.text:
        return
    _family, (low, _high) = address_span(line)
    if low in SUFFIXES and low >> 32 != 0xFFFF:
        raise OffloadError(
            f"{line.where}: no host has the address {line.text!r}, because it has no network",
            remedy or f"write '{line.text}/-64' for an address that ends so in whatever network, or the whole address",
        )


def host_matches(lines: Iterable[Line]) -> dict[str, list[str]]:
    """Addresses, prefixes, ranges and suffixes -> family -> what comes after ``saddr``, each for a rule of its own."""
    plain: list[Line] = []
    found: dict[str, list[str]] = {}
    for line in lines:
        if (masked := read_masked(line)) is not None:
            family, match = masked
            if match not in (values := found.setdefault(family, [])):
                values.append(match)
            continue
        refuse_bare_suffix(line)
        plain.append(line)
    for family, values in merge_addresses(plain).items():
        found[family] = [braces(values), *found.get(family, ())]
    return found


def span_text(low: int, high: int, family: str) -> str:
    """How nft takes a span of addresses."""
    size = high - low + 1
    if size == 1:
        return _address(low, family)
    if size & (size - 1) == 0 and low % size == 0:
        return f"{_address(low, family)}/{BITS[family] + 1 - size.bit_length()}"
    return range_text(low, high, family)


def range_text(low: int, high: int, family: str) -> str:
    """A span of addresses as ``first-last``, which nft takes where a prefix is not allowed too."""
    return f"{_address(low, family)}-{_address(high, family)}"


def merge(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """In order, and none overlapping, which nft would refuse. Neighbours stay apart, unless ``gap`` is 1."""
    merged: list[Span] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def is_inside(narrow: Iterable[Span], wide: Iterable[Span]) -> bool:
    """Does each of the spans lie within the others?"""
    whole = merge(wide, gap=1)
    starts = [low for low, _high in whole]
    return all((at := bisect_right(starts, low)) and high <= whole[at - 1][1] for low, high in narrow)


def merge_addresses(lines: Iterable[Line]) -> dict[str, list[str]]:
    """Addresses of both families -> family -> what nft takes, in order; a family without any is left out."""
    spans: dict[str, list[Span]] = {}
    for line in lines:
        family, found = address_span(line)
        spans.setdefault(family, []).append(found)
    return {family: [span_text(*each, family) for each in merge(spans[family])] for family in BITS if family in spans}


def merge_ports(lines: Iterable[Line]) -> list[str]:
    """Ports and ranges of them -> what nft takes, in order."""
    return [span(*each) for each in merge(read_span(line.text, line.where) for line in lines)]


def map_elements(lines: Iterable[Line], key: str, value: str) -> list[str]:
    """``KEY VALUE`` lines -> ``key : value`` as nft takes them, in the order of the keys; raises OffloadError."""
    found: dict[tuple[Span, str], tuple[str, str]] = {}
    for line in lines:
        words = line.text.replace(" : ", " ").split(None, 1)
        if len(words) != 2:
            raise OffloadError(f"{line.where}: {line.text!r} is not a pair", "write a key, a space and a value")
        at = _typed(Line(words[0], line.where), key)
        other = _typed(Line(words[1], line.where), value)
        if other[0][0] != other[0][1]:
            raise OffloadError(f"{line.where}: {words[1]} is more than one value", "write a single one")
        if found.setdefault(at, (other[1], line.where)) != (other[1], line.where):
            raise OffloadError(f"{line.where}: {words[0]} is also defined in {found[at][1]}", "give each key one value")
    keys = sorted(found)
    for (before, name), (after, other_name) in pairwise(keys):
        if after[0] <= before[1]:
            where = f"{found[after, other_name][1]}: {other_name} overlaps {name}"
            raise OffloadError(where, "keys of a map must not overlap")
    return [f"{text} : {found[at, text][0]}" for at, text in keys]


def _typed(line: Line, kind: str) -> tuple[Span, str]:
    """A key or a value of one of spec.KEYS or spec.VALUES: to order by, and as nft takes it."""
    if kind in BITS:
        family, found = address_span(line)
        if family != kind:
            raise OffloadError(f"{line.where}: {line.text} is not an {kind} address", REMEDY)
        return found, span_text(*found, family)
    if kind == "port":
        found = read_span(line.text, line.where)
        return found, span(*found)
    if kind == "mark":
        number = read_mark(line)
        return (number, number), f"{number:#x}"
    if not re.match(r"(accept|drop|continue|return|(?:jump|goto) [A-Za-z_][A-Za-z0-9_]*)\Z", line.text):
        raise OffloadError(f"{line.where}: {line.text!r} is not a verdict", "write accept, drop, return or jump CHAIN")
    return (0, 0), line.text


def read_mark(line: Line) -> int:
    """A number, also as 0x10; raises OffloadError."""
    try:
        number = int(line.text, 0) if MARK.match(line.text) else -1
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise OffloadError(f"{line.where}: {line.text!r} is not a mark", "write a number such as 0x10")
    return number


def subtract(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What is left of the spans where the holes are taken out."""
    left = merge(spans)
    for first, last in holes:
        parts = [[(low, min(high, first - 1)), (max(low, last + 1), high)] for low, high in left]
        left = [(low, high) for pair in parts for low, high in pair if low <= high]
    return left
