# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flow offload of OpenWrt's own firewall, through UCI."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from ..plugin_utils._confirm import checks, ids
from ..plugin_utils._confirm.carry_out import Settled, carry_out
from ..plugin_utils._confirm.change import Change, TablePlan
from ..plugin_utils._core import paths
from ..plugin_utils._core.action import ChangeAction, Options
from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._core.plan import Plan
from ..plugin_utils._core.router import Router
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._fw4 import plan as _fw4
from ..plugin_utils._observe.require import require_root

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "offload": {"type": "str", "choices": ["auto", "hardware", "software", "disabled"], "default": "auto"},
    "confirm_timeout": {"type": "int", "default": 30},
    "checks": checks.SPEC,
}


class ActionModule(ChangeAction):
    """The fw4_offload action."""

    SPEC = ARGUMENT_SPEC
    FRAGMENTS = ("read/platform", "read/files", "read/fw4", "read/change")
    VERBS = ("apply/ruleset", "read/ruleset", "apply/change", "apply/fw4")

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        if options["confirm_timeout"] < 0:
            raise OffloadError(f"option confirm_timeout: {options['confirm_timeout']} is no time", "give seconds, or 0")
        self.checks = checks.read_checks(options["checks"], options["confirm_timeout"])
        self.before: _fw4.Fw4State | None = None
        result = super().work(router, options)
        if not result["warnings"]:
            del result["warnings"]
        return result

    def reading(self, options: Options) -> Sequence[Call]:
        return [
            ("read_platform",),
            ("read_change", paths.RUN),
            ("read_files", *_fw4.OWN_FILES, *_fw4.LEFT),
            ("read_fw4",),
        ]

    def plan(self, answer: Answer, options: Options) -> TablePlan:
        if options["state"] == "absent" and not _fw4.has_fw4(answer):
            return TablePlan(
                result={"offload": "disabled", "reason": "no fw4", "devices": [], "options": {}, "warnings": []}
            )
        state = _fw4.read_state(answer)
        require_root(state.platform)
        self.before = self.before or state
        if options["state"] == "absent":
            return _fw4.plan_absent(state, self.checking)
        return _fw4.plan_present(state, options["offload"], self.checking)

    def apply(self, router: Router, plan: Plan, options: Options) -> Mapping[str, Any]:
        if not isinstance(plan, TablePlan) or self.before is None:
            raise TypeError("not the plan of this module")
        reading = self.reading(options)
        name = ids.next_id([self.before.mark.partition(" ")[0]], secrets.token_hex(4))
        change = Change(name, options["confirm_timeout"], self.before.mark, plan, self.checks)
        settled = carry_out(router, lambda calls: self.run_verbs(router, [*calls, *reading]), change)
        if not settled.confirmed:
            raise _undone(self.before, settled)
        if settled.outcome is None and change.waits and (left := self.plan(settled.answer, options)).changed:
            raise OffloadError(
                f"the router was restarted while the change was put on flash: it is confirmed, and this is left to do: "
                f"{'; '.join(left.actions())}",
                "run the play again",
                changed=True,
                change=settled.change,
            )
        outcome = self.prove(plan, settled.answer, options)
        if change.live:
            outcome["change"] = settled.change
        if change.live and not change.waits:
            outcome["warnings"] += [
                "confirm_timeout is 0: nothing would have undone this change, had it locked you out"
            ]
        return outcome


def _undone(before: _fw4.Fw4State, settled: Settled) -> OffloadError:
    after = _fw4.read_state(settled.answer)
    same = (after.live, after.config) == (before.live, before.config)
    undone = "was rolled back" if settled.change["rolled_back"] else "was not confirmed"
    if not same:
        now = "something else: see 'uci changes firewall'"
    elif after.staged != before.staged:
        now = f"as it was before, on flash too; somebody staged meanwhile: {'; '.join(after.staged)}"
    else:
        now = "as it was before, on flash too"
    return OffloadError(
        f"the change {undone}: {settled.change['reason']}. The firewall is now {now}",
        "correct what is in the way of a new SSH connection and of your checks, or raise confirm_timeout",
        change=settled.change,
    )
