# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that measures again and again what offload does, for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..plugin_utils._core.action import ChangeAction, Options
from ..plugin_utils._core.plan import Plan
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._observe.require import require_root
from ..plugin_utils._watch import plan as _watch

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "directory": {"type": "str"},
    "interval": {"type": "int", "default": 300},
}


class ActionModule(ChangeAction[Plan]):
    """The watch action."""

    SPEC = ARGUMENT_SPEC
    FRAGMENTS = ("read/platform", "read/files", *_watch.list_state_scripts())

    def reading_calls(self, options: Options) -> Sequence[Call]:
        _watch.check_options(options["directory"], options["interval"])
        return [("read_platform",), ("read_files", *_watch.list_files()), *_watch.list_state_calls()]

    def plan(self, answer: Answer, options: Options) -> Plan:
        state = _watch.read_state(answer)
        require_root(state.platform)
        if options["state"] == "absent":
            return _watch.plan_absent(state)
        return _watch.plan_present(state, options["directory"], options["interval"])
