# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/conntrack.sh -> Flows."""

from __future__ import annotations

import math
import re

from ..._core.text import iterate_lines, read_decimal, read_number, split_words
from ..state import Carried, FlowPair, Flows, FlowSource

NUMBER = re.compile(r"[0-9]{1,18}")
MOST_PAIRS = 256
"""of devices, families, protocols and classes that are returned"""
UPTIME = re.compile(r"[0-9]{1,12}\.[0-9]{1,6}")


def parse_conntrack(text: str, unknown: list[str] | None = None) -> Flows:
    """Lines of read_conntrack -> Flows; a number that is not among them is None (total, maximum) or 0.

    Lines that are not understood are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    numbers: dict[str, int] = {}
    counts: dict[str, int] = {}
    examples: dict[str, list[str]] = {}
    recent: dict[str, int] = {}
    carried: dict[str, Carried] = {}
    pairs: list[FlowPair] = []
    undelivered: list[list[str]] = []
    between = 0.0
    source: FlowSource = "proc"
    for line in iterate_lines(text):
        match split_words(line):
            case ["waited" | "total" | "maximum" | "sampled" | "recent" as key, number] if NUMBER.fullmatch(number):
                numbers[key] = read_number(number)
            case ["count", family, protocol, kind, number] if NUMBER.fullmatch(number):
                counts[f"{family} {protocol} {kind}"] = read_number(number)
            case ["recent", family, protocol, number] if NUMBER.fullmatch(number):
                recent[f"{family} {protocol}"] = read_number(number)
            case ["pair", family, protocol, "hardware" | "software" | "slow" as kind, begins, ends, *words] if len(
                words
            ) == 2 and all(NUMBER.fullmatch(word) for word in words):
                pairs.append(FlowPair(family, protocol, kind, begins, ends, *map(read_number, words)))
            case ["carried", kind, *words] if len(words) == 3 and all(NUMBER.fullmatch(word) for word in words):
                carried[kind] = Carried(*map(read_number, words))
            case ["one-way" | "unresolved", _, _, *words] if words and all(NUMBER.fullmatch(word) for word in words):
                undelivered.append(split_words(line))
            case ["between", since, until] if UPTIME.fullmatch(since) and UPTIME.fullmatch(until):
                between = round(max(read_decimal(until) - read_decimal(since), 0.0), 2)
            case ["example", kind, *flow] if flow:
                examples.setdefault(kind, []).append(" ".join(flow))
            case ["source", "proc" | "netlink" as source]:
                pass
            case ["counted", number] if NUMBER.fullmatch(number):
                pass  # see find_lost_line
            case [_, *_]:
                unknown.append(f"conntrack: {line.strip()}")
    return Flows(
        total=numbers.get("total"),
        maximum=numbers.get("maximum"),
        sampled=numbers.get("sampled", 0),
        seconds=numbers.get("waited", 0),
        counts=counts,
        examples={kind: tuple(lines) for kind, lines in examples.items()},
        recent_slow=numbers.get("recent", 0),
        recent=recent,
        error=estimate_error(numbers.get("sampled", 0), numbers.get("total", 0)),
        carried=carried,
        carried_seconds=between,
        source=source,
        pairs=tuple(sorted(pairs, key=lambda pair: -pair.flows)[:MOST_PAIRS]),
        one_way={
            f"{words[1]} {words[2]}": (read_number(words[3]), read_number(words[4]))
            for words in undelivered
            if words[0] == "one-way" and len(words) == 5
        },
        unresolved={
            (words[1], words[2]): read_number(words[3])
            for words in undelivered
            if words[0] == "unresolved" and len(words) == 4
        },
    )


def find_lost_line(text: str) -> str:
    """The first word of a line that read_conntrack always prints and the text lacks; empty where it has them all.

    ``count`` where lines are counted that are not there.
    """
    lines = [split_words(line) for line in iterate_lines(text)]
    first = {(words[0], len(words)) for words in lines if words and NUMBER.fullmatch(words[-1])}
    if lost := next((word for word in ("waited", "sampled", "counted", "recent") if (word, 2) not in first), ""):
        return lost
    counts = [
        read_number(words[4])
        for words in lines
        if len(words) == 5 and words[0] == "count" and NUMBER.fullmatch(words[4])
    ]
    counted = [read_number(words[1]) for words in lines if len(words) == 2 and words[0] == "counted"]
    return "" if counted == [sum(counts)] else "count"


def estimate_error(sampled: int, total: int) -> float:
    """Percentage points that a share of the sampled entries may be off from that of all ``total`` in 95 of 100 cases.

    For a share of a half, which is the worst, drawn without replacement.
    """
    if not 0 < sampled < total:
        return 0.0
    return round(100 * 1.96 * math.sqrt(0.25 / sampled * (total - sampled) / (total - 1)), 1)
