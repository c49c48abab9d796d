# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What is judged where no offload is expected: nothing of this collection is left. Every leftover is an error."""

from __future__ import annotations

from .._observe.state import RouterState
from .configured.rung import UNREADABLE
from .finding import RUNGS, Expectation, Finding, Kind, RungResult, rung
from .offloading import counted
from .scope import boot_table, table_exists, words
from .supported import permission

LEFTOVER_TABLE = Kind(
    "configured.leftover-table",
    "error",
    "Offload is expected to be off, but the table is still live",
    "The table of this collection is in the live ruleset, so flows can still take the fast path.",
    "remove it with kmod.nft_offload.ruleset, state: absent (flow_offload_mode: disabled in the role)",
)
LEFTOVER_BOOT = Kind(
    "configured.leftover-boot",
    "error",
    "Offload is expected to be off, but something is left for boot",
    "A file or unit of this collection would bring offload back at the next boot, or when a device appears.",
    "remove it with state: absent of kmod.nft_offload.ruleset and kmod.nft_offload.nic_features"
    " (flow_offload_mode: disabled in the role)",
)
LEFTOVER_FLOWS = Kind(
    "offloading.leftover-flows",
    "error",
    "Offload is expected to be off, but flows are offloaded",
    "There is no flowtable on the router any more, and connection tracking still shows flows with the offload bit. The"
    " kernel clears it when a flowtable goes, at the latest a second later.",
    "verify again; if it stays, flush connection tracking (conntrack -F), which interrupts connections through NAT",
)
KINDS = (LEFTOVER_TABLE, LEFTOVER_BOOT, LEFTOVER_FLOWS)


def table(state: RouterState, expectation: Expectation) -> list[Finding]:
    if _unreadable(state):
        message = "the live ruleset could not be read, so a leftover would not be seen"
        return [UNREADABLE.found(message, *words(state, "flowtables"))]
    if not table_exists(state, expectation.table):
        return []
    listed = [flowtable.path for flowtable in state.flowtables or ()]
    evidence = [f"flowtable {path}" for path in listed if path.startswith(f"{expectation.table} ")]
    return [LEFTOVER_TABLE.found(f"table {expectation.table} is still there", *evidence)]


def boot(state: RouterState, _expectation: Expectation) -> list[Finding]:
    left = []
    if state.boot.ruleset is not None:
        left.append(f"table {boot_table(state) or 'of an unknown name'} is loaded")
    left += [f"device {device} joins its flowtable when it appears" for device in sorted(state.boot.attachments)]
    left += [f"{name} of {device} is set {value}" for (device, name), value in sorted(state.boot.features.items())]
    left += [f"{piece.rsplit('/', 1)[-1]} is enabled" for piece, on in sorted(state.boot.enabled.items()) if on]
    if not left:
        return []
    more = f", and {len(left) - 1} more" if len(left) > 1 else ""
    return [LEFTOVER_BOOT.found(f"something is left for boot: {left[0]}{more}", *left)]


def flows(state: RouterState, _expectation: Expectation) -> list[Finding]:
    """Offloaded flows, unless there are flowtables that they can be in."""
    seen = state.flows
    if seen is None or state.flowtables is None or state.flowtables or not seen.of("hardware", "software"):
        return []
    examples = seen.examples.get("hardware", ()) + seen.examples.get("software", ())
    return [LEFTOVER_FLOWS.found(f"{seen.of('hardware', 'software')} flows are still offloaded", *examples[:1])]


def _unreadable(state: RouterState) -> bool:
    """Without nft there is no table to see; with it there may be."""
    return state.flowtables is None and state.platform.uid == 0 and "nft" in state.platform.commands


CHECKS = (permission, table, boot, flows)


def judge(state: RouterState, expectation: Expectation) -> list[RungResult]:
    """The whole ladder: no rung is asked of the router, those with leftovers fail, an unseen one is unproven."""
    found = [finding for check in CHECKS for finding in check(state, expectation)]
    evidence = {"offloading": [counted(state.flows)] if state.flows is not None else []}
    if not found:
        evidence["configured"] = [f"there is no table {expectation.table}, and nothing is left for boot"]
    return [
        rung(
            name,
            False if name == "configured" and _unreadable(state) else None,
            evidence.get(name, ["offload is expected to be off"]),
            [finding for finding in found if finding.rung == name],
        )
        for name in RUNGS
    ]
