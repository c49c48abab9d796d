# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Carries a change out over one connection and confirms it over a new one, or reports how the router undid it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from .._core.errors import OffloadError
from .._core.plan import Step, failed_step
from .._core.router import Router
from .._core.sections import Answer, Call
from .change import (
    STEP_FAILED,
    Change,
    Outcome,
    change_result,
    committed_by,
    deadline,
    is_half_committed,
    is_left_to_another,
    judge_traffic,
    outcome_of,
    parse_change,
    raise_failed_change,
)
from .verbs import Hold
from .witness import STOPPED

PATIENCE = 90
"""seconds after the router's deadline in which a lost router may come back and report how it ended"""

LOST = "the connection was lost while it was loaded"
CHECK_FAILED = "a check from the controller failed"
"""reasons that the router logs"""

Run = Callable[[Sequence[Call]], Answer]
"""runs calls of the verbs, and the reading after them, in one exec"""


@dataclass(frozen=True)
class Settled:
    """How a change ended. ``answer`` holds the new reading."""

    answer: Answer
    confirmed: bool
    change: dict[str, Any]
    """the task's ``change``"""
    outcome: Outcome | None = None
    whole: bool = True
    """whether this answer shows that all was done which follows the confirmation"""


def carry_out(router: Router, run: Run, change: Change) -> Settled:
    """Load the change and confirm it, in at most two execs that reach the router.

    A change that was undone is no error here: see ``Settled.confirmed``. Raises OffloadError where a step fails that
    leaves nothing changed, AnsibleConnectionFailure where nobody knows how it ended.
    """
    loading, *more = change.phases()
    if not change.waits:
        answer = run(change.calls(loading))
        raise_failed_change(change, loading, answer)
        return Settled(answer, True, change_result(change, at=None, confirmed=change.live))
    (confirming,) = more
    router.reconnect()
    started = time.monotonic()
    try:
        answer = run(change.calls(loading))
    except (AnsibleConnectionFailure, OffloadError) as error:
        return _undone(router, run, change, started, None, LOST, str(error))
    try:
        raise_failed_change(change, loading, answer)
    except OffloadError as error:
        # with ansible_ssh_retries an exec whose connection was lost is run again, and meets itself
        if error.details.get("pending", {}).get("id") != change.id:
            raise
        return _undone(router, run, change, started, None, LOST, "Ansible ran it again")
    at = deadline(loading, answer)
    started = time.monotonic()
    traffic = judge_traffic(change, loading, answer)
    if traffic is not None and traffic.verdict == "stopped":
        settled = _undone(router, run, change, started, at, STOPPED, "; ".join(traffic.reasons))
    else:
        settled = _check(router, run, change, confirming, started, at)
    if traffic is None:
        return settled
    return replace(settled, change={**settled.change, "traffic": traffic.as_result()})


def _check(
    router: Router, run: Run, change: Change, confirming: Sequence[Step], started: float, at: int | None
) -> Settled:
    """The checks from the controller, then the confirmation."""
    router.reconnect(shared=False)
    for check in change.checks:
        if not check.on_router and (why := check.fails_here()):
            return _undone(router, run, change, started, at, CHECK_FAILED, f"{check}: {why}")
    return _confirm(router, run, change, confirming, started, at)


def _confirm(
    router: Router, run: Run, change: Change, confirming: Sequence[Step], started: float, at: int | None
) -> Settled:
    """A new connection is the proof. One that fails is tried again: sshd may have been restarted in this moment."""
    answer = _run_until(router, run, change.calls(confirming), started + change.timeout + PATIENCE)
    outcome = outcome_of(change, answer)
    failed = failed_step(confirming, answer)
    if failed is not None and is_half_committed(failed[0], answer):
        raise_failed_change(change, confirming, answer)
    if outcome is not None and outcome.word == "confirmed":
        if failed is not None and not isinstance(failed[0].verb, Hold):
            raise_failed_change(change, confirming, answer)
        whole = failed is None and not is_left_to_another(confirming, answer)
        return Settled(answer, True, change_result(change, at=at, confirmed=True), outcome, whole)
    if failed is not None and not isinstance(failed[0].verb, Hold):
        return _unconfirmed(change, answer, at, f"{failed[0].summary}: {failed[1]}")
    if outcome is None and committed_by(change, answer):
        return Settled(answer, True, change_result(change, at=at, confirmed=True), whole=False)
    return _unconfirmed(change, answer, at, "no new SSH connection could be made in time")


def _undone(
    router: Router, run: Run, change: Change, started: float, at: int | None, reason: str, details: str
) -> Settled:
    """Have the router undo it at once; it does so by itself when it cannot be reached in time.

    ``details`` stay on the controller: the router logs the reason, and a check's command may hold a secret.
    """
    router.reconnect(shared=False)
    until = started + change.timeout + PATIENCE
    answer = _run_until(router, run, change.give_up(reason), until)
    return _unconfirmed(change, answer, at, f"{reason}: {details}", reason)


def _unconfirmed(change: Change, answer: Answer, at: int | None, reason: str, *logged: str) -> Settled:
    """``logged``: the reason as the router logs it."""
    outcome = outcome_of(change, answer)
    rolled_back = outcome is not None and outcome.word in ("rolled_back", "failed")
    pending = parse_change(answer.text("change")).pending
    if pending is not None and pending.id == change.id:
        reason = f"{reason}; {pending}"
    elif outcome is None and (later := parse_change(answer.text("change")).last) is not None:
        reason = f"how it ended is not known, for change {later.id} was made since ({later.word}). {reason}"
    elif outcome is None:
        reason = f"{reason}; the router knows nothing of this change, as after a restart"
    elif outcome.word == "broken" or outcome.reason not in (reason, STEP_FAILED, *logged):
        reason = f"{reason}; the router reports: {outcome.reason}"
    result = change_result(change, at=at, confirmed=False, rolled_back=rolled_back, reason=reason)
    return Settled(answer, False, result, outcome)


def _run_until(router: Router, run: Run, calls: Sequence[Call], until: float) -> Answer:
    """The answer to the calls, however often a connection has to be tried; raises the last failure when time is up."""
    while True:
        try:
            return run(calls)
        except (AnsibleConnectionFailure, OffloadError) as error:
            if time.monotonic() > until:
                raise AnsibleConnectionFailure(
                    f"{error}. How the change of the ruleset ended is not known: the router undoes it by itself unless "
                    "it was confirmed, and could not be asked"
                ) from error
            router.reconnect(shared=False)
            time.sleep(1)
