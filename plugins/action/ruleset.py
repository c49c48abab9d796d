# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One table on a router: live, for boot, and for devices that come and go."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ..plugin_utils._confirm import checks, ids
from ..plugin_utils._confirm.carry_out import Settled, carry_out
from ..plugin_utils._confirm.change import Change, TablePlan, refuse_pending
from ..plugin_utils._core import paths
from ..plugin_utils._core.action import ChangeAction, Options
from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._core.names import DEVICE, NAME, check_table
from ..plugin_utils._core.plan import Plan, StepError
from ..plugin_utils._core.router import Router
from ..plugin_utils._core.sections import Answer, Call
from ..plugin_utils._observe.parse.nft import listing_without_devices
from ..plugin_utils._observe.require import require_nft, require_root
from ..plugin_utils._ruleset import plan as _ruleset
from ..plugin_utils._ruleset.hardware import Request
from ..plugin_utils._ruleset.state import FEATURE, OWN_FILES, UNIT, TableState, read_state
from ..plugin_utils._ruleset.table import check_content

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
    "family": {"type": "str", "choices": ["inet", "ip", "ip6"], "default": "inet"},
    "table": {"type": "str", "default": "nft_offload"},
    "content": {"type": "str"},
    "src": {"type": "path"},
    "id": {"type": "str", "default": "previous"},
    "validate": {"type": "bool", "default": True},
    "sets": {"type": "str", "choices": ["keep", "renew"], "default": "keep"},
    "keep_firewall": {"type": "bool", "default": False},
    "confirm_timeout": {"type": "int", "default": 30},
    "checks": checks.SPEC,
    "cut": {
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
        },
    },
}


class ActionModule(ChangeAction):
    """The ruleset action."""

    SPEC = ARGUMENT_SPEC
    CONSTRAINTS: ClassVar[dict[str, Any]] = {"mutually_exclusive": [["content", "src"]]}
    FRAGMENTS = ("read/platform", "read/files", "read/nic", "read/ruleset", "read/change")
    VERBS = ("apply/ruleset", "apply/change")

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        self.requests = _requests(options)
        if options["confirm_timeout"] < 0:
            raise OffloadError(f"option confirm_timeout: {options['confirm_timeout']} is no time", "give seconds, or 0")
        self.checks = checks.read_checks(options["checks"], options["confirm_timeout"])
        self.cut = _ways(options)
        self.token = secrets.token_hex(4)
        self.readings: list[TableState] = []
        self.where = f"template {options['src']}" if options["src"] else "option content"
        self.content = ""
        if options["state"] == "present":
            self.content = self._render(options["src"]) if options["src"] else options["content"] or ""
            if not self.content.strip():
                raise OffloadError("there is no ruleset to load", "give the text of the table in content or src")
            check_content(self.content, options["family"], options["table"], self.where)
        try:
            return super().work(router, options)
        except StepError as error:
            raise _ruleset.located(error, self.content, self.where) from None

    def _render(self, src: str) -> str:
        """The template as ansible.builtin.template would render it, from the same search path."""
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        try:
            return str(lookup.run([src], variables=self.task_vars)[0])
        except AnsibleError as error:
            raise OffloadError(f"option src: {error}", "correct the template, or the path to it") from error

    def reading(self, options: Options) -> Sequence[Call]:
        asking = [device for request in self.requests if request.offload != "software" for device in request.devices]
        calls: list[Call] = [
            ("read_platform",),
            ("read_change", paths.RUN),
            ("read_table", options["family"], options["table"]),
            ("read_files", *OWN_FILES),
            ("read_kept", paths.HISTORY),
            ("read_unit", UNIT),
            ("read_links",),
        ]
        if options["state"] == "restored":
            calls.append(("read_kept_texts", paths.HISTORY))
        if asking:
            calls.append(("read_features", FEATURE, *asking))
            calls.append(("probe_if_loaded" if self.checking else "probe_hardware", *asking))
        return calls

    def plan(self, answer: Answer, options: Options) -> TablePlan:
        state = read_state(answer)
        require_root(state.platform)
        self.readings.append(state)
        plan = self._plan(state, options)
        if options["keep_firewall"] and (options["state"] != "restored" or not plan.result["ruleset"]):
            _ruleset.refuse_without_firewall(state, options["family"], options["table"], self.content)
        if plan.changed:
            refuse_pending(state.change)
        return plan

    def _plan(self, state: TableState, options: Options) -> TablePlan:
        family, table = options["family"], options["table"]
        if options["state"] == "absent":
            return _ruleset.plan_absent(state, family, table)
        require_nft(state.platform, self.checking)
        if options["state"] == "restored":
            return _ruleset.plan_restored(state, options["id"], family, table, self.token, self.cut, self.checking)
        keep = options["sets"] == "keep"
        return _ruleset.plan_present(
            state, family, table, self.content, self.requests, self.checking, keep, self.token, self.cut
        )

    def apply(self, router: Router, plan: Plan, options: Options) -> Mapping[str, Any]:
        plan, before = cast("TablePlan", plan), self.readings[0]
        reading = self.reading(options)
        change = Change(
            _change_id(before, self.token),
            options["confirm_timeout"],
            before.mark,
            plan if options["validate"] else replace(plan, validating=()),
            self.checks,
        )
        settled = carry_out(router, lambda calls: self.run_verbs(router, [*calls, *reading]), change)
        if not settled.confirmed:
            raise _undone(before, plan, settled)
        told: dict[str, Any] = {"change": settled.change} if change.live else {}
        if change.live and not change.waits:
            told["warnings"] = ["confirm_timeout is 0: nothing would have undone this change, had it locked you out"]
        return {**self.prove(plan, settled.answer, options), **told}


def _change_id(state: TableState, token: str) -> str:
    return ids.next_id([*state.kept, state.confirmed], token)


def _undone(before: TableState, plan: TablePlan, settled: Settled) -> OffloadError:
    """What the router ran before, during and after a change that was not confirmed."""
    after = read_state(settled.answer)
    same = listing_without_devices(after.table or "") == listing_without_devices(before.table or "")
    path = str(plan.result["table"])
    there = f"as it was before, confirmed as {before.confirmed}" if before.confirmed else "as it was found"
    old = f"table {path} {there}" if before.table else f"no table {path}"
    ran = {
        "before": old,
        "during": f"the new one: {'; '.join(text.summary for text in plan.texts)}",
        "after": old if same else "something else: compare the live table with the files in /etc/nft-offload",
    }
    reason = settled.change["reason"]
    undone = "was rolled back" if settled.change["rolled_back"] else "was not confirmed"
    return OffloadError(
        f"the change {undone}: {reason}. The router ran before: {ran['before']}; during: {ran['during']}; "
        f"now: {ran['after']}",
        "correct the ruleset so that a new SSH connection and your checks get through, or raise confirm_timeout",
        change=settled.change,
        ran=ran,
    )


def _ways(options: Options) -> list[tuple[str, str]]:
    """The option cut."""
    for end in (end for way in options["cut"] for end in way.values()):
        for device in end:
            if not DEVICE.match(device.removeprefix("!")):
                raise OffloadError(f"option cut: {device!r} is no device name", "correct it")
        if len({device.startswith("!") for device in end}) > 1:
            raise OffloadError(
                f"option cut: {', '.join(end)}: only some of them have a ! before their name",
                "put it before each of them, for all other devices, or before none",
            )
    return [(" ".join(way["from"]), " ".join(way["to"])) for way in options["cut"]]


def _requests(options: Options) -> list[Request]:
    """The option flowtables, checked for what an argument spec cannot say."""
    check_table(options["table"])
    requests = [
        Request(item["name"], tuple(sorted(item["devices"])), item["offload"], item["counter"])
        for item in options["flowtables"]
    ]
    used: dict[str, str] = {}
    for request in requests:
        if not NAME.match(request.name):
            raise OffloadError(
                f"option flowtables: {request.name!r} is no name for a flowtable", "use letters and digits"
            )
        for device in request.devices:
            if not DEVICE.match(device):
                raise OffloadError(f"option flowtables, {request.name}: {device!r} is no device name", "correct it")
            if device in used:
                raise OffloadError(
                    f"option flowtables: device {device} is listed twice (in {used[device]} and {request.name})",
                    "a device can be in one flowtable of a table only",
                )
            used[device] = request.name
    if len({request.name for request in requests}) < len(requests):
        raise OffloadError("option flowtables: two of them have the same name", "give each its own name")
    return requests
