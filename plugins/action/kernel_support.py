# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that can offload, and the tools to tell it to: now and at boot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..plugin_utils._core import paths
from ..plugin_utils._core.action import ChangeAction, Options
from ..plugin_utils._core.plan import Plan, StepError
from ..plugin_utils._core.router import Router
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._kernel import feeds as _feeds
from ..plugin_utils._kernel import plan as _kernel
from ..plugin_utils._observe.require import require_root
from ..plugin_utils._observe.state import FLOWTABLE_MODULES

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "packages": {"type": "list", "elements": "str", "default": ["nftables", "ethtool"]},
}


class ActionModule(ChangeAction[Plan]):
    """The kernel_support action."""

    SPEC = ARGUMENT_SPEC
    FRAGMENTS = ("read/platform", "read/kernel", "read/feeds", "read/files")
    VERBS = ("apply/kernel", "apply/feeds")

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        self.image = ""
        try:
            return super().work(router, options)
        except StepError as error:
            raise _feeds.explained(error, self.image) from None

    def reading(self, options: Options) -> Sequence[Call]:
        _kernel.check_packages(options["packages"])
        packages: list[Call] = [
            ("read_packages", *options["packages"]),
            ("read_feeds", *_feeds.feed_names(options["packages"])),
        ]
        removal: list[Call] = [("read_removal", paths.KERNEL_FOUND), ("read_feed_removal", paths.KERNEL_FOUND)]
        return [
            ("read_platform",),
            ("read_modules", *FLOWTABLE_MODULES),
            ("read_files", *_kernel.OWN_FILES, *_kernel.USERS_FILES),
            *(packages if options["state"] == "present" else removal),
        ]

    def plan(self, answer: Answer, options: Options) -> Plan:
        state = _kernel.read_state(answer)
        require_root(state.platform)
        self.image = self.image or state.image
        if options["state"] == "absent":
            return _kernel.plan_absent(state, self.checking)
        return _kernel.plan_present(state, options["packages"])

    def prove(self, plan: Plan, answer: Answer, options: Options) -> dict[str, Any]:
        return _kernel.proven(plan.result, super().prove(plan, answer, options))
