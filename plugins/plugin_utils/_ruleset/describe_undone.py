# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a router runs after a change of our table that was not confirmed. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from .._confirm.change import ConfirmedPlan
from .._observe.parse.nft import normalise_listing
from .state import TableState


def describe_undone(
    plan: ConfirmedPlan, before: TableState, after: TableState
) -> tuple[str, Mapping[str, Mapping[str, str]]]:
    """A sentence for the error, and the result's ``ran``: what the router ran before, during and after the change."""
    same = all(
        normalise_listing(one or "") == normalise_listing(other or "")
        for one, other in ((after.table, before.table), (after.software_table, before.software_table))
    )
    path = str(plan.result["table"])
    confirmed = f"as it was before, confirmed as {before.confirmed}" if before.confirmed else "as it was found"
    old = f"table {path} {confirmed}" if before.table else f"no table {path}"
    ran = {
        "before": old,
        "during": f"the new one: {'; '.join(text.summary for text in plan.texts)}",
        "after": old if same else "something else: compare the live table with the files in /etc/nft-offload",
    }
    sentence = f"The router ran before: {ran['before']}; during: {ran['during']}; now: {ran['after']}"
    return sentence, {"ran": ran}
