# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that can offload, and the tools that make it: now and at boot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..plugin_utils._core import paths
from ..plugin_utils._core.action import ChangeAction, Options
from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._core.plan import Plan, StepError
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._kernel import plan as _kernel
from ..plugin_utils._observe.require import require_root
from ..plugin_utils._observe.state import FLOWTABLE_MODULES
from ..plugin_utils._systems.package_registry import list_package_calls, list_package_scripts, list_removal_calls

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "packages": {"type": "list", "elements": "str", "default": ["nftables", "ethtool"]},
}


class ActionModule(ChangeAction[Plan]):
    """The kernel_support action."""

    SPEC = ARGUMENT_SPEC
    FRAGMENTS = ("read/platform", "read/kernel", *list_package_scripts(), "read/files")
    VERBS = ("apply/kernel",)

    def reading_calls(self, options: Options) -> Sequence[Call]:
        _kernel.check_packages(options["packages"])
        return [
            ("read_platform",),
            ("read_modules", *FLOWTABLE_MODULES),
            ("read_files", *_kernel.list_own_files(), *_kernel.FILES_IN_USE),
            *(
                list_package_calls(options["packages"])
                if options["state"] == "present"
                else [("read_tables",), *list_removal_calls(paths.KERNEL_FOUND)]
            ),
        ]

    def plan(self, answer: Answer, options: Options) -> Plan:
        state = _kernel.read_state(answer)
        require_root(state.platform)
        if options["state"] == "absent":
            return _kernel.plan_absent(state, self.check_mode)
        return _kernel.plan_present(state, options["packages"])

    def explain_failed_step(self, error: StepError, before: Answer) -> OffloadError:
        return _kernel.explain_package_error(error, _kernel.read_state(before))

    def prove(self, plan: Plan, answer: Answer, options: Options) -> dict[str, Any]:
        return _kernel.combine_results(plan.result, super().prove(plan, answer, options))
