# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: the rules that feed a flowtable, and what keeps flows from getting to it.

Which traffic gets to which rule is the packet walk's to tell (Subject.classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice

from ..._observe.state import Exclusion, Flowtable
from ..finding import Finding, Kind
from ..fw4_remedies import RESTORE_RULE, offload_in
from ..subject import Subject, describe_flowtable
from ..walk.classes import TrafficClass, describe_classes
from ..walk.walk import LAYER_3

NO_RULE = Kind(
    "configured.no-rule",
    "error",
    "No rule feeds the flowtable",
    "Flows get into a flowtable by a rule 'flow add @name' that their packets reach. There is none.",
    "add a rule such as 'ct state established meta l4proto {{ tcp, udp }} flow add @{flowtable}' to a chain at the"
    " forward hook",
    under_fw4=RESTORE_RULE,
)
RULE_UNREACHABLE = Kind(
    "configured.rule-unreachable",
    "error",
    "The rule that feeds the flowtable is never reached",
    "A 'flow add' rule works only in a chain that forwarded packets traverse: a base chain at the forward hook, or a"
    " chain that one jumps to.",
    "put the rule into a chain at the forward hook, or jump to chain {chain} from one",
    under_fw4=RESTORE_RULE,
)
RULE_SHADOWED = Kind(
    "configured.rule-shadowed",
    "error",
    "A rule before it takes everything that the rule which feeds the flowtable could offload",
    "Rules of a chain are evaluated in order until one decides. After 'ct state established,related accept', or a"
    " verdict without any condition, no packet of an established connection gets to a 'flow add' further down.",
    "move the rule with 'flow add @{flowtable}' before it: {shadow}",
    under_fw4=f"take {{shadow}} away; {RESTORE_RULE}",
)
RULE_PARTIAL = Kind(
    "configured.rule-partial",
    "info",
    "The rules that feed the flowtable cover a part of the traffic only",
    "Some classes of traffic (address family, protocol, pair of devices) do not get to a rule with 'flow add', or not"
    " all of their packets do: a rule before it decides, or a condition of its own selects. That traffic stays on the"
    " slow path. 'ip protocol' in a table of family inet is such a condition: it is IPv4 only.",
    "nothing needs to be done where that is meant; otherwise {advice}",
    under_fw4=f"nothing needs to be done where that is meant; otherwise {RESTORE_RULE}",
)
FLOWTABLES_COMPETE = Kind(
    "configured.flowtables-compete",
    "warning",
    "Two flowtables compete for one device",
    "Flowtables in different tables can have the same device. A flow goes into the one whose rule comes first, so the"
    " other one, and its flags, are of no use for it; and what one of them exempts, the other one takes.",
    "keep one of {flowtables}: remove the other one, or the offload setting of the firewall that it belongs to",
    under_fw4=f"keep one of {{flowtables}}: remove the other one, or {offload_in('disabled')}",
)
NOTRACK_ALL = Kind(
    "configured.notrack-all",
    "error",
    "No connection is tracked, so none can be offloaded",
    "Offload works on tracked connections. Every packet that could be offloaded gets to a rule 'notrack' in a chain at"
    " the prerouting hook.",
    "take 'notrack' out of chain {chain}, or give it conditions that leave the traffic to be offloaded alone",
    under_fw4="take the rules with target NOTRACK out of /etc/config/firewall, or what else puts 'notrack' into chain"
    " {chain}, or give them conditions that leave the traffic to be offloaded alone; then run"
    " /etc/init.d/firewall reload",
)
NOTRACK_SOME = Kind(
    "configured.notrack",
    "info",
    "Some traffic is not tracked, and is never offloaded",
    "What a rule with 'notrack' matches stays on the slow path.",
    "nothing needs to be done where that is meant",
)
CT_HELPER = Kind(
    "configured.ct-helper",
    "info",
    "Connections with a conntrack helper are never offloaded",
    "The kernel leaves every connection that a helper (FTP, SIP, H.323, ...) looks into on the slow path.",
    "nothing needs to be done where the helper is needed",
)
KINDS = (
    NO_RULE,
    RULE_UNREACHABLE,
    RULE_SHADOWED,
    RULE_PARTIAL,
    FLOWTABLES_COMPETE,
    NOTRACK_ALL,
    NOTRACK_SOME,
    CT_HELPER,
)


MOST_PAIRS = 2000
"""of flowtables that are looked at: those of some 60"""


def find_rule_faults(subject: Subject) -> list[Finding]:
    """Does a rule feed each flowtable? No finding where the rules could not be read whole."""
    if subject.read_errors("ruleset", "maps", "rules"):
        return []
    found = [finding for flowtable in subject.flowtables for finding in _judge_rules(subject, flowtable)]
    return found or _judge_coverage(subject)


def _judge_rules(subject: Subject, flowtable: Flowtable) -> list[Finding]:
    """Why nothing at all gets to the rules that feed one flowtable."""
    feeders = subject.feeding_rules(flowtable)
    texts = [f"chain {rule.chain}: {rule.text}" for rule in feeders]
    if not feeders:
        message = f"no rule feeds flowtable {flowtable.path}"
        evidence = f"no 'flow add @{flowtable.name}' in table {flowtable.family} {flowtable.table}"
        return [NO_RULE.found(message, evidence, flowtable=flowtable.name)]
    if subject.is_software_beside(flowtable) and not any(
        name in subject.devices for name in subject.offload_devices["software"]
    ):
        return []  # what its rules are for is away, as a tunnel may be
    traffic = subject.classes.of_flowtable(flowtable.path)
    if any(one.outcome in {"surely", "may"} or one.untracked for one in traffic):
        return []
    shadows = [one for one in traffic if one.decided_by and not one.by_condition]
    if shadows:
        shadow = shadows[0].decided_by
        message = f"nothing to offload gets to the rule that feeds flowtable {flowtable.path}: it comes after {shadow}"
        first = [f"first {text}" for text in dict.fromkeys(map(_name_decider, shadows))]
        return [RULE_SHADOWED.found(message, *first[:3], *texts, flowtable=flowtable.name, shadow=shadow)]
    if any(one.by_condition for one in traffic):
        return []  # _judge_coverage names the conditions
    chains = ", ".join(dict.fromkeys(rule.chain for rule in feeders))
    message = f"no forwarded packet reaches the rule that feeds flowtable {flowtable.path}, in chain {chains}"
    return [RULE_UNREACHABLE.found(message, *texts, chain=chains)]


def _judge_coverage(subject: Subject) -> list[Finding]:
    """Classes of traffic that do not get to any flowtable, or a part of which does not."""
    classes = subject.classes
    lacking = [one for one in classes.judged if one.outcome in {"may", "never"} and not one.untracked]
    if not lacking or classes.gave_up or not subject.flowtables:
        return []
    by_reason: dict[str, list[TrafficClass]] = {}
    for one in lacking:
        by_reason.setdefault(f"{one.outcome}|{one.decided_by}|{one.condition}", []).append(one)
    evidence = [_explain(alike) for alike in by_reason.values()]
    flowtables = " and ".join(flowtable.path for flowtable in subject.flowtables)
    what = "; ".join(describe_classes(lacking)[:3])
    message = f"the rules that feed flowtable {flowtables} cover a part of the traffic, and not all of {what}"
    return [RULE_PARTIAL.found(message, *evidence[:6], advice=_advise(lacking, classes.judged, flowtables))]


def _explain(alike: Sequence[TrafficClass]) -> str:
    """Classes that one rule keeps from 'flow add', and that rule, in one line."""
    one = alike[0]
    amount = "never" if one.outcome == "never" else "maybe a part"
    condition = f" ({one.condition})" if one.condition and one.condition not in one.decided_by else ""
    decided_by = _name_decider(one) or "no rule leads there"
    return f"{amount} of {'; '.join(describe_classes(alike))}: {decided_by}{condition}"


def _name_decider(one: TrafficClass) -> str:
    """The rule that keeps a class from 'flow add', and where it leads."""
    return f"{one.decided_by}, which leads to {one.through}" if one.through else one.decided_by


def _advise(lacking: Sequence[TrafficClass], judged: Sequence[TrafficClass], flowtables: str) -> str:
    """What to change, by what is missing."""
    words = {one.condition.split(" ")[0] + " " + one.condition.split(" ")[1] for one in lacking if " " in one.condition}
    never = [one for one in lacking if one.outcome == "never"]
    families = {one.family for one in never}
    if words & {"ip protocol", "ip6 nexthdr"} and len(families) == 1:
        wanted = "IPv6" if families == {"ipv6"} else "IPv4"
        return f"write 'meta l4proto {{ tcp, udp }}', which is for {wanted} too"
    if never and all(not one.by_condition for one in never):
        return f"move the rule with 'flow add' before it: {never[0].decided_by}"
    return f"take the conditions out of a rule that feeds {flowtables}"


def find_competing_flowtables(subject: Subject) -> list[Finding]:
    """Pairs of flowtables, one of them judged, that serve one device, and of which one takes what is the other's."""
    ours = {flowtable.path for flowtable in subject.flowtables}
    fed = [f for f in subject.state.flowtables or () if subject.feeding_rules(f) and subject.is_fed(f)]
    found: list[Finding] = []
    devices = {flowtable: {device.name for device in subject.existing_devices(flowtable)} for flowtable in fed}
    for one, other in islice(combinations(fed, 2), MOST_PAIRS):
        shared = devices[one] & devices[other] if {one.path, other.path} & ours else set()
        # ours are fed by rules that share the flows between them
        beside = subject.is_software_beside(one) != subject.is_software_beside(other) and {one.path, other.path} <= ours
        if beside or not shared or not _do_families_overlap(one.family, other.family):
            continue
        if subject.classes.compete(one.path, other.path):
            message = f"flowtables {one.path} and {other.path} share {', '.join(sorted(shared))}"
            exempted = _find_exempted(subject, one, other) or _find_exempted(subject, other, one)
            evidence = [exempted] if exempted else []
            if exempted:
                message += f": {exempted}"
            evidence += [describe_flowtable(one), describe_flowtable(other)]
            found.append(FLOWTABLES_COMPETE.found(message, *evidence, flowtables=f"{one.path} and {other.path}"))
    return found


def _find_exempted(subject: Subject, careful: Flowtable, greedy: Flowtable) -> str:
    """'GREEDY takes what CAREFUL exempts by RULE', where one has conditions and the other takes all; else empty."""
    taken = {
        (one.family, one.protocol, one.enters, one.leaves)
        for one in subject.classes.of_flowtable(greedy.path)
        if one.outcome == "surely"
    }
    rules = dict.fromkeys(
        one.decided_by
        for one in subject.classes.of_flowtable(careful.path)
        if one.outcome == "may" and one.decided_by and (one.family, one.protocol, one.enters, one.leaves) in taken
    )
    if not rules:
        return ""
    return f"{greedy.path} takes what {careful.path} exempts by {' and '.join(list(rules)[:3])}"


def _do_families_overlap(one: str, other: str) -> bool:
    """Can tables of these two families see the same packet?"""
    return not set(LAYER_3.get(one, ())).isdisjoint(LAYER_3.get(other, ()))


def find_exclusions(subject: Subject) -> list[Finding]:
    """Rules of any table that keep flows out."""
    if not subject.flowtables or subject.classes.gave_up:
        return []
    untracked = [rule for rule in subject.exclusions if rule.kind == "notrack"]
    if untracked and subject.classes.is_all_untracked:
        chains = " and ".join(dict.fromkeys(map(_chain_path, untracked)))
        message = f"chain {chains} leaves everything untracked"
        return [NOTRACK_ALL.found(message, *_describe_rules(untracked), chain=chains)]
    helped = [rule for rule in subject.exclusions if rule.kind == "helper"]
    return [
        kind.found(f"{what} in chain {', '.join(dict.fromkeys(map(_chain_path, found)))}", *_describe_rules(found))
        for kind, what, found in (
            (NOTRACK_SOME, "connections are left untracked", untracked),
            (CT_HELPER, "connections get a helper", helped),
        )
        if found
    ]


def _chain_path(rule: Exclusion) -> str:
    """'family table chain'"""
    return f"{rule.family} {rule.table} {rule.chain}"


def _describe_rules(rules: list[Exclusion]) -> list[str]:
    """Three rules at most, one line of evidence each."""
    return [f"chain {_chain_path(rule)}: {rule.text}" for rule in rules[:3]]


CHECKS = (find_rule_faults, find_competing_flowtables, find_exclusions)
