# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 5, offloading: conntrack shows flows with the offload bit.

What is left out is judged by flows that could have been offloaded and passed packets while traffic was watched:
forwarded, TCP in state ESTABLISHED or UDP that is ASSURED. Short flows, DNS, ICMP and the router's own never count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from .._observe.state import Flows
from .finding import Finding, Kind, RungResult, conclude_rung
from .fw4_remedies import RESTORE_RULE
from .subject import Subject, run_checks
from .takers import describe_takers, describe_trackers, list_takers, list_trackers, name_takers
from .traffic import describe_exempt_flows, select_flows

CONNTRACK_UNREADABLE = Kind(
    "offloading.conntrack-unreadable",
    "warning",
    "Connection tracking could not be read",
    "Only connection tracking shows which flows are offloaded. Its file /proc/net/nf_conntrack is missing while nothing"
    " tracks connections, and on kernels without NF_CONNTRACK_PROCFS, such as Ubuntu's, where the command conntrack"
    " lists the same.",
    "install conntrack with kmod.nft_offload.kernel_support (packages: [nftables, ethtool, conntrack]); where nothing"
    " tracks connections, have a ruleset that uses ct",
)
NO_TRAFFIC = Kind(
    "offloading.no-traffic",
    "info",
    "No traffic was forwarded, so nothing could be seen",
    "Flows are offloaded while they forward TCP or UDP packets. Connections of the router itself never are, and none is"
    " tracked on a router whose ruleset has no use for it. Without traffic this is no fault of the router.",
    "send TCP or UDP traffic through the router while it is verified, or raise sample",
)
TAKEN_BEFORE = Kind(
    "offloading.taken-before",
    "info",
    "No traffic was seen, and something may take it before it can be",
    "An XDP program, a program or redirection of tc, or a filter of tc in the NIC gets packets before connection"
    " tracking does. Those that it forwards or drops by itself are in no connection, or in one whose packets nothing"
    " counts. So whether there was traffic to offload is not known.",
    "see what it does (bpftool net show, tc filter show), or verify while {takers} is off",
)
OTHER_NAMESPACES = Kind(
    "offloading.other-namespaces",
    "info",
    "No traffic was seen here, and there are other network namespaces",
    "What a device in another network namespace forwards goes by the rules, flowtables and connection tracking of"
    " that one, of which nothing is seen from here. So whether there was traffic to offload is not known.",
    "send traffic through the router while it is verified; where its devices are in {namespaces} (ip -n NAME link),"
    " have the login there, and the flowtable",
)
NONE_OFFLOADED = Kind(
    "offloading.none-offloaded",
    "error",
    "Traffic is forwarded, but no flow is offloaded",
    "Connections that could be offloaded passed packets just now, and connection tracking shows not one with the"
    " offload bit.",
    "see the findings of the rungs below; without any, look for a verdict before the 'flow add' rule, for"
    " notrack and ct helpers over the same traffic, and for a device of either direction that is not in the flowtable",
    under_fw4="see the findings of the rungs below; without any, look for rules with target NOTRACK and helpers over"
    " the same traffic, and for a network of either direction that is in no zone",
)
ONE_FAMILY = Kind(
    "offloading.one-family",
    "warning",
    "Flows of one address family are offloaded, those of the other are not",
    "Connections of both families passed packets just now, and those of one have no offload bit at all, though the rule"
    " that feeds the flowtable makes no difference between them. An info where they are few, or a rule could mean it.",
    "see that the rule that feeds the flowtable stands in a table of family inet, before any verdict over {family}, and"
    " that the devices that {family} takes are in the flowtable",
    under_fw4=f"see that the firewall is meant to forward {{family}} and has the network of its devices in a zone;"
    f" {RESTORE_RULE}",
)
ONE_PROTOCOL = Kind(
    "offloading.one-protocol",
    "warning",
    "Flows of one protocol are offloaded, those of the other are not",
    "TCP and UDP connections passed packets just now, and those of one have no offload bit at all, though the rule that"
    " feeds the flowtable makes no difference between them. An info where they are few, or a rule could mean it.",
    "see that the rule that feeds the flowtable has 'meta l4proto {{ tcp, udp }}', and stands before any verdict over"
    " {protocol}",
    under_fw4=RESTORE_RULE,
)
MOST_LEFT_OUT = Kind(
    "offloading.most-left-out",
    "warning",
    "Most flows that could be offloaded are not",
    "Of the connections that passed packets just now, more are on the slow path than connection tracking has offloaded"
    " flows altogether. An info where they are few, or a rule could mean it.",
    "see the likely reason in the message; else look for a verdict before the 'flow add' rule, for conditions in it,"
    " and for devices that are not in the flowtable",
    under_fw4="see the likely reason in the message; else look for rules with target NOTRACK, and for networks that are"
    " in no zone",
)
CONNTRACK_FULL = Kind(
    "offloading.conntrack-full",
    "warning",
    "Connection tracking is nearly full",
    "A connection that finds no room is dropped, and each flow that is offloaded keeps its entry for as long as it"
    " lives.",
    "raise net.netfilter.nf_conntrack_max and nf_conntrack_buckets",
)
KINDS = (
    CONNTRACK_UNREADABLE,
    NO_TRAFFIC,
    TAKEN_BEFORE,
    OTHER_NAMESPACES,
    NONE_OFFLOADED,
    ONE_FAMILY,
    ONE_PROTOCOL,
    MOST_LEFT_OUT,
    CONNTRACK_FULL,
)

ENOUGH = 2
"""slow flows with packets just now before there is a finding that none is offloaded: one may be at its handshake"""
MANY = 4
"""the same of one family or protocol before it is a warning that none of these is offloaded while others are"""
NEARLY_FULL = 0.9


def find_missing_offload(subject: Subject) -> list[Finding]:
    """No offloaded flow at all: with traffic, without any, or with conntrack unreadable."""
    if not subject.flowtables:
        return []
    seen = select_flows(subject)
    if seen is None:
        return [CONNTRACK_UNREADABLE.found("connection tracking could not be read", *subject.read_errors("conntrack"))]
    if seen.of("hardware", "software"):
        return []
    if seen.recent_slow >= ENOUGH:
        message = f"{seen.recent_slow} flows were forwarded just now, none of them offloaded"
        found = NONE_OFFLOADED.found(message, describe_flows(seen), *seen.examples.get("slow", ())[:2])
        # packets of a tunnel are not for the fast path, and may be all there is
        return [replace(found, severity="info") if any(subject.state.other_handlers.ipsec.values()) else found]
    if subject.state.flows is not None and subject.state.flows.of("hardware", "software"):
        return []
    message = "connection tracking shows no forwarded flow that passed a packet while traffic was watched"
    if seen.recent_slow:
        message = "only one forwarded flow passed packets while traffic was watched, which is too few to judge by"
    exempt = describe_exempt_flows(subject)
    if exempt and not seen.recent_slow:
        message = "no flow that is for this router's flowtable passed a packet while traffic was watched"
    if takers := list_takers(subject):
        seen_little = f"{message}, but {name_takers(takers)} may take packets before they are seen"
        lines = [describe_flows(seen), *describe_takers(takers), *exempt]
        return [TAKEN_BEFORE.found(seen_little, *lines, takers=name_takers(takers))]
    if spaces := ", ".join(subject.state.other_handlers.namespaces[:4]):
        lines = [describe_flows(seen), *exempt, f"ip netns: {spaces}"]
        elsewhere = f"{message}, and there are the network namespaces {spaces}"
        return [OTHER_NAMESPACES.found(elsewhere, *lines, namespaces=spaces)]
    return [NO_TRAFFIC.found(message, describe_flows(seen), *exempt, f"watched for {seen.seconds} seconds")]


def find_left_out_flows(subject: Subject) -> list[Finding]:
    """What is on the slow path while other flows are offloaded."""
    seen = select_flows(subject)
    if seen is None or not subject.flowtables or not seen.of("hardware", "software"):
        return []
    found = list(_find_left_out_kinds(seen))
    offloaded, slow = seen.of("hardware", "software"), seen.recent_slow
    if not found and slow >= 2 * ENOUGH and slow > offloaded:
        message = (
            f"{slow} flows passed packets on the slow path just now, {offloaded} are offloaded{_guess_reason(subject)}"
        )
        found.append((slow // 2, MOST_LEFT_OUT.found(message, describe_flows(seen), *_list_slow_examples(seen, ""))))
    meant = may_be_intended(subject)
    return [replace(one, severity="info") if meant or count < MANY else one for count, one in found]


def _find_left_out_kinds(seen: Flows) -> Iterator[tuple[int, Finding]]:
    """(slow flows, finding) of each family or protocol without an offloaded flow, where the other one has some."""
    explained: set[str] = set()
    for kind, name, one, other in (
        (ONE_FAMILY, "family", "ipv4", "ipv6"),
        (ONE_FAMILY, "family", "ipv6", "ipv4"),
        (ONE_PROTOCOL, "protocol", "tcp", "udp"),
        (ONE_PROTOCOL, "protocol", "udp", "tcp"),
    ):
        slow = _count_recent(seen, one)
        if slow >= ENOUGH and not _count_offloaded(seen, one) and _count_offloaded(seen, other):
            explained.add(one)
            message = f"{slow} flows of {one} passed packets just now and none is offloaded, {other} is"
            yield slow, kind.found(message, describe_flows(seen), *_list_slow_examples(seen, one), **{name: one})
    # neither sum shows a protocol that is slow in one of the families only
    for family, protocol in product(("ipv4", "ipv6"), ("tcp", "udp")):
        key = f"{family} {protocol}"
        slow = seen.recent.get(key, 0)
        offloaded = seen.counts.get(f"{key} hardware", 0) + seen.counts.get(f"{key} software", 0)
        if slow >= ENOUGH and not offloaded and not explained & {family, protocol}:
            message = f"{slow} flows of {key} passed packets just now and none is offloaded, others are"
            examples = [line for line in seen.examples.get("slow", ()) if {family, protocol} <= set(line.split())]
            yield slow, ONE_PROTOCOL.found(message, describe_flows(seen), *examples[:2], protocol=key)


def _count_recent(seen: Flows, word: str) -> int:
    """Slow flows of a family or protocol that passed a packet lately."""
    return sum(count for key, count in seen.recent.items() if word in key.split())


def _count_offloaded(seen: Flows, word: str) -> int:
    """Offloaded flows of a family or protocol."""
    return sum(
        count
        for key, count in seen.counts.items()
        if word in key.split() and key.rsplit(" ", 1)[-1] in {"hardware", "software"}
    )


def _list_slow_examples(seen: Flows, word: str) -> list[str]:
    """Examples of slow flows, of a family or protocol."""
    return [line for line in seen.examples.get("slow", ()) if not word or word in line.split()][:2]


def _guess_reason(subject: Subject) -> str:
    """The likeliest reason that the router's state shows, as the end of a sentence."""
    redirected = sorted(subject.state.other_handlers.redirected)
    if redirected:
        return f", likely because all that comes in through {', '.join(redirected)} is redirected"
    if subject.exclusions:
        return f", likely because of '{subject.exclusions[0].text}' in chain {subject.exclusions[0].chain}"
    if any(subject.state.other_handlers.ipsec.values()):
        return ", likely because of IPsec policies"
    return ""


def may_be_intended(subject: Subject) -> bool:
    """Could a rule want flows to stay on the slow path?

    Not in a table of ours whose every 'flow add' makes no difference between eligible flows and is the first rule of a
    chain at the forward hook. IPsec, notrack and ct helpers keep flows out as well.
    """
    if subject.exclusions or any(subject.state.other_handlers.ipsec.values()) or not subject.is_ours:
        return True
    return not all(
        any(
            rule.first and not rule.conditions and rule.protocols >= {"tcp", "udp"}
            for rule in subject.feeding_rules(flowtable)
        )
        for flowtable in subject.flowtables
        if not subject.is_software_beside(flowtable)
    )


def find_full_conntrack(subject: Subject) -> list[Finding]:
    """How full is connection tracking? A maximum of 0 is none."""
    seen = subject.state.flows
    if seen is None or not seen.total or not seen.maximum or not subject.flowtables:
        return []
    if seen.total < NEARLY_FULL * seen.maximum:
        return []
    message = f"connection tracking has {seen.total} of {seen.maximum} entries"
    return [CONNTRACK_FULL.found(message, f"nf_conntrack_count {seen.total}", f"nf_conntrack_max {seen.maximum}")]


CHECKS = (find_missing_offload, find_left_out_flows, find_full_conntrack)


def judge(subject: Subject) -> RungResult:
    """The rung: conntrack shows flows with the offload bit."""
    seen = subject.state.flows
    evidence = [] if subject.flowtables else [subject.why_nothing_to_judge]
    evidence += [describe_flows(seen)] if seen is not None else []
    # flows in a bridge's flowtable have the same bits, and are not those that a judged one is for
    own = select_flows(subject) if subject.bridge_flowtables else seen
    holds = own is not None and own.of("hardware", "software") > 0
    if seen is not None and holds:
        evidence += (seen.examples.get("software", ()) + seen.examples.get("hardware", ()))[:1]
    evidence += describe_exempt_flows(subject)
    evidence += describe_takers(list_takers(subject))
    trackers = list_trackers(subject)
    evidence += describe_trackers(trackers)
    return conclude_rung("offloading", holds and not trackers, evidence, run_checks(CHECKS, subject))


def describe_flows(flows: Flows) -> str:
    """The sample in one line."""
    by = " (read by netlink)" if flows.source == "netlink" else ""
    return (
        f"of {flows.sampled} sampled conntrack entries{by}: {flows.of('hardware')} in hardware,"
        f" {flows.of('software')} in software, {flows.of('slow')} slow, {flows.of('local')} of the router itself"
    )
