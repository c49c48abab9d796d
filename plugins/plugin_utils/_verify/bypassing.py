# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 6, bypassing: measured over a sample, forwarded packets stay out of the forward chain, and are delivered.

The first packets of each flow, ICMP and the ends of connections traverse it on every router. What counts is therefore
only what the fast path should have taken: packets of flows that are offloaded (late) and of flows that are established,
had 10 packets and more, and still are not (slow).
"""

from __future__ import annotations

from dataclasses import replace

from .._observe.share import estimate_share
from .._observe.state import Direction, Sample
from .delivery import Delivery, see_delivery
from .finding import Finding, Kind, RungResult, conclude_rung
from .fw4_remedies import list_network, offload_in
from .offloading import may_be_intended
from .subject import Subject, run_checks
from .takers import describe_takers, describe_trackers, list_takers, list_trackers, name_takers
from .traffic import find_exemption, has_guests, select_flows

ONE_DIRECTION = Kind(
    "bypassing.one-direction",
    "error",
    "One direction of offloaded flows traverses the forward chain",
    "A flow is offloaded in both directions, but the fast path only takes what comes in by a device of the flowtable."
    " The other direction is as slow as without offload, while connection tracking, nft and ethtool all show the"
    " flow as offloaded. Up to Linux 6.12 at least a flowtable that lacks one of the two devices does this.",
    "have the flowtable list {devices} (flow_offload_devices, or devices of kmod.nft_offload.ruleset); where it does,"
    " see the findings at bound, and whether replies come back on the device that the requests left by",
    under_fw4=f"{list_network('{devices}')}; where it lists them, see the findings at bound, and whether"
    " replies come back on the device that the requests left by",
)
SLOW_SHARE = Kind(
    "bypassing.slow-share",
    "error",
    "Much of what could take the fast path traverses the forward chain",
    "Of the packets of established TCP and UDP flows, a larger share than slow_share allows traversed the forward"
    " chain. Flows of fewer than 10 packets do not count, so that name look-ups and short connections are no ground"
    " for this.",
    "see the findings of the rungs below; without any, see whether the 'flow add' rule is meant for these protocols and"
    " devices, and whether a verdict, notrack or a ct helper keeps the flows from it; where they are to stay slow,"
    " raise slow_share",
    under_fw4="see the findings of the rungs below; without any, see whether a rule with target NOTRACK or a helper of"
    " a zone keeps the flows slow; where they are to stay so, raise slow_share",
)
NOT_DELIVERED = Kind(
    "bypassing.not-delivered",
    "error",
    "The fast path took packets and did not deliver them",
    "Packets came in, a flowtable took them, and they never left again, or nothing ever came back: connections through"
    " the router are cut, while all that nft, ethtool and connection tracking show looks like offload at its best."
    " Known to do it: IPv4 routes with an IPv6 gateway, for which a flowtable takes the destination itself for the next"
    " hop, and from Linux 7.0 on IPv4 in IPv6 (DS-Lite) with the device below the tunnel in the flowtable. Where"
    " packets left for 00:00:00:00:00:00, the kernel did not know the MAC address of the next hop, and newer ones do"
    " not ask for it (known.neighbour-forgotten).",
    "take offload out now (flow_offload_mode: disabled) and run the role again, which leaves out what is known to be"
    " lost; where it finds nothing, leave the family and device out yourself (flow_offload_exclude), and report it",
    under_fw4=f"{offload_in('disabled')} now, and run the role again, which uses the overlay where it knows"
    " what is lost; where it finds nothing, use flow_offload_ruleset: overlay and leave the family and device"
    " out (flow_offload_exclude), and report it",
)
DELIVERY_UNSEEN = Kind(
    "bypassing.delivery-unseen",
    "info",
    "Whether the fast path delivers what it takes could not be seen",
    "Packets stayed out of the forward chain. That they left the router and were answered could not be counted: they"
    " leave inside of others (PPPoE, a tunnel, IPsec), this kernel has no hook where packets leave, a NIC does not"
    " count what it sends, or an XDP program may have taken the answers.",
    "set net.netfilter.nf_conntrack_acct=1 and have the flowtable count (counter); both hold for new connections. Or"
    " see for yourself that connections through the router go on",
    under_fw4="set net.netfilter.nf_conntrack_acct=1 (and the same line in /etc/sysctl.conf), for new connections;"
    " fw4's flowtable counts from March 2023 on. Or see for yourself that connections through the router go on",
)
LITTLE_TRAFFIC = Kind(
    "bypassing.little-traffic",
    "info",
    "Too few packets were forwarded to judge by",
    "Fewer packets than least_packets were forwarded during the sample, by the fast path and the slow path together.",
    "send traffic through the router while it is verified, or raise sample",
)
TAKEN_BEFORE = Kind(
    "bypassing.taken-before",
    "info",
    "Too few packets were seen to judge by, and something may take them before they are",
    "An XDP program, a program or redirection of tc, or a filter of tc in the NIC gets packets before every hook of"
    " netfilter, those where the sample counts them too. What it forwards by itself, as xdp-forward does with the flows"
    " of the same flowtables, may be nearly all. So whether there was traffic, and how much of it was slow, is not"
    " known.",
    "see what it does (bpftool net show, tc filter show), or verify while {takers} is off",
)
NOT_COUNTED = Kind(
    "bypassing.not-counted",
    "info",
    "The NIC forwards flows, and nothing counts their packets",
    "Packets that a NIC forwards by itself never get to the kernel. They show in the device's counters where the driver"
    " includes them, and in connection tracking where the flowtable has a counter and nf_conntrack_acct is on. With"
    " neither, how many packets bypass the forward chain cannot be seen.",
    "set net.netfilter.nf_conntrack_acct=1 and have the flowtable count (counter); both hold for new connections",
    under_fw4="set net.netfilter.nf_conntrack_acct=1 (and the same line in /etc/sysctl.conf), for new connections;"
    " fw4's flowtable counts from March 2023 on",
)
NOT_MEASURED = Kind(
    "bypassing.not-measured",
    "info",
    "The forward chain could not be measured",
    "The tables that count packets during the sample could not be loaded, or were gone when it ended, as after another"
    " firewall's 'flush ruleset'.",
    "see the evidence; when a firewall was reloaded meanwhile, run the task again",
)
KINDS = (
    ONE_DIRECTION,
    SLOW_SHARE,
    NOT_DELIVERED,
    DELIVERY_UNSEEN,
    LITTLE_TRAFFIC,
    TAKEN_BEFORE,
    NOT_COUNTED,
    NOT_MEASURED,
)

SMALL = 0.1
"""A direction with less than this part of what could bypass is left out: a tunnel, say, that is in no flowtable by
choice."""


def find_uncovered_directions(subject: Subject) -> list[Finding]:
    """Directions most of whose packets belong to offloaded flows and still traverse the forward chain."""
    sample = subject.state.sample
    if sample is None or not subject.flowtables:
        return []
    found = []
    for (enters, leaves), directions in _group_slow_directions(subject, sample).items():
        packets = sum(direction.late for direction in directions)
        bypassed = sum(direction.bypassed for direction in directions)
        missing = subject.unlisted_devices(enters)
        families = " and ".join(direction.family for direction in directions)
        exemptions = [find_exemption(subject, enters, leaves, direction.family) for direction in directions]
        exempt = exemptions[0] if all(exemptions) else ""
        guests = not missing and has_guests(subject, enters)
        if exempt:
            why = f"which is no fault: {exempt}"
        elif missing:
            why = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} in no flowtable"
        elif guests:
            why = "its containers or virtual machines are in no flowtable"
        else:
            why = f"although {', '.join(subject.hook_devices(enters)) or enters} is in the flowtable"
        message = f"packets from {enters} to {leaves} ({families}) traverse the forward chain, {why}"
        evidence = [f"{packets} packets of offloaded flows traversed it, {bypassed} from {enters} bypassed it"]
        devices = ", ".join(missing) or enters
        one = ONE_DIRECTION.found(message, *evidence, describe_sample(sample), devices=devices)
        found.append(replace(one, severity="info") if guests or exempt else one)
    return found


def find_slow_share(subject: Subject) -> list[Finding]:
    """More of what could bypass than the threshold traversed the chain, for another reason than a missing direction."""
    sample = subject.state.sample
    if sample is None or not subject.flowtables:
        return []
    groups = _group_slow_directions(subject, sample)
    if any(not find_exemption(subject, *key, one.family) for key, directions in groups.items() for one in directions):
        return []
    slow_class = _find_slow_class(subject, sample)
    message = _describe_slow_share(subject, sample) or slow_class
    if not message:
        return []
    unlisted = {
        name for direction in sample.directions if direction.slow for name in subject.unlisted_devices(direction.enters)
    }
    message += f"; in no flowtable: {', '.join(sorted(unlisted))}" if unlisted else ""
    takers = list_takers(subject)
    found = SLOW_SHARE.found(message, describe_sample(sample), *describe_takers(takers), *_describe_directions(sample))
    guests = any(
        direction.late + direction.slow and has_guests(subject, direction.enters) for direction in sample.directions
    )
    if guests or may_be_intended(subject):
        return [replace(found, severity="info")]
    # of a share whose larger part may not have been counted, nobody knows how large it is
    return [replace(found, severity="warning") if takers else found]


def _describe_slow_share(subject: Subject, sample: Sample) -> str:
    """How much of all was slow, where it is more than the threshold; empty where it is not, or not known."""
    share = _slow_percentage(subject, sample)
    if share is None or not sample.classed or _count_eligible(subject, sample) < subject.expectation.least_packets:
        return ""
    if subject.flows_in_hardware and not _has_packet_counts(subject):
        return ""
    if share - (sample.total.error or 0) <= subject.expectation.slow_share:
        return ""
    protocols = " and ".join(sorted({key.partition(" ")[2] for key in sample.slow_protocols})) or "TCP and UDP"
    return (
        f"{share:g} % of the packets that could bypass the forward chain traversed it ({protocols}), more than"
        f" {subject.expectation.slow_share} %"
    )


def _find_slow_class(subject: Subject, sample: Sample) -> str:
    """The same of one family and protocol, which in the sum of all others can hide; empty where none is that slow.

    Not where a rule may want it so, nor where a flow of it is in hardware: its packets are not known by protocol.
    Taken packets whose protocol was not seen, for they came in inside of PPPoE, may all be of it.
    """
    uncounted = sample.unhooked or (subject.flows_in_hardware and not _has_packet_counts(subject))
    if uncounted or not sample.classed or may_be_intended(subject):
        return ""
    taken = {f"{one.family} {one.protocol}": one.packets for one in sample.deliveries}
    unseen = max(sample.total.bypassed - sum(taken.values()), 0)
    flows = subject.state.flows
    for key, packets in sorted(sample.slow_protocols.items(), key=lambda item: -item[1]):
        family, _blank, protocol = key.partition(" ")
        slow = packets - sum(
            one.slow_protocols.get(protocol, 0)
            for one in sample.directions
            if one.family == family and find_exemption(subject, one.enters, one.leaves, family)
        )
        if slow < subject.expectation.least_packets or (flows is not None and flows.counts.get(f"{key} hardware")):
            continue
        share, error = estimate_share(slow, taken.get(key, 0) + unseen)
        if (share or 0) - (error or 0) > subject.expectation.slow_share:
            return (
                f"{share:g} % of the packets of {key} that could bypass the forward chain traversed it, more than"
                f" {subject.expectation.slow_share} %; of all together it is less"
            )
    return ""


def find_missing_measurement(subject: Subject) -> list[Finding]:
    """Why nothing was shown, where the reason is another one than that no time was given to it."""
    if not subject.flowtables:
        return []
    sample = subject.state.sample
    if sample is None:
        errors = subject.read_errors("sample")
        return [NOT_MEASURED.found("the forward chain could not be measured", *errors)] if errors else []
    if _is_bypassing(subject, sample):
        return []
    uncounted = not (_has_packet_counts(subject) or _list_nic_bytes(subject, sample) or list_trackers(subject))
    if subject.flows_in_hardware and uncounted:
        message = f"{subject.flows_in_hardware} sampled flows are in hardware, and nothing counts their packets"
        return [NOT_COUNTED.found(message, describe_sample(sample))]
    if _count_eligible(subject, sample) < subject.expectation.least_packets:
        message = (
            f"fewer than {subject.expectation.least_packets} packets that could bypass the forward chain were forwarded"
        )
        if takers := list_takers(subject):
            message += f", but {name_takers(takers)} may take packets before they are counted"
            lines = describe_takers(takers)
            return [TAKEN_BEFORE.found(message, describe_sample(sample), *lines, takers=name_takers(takers))]
        return [LITTLE_TRAFFIC.found(message, describe_sample(sample))]
    return []


def find_lost_packets(subject: Subject) -> list[Finding]:
    """What the fast path took and did not deliver; or that it cannot be seen, where all else of the rung holds."""
    sample = subject.state.sample
    if sample is None or not subject.flowtables:
        return []
    delivery = _see_delivery(subject, sample)
    if delivery.lost:
        message = f"the fast path took packets and did not deliver them: {delivery.lost[0]}"
        return [NOT_DELIVERED.found(message, *delivery.lost, *delivery.causes, describe_sample(sample))]
    if delivery.unseen and _is_bypassing(subject, sample):
        message = f"whether all that the fast path took was delivered could not be seen: {delivery.unseen[0]}"
        return [DELIVERY_UNSEEN.found(message, *delivery.unseen, *delivery.shown)]
    return []


CHECKS = (find_uncovered_directions, find_slow_share, find_lost_packets, find_missing_measurement)


def judge(subject: Subject) -> RungResult:
    """The rung: enough packets were measured, few of them traversed the forward chain, the others were delivered."""
    if not subject.flowtables:
        return conclude_rung("bypassing", False, [subject.why_nothing_to_judge])
    sample = subject.state.sample
    if sample is None:
        reason = subject.read_errors("sample") or ["not measured: the option sample is 0, or it is a check run"]
        return conclude_rung("bypassing", False, reason, run_checks(CHECKS, subject))
    findings = run_checks(CHECKS, subject)
    evidence = [describe_sample(sample), *_describe_directions(sample)]
    if carried := _estimate_nic_packets(subject):
        evidence.append(f"beside these NICs forwarded about {carried} packets, as connection tracking counted")
    if by_nic := sum(_list_nic_bytes(subject, sample).values()):
        evidence.append(f"NICs received {by_nic} bytes at least that the kernel never saw")
    if sample.full:
        evidence.append(
            "there were more flows or devices than the counters have room for: at least this many packets traversed it"
        )
    if sample.unhooked:
        evidence.append(f"what the fast path takes could not be counted: {sample.unhooked}")
    if mixed := sum(sample.taken.get(name, 0) for name in subject.bridged_devices):
        paths = ", ".join(flowtable.path for flowtable in subject.bridge_flowtables[:4]) or "of a bridge"
        evidence.append(f"{mixed} packets do not count: flowtable {paths} takes bridged ones where they came in")
    evidence += describe_takers(list_takers(subject)) + describe_trackers(list_trackers(subject))
    delivery = _see_delivery(subject, sample)
    evidence += delivery.shown
    share = _slow_percentage(subject, sample)
    holds = _is_bypassing(subject, sample) and share is not None and share <= subject.expectation.slow_share
    holds = holds and bool(delivery.shown) and not delivery.unseen
    doubtful = sample.full or any(_is_doubtful(subject, sample, direction) for direction in sample.directions)
    return conclude_rung("bypassing", holds and not doubtful, evidence, findings)


def _see_delivery(subject: Subject, sample: Sample) -> Delivery:
    """What became of what the kernel's fast path and the NICs took."""
    by_nic = sum(_list_nic_bytes(subject, sample).values())
    return see_delivery(subject, sample, by_nic, _estimate_nic_packets(subject))


def describe_sample(sample: Sample) -> str:
    """The sample in one line."""
    total = sample.total
    line = f"in {sample.seconds:g} seconds {total.bypassed} packets bypassed the forward chain"
    line += f", {total.traversed} traversed it"
    if not sample.classed:
        return f"{line}; nft_ct is not loaded, so which of these could have bypassed it is not known"
    line += f", of which {total.late} were of offloaded flows and {total.slow} of flows that could be"
    return line if total.share is None else f"{line}: {total.share:g} % slow, give or take {total.error:g}"


def _describe_directions(sample: Sample) -> list[str]:
    """The slowest directions, one line each."""
    return [
        f"{direction.family} from {direction.enters} to {direction.leaves}: {direction.traversed} traversed the"
        f" forward chain, {direction.late} of offloaded flows, {direction.slow} of {direction.slow_flows} flows that"
        f" could be; {direction.bypassed} from {direction.enters} bypassed it"
        for direction in sample.directions[:4]
    ]


def _group_slow_directions(subject: Subject, sample: Sample) -> dict[tuple[str, str], list[Direction]]:
    """Directions that are not covered: late packets outnumber those that were taken. Both address families together."""
    found: dict[tuple[str, str], list[Direction]] = {}
    for direction in sample.directions:
        if direction.late > direction.bypassed and not _may_be_in_nic(subject, sample, direction):
            found.setdefault((direction.enters, direction.leaves), []).append(direction)
    total = sample.total
    least = max(
        subject.expectation.least_packets,
        SMALL * (total.late + total.slow + total.bypassed + _estimate_nic_packets(subject)),
    )
    return {
        key: directions for key, directions in found.items() if sum(direction.late for direction in directions) >= least
    }


def _is_doubtful(subject: Subject, sample: Sample, direction: Direction) -> bool:
    """Does a direction from listed devices traverse the chain, with too few packets to report and too many to pass?"""
    if not subject.hook_devices(direction.enters) or subject.unlisted_devices(direction.enters):
        return False
    slow = direction.late >= 10 and direction.late > direction.bypassed
    return slow and (bool(list_trackers(subject)) or not _may_be_in_nic(subject, sample, direction))


def _may_be_in_nic(subject: Subject, sample: Sample, direction: Direction) -> bool:
    """May it be that NICs forward most of this direction? Also where nothing counts what they forward."""
    if not subject.flows_in_hardware or subject.unlisted_devices(direction.enters):
        return False
    by_nic = _list_nic_bytes(subject, sample)
    if not by_nic:
        return not (_has_packet_counts(subject) and any(flowtable.counter for flowtable in subject.flowtables))
    lowers = subject.hook_devices(direction.enters) or [direction.enters]
    return sum(by_nic.get(name, 0) for name in lowers) > direction.late_bytes


def _has_packet_counts(subject: Subject) -> bool:
    """Does connection tracking count packets of flows in hardware? Not if these may be tc's own."""
    if list_trackers(subject):
        return False
    carried = subject.state.flows.carried.get("hardware") if subject.state.flows is not None else None
    return carried is not None and carried.original + carried.reply > 0


def _estimate_nic_packets(subject: Subject) -> int:
    """Packets that NICs forwarded in the seconds of the sample, from what connection tracking counted of sampled flows.

    Less those that traversed the forward chain and those that software took, which connection tracking counts too
    (nf_flow_offload_ip_hook: nf_ct_acct_update).
    """
    flows, sample = subject.state.flows, subject.state.sample
    own = select_flows(subject) if subject.bridge_flowtables else flows
    if flows is None or own is None or sample is None or not _has_packet_counts(subject):
        return 0
    if not own.of("hardware"):
        return 0  # all of them are of a bridge's flowtable
    both = [flows.carried[name] for name in ("hardware", "software") if name in flows.carried]
    all_flows = max((flows.total or 0) / max(flows.sampled, 1), 1)
    same_time = min(sample.seconds / flows.carried_seconds, 1) if flows.carried_seconds else 1
    counted = sum(carried.original + carried.reply for carried in both) * all_flows * same_time
    return max(round(counted) - sample.total.late - sample.total.bypassed, 0)


def _list_nic_bytes(subject: Subject, sample: Sample) -> dict[str, int]:
    """Device -> bytes that it received and no flowtable's hook saw, and that its NIC may thus have forwarded.

    Not those of a switch's port, which also counts what the switch passes on among its ports, nor those of a device
    of whose packets some are redirected before the hook (tc's ingress comes first, net/core/dev.c), or bridged by its
    NIC. None where tc may have offloaded what the NIC forwarded.
    """
    if list_trackers(subject):
        return {}
    handlers = subject.state.other_handlers
    redirecting = {one.device for one in handlers.filters if (one.direction, one.effect) == ("ingress", "redirect")}
    return {
        name: received
        for name, received in sample.nic_devices.items()
        if name not in handlers.redirected
        and name not in redirecting
        and name not in subject.bridged_devices
        and not (name in subject.devices and subject.devices[name].kind == "dsa")
    }


def _count_eligible(subject: Subject, sample: Sample) -> int:
    """Packets that traversed the chain and could have bypassed it; where they cannot be distinguished, all of them.

    Without those of traffic that is not for this router's flowtable, of the directions that are known.
    """
    exempt = [one for one in sample.directions if find_exemption(subject, one.enters, one.leaves, one.family)]
    if sample.classed:
        return sample.total.late + sample.total.slow - sum(one.late + one.slow for one in exempt)
    return sample.total.traversed - sum(one.traversed for one in exempt)


def _count_bypassed(subject: Subject, sample: Sample) -> int:
    """Packets that a flowtable took, less those where a bridge's flowtable may have taken what is not routed."""
    mixed = sum(sample.taken.get(name, 0) for name in subject.bridged_devices)
    return max(sample.total.bypassed - mixed, 0)


def _is_bypassing(subject: Subject, sample: Sample) -> bool:
    """Were enough packets seen to take the fast path? Of a NIC's bytes, as many as that many small packets have."""
    least = subject.expectation.least_packets
    if _count_bypassed(subject, sample) + _estimate_nic_packets(subject) >= least:
        return True
    return subject.flows_in_hardware > 0 and sum(_list_nic_bytes(subject, sample).values()) >= 64 * least


def judge_slow_share(subject: Subject) -> float | None:
    """Percent of what could bypass the chain that traversed it; None where too little was seen to tell."""
    sample = subject.state.sample
    if sample is None or not sample.classed or not subject.flowtables:
        return None
    enough = _count_eligible(subject, sample) >= subject.expectation.least_packets or _is_bypassing(subject, sample)
    return _slow_percentage(subject, sample) if enough else None


def _slow_percentage(subject: Subject, sample: Sample) -> float | None:
    """Percent of the packets that could bypass the chain that traversed it; None where the rest is not known.

    Where a NIC forwards, its packets count, or else its bytes, of which the least is known, so that the share is
    at most as large.
    """
    if subject.flows_in_hardware and not _has_packet_counts(subject):
        if not sample.classed:
            bypassed = _count_bypassed(subject, sample)
            return _percentage(_count_eligible(subject, sample), bypassed) if bypassed else None
        return _percentage(sample.slow_bytes, sample.bypassed_bytes + sum(_list_nic_bytes(subject, sample).values()))
    if sample.unhooked and not _has_packet_counts(subject):
        return None
    bypassed = _count_bypassed(subject, sample) + _estimate_nic_packets(subject)
    return _percentage(_count_eligible(subject, sample), bypassed)


def _percentage(part: int, rest: int) -> float | None:
    """Percent that ``part`` is of both, with two decimals; None of nothing."""
    return round(100 * part / (part + rest), 2) if part + rest else None
