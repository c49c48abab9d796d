# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 7, hardware: the NIC took flows, which conntrack shows with the hardware bit.

The bit shows that one driver took one direction at least (nf_flow_table_offload.c: flow_offload_work_add). Where the
driver publishes its own table, both directions must be in it.
"""

from __future__ import annotations

from dataclasses import replace

from .._observe.state import DriverTable
from .configured import nic
from .finding import Finding, Kind, RungResult, conclude_rung
from .fw4_remedies import OVERLAY_EXCLUDES, offload_in
from .offloading import describe_flows
from .subject import Subject, run_checks
from .takers import describe_trackers, list_trackers
from .traffic import select_flows

REFUSED = Kind(
    "hardware.refused",
    "error",
    "The NIC refuses the flows: they are offloaded in software only",
    "The flowtable has 'flags offload' and flows are in it, but not one has the hardware bit. A NIC refuses each flow"
    " without an error: the kernel keeps it in software and goes on listing the flowtable as a hardware one.",
    "turn hw-tc-offload on with kmod.nft_offload.nic_features; where it is on, the driver takes the flowtable but not"
    " these flows, and software is what is left (flow_offload_mode: software)",
)
SWITCHED_OFF = Kind(
    "hardware.switched-off",
    "error",
    "The feature hw-tc-offload was switched off after the flowtable was loaded",
    "The feature is set on for boot, but is off now, so somebody or something turned it off since. The kernel lets that"
    " happen under a live flowtable, and 'nft list' goes on showing 'flags offload'.",
    "turn it on again with kmod.nft_offload.nic_features, and find what turns it off on {device}: a network manager's"
    " profile, a tuning script, a change of the device's mode",
)
FAKE = Kind(
    "hardware.fake",
    "error",
    "The kernel accepted a hardware flowtable on NICs that cannot offload",
    "No device of the flowtable has hw-tc-offload. Linux refuses 'flags offload' on such devices, but OpenWrt's kernel"
    " ignores the refusal (patch 701-netfilter-nf_tables-ignore-EOPNOTSUPP-on-flowtable-d), and the flowtable works in"
    " software while everything shows hardware.",
    "offload in software (flow_offload_mode: software; on OpenWrt flow_offloading_hw 0)",
)
SOME_FLOWS = Kind(
    "hardware.some-flows",
    "info",
    "Only some of the offloaded flows are in hardware",
    "Flows begin in software, and stay there where a NIC has no room left, cannot rewrite them (IPv6 NAT on MediaTek),"
    " or where the other device cannot offload, as Wi-Fi and tunnels.",
    "see which flows are in software; where the NIC's table is full, exclude short flows from the flowtable",
    under_fw4=f"see which flows are in software; where the NIC's table is full, {OVERLAY_EXCLUDES}",
)
ONE_DIRECTION = Kind(
    "hardware.one-direction",
    "error",
    "Only one direction of the flows is in hardware",
    "Connection tracking shows the hardware bit as soon as one direction was taken. The driver's own table shows that"
    " of each TCP flow looked at the other direction was not, so its packets still take the router's CPU. An info where"
    " a device of the flowtable cannot offload: some hardware takes flows towards Wi-Fi only.",
    "see that hw-tc-offload is on at the devices of both directions and that both are in the flowtable; a driver takes"
    " a direction only if it can also send to the device that it leaves through",
    under_fw4="see that hw-tc-offload is on at the devices of both directions and that the networks of both are in"
    " zones; a driver takes a direction only if it can also send to the device that it leaves through",
)
NOT_IN_TABLE = Kind(
    "hardware.not-in-table",
    "info",
    "The driver's own table has none of the flows that are marked as in hardware",
    "Connection tracking shows the hardware bit, but no direction of the TCP flows looked at is bound in the driver's"
    " table. A driver binds an entry only when enough packets arrive, so this may be for want of traffic; it is also"
    " what PPPoE over a VLAN looks like where the hardware never binds.",
    "verify again while much traffic flows; where the table stays empty then, offload in software",
)
ORPHANED = Kind(
    "hardware.orphaned",
    "warning",
    "The NIC still has flows that connection tracking no longer knows",
    "Entries of the driver's table rewrite addresses for connections that connection tracking has no line for. The NIC"
    " goes on forwarding them by rules that no longer hold, or forwards one direction of a connection that the router"
    " forgot, as long-lived UDP tunnels after a firewall reload.",
    "end them by taking the device down and up, or reload the flowtable while no traffic flows; avoid reloads of the"
    " whole firewall (kmod.nft_offload.ruleset leaves an unchanged flowtable alone)",
    under_fw4="end them by taking the device down and up, or run /etc/init.d/firewall reload while no traffic flows; an"
    " interface that comes up reloads fw4, and with it the flowtable",
)
BACKLOG = Kind(
    "hardware.backlog",
    "info",
    "Much work waits for the driver",
    "The kernel hands flows to the driver through queues, and there are many in them. Flows stay in software until it"
    " is their turn, so with many short flows the NIC may not keep up.",
    "verify again; where it stays so, offload only flows that last (ct packets over 20) to the hardware",
    under_fw4=f"verify again; where it stays so, {offload_in('software')}",
)
KINDS = (REFUSED, SWITCHED_OFF, FAKE, SOME_FLOWS, ONE_DIRECTION, NOT_IN_TABLE, ORPHANED, BACKLOG)

SOME = 2
"""flows in software before there is a finding: the NIC may be about to take one"""
MUCH_WORK = 1000
"""queued flows; a burst of connections on a healthy router queues some hundred"""


def find_refused_flows(subject: Subject) -> list[Finding]:
    """Flows in software although every flowtable on the router is a hardware one."""
    seen = select_flows(subject)
    deciding = subject.deciding_devices
    if not _is_expected(subject):
        return []
    if nic.cannot_offload(subject, deciding.values()):
        names = ", ".join(f"{name} ({device.driver or 'driver unknown'})" for name, device in deciding.items())
        lines = [nic.describe_feature(device) for device in list(deciding.values())[:6]]
        return [FAKE.found(f"the flowtable has 'flags offload', but none of its devices can offload: {names}", *lines)]
    off = [device for device in deciding.values() if device.hw_tc_offload and not device.hw_tc_offload.active]
    lines = [describe_flows(seen), *seen.examples.get("software", ())[:1]] if seen is not None else []
    if subject.flows_in_hardware and len(off) < len(deciding):
        return []
    at_boot = {
        name
        for (name, feature), value in subject.state.boot.features.items()
        if (feature, value) == (nic.FEATURE, "on")
    }
    switched = [d.name for d in off if d.name in at_boot and d.hw_tc_offload and not d.hw_tc_offload.fixed]
    if switched:
        reason = f"{nic.FEATURE} of {', '.join(switched)} is off, though boot turns it on"
        # a flow keeps its bit when the NIC forgets it
        what = (
            f"{reason}; the hardware bit of flows may be from before"
            if subject.flows_in_hardware
            else f"no flow is in hardware, because {reason}"
        )
        return [SWITCHED_OFF.found(what, *map(nic.describe_feature, off), *lines, device=", ".join(switched))]
    if subject.flows_in_hardware:
        return []
    if seen is None or _has_software_flowtable(subject) or seen.of("software") < (1 if off else SOME):
        return []
    message = f"{seen.of('software')} flows are offloaded in software, none in hardware"
    drivers = ", ".join(f"{name} {device.driver or 'unknown'}" for name, device in deciding.items())
    reasons = "; ".join(map(nic.describe_feature, off))
    reason = f"likely because of {reasons}" if off else f"although {nic.FEATURE} is not off (drivers: {drivers})"
    return [REFUSED.found(f"{message}, {reason}", *lines)]


def find_partial_hardware(subject: Subject) -> list[Finding]:
    """Flows in software beside flows in hardware."""
    seen = select_flows(subject)
    if seen is None or not _is_expected(subject) or _has_software_flowtable(subject):
        return []
    hardware, software = seen.of("hardware"), seen.of("software")
    if not hardware or software < SOME:
        return []
    share = 100 * hardware // (hardware + software)
    kinds = sorted(key for key, count in seen.counts.items() if count and key.endswith(" software"))
    message = f"{hardware} of {hardware + software} offloaded flows ({share} %) are in hardware"
    lines = [
        describe_flows(seen),
        "in software: " + ", ".join(f"{key.removesuffix(' software')} {seen.counts[key]}" for key in kinds),
    ]
    return [SOME_FLOWS.found(message, *lines, *seen.examples.get("software", ())[:1])]


def find_one_direction(subject: Subject) -> list[Finding]:
    """Sampled TCP flows against the driver's table; flows with neither direction may have been idle."""
    table = subject.state.driver_table
    if table is None or not table.flows or table.looks < 2 or not _is_expected(subject):
        return []
    both, one, none = _split_flows(table)
    if both:
        return []
    lines = [_describe_table(table), *one[:2], *none[:1]]
    if one:
        message = f"of {len(one)} TCP flows in hardware only one direction is in the driver's table"
        found = ONE_DIRECTION.found(message, *lines)
        return [found if _can_all_offload(subject) else replace(found, severity="info")]
    return [NOT_IN_TABLE.found(f"of {len(none)} TCP flows in hardware none is in the driver's table", *lines)]


def find_orphans(subject: Subject) -> list[Finding]:
    """Entries that conntrack does not know, if it knows others, so that both are known to spell addresses alike."""
    table = subject.state.driver_table
    if table is None or not table.orphans or table.looks < 2 or not subject.flowtables:
        return []
    if not _split_flows(table)[0] and table.looked_up <= len(table.orphans):
        return []
    message = f"{len(table.orphans)} entries of the driver's table have no line in connection tracking"
    return [ORPHANED.found(message, f"{table.looked_up} entries looked up, at 2 looks", *table.orphans[:2])]


def find_backlog(subject: Subject) -> list[Finding]:
    """Many flows that wait to be handed to the driver."""
    if not _is_expected(subject) or subject.state.work.get("add", 0) < MUCH_WORK:
        return []
    return [
        BACKLOG.found(f"{subject.state.work['add']} flows wait to be handed to the driver", _describe_work(subject))
    ]


CHECKS = (find_refused_flows, find_partial_hardware, find_one_direction, find_orphans, find_backlog)


def judge(subject: Subject) -> RungResult:
    """The rung: conntrack shows flows with the hardware bit, and the driver's own table, if any, both directions."""
    if not subject.flowtables:
        return conclude_rung("hardware", False, [subject.why_nothing_to_judge])
    if not _is_expected(subject):
        expected = subject.expectation.expect == "software"
        return conclude_rung(
            "hardware", None, ["software is expected" if expected else "the flowtable offloads in software"]
        )
    seen = subject.state.flows
    evidence = [describe_flows(seen)] if seen is not None else []
    findings = run_checks(CHECKS, subject)
    table = subject.state.driver_table
    shown = table is None or not table.flows or bool(_split_flows(table)[0])
    holds = seen is not None and seen.of("hardware") > 0 and shown
    if seen is not None and holds:
        evidence += seen.examples.get("hardware", ())[:1]
    elif _has_software_flowtable(subject):
        evidence.append("another flowtable offloads in software, so flows in software show nothing about the NIC")
    evidence += [_describe_table(table)] if table is not None else []
    evidence += [_describe_work(subject)] if subject.state.work else []
    trackers = list_trackers(subject)
    evidence += describe_trackers(trackers)
    return conclude_rung("hardware", holds and not trackers, evidence, findings)


def _split_flows(table: DriverTable) -> tuple[list[str], list[str], list[str]]:
    """Lines of the sampled flows with both directions in the table, with one, and with none."""
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    for flow in table.flows:
        found[2 - sum(flow.bound)].append(flow.line)
    return found


def _can_all_offload(subject: Subject) -> bool:
    """Has every device that decides the feature on? Not Wi-Fi, whose hardware may take one direction only."""
    deciding = subject.deciding_devices.values()
    return all(d.kind != "wlan" and d.hw_tc_offload is not None and d.hw_tc_offload.active for d in deciding)


def _describe_table(table: DriverTable) -> str:
    """The driver's table in one line."""
    both, one, none = _split_flows(table)
    return (
        f"the driver's own table has {table.bound} entries; of {len(table.flows)} TCP flows in hardware {len(both)}"
        f" have both directions in it, {len(one)} one, {len(none)} none"
    )


def _describe_work(subject: Subject) -> str:
    """The queues of work for the driver in one line."""
    queues = ", ".join(f"{name} {count}" for name, count in subject.state.work.items())
    return f"work that waits for the driver: {queues}"


def _is_expected(subject: Subject) -> bool:
    """Is there a hardware flowtable, and is it meant to be one?"""
    return subject.expectation.expect != "software" and bool(subject.hardware_flowtables)


def _has_software_flowtable(subject: Subject) -> bool:
    """Is any flowtable on the router, judged or not, a software one?"""
    return any(not flowtable.hardware for flowtable in subject.state.flowtables or ())
