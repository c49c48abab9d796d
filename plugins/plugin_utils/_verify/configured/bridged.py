# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: flowtables for what bridges pass on, as patched kernels have them (OpenWrt's ``bridge fw4 fb``).

They are beside the judged ones: what is routed never gets there, and none of the rungs above shows what they take. So
they are judged by the listing alone: does a rule at the bridge's forward hook feed them?
"""

from __future__ import annotations

from ..._observe.state import Flowtable
from ..finding import Finding, Kind
from ..subject import Subject, describe_flowtable

BRIDGE_UNFED = Kind(
    "configured.bridge-unfed",
    "warning",
    "No bridged packet gets to the rule that feeds a bridge's flowtable",
    "A flowtable of family bridge takes what a bridge passes on between its ports, on kernels that are patched for it."
    " Flows get there by a rule 'flow add' that packets reach from the bridge's own forward hook: in a chain of the"
    " same table, 'type filter hook forward', before any verdict. Those of inet, ip and ip6 see nothing of them.",
    "put 'ct state established flow add @{flowtable}' first into a chain of {table} at the forward hook, or remove the"
    " flowtable",
)
KINDS = (BRIDGE_UNFED,)


def find_unfed_flowtables(subject: Subject) -> list[Finding]:
    """Flowtables of family bridge that nothing gets to. No finding where the rules could not be read whole."""
    if subject.read_errors("ruleset", "maps", "rules"):
        return []
    return [
        _report(subject, one) for one in subject.bridge_flowtables if one.family == "bridge" and not _fed(subject, one)
    ]


CHECKS = (find_unfed_flowtables,)


def describe_flowtables(subject: Subject) -> list[str]:
    """Each in one line of evidence, four at most."""
    return [
        f"{describe_flowtable(one)}; it is not for what is routed, and whether it takes anything is not shown"
        for one in subject.bridge_flowtables[:4]
    ]


def _fed(subject: Subject, flowtable: Flowtable) -> bool:
    """May any bridged packet get to a rule that feeds it?"""
    record = subject.bridged_classes.record
    path = f"inet {flowtable.table} {flowtable.name}"
    return bool(subject.feeding_rules(flowtable)) and bool(record.anything or record.first_fed.get(path, 0))


def _report(subject: Subject, flowtable: Flowtable) -> Finding:
    """The finding, with the rule that keeps packets from getting there where there is one."""
    path = f"inet {flowtable.table} {flowtable.name}"
    deciders = (one.decided_by for one in subject.bridged_classes.of_flowtable(path))
    shadow = next((decider for decider in deciders if decider), "")
    lines = [describe_flowtable(flowtable), *([f"first {shadow}"] if shadow else [])]
    lines += [f"chain {rule.chain}: {rule.text}" for rule in subject.feeding_rules(flowtable)[:2]]
    return BRIDGE_UNFED.found(
        f"no bridged packet gets to a rule that feeds flowtable {flowtable.path}",
        *lines,
        flowtable=flowtable.name,
        table=f"table {flowtable.family} {flowtable.table}",
    )
