# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One table on a router: live, for boot, and for devices that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible_collections.kmod.nft_offload.plugins.plugin_utils import _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._action import ChangeAction, Options, require_root
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._plan import Plan, StepError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._router import Router
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._sections import Call, Sections
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._table import (
    DEVICE,
    NAME,
    check_content,
    check_table,
)

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "family": {"type": "str", "choices": ["inet", "ip", "ip6"], "default": "inet"},
    "table": {"type": "str", "default": "nft_offload"},
    "content": {"type": "str"},
    "src": {"type": "path"},
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
    FRAGMENTS = ("platform", "files", "nic", "ruleset")
    VERBS = ("ruleset_verbs",)

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        self.requests = _requests(options)
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
            ("read_table", options["family"], options["table"]),
            ("read_files", *_ruleset.OWN_FILES),
            ("read_unit", _ruleset.UNIT),
            ("read_links",),
        ]
        if asking:
            calls.append(("read_features", _ruleset.FEATURE, *asking))
            calls.append(("probe_if_loaded" if self.checking else "probe_hardware", *asking))
        return calls

    def plan(self, answer: Sections, options: Options) -> Plan:
        state = _ruleset.read_state(answer)
        require_root(state.platform)
        if options["state"] == "absent":
            return _ruleset.plan_absent(state, options["family"], options["table"])
        _ruleset.require_nft(state.platform, self.checking)
        return _ruleset.plan_present(
            state, options["family"], options["table"], self.content, self.requests, self.checking
        )


def _requests(options: Options) -> list[_ruleset.Request]:
    """The option flowtables, checked for what an argument spec cannot say."""
    check_table(options["table"])
    requests = [
        _ruleset.Request(item["name"], tuple(sorted(item["devices"])), item["offload"], item["counter"])
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
