# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Whose is the table that is live, and may a change replace it? Pure: no I/O."""

from __future__ import annotations

from .._core import paths
from .._core.errors import OffloadError
from .._observe.parse.boot import MARK, is_foreign, is_marked, makes_marked, parse_our_table
from .._observe.parse.nft import parse_filtered_families, parse_objects
from .state import TableState

COMMENTS_SINCE = (5, 10)
"""Linux version from which on a table keeps a comment; nft has it since 0.9.7"""
ADOPT = "set adopt: true (flow_offload_adopt_table: true in the role); --check --diff shows before what would be lost"
SHOWN = 8
"""objects of a table that an error names"""


def is_another_owners(state: TableState, family: str, table: str) -> bool:
    """Whether the live table of that name was made by somebody else, see ``is_foreign``."""
    ruleset, listing = (state.files.get(path, "") for path in (paths.RULESET, paths.LISTING))
    return is_foreign((family, table), state.table, ruleset, listing)


def is_old_table_another_owners(state: TableState) -> bool:
    """The same of ``TableState.old_table``, which the file for boot names."""
    ruleset, listing = (state.files.get(path, "") for path in (paths.RULESET, paths.LISTING))
    return is_foreign(parse_our_table(ruleset), state.old_table, ruleset, listing)


def _explain(path: str) -> str:
    return f"table {path} is live, and this collection did not make it: it has no {MARK}, and nothing on record"


def refuse_foreign(state: TableState, family: str, table: str) -> None:
    """Raise OffloadError where the live table of that name is somebody else's, and would be lost."""
    if not is_another_owners(state, family, table):
        return
    objects = [f"{kind} {name}" for kind, names in parse_objects(state.table or "").items() for name in names]
    more = f" and {len(objects) - SHOWN} more" if len(objects) > SHOWN else ""
    raise OffloadError(
        f"{_explain(f'{family} {table}')}. It would be replaced, and this would be lost: "
        f"{', '.join(objects[:SHOWN]) or 'an empty table'}{more}. Nothing was changed",
        f"give one of the two tables another name, or have this one replaced: {ADOPT}",
    )


def warn_of_foreign(path: str) -> str:
    """A warning that somebody else's table stays, where ours would go."""
    return f"{_explain(path)}. So it stays; to have it removed, {ADOPT}"


def refuse_unreadable(state: TableState, family: str, table: str) -> None:
    """Raise OffloadError where it is not known whether there is such a table: one that is there would be replaced."""
    if state.unreadable:
        raise OffloadError(
            f"nft could not list table {family} {table}: {state.unreadable}",
            "run 'nft list ruleset' on the router and correct what it complains of",
        )


def decide_mark(state: TableState, family: str, table: str) -> bool:
    """Whether the text that makes the table has our mark.

    A table takes a comment only when it is made. So one that is live without a mark stays without it, and so does the
    file that makes it at boot: a router that an older version configured has nothing to change.
    """
    if state.platform.kernel_version < COMMENTS_SINCE:
        return False
    ruleset = state.files.get(paths.RULESET, "")
    named = parse_our_table(ruleset) == (family, table)
    if state.table is None:
        return makes_marked(ruleset) if named else True
    return is_another_owners(state, family, table) or is_marked(state.table) or (named and makes_marked(ruleset))


def refuse_without_firewall(state: TableState, family: str, table: str, content: str, *, adopt: bool = False) -> None:
    """Raise OffloadError where our table filters what comes to the router, and ``content`` would not, of IPv4 or IPv6.

    What counts is the listing from when the table was loaded; without one, the file for boot, or what is live; and with
    ``adopt`` the table of somebody else that is replaced.
    """
    ruleset, live = state.files.get(paths.RULESET, ""), state.table or ""
    foreign = is_another_owners(state, family, table)
    recorded = state.files.get(paths.LISTING) or ruleset or ("" if foreign else live)
    before = parse_filtered_families(recorded) | parse_filtered_families(live if foreign and adopt else "")
    if not before - parse_filtered_families(content):
        return
    raise OffloadError(
        f"this would remove the router's firewall: table {family} {table} filters its input, and "
        + ("the new ruleset does not" if content else "it is to be removed"),
        "give the variables that describe its firewall; or, to remove it anyway, set "
        "flow_offload_remove_firewall: true for this run (keep_firewall: false for the module)",
    )
