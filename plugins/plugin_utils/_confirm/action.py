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
from .change import LONGEST_TIMEOUT, Change, ConfirmedPlan
from .checks import SPEC as CHECKS
from .checks import read_checks
from .proof import parse_login, refuse_login, warn_of_outer_flow
from .witness import read_witness

CONFIRM_OPTIONS: Mapping[str, Any] = {
    "confirm_timeout": {"type": "int", "default": 30},
    "checks": CHECKS,
    "traffic_witness": {"type": "raw", "default": "auto"},
}
"""what such an action takes beside its own options; documented once, in doc_fragments/_confirmed.py"""

NO_TIMER = "confirm_timeout is 0: nothing would have undone this change, had it locked you out"
TRAFFIC_REMEDY = (
    "leave what stopped out of the change, such as a device of the flowtable or an address family, or correct the "
    "rules; if it was meant to stop, set traffic_witness (in the role flow_offload_traffic_witness) to off for this run"
)
REMEDY = (
    "correct what keeps a new SSH connection, or one of your checks, from getting through, or raise confirm_timeout"
)


class ConfirmedAction(ChangeAction[ConfirmedPlan]):
    """read -> plan -> load under a guard -> new connection -> checks -> confirm -> read again -> prove.

    At most three execs: one that reads, one that loads, one that confirms and reads again. Subclasses only plan
    (``plan``: what to load, and how to take it back) and describe what the router runs (``describe_undone``).
    """

    FRAGMENTS: ClassVar[Sequence[str]] = ("read/platform", "read/files", "read/change", "read/login")
    VERBS: ClassVar[Sequence[str]] = ("apply/change", "apply/commit", "apply/checks", "apply/witness")

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        """Refuses confirm_timeout and checks that make no sense before anything is read."""
        timeout = options["confirm_timeout"]
        if not 0 <= timeout <= LONGEST_TIMEOUT:
            raise OffloadError(
                f"option confirm_timeout: must be from 0 to {LONGEST_TIMEOUT} seconds, got {timeout}",
                "give the seconds in which a new connection has to confirm the change, or 0 to go without a timer",
            )
        self.checks = read_checks(options["checks"], timeout, silent=bool(self._task.no_log))
        self.witness = read_witness(options["traffic_witness"], timeout, sum(check.timeout for check in self.checks))
        self.connection = router.connection
        self.token = secrets.token_hex(4)
        return super().work(router, options)

    def reading_calls(self, options: Options) -> Sequence[Call]:
        """The calls that every such action needs; subclasses add theirs."""
        return [("read_platform",), ("read_change", paths.RUN), ("read_login",)]

    def refuse(self, plan: ConfirmedPlan, before: Answer, options: Options) -> None:
        """Refuses a login over which no new connection can prove a change."""
        if plan.texts:
            login = parse_login(before.require("login").text)
            refuse_login(self.connection, login, options["confirm_timeout"], self.checks)

    @abstractmethod
    def describe_undone(self, plan: ConfirmedPlan, before: Answer, after: Answer) -> tuple[str, Mapping[str, Any]]:
        """What the router runs after a change that was not confirmed: one or two sentences, and details for the result.

        ``before`` is the reading that the plan was made from, ``after`` the one that was made when it was over.
        """

    def apply(self, router: Router, plan: ConfirmedPlan, before: Answer, options: Options) -> Mapping[str, Any]:
        """Carry the plan out, have it confirmed, and prove it; raises OffloadError where the router undid it."""
        reading_calls = self.reading_calls(options)
        change = Change(plan, options["confirm_timeout"], self.checks, self.witness)
        settled = carry_out(router, lambda calls: self.run_verbs(router, plan, [*calls, *reading_calls]), change)
        if not settled.confirmed:
            raise self._undone(plan, before, settled)
        if not settled.whole:
            self._require_nothing_left(settled, options)
        outcome = self.prove(plan, settled.answer, options)
        if change.live:
            outcome["change"] = settled.change
            outcome["warnings"] = [*outcome.get("warnings", ()), *self._warn(change, settled, before)]
        return outcome

    def _warn(self, change: Change, settled: Settled, before: Answer) -> list[str]:
        """What the confirmation of a live change does not prove."""
        if not change.waits:
            return [NO_TIMER]
        outer = warn_of_outer_flow(parse_login(before.require("login").text), change.timeout, self.checks)
        return [*([outer] if outer else []), *settled.change.get("traffic", {}).get("warnings", ())]

    def _undone(self, plan: ConfirmedPlan, before: Answer, settled: Settled) -> OffloadError:
        undone = "was rolled back" if settled.change["rolled_back"] else "was not confirmed"
        runs, details = self.describe_undone(plan, before, settled.answer)
        problem = f"the change {undone}: {settled.change['reason']}. {runs}"
        stopped = settled.change.get("traffic", {}).get("verdict") == "stopped"
        return OffloadError(problem, TRAFFIC_REMEDY if stopped else REMEDY, change=settled.change, **details)

    def _require_nothing_left(self, settled: Settled, options: Options) -> None:
        """Raise OffloadError where the steps that follow the confirmation came to no end, as in a restart."""
        left = self.plan(settled.answer, options)
        if left.changed:
            raise OffloadError(
                "the shell that confirmed the change came to no end, or the router was restarted: it is confirmed, and "
                f"this is left to do: {'; '.join(left.actions())}",
                "run the play again",
                changed=True,
                change=settled.change,
            )
