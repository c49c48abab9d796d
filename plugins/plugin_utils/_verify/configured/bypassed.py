# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: rules that do something to every packet, and that the packets of offloaded flows pass by.

The packet walk finds them (Subject.classes): only rules that traffic which is offloaded, or may be, would meet. Rules
that hand packets to a program are configured.queue's (conflicts.py).
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..._observe.ruleset import Statement
from ..finding import Finding, Kind
from ..fw4_remedies import OVERLAY_EXCLUDES
from ..subject import Subject
from ..walk.walk import RulePlace

BYPASSED = Kind(
    "configured.per-packet-rules-bypassed",
    "warning",
    "Rules that limit, mark or count packets see only the first ones of each flow",
    "Packets of an offloaded flow pass by the chains at prerouting, forward and postrouting, and by those at ingress"
    " that come after the flowtable. Limits, quotas and meters there no longer hold; DSCP, priority and marks that are"
    " set there are not on these packets; counters and logs miss them. It is a warning where rules limit or mark, and"
    " information where they only count or log.",
    "nothing needs to be done where only a flow's first packets matter; otherwise keep the flows that these rules are"
    " for out of the flowtable, with the same conditions in front of 'flow add' (flow_offload_exclude in the role), or"
    " do it where offloaded packets still pass: a qdisc on the device that they leave by",
    under_fw4="nothing needs to be done where only a flow's first packets matter; otherwise"
    f" {OVERLAY_EXCLUDES}; or do it where offloaded packets still pass: a qdisc on the device that"
    " they leave by",
)
KINDS = (BYPASSED,)
MOST_RULES = 8
"""that are named"""
_MARKS = {"mark", "ct mark", "priority", "dscp"}


def find_bypassed_rules(subject: Subject) -> list[Finding]:
    """Rules that limit, mark, count or log, and that packets of offloaded flows do not meet any more."""
    classes = subject.classes
    if not subject.flowtables or classes.gave_up or subject.read_errors("ruleset", "maps", "rules"):
        return []
    grave: dict[str, None] = {}
    light: dict[str, None] = {}
    for mask, place, statement, decides in classes.record.statements.values():
        if mask & classes.offloaded and statement.text != "queue":
            found = grave if _is_grave(statement, place, decides) else light
            found[_name_rule(place)] = None
    light = {name: None for name in light if name not in grave}
    return [
        *_report("limit or mark packets", grave, True),
        *_report("count or log packets", light, False),
    ]


def _report(what: str, rules: dict[str, None], warns: bool) -> list[Finding]:
    if not rules:
        return []
    chains = dict.fromkeys(name.partition(":")[0] for name in rules)
    named = ", ".join(list(chains)[:MOST_RULES])
    message = f"rules that {what} see only the first ones of an offloaded flow, in {named}"
    finding = BYPASSED.found(message, *list(rules)[:MOST_RULES])
    return [finding if warns else replace(finding, severity="info")]


def _is_grave(statement: Statement, place: RulePlace, decides: bool) -> bool:
    """Does it limit or mark, and not only keep a log short?"""
    if statement.kind in _MARKS:
        return True
    logs = any(isinstance(part, Statement) and part.kind == "log" for part in place.rule.parts)
    return statement.kind == "police" and (decides or not logs)


def _name_rule(place: RulePlace) -> str:
    """'chain FAMILY TABLE NAME: RULE'"""
    left_out = re.fullmatch(r"_ ([0-9]+) \w+ .*", place.rule.text)
    text = f"{left_out[1]} more rules like these" if left_out else place.rule.text
    return f"chain {place.chain.path}: {text}"


CHECKS = (find_bypassed_rules,)
