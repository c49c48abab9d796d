# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection's own role and playbooks: may change at any time.
"""The role's variables in, what its steps need out; refuses wrong ones before a router is asked anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ..plugin_utils._confirm.change import parse_change, refuse_pending
from ..plugin_utils._confirm.checks import read_checks
from ..plugin_utils._confirm.proof import parse_login, refuse_login, refuse_plugin
from ..plugin_utils._core import paths
from ..plugin_utils._core.action import OffloadAction, Options
from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._core.router import Router
from ..plugin_utils._firewall.role import playbooks, variables
from ..plugin_utils._firewall.role.request import (
    RULESETS,
    OnController,
    Request,
    named_files,
    read_request,
)
from ..plugin_utils._firewall.role.steps import FAMILY, TABLE, plan_removal, plan_steps
from ..plugin_utils._observe.reading import (
    CHOICE_FRAGMENTS,
    list_choice_calls,
    read_state,
    require_whole,
)
from ..plugin_utils._ruleset.owner import refuse_early
from ..plugin_utils._ruleset.table import require_own_table

ARGUMENT_SPEC: dict[str, Any] = {
    "part": {"type": "str", "choices": ["role", "rollout", "batch", "verify", "rollback"], "default": "role"},
}


class ActionModule(OffloadAction):
    """The flow_offload_plan action. Only ``part: role`` makes an exec, and none for flow_offload_mode: disabled."""

    SPEC = ARGUMENT_SPEC
    USER_TEXTS = ("text", "software_text")

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        """What the steps of a part need; raises OffloadError for variables that are wrong."""
        parts: dict[str, Callable[[Router], dict[str, Any]]] = {
            "role": self._role,
            "rollout": self._rollout,
            "batch": self._batch,
            "verify": self._verify,
            "rollback": self._rollback,
        }
        return parts[options["part"]](router)

    def _role(self, router: Router) -> dict[str, Any]:
        values = self._variables()
        request = read_request(values, self._on_controller(values))
        timeout = values["flow_offload_confirm_timeout"]
        checks = read_checks(values["flow_offload_checks"], timeout)
        refuse_plugin(router.connection, timeout, checks, variables.PREFIX)
        if request.mode == "disabled":
            return plan_removal(request)
        content = self._content(request)
        calls = [*list_choice_calls(FAMILY, TABLE), ("read_change", paths.RUN), ("read_login",)]
        answer = router.run((*CHOICE_FRAGMENTS, "read/change", "read/login"), calls=calls)
        answer.require_ended()
        require_whole(answer, chosen=True)
        refuse_login(router.connection, parse_login(answer.require("login").text), timeout, checks, variables.PREFIX)
        refuse_pending(parse_change(answer.require("change").text))
        state = read_state(answer)
        steps, warnings = plan_steps(request, state)
        if steps["ruleset"]["kind"] != "fw4":
            options = {name: steps["change"][name] for name in ("keep_firewall", "adopt")}
            refuse_early(state, (FAMILY, TABLE), content, **options)
        return {**steps, "warnings": [f"{router.name}: {warning}" for warning in warnings]} if warnings else steps

    def _content(self, request: Request) -> str:
        """The text of our table, of a template of the user's too; empty where it is fw4 that offloads."""
        if request.ruleset in RULESETS:
            return request.text
        content = self.render(request.ruleset)
        require_own_table(content, FAMILY, TABLE, f"template {request.ruleset}")
        return content

    def _rollout(self, router: Router) -> dict[str, Any]:
        playbooks.refuse_late(self._late(router))
        return {}

    def _verify(self, router: Router) -> dict[str, Any]:
        playbooks.refuse_late(self._late(router))
        return playbooks.plan_verify(self._variables(variables.DESCRIBING))

    def _rollback(self, router: Router) -> dict[str, Any]:
        playbooks.refuse_late(self._late(router))
        return playbooks.plan_rollback(self._variables(variables.DESCRIBING))

    def _batch(self, _router: Router) -> dict[str, Any]:
        names = ("ansible_play_hosts_all", "ansible_play_hosts", "ansible_play_batch")
        hosts, left, batch = ([str(host) for host in self._value(name)] for name in names)
        limit = self._value("ansible_limit") or self._value("flow_offload_hosts") or "all"
        pattern = ",".join(str(item) for item in (limit if isinstance(limit, list) else [limit]))
        playbooks.refuse_after_losses(hosts, left, batch, pattern)
        return {}

    def _late(self, router: Router) -> list[str]:
        """Names of variables that a playbook reads first, where the inventory has them, and -e does not.

        The task gives them as empty variables of its own. These come before the inventory's, and -e before both;
        hostvars still has the inventory's.
        """
        empty = [name for name in variables.READ_FIRST if self._value(name) == ""]
        inventory = self.task_vars["hostvars"][router.name] if empty else ()
        return [name for name in empty if name in inventory]

    def _variables(self, leaving_out: Iterable[str] = ()) -> dict[str, Any]:
        """The role's variables and the playbooks', templated, checked one by one, completed."""
        variables.refuse_unknown(self.task_vars)
        names = [name for name in (*variables.SPEC, *variables.FOR_PLAYBOOKS) if name not in leaving_out]
        return variables.read_variables({name: value for each in names for name, value in self._given(each).items()})

    def _value(self, name: str) -> Any:
        """A variable as plain types, templated; None where there is none."""
        return self._given(name).get(name)

    def _given(self, name: str) -> dict[str, Any]:
        """A variable by its name, templated; empty where there is none, or where it is ``omit``."""
        if name not in self.task_vars:
            return {}
        try:
            # Templating takes what is omitted out of a dictionary; before core 2.19 it leaves a text in its place.
            templated = self._templar.template({name: self.task_vars[name]})
            return dict(_plain(templated, self.task_vars.get("omit", Ellipsis)))
        except AnsibleError as error:
            raise OffloadError(f"{name}: {error}", "correct the variable") from error

    def _on_controller(self, values: variables.Values) -> OnController:
        """What the variables name on the controller, found where Ansible's own lookups find it."""
        ruleset = values["flow_offload_ruleset"]
        is_path = ruleset not in RULESETS and ruleset != ""
        return OnController(
            files={path: self._text(path) for path in named_files(values)},
            template=is_path and Path(self._found("templates", ruleset) or "/").is_file(),
            inventory_dir=str(self.task_vars.get("inventory_dir") or "/etc/ansible"),
            port=str(self._value("ansible_port") or 22),
        )

    def _found(self, folder: str, path: str) -> str | None:
        lookup = lookup_loader.get("ansible.builtin.file", loader=self._loader, templar=self._templar)
        found = lookup.find_file_in_search_path(self.task_vars, folder, path, ignore_missing=True)
        return str(found) if found else None

    def _text(self, path: str) -> str | None:
        """None: not found."""
        if self._found("files", path) is None:
            return None
        lookup = lookup_loader.get("ansible.builtin.file", loader=self._loader, templar=self._templar)
        try:
            return str(lookup.run([path], variables=self.task_vars)[0])
        except AnsibleError as error:
            raise OffloadError(f"flow_offload_router names the file {path}: {error}", "correct it") from error


def _plain(value: Any, omitted: Any) -> Any:
    """Without ``omitted``, and without the containers that template what is in them only when it is looked at."""
    if isinstance(value, dict):
        return {key: _plain(item, omitted) for key, item in value.items() if item != omitted}
    if isinstance(value, list | tuple):
        return [_plain(item, omitted) for item in value if item != omitted]
    return value
