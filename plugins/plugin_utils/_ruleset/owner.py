# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Whose is the table that is live, and may a change replace it? Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from .._core import paths
from .._core.errors import OffloadError
from .._observe.parse.boot import MARK, is_foreign, is_marked, is_no_table, makes_marked, parse_our_table
from .._observe.parse.nft import parse_filtered_families, parse_objects
from .._observe.require import require_nft
from .._observe.state import Platform, RouterState
from .state import TableState

COMMENTS_SINCE = (5, 10)
"""Linux version from which on a table keeps a comment; nft has it since 0.9.7"""
ADOPT = "set adopt: true (flow_offload_adopt_table: true in the role); --check --diff shows before what would be lost"
SHOWN = 8
"""objects of a table that an error names"""


def is_another_owners(state: TableState, family: str, table: str) -> bool:
    """Whether the live table of that name was made by somebody else, see ``is_foreign``."""
    ruleset, listing = (state.files.get(path, "") for path in (paths.RULESET, paths.LISTING))
    if state.boot.replaced and parse_our_table(ruleset) == (family, table):
        return False
    return is_foreign((family, table), state.table, ruleset, listing)


def is_software_table_ours(state: TableState, family: str, table: str) -> bool:
    """Whether the second table of that one is ours, where it is live: by its mark, or by the record of one."""
    live = state.software_table
    recorded = paths.SOFTWARE_LISTING in state.files
    named = parse_our_table(state.files.get(paths.RULESET, "")) == (family, table)
    return live is None or is_marked(live) or (recorded and named)


def is_old_table_another_owners(state: TableState) -> bool:
    """The same of ``TableState.old_table``, which the file for boot names."""
    ruleset, listing = (state.files.get(path, "") for path in (paths.RULESET, paths.LISTING))
    return is_foreign(parse_our_table(ruleset), state.old_table, ruleset, listing)


def _explain(path: str) -> str:
    return f"table {path} is live, and this collection did not make it: it has no {MARK}, and no record here fits it"


def refuse_foreign(path: str, listing: str) -> None:
    """Raise OffloadError: the live table ``path``, as nft lists it, is somebody else's, and would be lost."""
    objects = [f"{kind} {name}" for kind, names in parse_objects(listing).items() for name in names]
    more = f" and {len(objects) - SHOWN} more" if len(objects) > SHOWN else ""
    raise OffloadError(
        f"{_explain(path)}. It would be replaced, and this would be lost: "
        f"{', '.join(objects[:SHOWN]) or 'an empty table'}{more}. Nothing was changed",
        f"give one of the two tables another name, or have this one replaced: {ADOPT}",
    )


def warn_of_foreign(path: str) -> str:
    """A warning that somebody else's table stays, where ours would go."""
    return f"{_explain(path)}. So it stays; to have it removed, {ADOPT}"


def refuse_unreadable(path: str, complaint: str) -> None:
    """Raise OffloadError where it is not known whether there is a table: one that is there would be replaced.

    ``complaint`` is what nft printed where it listed none.
    """
    if complaint and not is_no_table(complaint):
        raise OffloadError(
            f"nft could not list table {path}: {complaint}",
            "run 'nft list ruleset' on the router and correct what it complains of",
        )


def keeps_comments(platform: Platform) -> bool:
    """Whether a table of this router can have our mark."""
    return platform.kernel_version >= COMMENTS_SINCE


def decide_mark(state: TableState, family: str, table: str) -> bool:
    """Whether the text that makes the table has our mark.

    A table takes a comment only when it is made. So one that is live without a mark stays without it, and so does the
    file that makes it at boot: a router that an older version configured has nothing to change.
    """
    if not keeps_comments(state.platform):
        return False
    ruleset = state.files.get(paths.RULESET, "")
    named = parse_our_table(ruleset) == (family, table)
    if state.table is None:
        return makes_marked(ruleset) if named else True
    return is_another_owners(state, family, table) or is_marked(state.table) or (named and makes_marked(ruleset))


def refuse_without_firewall(path: str, before: Iterable[str], content: str) -> None:
    """Raise OffloadError where texts of tables filter what comes to the router, and ``content`` would not.

    Of IPv4 or IPv6. ``before`` are the texts of what is replaced or removed, ``path`` names the table in the error.
    """
    filtered = frozenset[str]().union(*map(parse_filtered_families, before))
    if filtered <= parse_filtered_families(content):
        return
    raise OffloadError(
        f"this would remove the router's firewall: table {path} filters its input, and "
        + ("the new ruleset does not" if content else "it is to be removed"),
        "give the variables that describe its firewall; or, to remove it anyway, set "
        "flow_offload_remove_firewall: true for this run (keep_firewall: false for the module)",
    )


def list_replaced(ruleset: str | None, listing: str | None, live: str | None, foreign: bool, adopt: bool) -> list[str]:
    """The texts of the tables that a change replaces or removes, as far as they may be the router's firewall.

    Ours counts as it was listed when it was loaded; without that, as the file for boot has it, or as it is live. One of
    somebody else counts where ``adopt`` has it replaced.
    """
    recorded = listing or ruleset or ("" if foreign else live)
    return [recorded or "", (live or "") if foreign and adopt else ""]


def refuse_early(state: RouterState, path: tuple[str, str], content: str, *, keep_firewall: bool, adopt: bool) -> None:
    """Raise OffloadError for what the module would refuse to load, after the kernel and the NICs were prepared for it.

    ``state`` is the reading for a choice, of the table ``path``; ``content`` is the text of the table.
    """
    boot, name = state.boot, " ".join(path)
    require_nft(state.platform, checking=True)
    refuse_unreadable(name, state.unseen.get("live", ""))
    if boot.foreign and not adopt:
        refuse_foreign(name, boot.live or "")
    if keep_firewall:
        refuse_without_firewall(
            name, list_replaced(boot.ruleset, boot.listing, boot.live, boot.foreign, adopt), content
        )
