# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flow offload of OpenWrt's own firewall, through UCI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..plugin_utils._confirm.action import CONFIRM_OPTIONS, ConfirmedAction
from ..plugin_utils._confirm.change import ConfirmedPlan
from ..plugin_utils._core import paths
from ..plugin_utils._core.action import Options
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._fw4 import plan as _fw4
from ..plugin_utils._observe.require import require_root

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "offload": {"type": "str", "choices": ["auto", "hardware", "software", "disabled"], "default": "auto"},
    "load_pending": {"type": "bool", "default": False},
    **CONFIRM_OPTIONS,
}


class ActionModule(ConfirmedAction):
    """The fw4_offload action."""

    SPEC = ARGUMENT_SPEC
    FRAGMENTS = (*ConfirmedAction.FRAGMENTS, "read/fw4", "read/fw4_pending")
    VERBS = (*ConfirmedAction.VERBS, "apply/fw4")

    def reading_calls(self, options: Options) -> Sequence[Call]:
        return [
            *super().reading_calls(options),
            ("read_files", *_fw4.OWN_FILES),
            ("read_leftovers", *_fw4.STAGED),
            ("read_fw4",),
            ("read_fw4_pending", paths.RUN),
        ]

    def plan(self, answer: Answer, options: Options) -> ConfirmedPlan:
        if options["state"] == "absent" and not _fw4.has_fw4(answer):
            return _fw4.NO_FW4
        state = _fw4.read_state(answer)
        require_root(state.platform)
        if options["state"] == "absent":
            return _fw4.plan_absent(state, self.check_mode, self.token, options["load_pending"])
        return _fw4.plan_present(state, options["offload"], self.check_mode, self.token, options["load_pending"])

    def describe_undone(self, plan: ConfirmedPlan, before: Answer, after: Answer) -> tuple[str, Mapping[str, Any]]:
        return _fw4.describe_undone(before, after), {}
