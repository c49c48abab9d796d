# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A change, as data: what is there, what is wanted, and the steps between them. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import OffloadError
from .sections import Answer, Call
from .verbs import Commit, Removable, Remove, Stage, Verb


@dataclass(frozen=True)
class Step:
    """One verb, and in words what it does (shown to the user)."""

    summary: str
    verb: Verb

    @property
    def call(self) -> Call:
        """The shell function and its arguments."""
        return self.verb.call


@dataclass(frozen=True)
class Diff:
    """Before and after of one thing, as Ansible shows it."""

    header: str
    before: str
    after: str

    def as_result(self) -> dict[str, str]:
        return {
            "before_header": self.header,
            "after_header": self.header,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True)
class Plan:
    """The steps to the wanted state. No steps: nothing to change.

    ``files`` are staged beside their targets before the first step and renamed into place after the last one, so a full
    or read-only file system is met before anything live changes. ``undo`` runs when a step fails after an earlier one
    changed something live. ``closing`` runs after the files are in place.
    """

    steps: Sequence[Step] = ()
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """path -> (mode such as '0644', text)"""
    removed: Sequence[str] = ()
    """paths to delete once the steps are done"""
    closing: Sequence[Step] = ()
    undo: Sequence[Step] = ()
    checks: Sequence[Step] = ()
    """dry runs for check mode: they change nothing and fail where the steps would"""
    diffs: Sequence[Diff] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    """what the task returns besides changed, diff and actions"""
    warnings: Sequence[str] = ()

    @property
    def changed(self) -> bool:
        return bool(self.steps or self.files or self.removed or self.closing)

    def all_steps(self) -> list[Step]:
        """Every step in the order in which it runs."""
        stage = [Step(f"write {path}", Stage(path, mode, text)) for path, (mode, text) in sorted(self.files.items())]
        stage += [Step(f"remove {path}", Removable(path)) for path in self.removed]
        commit = [Step("put the files in place", Commit())] if self.files else []
        remove = [Step(f"remove {path}", Remove(path)) for path in self.removed]
        return [*stage, *self.steps, *commit, *remove, *self.closing]

    def actions(self) -> list[str]:
        """What the plan does, in words, for the result; staging and renaming are told as one."""
        written = [f"write {path}" for path in sorted(self.files)]
        removed = [f"remove {path}" for path in self.removed]
        return [*(s.summary for s in self.steps), *written, *removed, *(s.summary for s in self.closing)]

    def calls(self) -> list[Call]:
        """Calls for ``sh/apply/steps.sh``: the steps in order, then what to do if one failed."""
        steps = [("step", str(number), *step.call) for number, step in enumerate(self.all_steps())]
        undo = [("undo", str(number), *step.call) for number, step in enumerate(self.undo)]
        return [*steps, *undo, ("finish",)]


class StepError(OffloadError):
    """A step that the router refused; ``said`` is what its tool printed."""

    def __init__(self, step: Step, said: str, outcome: str) -> None:
        self.step = step
        self.said = said
        super().__init__(f"could not {step.summary}: {said}; {outcome}", remedy_for(said), failed_step=step.summary)


def check_applied(plan: Plan, answer: Answer) -> None:
    """Raise StepError for the first step that failed, telling what became of the router."""
    for number, step in enumerate(plan.all_steps()):
        section = answer.get(f"step.{number}")
        if section is None or section.rc == 0:
            continue
        failed_undo = [
            f"{undo.summary}: {answer[f'undo.{index}'].text.strip()}"
            for index, undo in enumerate(plan.undo)
            if f"undo.{index}" in answer and answer[f"undo.{index}"].rc != 0
        ]
        if failed_undo:
            outcome = f"what went before could not be undone ({'; '.join(failed_undo)})"
        elif plan.files and step in plan.closing:
            outcome = "everything else is done, live and for boot; only this step is left to do by hand"
        elif step in plan.steps[:1] or isinstance(step.verb, (Stage, Removable)) or plan.undo:
            outcome = "nothing was left changed"
        else:
            outcome = "the steps before it stay done; the next run goes on from there"
        raise StepError(step, section.text.strip() or f"exit code {section.rc}", outcome)


REMEDIES = (
    ("No space left on device", "free space on that file system and run the play again"),
    ("Read-only file system", "make that file system writable (mount -o remount,rw) and run the play again"),
    ("Permission denied", "run the task as root, or set become: true"),
    ("Operation not permitted", "run the task as root, or set become: true"),
    ("Could not change any device features", "the driver refused, see the kernel log (dmesg); leave the device out"),
    ("did not become o", "the driver refused, see the kernel log (dmesg); leave the device out"),
    ("Device or resource busy", "the driver cannot take a second flowtable: remove the other one that uses the device"),
    ("fw4 reload: ", "fw4 ends with 0 whatever nft says: find the reason above, in logread or dmesg, then try again"),
)


def remedy_for(text: str, more: Sequence[tuple[str, str]] = ()) -> str:
    """What helps against an error text of a router's tool; ``more`` are (part of a text, remedy) of that tool alone."""
    other = "put right what the router complains of, then run the play again"
    return next((remedy for part, remedy in (*REMEDIES, *more) if part in text), other)
