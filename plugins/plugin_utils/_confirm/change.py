# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A change of the firewall that a new connection confirms, or that the router undoes by itself. Pure: no I/O.

One exec loads it under a guard (sh/installed/guard.sh), another one, over a new connection, confirms it and puts the
files for boot in place. Until then the files are the old ones, so a power failure ends in the old ruleset too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core import paths
from .._core.errors import OffloadError
from .._core.files import read_files
from .._core.plan import Plan, Step, StepError, describe_left, failed_step, step_calls, step_section
from .._core.sections import Answer, Call, fragment, with_needed
from .._core.text import iterate_lines, read_number
from .._core.text import parse_count as parse_number
from .._core.verbs import PrintSection, Removable, Remove, Stage
from .checks import Check
from .verbs import (
    Abandon,
    Begin,
    CommitChange,
    Confirm,
    ExpectGone,
    GiveUp,
    Hold,
    LoadGuarded,
    NoteFiles,
    Queue,
    Settle,
    StageListing,
    WatchAfter,
    WatchBefore,
)
from .witness import SECONDS, TrafficVerdict, Witness, judge, parse_count

STEP_FAILED = "a step of it failed"
"""the reason in the router's log when it undoes a change before the controller knows of the failure"""

LOSS = "; but "
"""in the reason of an outcome: what is not there again follows, see installed/guard.sh"""

LONGEST_TIMEOUT = 3600
"""seconds that confirm_timeout may have: until then no second change is let in, and boot has the old files"""

UNGUARDED = 30
"""seconds that a change may be without a guard after it began, see take_over in sh/apply/change.sh"""

LOAD_LIMIT = 60
"""seconds after which a load is ended and undone, whatever it waits for, from when it touches tables"""

NO_SOURCE = "-"
"""in the place of a path, where no text is known that made a table"""

NUMBER = re.compile("[0-9]{1,18}")
"""what a router prints for one, as _core/text.py takes it"""

KEPT = {
    "confirmed": "confirmed, and undone by the router unless its files are put in place within minutes",
    "committed": "confirmed, and its files are being put in place",
}
"""decision of a change that is pending -> what becomes of it; nothing undoes one that is committed"""

LEFT_TO_ANOTHER = "left to another shell"
"""what a step prints that this shell did not take, as another one of the change is ahead of it; see as_holder"""

OUTCOMES = ("confirmed", "rolled_back", "failed", "broken")


@dataclass(frozen=True)
class Outcome:
    """How the last change since the router's boot ended."""

    id: str
    word: str
    """one of OUTCOMES"""
    at: int
    """seconds after the router's boot"""
    reason: str = ""


@dataclass(frozen=True)
class Pending:
    """A change that is neither confirmed nor undone yet. Times are seconds after the router's boot."""

    id: str
    age: int
    deadline: int | None
    """when the router undoes it by itself; None while it loads"""
    guarded: bool
    now: int
    undone: bool = False
    """it was decided to undo it, which goes on until it is done"""
    kept: str = ""
    """of KEPT; empty: it was not decided to keep it"""
    trouble: str = ""
    """what kept the last attempt to undo it from its end"""

    @property
    def abandoned(self) -> bool:
        """Nothing guards it after its time, so the next change undoes it."""
        late = self.age >= UNGUARDED if self.deadline is None else self.now >= self.deadline
        return late and not self.guarded

    def __str__(self) -> str:
        if self.undone:
            trouble = f": {self.trouble}" if self.trouble else ""
            return f"change {self.id} is pending: begun {self.age} s ago, and being undone{trouble}"
        if self.kept:
            return f"change {self.id} is pending: begun {self.age} s ago, {KEPT[self.kept]}"
        if self.deadline is None:
            return f"change {self.id or '(just begun)'} is pending: begun {self.age} s ago, and still loading"
        left = self.deadline - self.now
        when = f"its deadline is in {left} s" if left > 0 else f"its deadline was {-left} s ago"
        lost = "" if self.guarded else "; nothing guards it any more, so the next change of this router undoes it"
        return f"change {self.id} is pending: begun {self.age} s ago, {when}, when the router undoes it by itself{lost}"


@dataclass(frozen=True)
class ChangeState:
    """The changes of a router: the one in progress, and how the last one ended."""

    pending: Pending | None = None
    last: Outcome | None = None


def parse_change(text: str) -> ChangeState:
    """Lines KEY=VALUE of the section ``change`` (sh/read/change.sh) -> ChangeState; unknown ones are skipped."""
    values = dict(line.split("=", 1) for line in iterate_lines(text) if "=" in line)

    def number(key: str) -> int | None:
        value = values.get(key, "").strip()
        return parse_number(value)

    now = number("now") or 0
    began = number("began")
    pending = None
    if "id" in values:
        decision = values.get("decision", "")
        age = now - began if began is not None else 0
        trouble = _outcome(values.get("trouble", ""))
        pending = Pending(
            values["id"].strip(),
            age,
            number("deadline"),
            values.get("guard") == "alive",
            now,
            undone=decision == "undo",
            kept=decision if decision in KEPT else "",
            trouble=trouble.reason if trouble else "",
        )
    return ChangeState(pending, _outcome(values.get("last", "")))


def _outcome(line: str) -> Outcome | None:
    match = re.match(rf"(\S+) (\S+) ({NUMBER.pattern})(?: (.*))?\Z", line.strip())
    if match is None or match[2] not in OUTCOMES:
        return None
    return Outcome(match[1], match[2], read_number(match[3]), (match[4] or "").strip())


def guard_script() -> str:
    """The text of the guard, with what it has in common with the verbs."""
    return "\n".join(["#!/bin/sh", *map(fragment, dict.fromkeys(with_needed("installed/guard"))), ""])


def refuse_pending(state: ChangeState) -> None:
    """Raise OffloadError when a change is pending: what is read then is neither the old ruleset nor the new one.

    One that nothing guards any more after its time is left to the verb ``begin``, which undoes it.
    """
    if state.pending is not None and not state.pending.abandoned:
        raise _pending_error(state.pending)


def _pending_error(pending: Pending) -> OffloadError:
    details = {"id": pending.id, "age": pending.age, "deadline": pending.deadline}
    remedy = "wait until it is confirmed or undone, then run the play again"
    if pending.trouble:
        remedy = (
            "log in, look for nft-offload in the log (logread, journalctl -t nft-offload), remove what keeps nft from "
            "loading what was there; SECURITY.md of this collection has the steps under 'When something is left'"
        )
    return OffloadError(str(pending), remedy, pending=details)


@dataclass(frozen=True)
class Transaction:
    """One text that is loaded whole or not at all, and in words what it does (shown to the user)."""

    summary: str
    text: str
    """for nft, or a script for sh"""


@dataclass(frozen=True)
class ConfirmedPlan(Plan):
    """The plan of a ConfirmedAction. What is loaded is apart from the steps: a guard on the router loads it."""

    id: str = ""
    """id of the change, see ids"""
    last_confirmed: str = ""
    """text of paths.CONFIRMED as it was read: the change is refused where another one was confirmed since"""
    texts: Sequence[Transaction] = ()
    """in the order in which they are loaded"""
    tables: Sequence[tuple[str, str]] = ()
    """family and name of each table that the texts touch"""
    sources: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """table -> path of the text that made it, where the live one is still as that text made it"""
    copied: Sequence[tuple[str, str]] = ()
    """tables that are copied and brought back like those in ``tables``, and may change before the confirmation"""
    validating: Sequence[Step] = ()
    """dry runs, before the lock is taken"""
    preparing: Sequence[Step] = ()
    """once the texts are queued, before they are loaded: what may fail without touching anything"""
    listings: Sequence[StageListing] = ()
    """stage how the kernel lists the tables that were loaded; the first one is the table that was tried before"""
    leaving: Sequence[Step] = ()
    """once confirmed, before files are put in place; undone with the change where they fail"""
    stopping: Sequence[Step] = ()
    """once it cannot be undone any more, before files are removed: what starts at boot"""
    records: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """files like those in ``files`` that record the change rather than being it: its id, the ruleset before it"""
    forgotten: Sequence[str] = ()
    """records to delete"""
    committed: Callable[[Answer], bool] | None = None
    """whether a reading shows that it is on flash, where no record has the id of the change"""

    @property
    def listing_steps(self) -> list[Step]:
        """The steps that stage the listings."""
        return [Step(f"note how the kernel lists table {one.family} {one.table}", one) for one in self.listings]

    @property
    def changed(self) -> bool:
        return bool(self.texts or self.leaving or self.stopping or self.records) or super().changed

    def actions(self) -> list[str]:
        loaded = [text.summary for text in self.texts]
        steps = (*self.listing_steps, *self.leaving, *self.stopping)
        return [*loaded, *(step.summary for step in steps), *super().actions()]


@dataclass(frozen=True)
class Change:
    """One change in progress. ``timeout`` 0: it confirms itself, over the connection that loads it."""

    plan: ConfirmedPlan
    timeout: int
    """seconds in which a new connection has to confirm it"""
    checks: Sequence[Check] = ()
    witness: Witness | None = None
    """how users' traffic is watched; None: not at all"""
    limit: int = LOAD_LIMIT
    """seconds that the load may take once it touches tables; a script may take as many before"""

    @property
    def id(self) -> str:
        """See ConfirmedPlan.id."""
        return self.plan.id

    @property
    def live(self) -> bool:
        """Whether it touches what is loaded; else there is nothing to lock anyone out, and nothing to confirm."""
        return bool(self.plan.texts)

    @property
    def waits(self) -> bool:
        """Whether it has to be confirmed over a new connection."""
        return self.live and self.timeout > 0

    def loading(self) -> list[Step]:
        """From the lock to the loaded ruleset. What can fail without touching anything comes first."""
        plan = self.plan
        tables = [
            word for table in (*plan.tables, *plan.copied) for word in (*table, plan.sources.get(table, NO_SOURCE))
        ]
        files = {**plan.files, **plan.records}
        steps = [*plan.validating]
        if self.waits and self.witness:
            # before the lock: nothing is held up meanwhile
            steps.append(Step("count what the router forwards", WatchBefore(SECONDS)))
        steps.append(
            Step(
                "keep a copy of what the router runs",
                Begin(
                    paths.RUN,
                    paths.CONFIRMED,
                    plan.last_confirmed,
                    self.id,
                    self.timeout,
                    self.limit,
                    guard_script(),
                    tuple(tables),
                ),
            )
        )
        steps += [Step(f"write {path}", Stage(path, mode, text)) for path, (mode, text) in sorted(files.items())]
        steps += [Step(f"remove {path}", Removable(path)) for path in plan.removed]
        if not self.live:
            return steps
        staged = (*sorted(files), *_listing_paths(plan))
        steps.append(Step("note what is written", NoteFiles(staged)))
        steps += [Step(one.summary, Queue(n, one.text)) for n, one in enumerate(plan.texts, start=1)]
        steps += plan.preparing
        steps.append(Step("; ".join(one.summary for one in plan.texts), LoadGuarded()))
        listed = {(one.family, one.table) for one in plan.listings}
        gone = tuple(word for table in plan.tables if table not in listed for word in table)
        if gone:
            steps.append(Step("note which tables are gone", ExpectGone(gone)))
        steps += plan.listing_steps
        if self.waits and self.witness:
            longest = self.witness.longest
            again = WatchAfter(min(SECONDS, longest), longest, f"{self.witness.share * 100:g}")
            steps.append(Step("count what the router forwards again", again))
        return steps

    def confirming(self) -> list[Step]:
        """From the checks to the files for boot."""
        plan = self.plan
        steps: list[Step] = []
        if self.waits:
            steps.append(Step("go on with the change", Hold(paths.RUN, self.id)))
            steps += [check.step() for check in self.checks if check.on_router]
        if self.live:
            steps.append(Step("confirm the change", Confirm("new" if self.waits else "same")))
        in_place = sorted([*plan.files, *plan.records, *_listing_paths(plan)])
        steps += plan.leaving
        steps.append(Step("put the files in place", CommitChange(paths.COMMITTING, tuple(in_place))))
        steps += plan.stopping
        steps += [Step(f"remove {path}", Remove(path)) for path in (*plan.forgotten, *plan.removed)]
        return [*steps, *plan.closing]

    def phases(self) -> list[list[Step]]:
        """The steps of each exec."""
        if self.waits:
            return [self.loading(), self.confirming()]
        return [[*self.loading(), *self.confirming()]]

    def calls(self, steps: Sequence[Step]) -> list[Call]:
        """Calls for the verbs: the steps in order, and back to what the router ran before when one fails."""
        ending = [Abandon(paths.RUN, self.id, STEP_FAILED), Settle(paths.RUN, self.id)]
        return [*step_calls(steps), *(verb.call for verb in ending)]

    def give_up(self, reason: str) -> list[Call]:
        """Calls that undo the change at once."""
        return [PrintSection("abandon", GiveUp(paths.RUN, self.id, reason)).call]


def judge_traffic(change: Change, steps: Sequence[Step], answer: Answer) -> TrafficVerdict | None:
    """What users' traffic says of the loaded change; None where it is not watched."""
    if not change.waits or change.witness is None:
        return None
    counts = {
        type(step.verb): parse_count(section.text)
        for number, step in enumerate(steps)
        if isinstance(step.verb, (WatchBefore, WatchAfter)) and (section := step_section(answer, number)) is not None
    }
    return judge(counts.get(WatchBefore), counts.get(WatchAfter), change.witness.share)


def _listing_paths(plan: ConfirmedPlan) -> list[str]:
    return [one.path for one in plan.listings]


def raise_failed_change(change: Change, steps: Sequence[Step], answer: Answer) -> None:
    """Raise StepError for a step that failed, with what that left behind; else return.

    What was there before is there again, until files are put in place. Where ``begin`` met another change, that one is
    the error.
    """
    failed = failed_step(steps, answer)
    if failed is None:
        return
    step, output = failed
    if isinstance(step.verb, Begin):
        _refuse_second(output)
    commits = [other for other in steps[: steps.index(step)] if isinstance(other.verb, CommitChange)]
    # one that fails half-way is done all the same: the guard, the next boot or the next run finishes it
    committed = bool(commits) or is_half_committed(step, answer)
    if isinstance(step.verb, LoadGuarded):
        # nft names the file, and the user's text is in what was queued as that
        found = re.search(rf"\bload\.({NUMBER.pattern}):", output)
        number = read_number(found[1]) if found else 1
        queued = {other.verb.number: other for other in steps if isinstance(other.verb, Queue)}
        # what else is printed may hold such a word too
        step = queued.get(number, step)
    undone = answer.get("abandon")
    ended = outcome_of(change, answer)
    outcome = "nothing was left changed"
    if committed and _is_pending(change, answer):
        outcome = (
            "the change stays, but the files for boot are not in place yet: the router goes on trying, and boots what "
            "was there before until then"
        )
    elif committed:
        outcome = f"the change is confirmed, and the steps before it stay done; {describe_left(steps, step)}"
    elif ended is not None and ended.word == "confirmed":
        outcome = "the change stays: another try of this run, whose answer was lost, has confirmed it"
    elif ended is not None and (ended.word == "broken" or LOSS in ended.reason):
        outcome = ended.reason
    elif _is_pending(change, answer):
        outcome = f"what the router runs is not as before yet: {parse_change(answer.text('change')).pending}"
    elif undone is not None and undone.rc != 0:
        outcome = f"what went before could not be undone ({undone.text.strip()})"
    raise StepError(step, output, outcome)


def _is_pending(change: Change, answer: Answer) -> bool:
    pending = parse_change(answer.text("change")).pending
    return pending is not None and pending.id == change.id


def is_half_committed(step: Step, answer: Answer) -> bool:
    """Whether a step that failed is the commit of a change that was decided for: nothing undoes that any more."""
    return isinstance(step.verb, CommitChange) and "abandon" not in answer


def is_left_to_another(steps: Sequence[Step], answer: Answer) -> bool:
    """Whether another shell of this change was to take some of the steps; that it did, this answer does not show."""
    sections = (step_section(answer, number) for number, _step in enumerate(steps))
    return any(section is not None and section.text.strip() == LEFT_TO_ANOTHER for section in sections)


def _refuse_second(output: str) -> None:
    """Raise OffloadError where the lock was refused because of another change."""
    undone = next((line for line in iterate_lines(output) if line.startswith("it was rolled back")), "")
    if undone:
        raise OffloadError(f"a change from before was pending; {undone}", "run the play again")
    if (pending := parse_change(output).pending) is not None:
        raise _pending_error(pending)


def outcome_of(change: Change, answer: Answer) -> Outcome | None:
    """How this change ended, as the router recorded it; None where it has no record of it, or where it is not over."""
    last = parse_change(answer.text("change")).last
    return last if last is not None and last.id == change.id and not _is_pending(change, answer) else None


def committed_by(change: Change, answer: Answer) -> bool:
    """Whether the files for boot prove the change confirmed. They outlive a power failure, the outcome does not."""
    if change.plan.committed is not None:
        return change.plan.committed(answer)
    _mode, confirmation = change.plan.records.get(paths.CONFIRMED, ("", ""))
    return bool(confirmation) and read_files(answer).get(paths.CONFIRMED, "").strip() == confirmation.strip()


def deadline(steps: Sequence[Step], answer: Answer) -> int | None:
    """When the router undoes the loaded change, in seconds after its boot."""
    for number, step in enumerate(steps):
        if isinstance(step.verb, LoadGuarded) and (section := step_section(answer, number)) is not None:
            found = re.search(rf"^deadline=({NUMBER.pattern})$", section.text, re.MULTILINE)
            return read_number(found[1]) if found else None
    return None


def change_result(
    change: Change, *, at: int | None, confirmed: bool, rolled_back: bool = False, reason: str = ""
) -> dict[str, Any]:
    """The task's ``change``; ``at`` is the deadline in seconds after the router's boot."""
    return {
        "id": change.id,
        "armed": change.waits,
        "deadline": at,
        "confirmed": confirmed,
        "rolled_back": rolled_back,
        "reason": reason,
    }
