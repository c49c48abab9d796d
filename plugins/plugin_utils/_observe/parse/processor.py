# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/processor.sh -> Processor."""

from __future__ import annotations

import re
from typing import Literal

from ..._core.text import iterate_lines, read_decimal, read_number, split_words
from ..state import Core, Processor

_DIGITS = {"": re.compile(r"[0-9]{1,18}"), "0x": re.compile(r"[0-9a-f]{1,8}")}
_Queue = tuple[int, int, int]
"""packets, dropped, squeezed"""


def parse_processor(text: str, unknown: list[str] | None = None) -> Processor | None:
    """Lines of read_processor -> Processor; None without a core, or where no time has passed.

    Lines that are not understood are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    seconds = 0.0
    ticks: dict[int, tuple[int, int, int]] = {}
    queues: dict[str, dict[int, _Queue]] = {"before": {}, "after": {}}
    threaded: list[str] = []
    for line in iterate_lines(text):
        match split_words(line):
            case ["seconds", value]:
                seconds = read_decimal(value)
            case ["core", *words] if len(numbers := _read_numbers(words, "")) == 4:
                ticks[numbers[0]] = numbers[1], numbers[2], numbers[3]
            case [("before" | "after") as when, *words] if len(numbers := _read_numbers(words, "0x")) in (3, 4):
                # where the kernel does not number them, they are those that are online, in order
                core = numbers[3] if len(numbers) == 4 else len(queues[when])
                queues[when][core] = numbers[0], numbers[1], numbers[2]
            case ["threaded", name]:
                threaded.append(name)
            case [_, *_]:
                unknown.append(f"processor: {line.strip()}")
    cores = tuple(Core(*ticks[core], *_count_since(queues, core)) for core in sorted(ticks) if ticks[core][0] > 0)
    return Processor(seconds, cores, tuple(threaded)) if cores and seconds > 0 else None


def _read_numbers(words: list[str], base: Literal["", "0x"]) -> list[int]:
    """The words as numbers, decimal or hexadecimal ones; none where one of them is no number."""
    return [read_number(base + word) for word in words] if all(map(_DIGITS[base].fullmatch, words)) else []


def _count_since(queues: dict[str, dict[int, _Queue]], core: int) -> _Queue:
    """What a core's queue counted meanwhile, in numbers of 32 bits that begin again at 0; 0 where unknown."""
    before, after = queues["before"].get(core), queues["after"].get(core)
    if before is None or after is None:
        return 0, 0, 0
    packets, dropped, squeezed = ((new - old) % 2**32 for new, old in zip(after, before, strict=True))
    return packets, dropped, squeezed
