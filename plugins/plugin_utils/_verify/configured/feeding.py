# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: the rules that feed a flowtable, and what keeps flows from getting to it."""

from __future__ import annotations

from itertools import combinations, islice

from ..._observe.state import Exclusion, Flowtable
from ..finding import Finding, Kind
from ..subject import Subject, describe_flowtable

NO_RULE = Kind(
    "configured.no-rule",
    "error",
    "No rule feeds the flowtable",
    "Flows get into a flowtable by a rule 'flow add @name' that their packets reach. There is none.",
    "add a rule such as 'ct state established meta l4proto {{ tcp, udp }} flow add @{flowtable}' to a chain at the"
    " forward hook",
)
RULE_UNREACHABLE = Kind(
    "configured.rule-unreachable",
    "error",
    "The rule that feeds the flowtable is never reached",
    "A 'flow add' rule works only in a chain that forwarded packets traverse: a base chain at the forward hook, or a"
    " chain that one jumps to.",
    "put the rule into a chain at the forward hook, or jump to chain {chain} from one",
)
RULE_SHADOWED = Kind(
    "configured.rule-shadowed",
    "error",
    "A rule before it takes everything that the rule which feeds the flowtable could offload",
    "Rules of a chain are evaluated in order until one decides. After 'ct state established,related accept', or a"
    " verdict without any condition, no packet of an established connection gets to a 'flow add' further down.",
    "move the rule with 'flow add @{flowtable}' before it: {shadow}",
)
RULE_PARTIAL = Kind(
    "configured.rule-partial",
    "info",
    "The rules that feed the flowtable cover a part of the traffic only",
    "Each rule with 'flow add' has conditions of its own, or names only one of TCP and UDP. Other traffic stays on the"
    " slow path.",
    "nothing needs to be done where that is meant; otherwise take the conditions out of a rule that feeds {flowtable}",
)
FLOWTABLES_COMPETE = Kind(
    "configured.flowtables-compete",
    "warning",
    "Two flowtables compete for one device",
    "Flowtables in different tables can have the same device. A flow goes into the one whose rule comes first, so the"
    " other one, and its flags, are of no use for it.",
    "keep one of {flowtables}: remove the other one, or the offload setting of the firewall that it belongs to",
)
NOTRACK_ALL = Kind(
    "configured.notrack-all",
    "error",
    "No connection is tracked, so none can be offloaded",
    "Offload works on tracked connections. A rule 'notrack' without any condition is the first one of a chain at the"
    " prerouting hook.",
    "take 'notrack' out of chain {chain}, or give it conditions that leave the traffic to be offloaded alone",
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
    return [finding for flowtable in subject.flowtables for finding in _judge_rules(subject, flowtable)]


def _judge_rules(subject: Subject, flowtable: Flowtable) -> list[Finding]:
    """What is wrong with the rules that feed one flowtable, the gravest fault only."""
    feeders = subject.feeding_rules(flowtable)
    reached = [rule for rule in feeders if rule.reachable]
    open_to = [rule for rule in reached if not rule.shadowed_by]
    texts = [f"chain {rule.chain}: {rule.text}" for rule in feeders]
    if not feeders:
        message = f"no rule feeds flowtable {flowtable.path}"
        evidence = f"no 'flow add @{flowtable.name}' in table {flowtable.family} {flowtable.table}"
        return [NO_RULE.found(message, evidence, flowtable=flowtable.name)]
    if not reached:
        chains = ", ".join(dict.fromkeys(rule.chain for rule in feeders))
        message = f"no forwarded packet reaches the rule that feeds flowtable {flowtable.path}, in chain {chains}"
        return [RULE_UNREACHABLE.found(message, *texts, chain=chains)]
    if not open_to:
        shadow = reached[0].shadowed_by
        message = f"nothing to offload gets to the rule that feeds flowtable {flowtable.path}: it comes after {shadow}"
        return [RULE_SHADOWED.found(message, f"first {shadow}", *texts, flowtable=flowtable.name, shadow=shadow)]
    protocols = {protocol for rule in open_to if not rule.conditions for protocol in rule.protocols}
    if not protocols >= {"tcp", "udp"}:
        message = f"the rules that feed flowtable {flowtable.path} cover a part of the traffic"
        return [RULE_PARTIAL.found(message, *texts[:3], flowtable=flowtable.path)]
    return []


def find_competing_flowtables(subject: Subject) -> list[Finding]:
    """Pairs of flowtables, one of them judged, that serve the same family at the same device."""
    ours = {flowtable.path for flowtable in subject.flowtables}
    fed = [f for f in subject.state.flowtables or () if any(rule.reachable for rule in subject.feeding_rules(f))]
    found: list[Finding] = []
    devices = {flowtable: {device.name for device in subject.existing_devices(flowtable)} for flowtable in fed}
    for one, other in islice(combinations(fed, 2), MOST_PAIRS):
        shared = devices[one] & devices[other] if {one.path, other.path} & ours else set()
        if shared and _do_families_overlap(one.family, other.family):
            message = f"flowtables {one.path} and {other.path} share {', '.join(sorted(shared))}"
            names = f"{one.path} and {other.path}"
            found.append(
                FLOWTABLES_COMPETE.found(message, describe_flowtable(one), describe_flowtable(other), flowtables=names)
            )
    return found


def _do_families_overlap(one: str, other: str) -> bool:
    """Can tables of these two families see the same packet?"""
    return one == other or "inet" in {one, other}


def find_exclusions(subject: Subject) -> list[Finding]:
    """Rules of any table that keep flows out."""
    families = {flowtable.family for flowtable in subject.flowtables}
    if not families:
        return []
    untracked = [rule for rule in subject.state.exclusions if rule.kind == "notrack"]
    every = [rule for rule in untracked if rule.everything]
    gone = {family for rule in every for family in ({"ip", "ip6", "inet"} if rule.family == "inet" else {rule.family})}
    gone |= {"inet"} if {"ip", "ip6"} <= gone else set()
    if families <= gone:
        chains = " and ".join(_chain_path(rule) for rule in every)
        return [NOTRACK_ALL.found(f"chain {chains} leaves everything untracked", *_describe_rules(every), chain=chains)]
    helped = [rule for rule in subject.state.exclusions if rule.kind == "helper"]
    return [
        kind.found(f"{what} in chain {', '.join(_chain_path(rule) for rule in found)}", *_describe_rules(found))
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
