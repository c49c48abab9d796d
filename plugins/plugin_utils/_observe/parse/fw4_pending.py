# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/fw4_pending.sh -> what a load of OpenWrt's firewall would make live besides this collection's options."""

from __future__ import annotations

from dataclasses import dataclass

from ..._core.text import iterate_lines


@dataclass(frozen=True)
class Fw4Pending:
    """How what fw4 would make of its configuration differs from what it loaded last, offload aside."""

    lines: tuple[str, ...] = ()
    """``+ FAMILY TABLE OBJECT: RULE`` would become live, ``-`` would go"""
    unclear: tuple[str, ...] = ()
    """why it cannot be seen; empty: it can"""
    lost: tuple[str, ...] = ()
    """rules that somebody else added at run time, and which every load takes away: ``FAMILY TABLE OBJECT: RULE``"""
    zones: tuple[str, ...] = ()
    """zones that are live, and would go"""
    tables: tuple[tuple[str, str], ...] = ()
    """family and name of each table that a load touches, inet fw4 among them"""
    seen: str = ""
    """a digest of what fw4 makes its ruleset of; see fw4_seen"""


def parse_pending(text: str) -> Fw4Pending:
    """The section ``fw4.pending`` -> Fw4Pending; lines of any other kind are why it cannot be seen."""
    found: dict[str, list[str]] = {key: [] for key in ("+", "-", "~", "?", "zone", "table", "seen")}
    for line in filter(None, map(str.strip, iterate_lines(text))):
        key, _blank, rest = line.partition(" ")
        found[key if key in found else "?"].append(rest if key in found else line)
    tables = [line.split() for line in found["table"]]
    return Fw4Pending(
        lines=(*(f"- {line}" for line in found["-"]), *(f"+ {line}" for line in found["+"])),
        unclear=tuple(found["?"]),
        lost=tuple(found["~"]),
        zones=tuple(found["zone"]),
        tables=tuple((words[0], words[1]) for words in tables if len(words) > 1),
        seen=next(iter(found["seen"]), "").split(" ")[0],
    )
