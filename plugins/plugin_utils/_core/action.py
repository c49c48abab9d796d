# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The base of every action: arguments in, router, result out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from .arguments import validate
from .errors import OffloadError
from .plan import Plan, StepError, raise_failed_step
from .router import Router
from .sections import Answer, Call
from .text import show, show_message
from .verbs import PrintSection

Options = Mapping[str, Any]
PlanT = TypeVar("PlanT", bound=Plan)


class OffloadAction(ActionBase):
    """An action that talks to a router through scripts. Subclasses say what to do in ``work``.

    Whatever leaves it, results as errors, is shown as ``show`` (_core/text.py) shows it, and what Ansible writes line
    by line as ``show_message`` does: a router cannot act on the user's terminal, nor write a line there that is not
    marked as one.
    """

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    SPEC: ClassVar[Mapping[str, Any]] = {}
    CONSTRAINTS: ClassVar[Mapping[str, Any]] = {}
    """required_if, mutually_exclusive and the like, as ArgumentSpecValidator takes them"""
    USER_TEXTS: ClassVar[Collection[str]] = ()
    """keys of the result, at any depth, that hold the user's own text on its way to a router"""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        self.task_vars = task_vars or {}
        name = str(self.task_vars.get("inventory_hostname", "router"))
        result.update(changed=False, failed=False)
        try:
            options = validate(self.SPEC, self.CONSTRAINTS, self._task.args)
            result.update(self.work(Router(self, name), options))
        except OffloadError as error:
            result.update(error.details)
            result.update(failed=True, msg=f"{name}: {error}")
        except AnsibleError as error:
            # ssh passes on what the other side says
            if (text := show_message(str(error))) == str(error):
                raise
            raised = AnsibleConnectionFailure if isinstance(error, AnsibleConnectionFailure) else AnsibleError
            raise raised(text) from None
        return _mark_lines(show(result, self.USER_TEXTS))

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        """The task's result, without changed and failed where they are false; raises OffloadError."""
        raise NotImplementedError

    def render(self, src: str) -> str:
        """A template on the controller as ansible.builtin.template would render it, from the same search path.

        Raises OffloadError where it is not found, or cannot be rendered.
        """
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        try:
            return str(lookup.run([src], variables=self.task_vars)[0])
        except AnsibleError as error:
            raise OffloadError(f"option src: {error}", "correct the template, or the path to it") from error

    @property
    def check_mode(self) -> bool:
        """Whether to predict only (--check)."""
        return bool(self._task.check_mode)

    @property
    def diff_mode(self) -> bool:
        """Whether to show what changes (--diff)."""
        return bool(self._task.diff)


def _mark_lines(result: dict[str, Any]) -> dict[str, Any]:
    """A result with marks in what Ansible shows line by line; before the lines of a diff it puts signs itself."""
    marked = dict(result)
    if "msg" in result:
        marked["msg"] = show_message(result["msg"])
    if "warnings" in result:
        marked["warnings"] = [show_message(warning) for warning in result["warnings"]]
    if "diff" in result:
        marked["diff"] = [
            {key: show_message(text) if key.endswith("_header") else text for key, text in diff.items()}
            for diff in result["diff"]
        ]
    return marked


class ChangeAction(OffloadAction, Generic[PlanT]):
    """read -> plan -> apply and read again -> prove: the plan made from the second reading must be empty.

    At most two execs: one that reads, one that applies and reads again.
    """

    FRAGMENTS: ClassVar[Sequence[str]] = ()
    """scripts that read"""
    VERBS: ClassVar[Sequence[str]] = ()
    """scripts with this module's verbs, beside apply/steps"""

    def reading_calls(self, options: Options) -> Sequence[Call]:
        """The calls that read what ``plan`` needs."""
        raise NotImplementedError

    def plan(self, answer: Answer, options: Options) -> PlanT:
        """From what was read to the steps; pure but for ``self.check_mode``."""
        raise NotImplementedError

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        before = router.run(self.FRAGMENTS, calls=self.reading_calls(options))
        before.require_ended()
        plan = self.plan(before, options)
        if plan.changed:
            self.refuse(plan, before, options)
        outcome = plan.result
        try:
            if plan.changed and self.check_mode:
                self._dry_run(router, plan)
            elif plan.changed:
                outcome = self.apply(router, plan, before, options)
        except StepError as error:
            raise self.explain_failed_step(error, before) from None
        result: dict[str, Any] = {**outcome, "changed": plan.changed, "actions": plan.actions()}
        warnings = [*result.pop("warnings", ()), *plan.warnings]
        if warnings:
            result["warnings"] = warnings
        if self.diff_mode and plan.diffs:
            result["diff"] = [diff.as_result() for diff in plan.diffs]
        return result

    def refuse(self, plan: PlanT, before: Answer, options: Options) -> None:
        """Raise OffloadError for a plan that must not be carried out, in check mode too; ``before`` is the reading."""

    def explain_failed_step(self, error: StepError, before: Answer) -> OffloadError:
        """What to raise for a step that failed, where this action knows more of it.

        ``before`` is the reading that the plan was made from.
        """
        return error

    def apply(self, router: Router, plan: PlanT, before: Answer, options: Options) -> Mapping[str, Any]:
        """Carry the plan out and prove it; what to return besides changed, diff and actions.

        ``before`` is the reading that the plan was made from.
        """
        answer = self.run_verbs(router, plan, [*plan.calls(), *self.reading_calls(options)])
        raise_failed_step(plan, answer)
        return self.prove(plan, answer, options)

    def run_verbs(self, router: Router, plan: PlanT, calls: Sequence[Call]) -> Answer:
        """One exec with the scripts that change, as the plan needs them, and those that read."""
        return router.run(("apply/steps", *self.VERBS, *plan.system_scripts, *self.FRAGMENTS), calls=calls)

    def prove(self, plan: PlanT, answer: Answer, options: Options) -> dict[str, Any]:
        """The plan made from the new reading must be empty; else OffloadError."""
        left = self.plan(answer, options)
        if left.changed:
            raise OffloadError(
                f"the router took every step, but still differs: {'; '.join(left.actions())}",
                "something else on the router sets this too: find it, then run the play again",
                changed=True,
                diff=[diff.as_result() for diff in left.diffs],
            )
        return {**plan.result, **left.result}

    def _dry_run(self, router: Router, plan: PlanT) -> None:
        """What only the router knows of a plan before it is carried out: check mode raises what a real run would."""
        if not plan.dry_runs:
            return
        named = {f"dry_run.{number}": step for number, step in enumerate(plan.dry_runs)}
        answer = self.run_verbs(router, plan, [PrintSection(name, step.verb).call for name, step in named.items()])
        for name, step in named.items():
            if not answer.ok(name):
                raise StepError(step, answer[name].complaint, "nothing was changed")
