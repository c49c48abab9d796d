# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The base of every action that changes a firewall: a change is confirmed over a new connection, or undone."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .._core import paths
from .._core.action import ChangeAction, Options
from .._core.errors import OffloadError
from .._core.router import Router
from .._core.sections import Answer, Call
from .carry_out import Settled, carry_out
from .change import Change, ConfirmedPlan
from .checks import SPEC as CHECKS
from .checks import read_checks

CONFIRM_OPTIONS: Mapping[str, Any] = {
    "confirm_timeout": {"type": "int", "default": 30},
    "checks": CHECKS,
}
"""what such an action takes beside its own options; documented once, in doc_fragments/_confirmed.py"""

NO_TIMER = "confirm_timeout is 0: nothing would have undone this change, had it locked you out"
REMEDY = (
    "correct what keeps a new SSH connection, or one of your checks, from getting through, or raise confirm_timeout"
)


class ConfirmedAction(ChangeAction[ConfirmedPlan]):
    """read -> plan -> load under a guard -> new connection -> checks -> confirm -> read again -> prove.

    At most three execs: one that reads, one that loads, one that confirms and reads again. Subclasses only plan
    (``plan``: what to load, and how to take it back) and describe what the router runs (``describe_undone``).
    """

    FRAGMENTS: ClassVar[Sequence[str]] = ("events", "read/platform", "read/files", "read/change")
    VERBS: ClassVar[Sequence[str]] = ("apply/change", "apply/checks")

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        """Refuses confirm_timeout and checks that make no sense before anything is read."""
        timeout = options["confirm_timeout"]
        if timeout < 0:
            raise OffloadError(
                f"option confirm_timeout: must be 0 or more seconds, got {timeout}",
                "give the seconds in which a new connection has to confirm the change, or 0 to go without a timer",
            )
        self.checks = read_checks(options["checks"], timeout, silent=bool(self._task.no_log))
        self.token = secrets.token_hex(4)
        return super().work(router, options)

    def reading_calls(self, options: Options) -> Sequence[Call]:
        """The calls that every such action needs; subclasses add theirs."""
        return [("read_platform",), ("read_change", paths.RUN)]

    @abstractmethod
    def describe_undone(self, plan: ConfirmedPlan, before: Answer, after: Answer) -> tuple[str, Mapping[str, Any]]:
        """What the router runs after a change that was not confirmed: one or two sentences, and details for the result.

        ``before`` is the reading that the plan was made from, ``after`` the one that was made when it was over.
        """

    def apply(self, router: Router, plan: ConfirmedPlan, before: Answer, options: Options) -> Mapping[str, Any]:
        """Carry the plan out, have it confirmed, and prove it; raises OffloadError where the router undid it."""
        reading_calls = self.reading_calls(options)
        change = Change(plan, options["confirm_timeout"], self.checks)
        settled = carry_out(router, lambda calls: self.run_verbs(router, plan, [*calls, *reading_calls]), change)
        if not settled.confirmed:
            raise self._undone(plan, before, settled)
        if change.waits and settled.outcome is None:
            self._require_nothing_left(settled, options)
        outcome = self.prove(plan, settled.answer, options)
        if change.live:
            outcome["change"] = settled.change
        if change.live and not change.waits:
            outcome["warnings"] = [*outcome.get("warnings", ()), NO_TIMER]
        return outcome

    def _undone(self, plan: ConfirmedPlan, before: Answer, settled: Settled) -> OffloadError:
        undone = "was rolled back" if settled.change["rolled_back"] else "was not confirmed"
        runs, details = self.describe_undone(plan, before, settled.answer)
        problem = f"the change {undone}: {settled.change['reason']}. {runs}"
        return OffloadError(problem, REMEDY, change=settled.change, **details)

    def _require_nothing_left(self, settled: Settled, options: Options) -> None:
        """Raise OffloadError where a restart ended the steps that follow the confirmation, which itself is on flash."""
        left = self.plan(settled.answer, options)
        if left.changed:
            raise OffloadError(
                "the router was restarted while the confirmed change was put on flash: it is confirmed, and this is "
                f"left to do: {'; '.join(left.actions())}",
                "run the play again",
                changed=True,
                change=settled.change,
            )
