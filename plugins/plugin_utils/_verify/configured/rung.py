# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 3, configured: flowtable, flags, devices and a rule that feeds it are live, and boot will load the same.

Devices are judged in listed.py and topology.py, rules in feeding.py and bypassed.py, flowtables of bridges in
bridged.py, the kernel's switches in sysctls.py, what boot will load in at_boot.py, the NICs' features in nic.py,
filters of tc in filters.py, what else handles packets in conflicts.py, who else loads rules in managers.py.
"""

from __future__ import annotations

from .. import advisories
from ..finding import Finding, Kind, RungResult, conclude_rung
from ..fw4_remedies import offload_in
from ..subject import DEFAULT_TABLE, Subject, describe_flowtable, run_checks
from ..walk.classes import describe_classes
from . import at_boot, bridged, bypassed, conflicts, feeding, filters, listed, managers, nic, openwrt, sysctls, topology

UNREADABLE = Kind(
    "configured.unreadable",
    "warning",
    "The ruleset could not be read",
    "nft is there and the login is root, but listing the ruleset failed, as in a container without CAP_NET_ADMIN.",
    "run 'nft list flowtables' on the router and see its error",
)
NO_FLOWTABLE = Kind(
    "configured.no-flowtable",
    "error",
    "There is no flowtable",
    "Without a flowtable every forwarded packet traverses the forward chain.",
    "declare one with kmod.nft_offload.ruleset or the role kmod.nft_offload.flow_offload",
    under_fw4="have fw4 make one: run kmod.nft_offload.fw4_offload, or the role (uci set"
    " firewall.@defaults[0].flow_offloading=1, uci commit firewall, /etc/init.d/firewall reload)",
)
FLAG_MISSING = Kind(
    "configured.flag-missing",
    "error",
    "Hardware offload is expected, but the flowtable is a software one",
    "Only a flowtable with 'flags offload' hands its flows to the NIC. The flag cannot be added to a live flowtable.",
    "give the flowtable offload: hardware in kmod.nft_offload.ruleset (flow_offload_mode: hardware in the role)",
    under_fw4=f"{offload_in('hardware')}; where that is so already, fw4 fell back to software: see 'fw4 print'",
)
FLAG_UNEXPECTED = Kind(
    "configured.flag-unexpected",
    "error",
    "Software offload is expected, but the flowtable is a hardware one",
    "The flowtable has 'flags offload': its flows go to the NIC where the NIC takes them, past the router's own"
    " queueing and counters.",
    "give the flowtable offload: software in kmod.nft_offload.ruleset (flow_offload_mode: software in the role)",
    under_fw4=offload_in("software"),
)
OTHER_FLOWTABLE = Kind(
    "configured.other-flowtable",
    "error",
    "The expected table is not there, another flowtable is",
    "The option table names a table that the live ruleset does not have. The flowtables that there are belong"
    " to another firewall, and what was found at them shows nothing about the expected one.",
    "load {table}, or name the table of the flowtable that is there (options family and table)",
    under_fw4="load {table}, or name the table of fw4's flowtable (family: inet, table: fw4)",
)
KINDS = (
    UNREADABLE,
    NO_FLOWTABLE,
    FLAG_MISSING,
    FLAG_UNEXPECTED,
    OTHER_FLOWTABLE,
    *listed.KINDS,
    *topology.KINDS,
    *feeding.KINDS,
    *bypassed.KINDS,
    *bridged.KINDS,
    *sysctls.KINDS,
    *at_boot.KINDS,
    *nic.KINDS,
    *filters.KINDS,
    *conflicts.KINDS,
    *managers.KINDS,
    *openwrt.KINDS,
)


def find_missing_flowtable(subject: Subject) -> list[Finding]:
    """Is there a ruleset with a flowtable at all?"""
    if subject.state.flowtables is None:
        explained = subject.state.platform.uid != 0 or "nft" not in subject.state.platform.commands
        return (
            []
            if explained
            else [UNREADABLE.found("the live ruleset could not be read", *subject.read_errors("flowtables"))]
        )
    live = subject.table_exists
    flushed = subject.boot_table == subject.expectation.table and not live  # see at_boot.py
    if subject.flowtables or flushed:
        return []
    where = f"table {subject.expectation.table}" if live else "the live ruleset"
    if subject.bridge_flowtables and not live:
        others = map(describe_flowtable, subject.bridge_flowtables[:4])
        return [NO_FLOWTABLE.found(subject.why_no_flowtable, *others)]
    return [NO_FLOWTABLE.found(f"there is no flowtable in {where}", "nft list flowtables shows none")]


def find_wrong_flags(subject: Subject) -> list[Finding]:
    """Flowtables whose hardware flag is not as expected."""
    found = []
    for flowtable in subject.flowtables:
        beside = bool(subject.hardware_flowtables) and subject.is_software_beside(flowtable)
        if subject.expectation.expect == "hardware" and not flowtable.hardware and not beside:
            message = f"flowtable {flowtable.path} offloads in software, expected is hardware"
            found.append(FLAG_MISSING.found(message, f"{describe_flowtable(flowtable)}: no 'flags offload'"))
        if subject.expectation.expect == "software" and flowtable.hardware:
            message = f"flowtable {flowtable.path} offloads in hardware, expected is software"
            found.append(FLAG_UNEXPECTED.found(message, describe_flowtable(flowtable)))
    return found


def find_named_software_devices(subject: Subject) -> list[Finding]:
    """Devices that the user names, and expects in hardware, in the flowtable for what hardware does not take."""
    if subject.expectation.expect != "hardware" or not subject.hardware_flowtables:
        return []
    found = []
    for flowtable in filter(subject.is_software_beside, subject.flowtables):
        for device in dict.fromkeys(subject.expectation.devices):
            below = {device, *subject.hook_devices(device)}
            if below & set(flowtable.devices) and not below & set(subject.offload_devices["hardware"]):
                message = f"{device} offloads in software only, in flowtable {flowtable.path}, expected is hardware"
                found.append(FLAG_MISSING.found(message, *map(describe_flowtable, subject.flowtables)))
    return found


def find_missing_table(subject: Subject) -> list[Finding]:
    """A table that the user named and that is not there. The default one need not be: any other firewall's will do."""
    table = subject.expectation.table
    paths = [flowtable.path for flowtable in subject.flowtables]
    if table in {DEFAULT_TABLE, subject.boot_table} or subject.table_exists or not paths:
        return []
    return [OTHER_FLOWTABLE.found(f"there is no table {table}, but {', '.join(paths)}", *paths, table=f"table {table}")]


def find_unread_rules(subject: Subject) -> list[Finding]:
    """Rules that could not be read although flowtables could."""
    unread = subject.read_errors("ruleset", "maps")
    if not unread or not subject.flowtables:
        return []
    return [UNREADABLE.found("the rules could not be read whole", *unread)]


CHECKS = (
    find_missing_flowtable,
    find_missing_table,
    find_wrong_flags,
    find_named_software_devices,
    find_unread_rules,
    *listed.CHECKS,
    *topology.CHECKS,
    *feeding.CHECKS,
    *bypassed.CHECKS,
    *bridged.CHECKS,
    *sysctls.CHECKS,
    *at_boot.CHECKS,
    *nic.CHECKS,
    *filters.CHECKS,
    *conflicts.CHECKS,
    *managers.CHECKS,
    *openwrt.CHECKS,
    *advisories.CHECKS,
)


def judge(subject: Subject) -> RungResult:
    """The rung: all of it was read, some traffic surely gets there, and no check found an error."""
    flowtables = subject.flowtables
    evidence = [describe_flowtable(flowtable) for flowtable in flowtables]
    evidence += [
        f"chain {rule.chain}: {rule.text}" for flowtable in flowtables for rule in subject.feeding_rules(flowtable)[:2]
    ]
    evidence += _describe_traffic(subject)
    evidence += bridged.describe_flowtables(subject)
    evidence += at_boot.describe_boot(subject)
    if subject.state.firewalls:
        evidence.append(f"in charge beside it: {', '.join(subject.state.firewalls)}")
    evidence += [f"rules: {line}" for line in subject.read_errors("rules")]
    evidence += [f"not understood: {line}" for line in subject.state.not_understood[:3]]
    unread = nic.list_unread_features(subject)
    read = not unread and not subject.read_errors("ruleset", "maps", "rules")
    holds = bool(flowtables) and read and any(one.shown == "surely" for one in subject.classes.judged)
    return conclude_rung("configured", holds, evidence, run_checks(CHECKS, subject))


def _describe_traffic(subject: Subject) -> list[str]:
    """The classes of traffic that get to a rule with 'flow add', by how sure that is."""
    if not subject.flowtables or subject.state.ruleset is None:
        return []
    if subject.classes.gave_up:
        return [
            "the rules have more ways through them than are looked at, so it is not known which traffic is offloaded"
        ]
    lines: list[str] = []
    for what, fits in (
        ("surely offloaded", lambda one: one.outcome == "surely"),
        ("offloaded but for a part that rules name", lambda one: one.outcome == "may" and one.shown == "surely"),
        ("may be offloaded", lambda one: one.outcome == "may" and one.shown != "surely"),
        ("never offloaded", lambda one: one.outcome == "never"),
        ("not forwarded", lambda one: one.outcome == "dropped"),
    ):
        lines += [f"{what}: {line}" for line in describe_classes(filter(fits, subject.classes.judged))[:3]]
    return lines
