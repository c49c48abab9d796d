# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One table on a router: live, for boot, and for devices that come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..plugin_utils._confirm.action import CONFIRM_OPTIONS, ConfirmedAction
from ..plugin_utils._confirm.change import ConfirmedPlan, refuse_pending
from ..plugin_utils._core import paths
from ..plugin_utils._core.action import Options
from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._core.names import is_pattern, require_table_name
from ..plugin_utils._core.plan import StepError
from ..plugin_utils._core.router import Router
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._observe.require import require_nft, require_root
from ..plugin_utils._ruleset import plan as _ruleset
from ..plugin_utils._ruleset.describe_undone import describe_undone
from ..plugin_utils._ruleset.options import read_device_pairs, read_requests, read_software_content
from ..plugin_utils._ruleset.owner import (
    is_another_owners,
    list_replaced,
    refuse_unreadable,
    refuse_without_firewall,
)
from ..plugin_utils._ruleset.state import FEATURE, TableState, list_own_files, read_state
from ..plugin_utils._ruleset.table import require_own_table
from ..plugin_utils._ruleset.verbs import DryLoad
from ..plugin_utils._systems.init_registry import list_state_calls, list_state_scripts

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
    "family": {"type": "str", "choices": ["inet", "ip", "ip6"], "default": "inet"},
    "table": {"type": "str", "default": "nft_offload"},
    "content": {"type": "str"},
    "src": {"type": "path"},
    "software_content": {"type": "str", "default": ""},
    "id": {"type": "str", "default": "previous"},
    "validate": {"type": "bool", "default": True},
    "sets": {"type": "str", "choices": ["keep", "renew"], "default": "keep"},
    "keep_firewall": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    **CONFIRM_OPTIONS,
    "flush_connections": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "from": {"type": "list", "elements": "str", "default": []},
            "to": {"type": "list", "elements": "str", "default": []},
        },
    },
    "flowtables": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "devices": {"type": "list", "elements": "str", "required": True},
            "offload": {"type": "str", "choices": ["auto", "hardware", "software"], "default": "auto"},
            "counter": {"type": "bool", "default": False},
            "forwards": {"type": "dict", "default": {}},
        },
    },
}


class ActionModule(ConfirmedAction):
    """The ruleset action."""

    SPEC = ARGUMENT_SPEC
    CONSTRAINTS: ClassVar[dict[str, Any]] = {"mutually_exclusive": [["content", "src"]]}
    FRAGMENTS = (*ConfirmedAction.FRAGMENTS, "read/nic", "read/ruleset", *list_state_scripts("ruleset"))
    VERBS = (*ConfirmedAction.VERBS, "apply/ruleset")

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        require_table_name(options["table"])
        self.requests = read_requests(options["flowtables"])
        self.flush = read_device_pairs(options["flush_connections"])
        self.source = f"template {options['src']}" if options["src"] else _ruleset.CONTENT
        if options["state"] == "restored":
            self.source = f"the ruleset of option id ({options['id']})"
        self.content = self._content(options) if options["state"] == "present" else ""
        self.software_content = read_software_content(
            options["software_content"], options["family"], options["table"], self.requests
        )
        return super().work(router, options)

    def _content(self, options: Options) -> str:
        content = self.render(options["src"]) if options["src"] else options["content"] or ""
        if not content.strip():
            raise OffloadError("there is no ruleset to load", "give the text of the table in content or src")
        require_own_table(content, options["family"], options["table"], self.source)
        return content

    def reading_calls(self, options: Options) -> Sequence[Call]:
        asking = [
            device
            for request in self.requests
            if request.offload != "software"
            for device in request.devices
            if not is_pattern(device)
        ]
        calls: list[Call] = [
            *super().reading_calls(options),
            ("read_table", options["family"], options["table"], paths.RULESET),
            ("read_files", *list_own_files()),
            ("read_kept", paths.HISTORY),
            *list_state_calls("ruleset"),
            ("read_links",),
            ("read_ssh_ports",),
        ]
        if options["state"] == "restored" or (options["state"] == "absent" and self.diff_mode):
            calls.append(("read_kept_texts", paths.HISTORY))
        if asking:
            calls.append(("read_features", FEATURE, *asking))
            calls.append(("probe_if_loaded" if self.check_mode else "probe_hardware", *asking))
        return calls

    def plan(self, answer: Answer, options: Options) -> ConfirmedPlan:
        state = read_state(answer)
        require_root(state.platform)
        path = f"{options['family']} {options['table']}"
        refuse_unreadable(path, state.unreadable)
        plan = self._plan(state, options)
        if options["keep_firewall"] and (options["state"] != "restored" or not plan.result["ruleset"]):
            refuse_without_firewall(path, self._replaced(state, options), self.content)
        if plan.changed:
            refuse_pending(state.change)
        if options["validate"]:
            return plan
        return replace(plan, validating=[step for step in plan.validating if not isinstance(step.verb, DryLoad)])

    def _replaced(self, state: TableState, options: Options) -> list[str]:
        ruleset, listing = (state.files.get(name) for name in (paths.RULESET, paths.LISTING))
        foreign = is_another_owners(state, options["family"], options["table"])
        return list_replaced(ruleset, listing, state.table, foreign, options["adopt"])

    def _plan(self, state: TableState, options: Options) -> ConfirmedPlan:
        path = options["family"], options["table"]
        if options["state"] == "absent":
            return _ruleset.plan_absent(state, *path, token=self.token, adopt=options["adopt"])
        require_nft(state.platform, self.check_mode)
        if options["state"] == "restored":
            return _ruleset.plan_restored(
                state,
                options["id"],
                *path,
                check_mode=self.check_mode,
                token=self.token,
                flush=self.flush,
                where=self.source,
                adopt=options["adopt"],
            )
        return _ruleset.plan_present(
            state,
            *path,
            self.content,
            self.requests,
            check_mode=self.check_mode,
            token=self.token,
            keep_elements=options["sets"] == "keep",
            flush=self.flush,
            where=self.source,
            adopt=options["adopt"],
            software_content=self.software_content,
        )

    def explain_failed_step(self, error: StepError, before: Answer) -> OffloadError:
        return _ruleset.locate_complaint(error, self.content, self.source)

    def describe_undone(self, plan: ConfirmedPlan, before: Answer, after: Answer) -> tuple[str, Mapping[str, Any]]:
        return describe_undone(plan, read_state(before), read_state(after))
