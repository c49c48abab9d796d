# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The judgement where no offload is expected: nothing of this collection may be left. Every leftover is an error."""

from __future__ import annotations

from .configured.at_boot import find_foreign_table
from .configured.rung import UNREADABLE
from .finding import RUNGS, Finding, Kind, RungResult, conclude_rung
from .offloading import describe_flows
from .subject import Subject, run_checks
from .supported import find_missing_permission

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


def find_leftover_table(subject: Subject) -> list[Finding]:
    """The table of this collection, or that it could not be looked for."""
    if _is_ruleset_unreadable(subject):
        message = "the live ruleset could not be read, so a leftover would not be seen"
        return [UNREADABLE.found(message, *subject.read_errors("flowtables"))]
    first = subject.table_exists and not subject.state.boot.foreign
    left = [subject.expectation.table] if first else []
    left += [subject.software_table] if subject.state.boot.software_live is not None else []
    listed = [flowtable.path for flowtable in subject.state.flowtables or ()]
    return [
        *([] if first else find_foreign_table(subject)),
        *(
            LEFTOVER_TABLE.found(
                f"table {table} is still there",
                *(f"flowtable {path}" for path in listed if path.startswith(f"{table} ")),
            )
            for table in left
        ),
    ]


def find_leftover_boot(subject: Subject) -> list[Finding]:
    """Files and units of this collection that boot would use."""
    left = []
    if subject.state.boot.ruleset is not None:
        left.append(f"table {subject.boot_table or 'of an unknown name'} is loaded")
    left += [
        f"device {device} joins its flowtable when it appears" for device in sorted(subject.state.boot.attachments)
    ]
    left += [
        f"{name} of {device} is set {value}" for (device, name), value in sorted(subject.state.boot.features.items())
    ]
    left += [f"{piece.rsplit('/', 1)[-1]} is enabled" for piece, on in sorted(subject.state.boot.enabled.items()) if on]
    if not left:
        return []
    more = f", and {len(left) - 1} more" if len(left) > 1 else ""
    return [LEFTOVER_BOOT.found(f"something is left for boot: {left[0]}{more}", *left)]


def find_leftover_flows(subject: Subject) -> list[Finding]:
    """Offloaded flows, unless there are flowtables that they can be in."""
    seen = subject.state.flows
    if (
        seen is None
        or subject.state.flowtables is None
        or subject.state.flowtables
        or not seen.of("hardware", "software")
    ):
        return []
    examples = seen.examples.get("hardware", ()) + seen.examples.get("software", ())
    return [LEFTOVER_FLOWS.found(f"{seen.of('hardware', 'software')} flows are still offloaded", *examples[:1])]


def _is_ruleset_unreadable(subject: Subject) -> bool:
    """Without nft there is no table to see; with it there may be."""
    return (
        subject.state.flowtables is None
        and subject.state.platform.uid == 0
        and "nft" in subject.state.platform.commands
    )


CHECKS = (find_missing_permission, find_leftover_table, find_leftover_boot, find_leftover_flows)


def judge(subject: Subject) -> list[RungResult]:
    """The whole ladder: no rung applies, those with leftovers fail, one that could not be read is unproven."""
    found = run_checks(CHECKS, subject)
    evidence = {"offloading": [describe_flows(subject.state.flows)] if subject.state.flows is not None else []}
    if not found:
        evidence["configured"] = [f"there is no table {subject.expectation.table}, and nothing is left for boot"]
    return [
        conclude_rung(
            name,
            False if name == "configured" and _is_ruleset_unreadable(subject) else None,
            evidence.get(name, ["offload is expected to be off"]),
            [finding for finding in found if finding.rung == name],
        )
        for name in RUNGS
    ]
