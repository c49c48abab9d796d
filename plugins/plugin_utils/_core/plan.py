# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A change, as data: what was found, what is desired, and the steps between them. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import OffloadError
from .sections import Answer, Call, Section
from .verbs import Commit, Finish, Removable, Remove, RunStep, Stage, UndoStep, Verb


@dataclass(frozen=True)
class Step:
    """One verb, and in words what it does (shown to the user)."""

    summary: str
    verb: Verb
    redact: Callable[[str], str] = str
    """what a message shows of what it prints"""


@dataclass(frozen=True)
class Diff:
    """Before and after of one thing, as Ansible shows it."""

    header: str
    before: str
    after: str

    def as_result(self) -> dict[str, str]:
        """The task's ``diff``."""
        return {
            "before_header": self.header,
            "after_header": self.header,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True)
class Plan:
    """The steps to the desired state. No steps: nothing to change.

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
    dry_runs: Sequence[Step] = ()
    """for check mode: they change nothing, and fail where the steps would"""
    diffs: Sequence[Diff] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    """what the task returns besides changed, diff and actions"""
    warnings: Sequence[str] = ()
    system_scripts: Sequence[str] = ()
    """fragments of sh/apply with the verbs of the router's own package manager or init system"""

    @property
    def changed(self) -> bool:
        """Whether there is anything to carry out."""
        return bool(self.steps or self.files or self.removed or self.closing)

    def all_steps(self) -> list[Step]:
        """Every step in the order in which it runs."""
        stage = [Step(f"write {path}", Stage(path, mode, text)) for path, (mode, text) in sorted(self.files.items())]
        stage += [Step(f"remove {path}", Removable(path)) for path in self.removed]
        # also where files are only removed: a step that fails after one was must not have the steps before it undone
        commit = [Step("put the files in place", Commit())] if self.files or self.removed else []
        remove = [Step(f"remove {path}", Remove(path)) for path in self.removed]
        return [*stage, *self.steps, *commit, *remove, *self.closing]

    def actions(self) -> list[str]:
        """What the plan does, in words, for the result; staging and renaming count as one."""
        written = [f"write {path}" for path in sorted(self.files)]
        removed = [f"remove {path}" for path in self.removed]
        return [*(s.summary for s in self.steps), *written, *removed, *(s.summary for s in self.closing)]

    def calls(self) -> list[Call]:
        """Calls for ``sh/apply/steps.sh``: the steps in order, then what to do if one failed."""
        undo = [UndoStep(number, step.verb).call for number, step in enumerate(self.undo)]
        return [*step_calls(self.all_steps()), *undo, Finish().call]


def step_calls(steps: Sequence[Step]) -> list[Call]:
    """Calls that run the steps in order, up to the first one that fails; see ``failed_step``."""
    return [RunStep(number, step.verb).call for number, step in enumerate(steps)]


def step_section(answer: Answer, number: int) -> Section | None:
    """What the step of this number printed; None where it did not run."""
    return answer.get(f"step.{number}")


def failed_step(steps: Sequence[Step], answer: Answer) -> tuple[Step, str] | None:
    """The first of the steps of ``step_calls`` that failed, and what its tool printed; None where none did."""
    for number, step in enumerate(steps):
        section = step_section(answer, number)
        if section is not None and section.rc != 0:
            return step, step.redact(section.text) or f"exit code {section.rc}"
    return None


def describe_left(steps: Sequence[Step], failed: Step) -> str:
    """What a failed step leaves to do, in words: itself, and the steps after it."""
    left = dict.fromkeys(step.summary for step in steps[steps.index(failed) :])
    return f"left to do: {', '.join(left)}; the next run goes on from there"


class StepError(OffloadError):
    """A step that the router refused.

    ``output`` is what its tool printed, ``outcome`` what became of the steps before it, in words.
    """

    def __init__(self, step: Step, output: str, outcome: str) -> None:
        self.step = step
        self.output = output
        super().__init__(f"could not {step.summary}: {output}; {outcome}", remedy_for(output), failed_step=step.summary)


def raise_failed_step(plan: Plan, answer: Answer) -> None:
    """Raise StepError for the first step that failed, with what became of the router; else return."""
    failed = failed_step(plan.all_steps(), answer)
    if failed is None:
        return
    step, output = failed
    failed_undo = [
        f"{undo.summary}: {section.text.strip()}"
        for number, undo in enumerate(plan.undo)
        if (section := answer.get(f"undo.{number}")) is not None and section.rc != 0
    ]
    if failed_undo:
        outcome = f"what went before could not be undone ({'; '.join(failed_undo)})"
    elif plan.files and step in plan.closing:
        outcome = "everything else is done, live and for boot; only this step is left to do by hand"
    elif any(isinstance(before.verb, Commit) for before in plan.all_steps()[: plan.all_steps().index(step)]):
        outcome = f"the steps before it stay done; {describe_left(plan.all_steps(), step)}"
    elif step in plan.steps[:1] or isinstance(step.verb, (Stage, Removable)) or plan.undo:
        outcome = "nothing was left changed"
    else:
        outcome = f"the steps before it stay done; {describe_left(plan.all_steps(), step)}"
    raise StepError(step, output, outcome)


REMEDIES = (
    ("No space left on device", "free space on that file system and run the play again"),
    ("Read-only file system", "make that file system writable (mount -o remount,rw) and run the play again"),
    ("Permission denied", "run the task as root, or set become: true"),
    ("Operation not permitted", "run the task as root, or set become: true"),
    ("Could not change any device features", "the driver refused, see the kernel log (dmesg); leave the device out"),
    ("did not become o", "the driver refused, see the kernel log (dmesg); leave the device out"),
    ("Device or resource busy", "the driver cannot take a second flowtable: remove the other one that uses the device"),
    (
        "kmodloader: ",
        "the kernel's own reason is in its log (dmesg); a module that is damaged or of another kernel comes back with "
        "its package, or with sysupgrade",
    ),
    (
        "fw4 reload: ",
        "fw4 exits with 0 even if nft refuses: find the reason above, in logread or dmesg, then try again",
    ),
)


def remedy_for(text: str, more: Sequence[tuple[str, str]] = ()) -> str:
    """What to do about an error text of a router's tool; ``more`` are (part of a text, remedy) of that tool alone."""
    other = "correct what the router complains of, then run the play again"
    return next((remedy for part, remedy in (*REMEDIES, *more) if part in text), other)
