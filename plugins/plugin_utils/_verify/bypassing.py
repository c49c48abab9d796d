# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 6, bypassing: measured over a sample, forwarded packets stay out of the forward chain.

The first packets of each flow, ICMP and the ends of connections traverse it on every router. What counts is therefore
only what the fast path should have taken: packets of flows that are offloaded (late) and of flows that are established,
had 10 packets and more, and still are not (slow).
"""

from __future__ import annotations

from dataclasses import replace

from .._observe.state import Direction, Sample
from .._observe.topology import GUEST_KINDS, find_hook_devices
from .finding import Finding, Kind, RungResult, rung
from .offloading import may_be_meant
from .subject import Subject

ONE_DIRECTION = Kind(
    "bypassing.one-direction",
    "error",
    "One direction of offloaded flows traverses the forward chain",
    "A flow is offloaded in both directions, but the fast path only takes what comes in by a device of the flowtable."
    " The other direction is as slow as without offload, while connection tracking, nft and ethtool all say that the"
    " flow is offloaded. Up to Linux 6.12 at least a flowtable that lacks one of the two devices does this.",
    "have the flowtable list {devices} (flow_offload_devices, or devices of kmod.nft_offload.ruleset); where it does,"
    " see the findings at bound, and whether replies come back on the device that the requests left by",
)
SLOW_SHARE = Kind(
    "bypassing.slow-share",
    "error",
    "Much of what could take the fast path traverses the forward chain",
    "Of the packets of established TCP and UDP flows, a larger share than slow_share allows traversed the forward"
    " chain. Flows of fewer than 10 packets do not count, so that name look-ups and short connections accuse nobody.",
    "see the findings of the rungs below; without any, see whether the 'flow add' rule is meant for these protocols and"
    " devices, and whether a verdict, notrack or a ct helper keeps the flows from it; where they are to stay slow,"
    " raise slow_share",
)
LITTLE_TRAFFIC = Kind(
    "bypassing.little-traffic",
    "info",
    "Too few packets were forwarded to tell",
    "Fewer packets than least_packets took either path during the sample, which is too few to tell the one from the"
    " other.",
    "send traffic through the router while it is verified, or raise sample",
)
NOT_COUNTED = Kind(
    "bypassing.not-counted",
    "info",
    "The NIC forwards flows, and nothing counts their packets",
    "Packets that a NIC forwards by itself never get to the kernel. They show in the device's counters where the driver"
    " includes them, and in connection tracking where the flowtable has a counter and nf_conntrack_acct is on. With"
    " neither, how many packets bypass the forward chain cannot be seen.",
    "set net.netfilter.nf_conntrack_acct=1 and have the flowtable count (counter); both hold for new connections",
)
NOT_MEASURED = Kind(
    "bypassing.not-measured",
    "info",
    "The forward chain could not be measured",
    "The tables that count packets during the sample could not be loaded, or were gone when it ended, as after another"
    " firewall's 'flush ruleset'.",
    "see the evidence; when a firewall was reloaded meanwhile, run the task again",
)
KINDS = (ONE_DIRECTION, SLOW_SHARE, LITTLE_TRAFFIC, NOT_COUNTED, NOT_MEASURED)

SMALL = 0.1
"""A direction with less than this part of what could bypass is left out: a tunnel, say, that is in no flowtable by
choice."""


def uncovered(subject: Subject) -> list[Finding]:
    """Directions most of whose packets belong to offloaded flows and still traverse the forward chain."""
    sample = subject.state.sample
    if sample is None or not subject.flowtables:
        return []
    found = []
    for (enters, leaves), ways in _slow_ways(subject, sample).items():
        packets, bypassed = sum(way.late for way in ways), sum(way.bypassed for way in ways)
        missing = _unlisted(subject, enters)
        families = " and ".join(way.family for way in ways)
        guests = not missing and _has_guests(subject, enters)
        if missing:
            why = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} in no flowtable"
        elif guests:
            why = "its containers or virtual machines are in no flowtable"
        else:
            why = (
                f"although {', '.join(find_hook_devices(subject.state.devices, enters)) or enters} is in the flowtable"
            )
        message = f"packets from {enters} to {leaves} ({families}) traverse the forward chain, {why}"
        evidence = [f"{packets} packets of offloaded flows traversed it, {bypassed} from {enters} bypassed it"]
        devices = ", ".join(missing) or enters
        one = ONE_DIRECTION.found(message, *evidence, measured(sample), devices=devices)
        found.append(replace(one, severity="info") if guests else one)
    return found


def slow_share(subject: Subject) -> list[Finding]:
    """More of what could bypass than the threshold traversed the chain, for another reason than a missing direction."""
    sample = subject.state.sample
    if sample is None or not subject.flowtables or _slow_ways(subject, sample):
        return []
    total = sample.total
    share = _share(subject, sample)
    if share is None or not sample.classed or total.late + total.slow < subject.expectation.least_packets:
        return []
    if _in_hardware(subject) and not _counted(subject):
        return []
    if share - (total.error or 0) <= subject.expectation.slow_share:
        return []
    protocols = " and ".join(sorted(sample.slow_protocols)) or "TCP and UDP"
    unlisted = {name for way in sample.directions if way.slow for name in _unlisted(subject, way.enters)}
    message = (
        f"{share:g} % of the packets that could bypass the forward chain traversed it ({protocols}), more than"
        f" {subject.expectation.slow_share} %"
        + (f"; in no flowtable: {', '.join(sorted(unlisted))}" if unlisted else "")
    )
    found = SLOW_SHARE.found(message, measured(sample), *_described(sample))
    guests = any(way.late + way.slow and _has_guests(subject, way.enters) for way in sample.directions)
    return [replace(found, severity="info") if guests or may_be_meant(subject) else found]


def unmeasured(subject: Subject) -> list[Finding]:
    """Why nothing can be told, where something else than a lack of time is the reason."""
    if not subject.flowtables:
        return []
    sample = subject.state.sample
    if sample is None:
        said = subject.read_errors("sample")
        return [NOT_MEASURED.found("the forward chain could not be measured", *said)] if said else []
    if _bypassed(subject, sample):
        return []
    if _in_hardware(subject) and not _counted(subject) and not _by_nic(subject, sample):
        message = f"{_in_hardware(subject)} sampled flows are in hardware, and nothing counts their packets"
        return [NOT_COUNTED.found(message, measured(sample))]
    if _could(sample) < subject.expectation.least_packets:
        message = (
            f"fewer than {subject.expectation.least_packets} packets that could bypass the forward chain were forwarded"
        )
        return [LITTLE_TRAFFIC.found(message, measured(sample))]
    return []


CHECKS = (uncovered, slow_share, unmeasured)


def judge(subject: Subject) -> RungResult:
    if not subject.flowtables:
        return rung("bypassing", False, [subject.why_nothing_to_judge])
    sample = subject.state.sample
    if sample is None:
        said = subject.read_errors("sample") or ["not measured: no time was given to it (sample), or it is a check run"]
        return rung("bypassing", False, said, [f for check in CHECKS for f in check(subject)])
    findings = [finding for check in CHECKS for finding in check(subject)]
    evidence = [measured(sample), *_described(sample)]
    if carried := _carried(subject):
        evidence.append(f"beside these NICs forwarded about {carried} packets, as connection tracking counted")
    if by_nic := sum(_by_nic(subject, sample).values()):
        evidence.append(f"NICs received {by_nic} bytes at least that the kernel never saw")
    if sample.full:
        evidence.append("more flows or devices were seen than could be told apart: this is the least that traversed it")
    if sample.unhooked:
        evidence.append(f"what the fast path takes could not be counted: {sample.unhooked}")
    share = _share(subject, sample)
    holds = _bypassed(subject, sample) and share is not None and share <= subject.expectation.slow_share
    doubtful = sample.full or any(_doubtful(subject, sample, way) for way in sample.directions)
    return rung("bypassing", holds and not doubtful, evidence, findings)


def measured(sample: Sample) -> str:
    """The sample in one line."""
    total = sample.total
    line = f"in {sample.seconds:g} seconds {total.bypassed} packets bypassed the forward chain"
    line += f", {total.traversed} traversed it"
    if not sample.classed:
        return f"{line}; nft_ct is not loaded, so which of these could have bypassed it is not known"
    line += f", of which {total.late} were of offloaded flows and {total.slow} of flows that could be"
    return line if total.share is None else f"{line}: {total.share:g} % slow, give or take {total.error:g}"


def _described(sample: Sample) -> list[str]:
    """The slowest directions, one line each."""
    return [
        f"{way.family} from {way.enters} to {way.leaves}: {way.traversed} traversed the forward chain, {way.late} of"
        f" offloaded flows, {way.slow} of {way.slow_flows} flows that could be; {way.bypassed} from {way.enters}"
        " bypassed it"
        for way in sample.directions[:4]
    ]


def _slow_ways(subject: Subject, sample: Sample) -> dict[tuple[str, str], list[Direction]]:
    """Directions that are not covered: late packets outnumber those that were taken. Both address families together."""
    found: dict[tuple[str, str], list[Direction]] = {}
    for way in sample.directions:
        if way.late > way.bypassed and not _in_nic(subject, sample, way):
            found.setdefault((way.enters, way.leaves), []).append(way)
    total = sample.total
    least = max(
        subject.expectation.least_packets, SMALL * (total.late + total.slow + total.bypassed + _carried(subject))
    )
    return {key: ways for key, ways in found.items() if sum(way.late for way in ways) >= least}


def _doubtful(subject: Subject, sample: Sample, way: Direction) -> bool:
    """A direction from listed devices that traverses the chain, with too few packets to accuse, too many to prove."""
    listed = bool(find_hook_devices(subject.state.devices, way.enters)) and not _unlisted(subject, way.enters)
    return listed and way.late >= 10 and way.late > way.bypassed and not _in_nic(subject, sample, way)


def _has_guests(subject: Subject, name: str) -> bool:
    """A bridge with ports of containers or virtual machines, which no flowtable is meant to list."""
    device = subject.state.devices.get(name)
    ports = device.lowers if device is not None and device.kind == "bridge" else ()
    return any(subject.state.devices[port].kind in GUEST_KINDS for port in ports if port in subject.state.devices)


def _in_nic(subject: Subject, sample: Sample, way: Direction) -> bool:
    """May it be that NICs forward most of this direction? Also where nothing tells what they forward."""
    if not _in_hardware(subject) or _unlisted(subject, way.enters):
        return False
    by_nic = _by_nic(subject, sample)
    if not by_nic:
        return not (_counted(subject) and any(flowtable.counter for flowtable in subject.flowtables))
    lowers = find_hook_devices(subject.state.devices, way.enters) or [way.enters]
    return sum(by_nic.get(name, 0) for name in lowers) > way.late_bytes


def _unlisted(subject: Subject, enters: str) -> list[str]:
    """What a flowtable must list for packets that come in here, and none of the judged ones does."""
    flowtables = subject.flowtables
    listed = {device.name for flowtable in flowtables for device in subject.existing_devices(flowtable)}
    return (
        []
        if enters in listed
        else [name for name in find_hook_devices(subject.state.devices, enters) if name not in listed]
    )


def _in_hardware(subject: Subject) -> int:
    """Sampled flows in hardware."""
    return subject.state.flows.of("hardware") if subject.state.flows is not None else 0


def _counted(subject: Subject) -> bool:
    """Does connection tracking count packets of flows in hardware?"""
    carried = subject.state.flows.carried.get("hardware") if subject.state.flows is not None else None
    return carried is not None and carried.original + carried.reply > 0


def _carried(subject: Subject) -> int:
    """Packets that NICs forwarded, as connection tracking counts them: of all flows as of those sampled, over the
    seconds of the sample, without those that traversed the forward chain and those that software took, which it counts
    too (nf_flow_offload_ip_hook: nf_ct_acct_update)."""
    flows, sample = subject.state.flows, subject.state.sample
    if flows is None or sample is None or not _counted(subject):
        return 0
    both = [flows.carried[name] for name in ("hardware", "software") if name in flows.carried]
    all_flows = max((flows.total or 0) / max(flows.sampled, 1), 1)
    same_time = min(sample.seconds / flows.carried_seconds, 1) if flows.carried_seconds else 1
    counted = sum(carried.original + carried.reply for carried in both) * all_flows * same_time
    return max(round(counted) - sample.total.late - sample.total.bypassed, 0)


def _by_nic(subject: Subject, sample: Sample) -> dict[str, int]:
    """Device -> bytes that it received and no flowtable's hook saw, and that its NIC may thus have forwarded.

    Not those of a switch's port, which also counts what the switch passes on among its ports, nor those of a device
    whose packets are redirected before the hook (tc's ingress comes first, net/core/dev.c).
    """
    return {
        name: received
        for name, received in sample.nic_devices.items()
        if name not in subject.state.other_handlers.redirected
        and not (name in subject.state.devices and subject.state.devices[name].kind == "dsa")
    }


def _could(sample: Sample) -> int:
    """Packets that traversed the chain and could have bypassed it; where they cannot be told apart, all of them."""
    return sample.total.late + sample.total.slow if sample.classed else sample.total.traversed


def _bypassed(subject: Subject, sample: Sample) -> bool:
    """Were enough packets seen to take the fast path? Of a NIC's bytes, as many as that many small packets have."""
    least = subject.expectation.least_packets
    if sample.total.bypassed + _carried(subject) >= least:
        return True
    return _in_hardware(subject) > 0 and sum(_by_nic(subject, sample).values()) >= 64 * least


def _share(subject: Subject, sample: Sample) -> float | None:
    """Percent of the packets that could bypass the chain that traversed it; None where the rest is not known.

    Where a NIC forwards, its packets count, or else its bytes, of which the least is known, so that the share is
    at most as large.
    """
    if _in_hardware(subject) and not _counted(subject):
        if not sample.classed:
            return _percent(_could(sample), sample.total.bypassed) if sample.total.bypassed else None
        return _percent(sample.slow_bytes, sample.bypassed_bytes + sum(_by_nic(subject, sample).values()))
    if sample.unhooked and not _counted(subject):
        return None
    return _percent(_could(sample), sample.total.bypassed + _carried(subject))


def _percent(part: int, rest: int) -> float | None:
    return round(100 * part / (part + rest), 2) if part + rest else None
