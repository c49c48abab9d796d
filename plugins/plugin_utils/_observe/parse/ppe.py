# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/driver_table.sh -> DriverTable, and the work queued for the driver.

An entry of the table (mtk_ppe_debugfs.c, airoha_ppe_debugfs.c; the ports are missing for 3T, packets and bytes on older
kernels, ``data`` is Airoha's)::

    00e06 BND IPv4 5T orig=192.168.81.11:38720->198.51.100.9:443 new=203.0.113.1:38720->198.51.100.9:443
    eth=34:60:f9:8d:f8:69->40:a6:b7:7c:f2:50 etype=0800 data=007f1000 vlan=0,0 ib1=61481e81 ib2=007ff051
    packets=0 bytes=0
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..._core.text import iterate_lines, read_number, split_words
from ..state import DriverFlow, DriverTable

_INDEX = re.compile(r"[0-9a-f]{5,8}")
_STATES = frozenset({"INV", "UNB", "BND", "FIN", "UNK"})
_ROUTED = re.compile(r"IPv[46] [35]T")
_OTHER_TYPES = frozenset({"DS-LITE", "6RD", "L2B", "UNKNOWN"})
_VALUE = re.compile(r"[a-z0-9]+=[^ ]+")
_PORT = re.compile(r"[0-9]{1,5}")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
WORK = {"wq_add": "add", "wq_del": "del", "wq_stats": "stats"}


@dataclass(frozen=True)
class Entry:
    """One line of a driver's table."""

    index: str
    state: str
    """BND: the hardware forwards it; UNB: seen, but left to the CPU"""
    type: str
    orig: str = ""
    """the packet as it comes in: 'address:port->address:port', in conntrack's spelling"""
    new: str = ""
    """the same as it leaves; IPv4 only"""


def parse_entry(line: str) -> Entry | None:
    """One line of a driver's table -> Entry; None for a line that is no entry."""
    index, state, *words = [*split_words(line), "", ""]
    words = [word for word in words if word]
    if not _INDEX.fullmatch(index) or state not in _STATES or not words:
        return None
    if _ROUTED.fullmatch(" ".join(words[:2])):
        kind, values = " ".join(words[:2]), words[2:]
    elif words[0] in _OTHER_TYPES:
        kind, values = words[0], words[1:]
    else:
        return None
    if not all(_VALUE.fullmatch(value) for value in values):
        return None
    orig = _take_tuple("orig=", values)
    return Entry(index, state, kind, orig, _take_tuple("new=", values))


def _take_tuple(name: str, values: list[str]) -> str:
    """The value of this name where the values begin with it, taken out of them; empty where they do not."""
    if values and values[0].startswith(name) and "->" in values[0]:
        return values.pop(0).removeprefix(name)
    return ""


def parse_tuples(line: str) -> tuple[str, str]:
    """A line of conntrack -> 'address:port->address:port' of the original direction and of the reply, as entries have
    them; both empty where the line has not two directions."""
    found: list[str] = []
    words = split_words(line)
    for four in zip(words, words[1:], words[2:], words[3:], strict=False):
        values = dict(word.partition("=")[::2] for word in four)
        if list(values) == ["src", "dst", "sport", "dport"] and all(values.values()):
            src, dst, sport, dport = values.values()
            if _PORT.fullmatch(sport) and _PORT.fullmatch(dport):
                found.append(f"{src}:{sport}->{dst}:{dport}")
    return (found[0], found[1]) if len(found) == 2 else ("", "")


def parse_driver_table(text: str, unknown: list[str] | None = None) -> DriverTable:
    """Lines of read_driver_table -> DriverTable, from one look at the table or two.

    A direction is bound if one look had its entry; an orphan must be one at every look. Lines that are not understood
    are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    flows: list[str] = []
    seen: set[str] = set()
    orphans: list[dict[tuple[str, str], str]] = [{}]
    bound = looked = looks = 0
    for line in iterate_lines(text):
        kind, _space, rest = line.strip().partition(" ")
        entry = parse_entry(rest) if kind in {"entry", "orphan"} else None
        if kind == "flow" and rest:
            flows.append(" ".join(split_words(rest)))
        elif entry is not None and kind == "entry":
            seen |= {entry.orig} if entry.state == "BND" else set()
        elif entry is not None:
            orphans[-1][entry.index, entry.orig] = rest
        elif kind == "bound" and _NUMBER.fullmatch(rest):
            bound = read_number(rest)
        elif kind == "looked" and _NUMBER.fullmatch(rest):
            looked, looks = read_number(rest), looks + 1
            orphans.append({})
        elif kind and kind != "missing":
            unknown.append(f"ppe: {line.strip()}")
    whole = orphans[:looks] or [{}]
    stayed = [text for key, text in whole[-1].items() if all(key in look for look in whole)]
    return DriverTable(
        bound=bound,
        flows=tuple(DriverFlow(line, _find_bound_directions(line, seen)) for line in flows),
        orphans=tuple(stayed),
        looked_up=looked,
        looks=looks,
    )


def _find_bound_directions(line: str, seen: set[str]) -> tuple[bool, bool]:
    """Is the original direction of a line of conntrack among the bound tuples, and is the reply?"""
    first, second = parse_tuples(line)
    return first in seen, second in seen


def parse_work(text: str, unknown: list[str] | None = None) -> dict[str, int]:
    """/proc/net/stat/nf_flowtable -> add, del, stats -> queued work, summed over its rows, one a CPU.

    Only the sums mean something (nf_flow_table_procfs.c). Lines that are not understood are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    head: list[str] = []
    sums: dict[str, int] = {}
    for line in iterate_lines(text):
        words = split_words(line)
        if not head and words and all(word in WORK for word in words):
            head = words
        elif head and len(words) == len(head) and all(_NUMBER.fullmatch(word) for word in words):
            for name, word in zip(head, words, strict=True):
                sums[WORK[name]] = sums.get(WORK[name], 0) + read_number(word)
        elif words:
            unknown.append(f"nf_flowtable: {line.strip()}")
    return sums
