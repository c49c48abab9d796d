# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features of NICs, such as hw-tc-offload: now, at boot, and when a device is plugged in again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..plugin_utils._core import paths
from ..plugin_utils._core.action import ChangeAction, Options
from ..plugin_utils._core.plan import Plan
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._nic import plan as _nic
from ..plugin_utils._observe.require import require_root
from ..plugin_utils._systems.init_registry import list_state_calls, list_state_scripts, reports_features

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "devices": {"type": "list", "elements": "str"},
    "features": {"type": "dict", "default": {"hw-tc-offload": True}},
    "unsupported": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
}


class ActionModule(ChangeAction[Plan]):
    """The nic_features action."""

    SPEC = ARGUMENT_SPEC
    CONSTRAINTS: ClassVar = {"required_if": [("state", "present", ["devices"])]}
    FRAGMENTS = ("read/platform", "read/nic", "read/files", *list_state_scripts("features"))
    VERBS = ("apply/nic",)

    def reading_calls(self, options: Options) -> Sequence[Call]:
        self.devices: list[str] = options["devices"] or []
        self.features = _nic.check_options(self.devices, options["features"])
        if options["state"] == "absent":
            self.devices = []
        return [
            ("read_platform",),
            ("read_nics", paths.FEATURES, "|".join(self.features), *self.devices),
            ("read_files", *_nic.list_own_files()),
            *list_state_calls("features"),
        ]

    def plan(self, answer: Answer, options: Options) -> Plan:
        state = _nic.read_state(answer)
        require_root(state.platform)
        if options["state"] == "absent":
            return _nic.plan_absent(state)
        skip = options["unsupported"] == "skip"
        if reports_features(state.platform.init):
            # ethtool may be missing: the feature can be seen all the same, and it may be on as it should
            return _nic.plan_present(state, self.devices, self.features, skip)
        if self.check_mode and not _nic.has_ethtool(state):
            plan = _nic.plan_present(_nic.assume_changeable(state, self.features), self.devices, self.features, skip)
            warning = "there is no ethtool yet: every NIC with a driver is assumed to be able to change the features"
            return replace(plan, warnings=[*plan.warnings, warning])
        _nic.require_ethtool(state, "set a feature")
        return _nic.plan_present(state, self.devices, self.features, skip)
