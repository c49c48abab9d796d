# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What of a router is judged: which flowtables, whose they are, and which of their devices there are."""

from __future__ import annotations

from collections.abc import Iterable

from .._observe.parse.boot import owned_table
from .._observe.state import Device, FlowRule, Flowtable, RouterState
from .finding import Expectation

OUR_TABLE = "inet nft_offload"
"""The table of kmod.nft_offload.ruleset, unless it is told otherwise."""


def boot_table(state: RouterState) -> str:
    """'family table' that this collection loads at boot; empty when it loads none."""
    owned = owned_table(state.boot.ruleset or "")
    return " ".join(owned) if owned else ""


def table_exists(state: RouterState, table: str) -> bool:
    """Is there such a table in the live ruleset, with or without a flowtable?"""
    return state.boot.live is not None or any(_table(flowtable) == table for flowtable in state.flowtables or ())


def judged(state: RouterState, expectation: Expectation) -> tuple[Flowtable, ...]:
    """The flowtables of the expected table; every one on the router where that table does not exist at all."""
    found = state.flowtables or ()
    if table_exists(state, expectation.table) or boot_table(state) == expectation.table:
        return tuple(flowtable for flowtable in found if _table(flowtable) == expectation.table)
    return found


def ours(flowtables: Iterable[Flowtable], state: RouterState, expectation: Expectation) -> bool:
    """Are these flowtables this collection's to load at boot? Another firewall's are not."""
    table = expectation.table
    return table in (OUR_TABLE, boot_table(state)) and all(_table(flowtable) == table for flowtable in flowtables)


def nothing_to_judge(state: RouterState) -> str:
    """Evidence of the rungs that rest on a flowtable, where none is judged."""
    return "there is no flowtable" if state.flowtables is not None else "the ruleset could not be read"


def described(flowtable: Flowtable) -> str:
    """A flowtable in one line of evidence."""
    kind = "hardware" if flowtable.hardware else "software"
    return f"flowtable {flowtable.path}: {kind}, devices {', '.join(flowtable.devices) or 'none'}"


def words(state: RouterState, *parts: str) -> list[str]:
    """The router's own words on why parts of the picture could not be read; none where they could."""
    return [f"{part}: {state.unseen[part]}" for part in parts if part in state.unseen]


def feeding(state: RouterState, flowtable: Flowtable) -> list[FlowRule]:
    """The rules that feed a flowtable."""
    return [
        rule
        for rule in state.rules
        if (rule.family, rule.table, rule.flowtable) == (flowtable.family, flowtable.table, flowtable.name)
    ]


def existing(state: RouterState, flowtable: Flowtable) -> list[Device]:
    """The devices of a flowtable that the router has, in the order listed; 'eth*' stands for every match."""
    found = {name: None for listed in flowtable.devices for name in matching(listed, state.devices)}
    return [state.devices[name] for name in found]


def matching(listed: str, names: Iterable[str]) -> list[str]:
    """The names that a name in a flowtable stands for: itself, or ending in * (Linux 6.17 on) any that starts so."""
    start = listed.removesuffix("*")
    return sorted(name for name in names if name == listed or (start != listed and name.startswith(start)))


def _table(flowtable: Flowtable) -> str:
    return f"{flowtable.family} {flowtable.table}"
