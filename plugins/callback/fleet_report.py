# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every router of a playbook run was found to be, as a table and as a file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
type: aggregate
short_description: Show what offload_verify found on every router
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - At the end of a playbook run shows the seven rungs of every router with their status and evidence, and what was
    found.
  - Takes the last result of M(kmod.nft_offload.offload_verify) for each router. A router that could not be reached, or
    that was never verified, is shown as such.
  - Routers are all hosts of all plays, less those that are reached with the C(local) connection and were not verified.
options:
  path:
    description:
      - File for the report as JSON. It is replaced in one step, so that a reader never sees half of it. Without a path
        none is written.
    type: path
    env:
      - name: KMOD_NFT_OFFLOAD_REPORT
    ini:
      - section: callback_kmod_nft_offload_fleet_report
        key: path
requirements:
  - Enable it with C(callbacks_enabled=kmod.nft_offload.fleet_report), or C(ANSIBLE_CALLBACKS_ENABLED).
notes:
  - "The file holds one object C(routers), with a key for each router: C(verdict) (name of the highest rung proven, or
    C(none)), C(rung) (its number, 0 to 7), C(unproven), C(rungs) and C(findings) as
    M(kmod.nft_offload.offload_verify) returns them, of each finding C(id), C(severity), C(message) and C(remedy)."
seealso:
  - module: kmod.nft_offload.offload_verify
"""

import json
import os
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from ..plugin_utils._report.fleet import NOT_VERIFIED, UNREACHABLE
from ..plugin_utils._verify.finding import Kind

ACTION = "kmod.nft_offload.offload_verify"
COLORS = {"proven": "green", "failed": "red", "unproven": "yellow", "error": "red", "warning": "bright purple"}

Router = dict[str, Any]
"""What the report holds of one router: verdict, rung, unproven, rungs, findings"""


class CallbackModule(CallbackBase):
    """Collects results while the playbook runs; shows and writes them at its end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kmod.nft_offload.fleet_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hosts: dict[str, tuple[Any, str]] = {}  # name -> the inventory's hostvars, the play's connection
        self._routers: dict[str, Router] = {}
        self._failures: dict[str, str] = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        variables = play.get_variable_manager().get_vars(play=play)
        for name in variables.get("ansible_play_hosts_all", ()):
            self._hosts[str(name)] = (variables["hostvars"], play.connection)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._take(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not self._take(result) and not ignore_errors:
            name, task, data = _parts(result)
            self._failures[name] = f"{task.get_name()}: {_said(data)}"

    def v2_runner_on_unreachable(self, result: Any) -> None:
        name, _task, data = _parts(result)
        self._routers[name] = unknown_router(UNREACHABLE, f"the router could not be reached: {_said(data)}")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        report = self._report()
        for line, color in shown(report, self._display.columns):
            self._display.display(line, color=color)
        path = self.get_option("path")
        if path:
            try:
                write(Path(path), {"routers": report})
            except OSError as error:
                self._display.warning(f"the fleet report could not be written to {path}: {error.strerror or error}")

    def _take(self, result: Any) -> bool:
        """Keep what offload_verify found; False for any other task, and where it could not look."""
        name, task, data = _parts(result)
        if ACTION not in (getattr(task, "resolved_action", None), task.action):
            return False
        found = verified(data)
        if found is None:
            return False
        self._routers[name] = found
        return True

    def _report(self) -> dict[str, Router]:
        """Every router by name, those without a result among them."""
        report = dict(self._routers)
        for name, (hostvars, connection) in self._hosts.items():
            if name in report or hostvars[name].get("ansible_connection", connection) == "local":
                continue
            why = self._failures.get(name)
            report[name] = unknown_router(NOT_VERIFIED, f"the router was not verified{f' ({why})' if why else ''}")
        return dict(sorted(report.items()))


def _parts(result: Any) -> tuple[str, Any, Mapping[str, Any]]:
    """(host, task, data) of a result: public names since core 2.19, private ones in 2.18."""
    if hasattr(result, "result"):
        return str(result.host.name), result.task, result.result
    return str(result._host.get_name()), result._task, result._result


def verified(data: Mapping[str, Any]) -> Router | None:
    """What the report keeps of a result of offload_verify, of a loop's last one; None where it has no verdict."""
    items = data.get("results")
    for item in reversed(items) if isinstance(items, list) else (data,):
        if isinstance(item, Mapping) and "verdict" in item and "rungs" in item:
            router: Router = {key: _plain(item.get(key)) for key in ("verdict", "rung", "unproven", "rungs")}
            keys = ("id", "severity", "message", "remedy")
            router["findings"] = [{key: _plain(finding.get(key)) for key in keys} for finding in item["findings"]]
            return router
    return None


def unknown_router(kind: Kind, message: str) -> Router:
    """A router that nothing is known of but why."""
    finding = kind.found(message)
    kept = {"id": finding.id, "severity": finding.severity, "message": finding.message, "remedy": finding.remedy}
    return {"verdict": "none", "rung": 0, "unproven": [], "rungs": [], "findings": [kept]}


def _said(data: Mapping[str, Any]) -> str:
    """The message of a failed result, on one line."""
    return " ".join(str(data.get("msg") or "no reason given").split())


def _plain(value: Any) -> Any:
    """Values as JSON has them, without what core 2.19 tags them with."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else str(value)


def shown(report: Mapping[str, Router], width: int) -> Iterator[tuple[str, str | None]]:
    """(line, color) of the report for a terminal of that width."""
    if not report:
        return
    width = max(width, 60)
    yield "", None
    yield f"FLEET REPORT {'*' * (width - 13)}", None
    for name, router in report.items():
        yield "", None
        yield from _router_shown(name, router, width)
    yield "", None


def _router_shown(name: str, router: Router, width: int) -> Iterator[tuple[str, str | None]]:
    rung = f" (rung {router['rung']} of 7)" if router["rung"] else ""
    failing = any(finding["severity"] == "error" for finding in router["findings"])
    yield f"{name}: {router['verdict']}{rung}", "red" if failing else "green" if router["rung"] else None
    for result in router["rungs"]:
        head = f"  {result['number']} {result['name']:<12}{result['status'].replace('_', ' '):<15}"
        color = COLORS.get(result["status"])
        for number, line in enumerate(_wrapped(result["evidence"] or result["findings"] or [""], width, len(head))):
            yield (f"{'' if number else head:<{len(head)}}{line}").rstrip(), color
    for finding in router["findings"]:
        color = COLORS.get(finding["severity"])
        for line in _wrapped([f"{finding['severity']} {finding['id']}: {finding['message']}"], width, 2):
            yield f"  {line}", color
        for line in _wrapped([f"remedy: {finding['remedy']}"], width, 4):
            yield f"    {line}", color


def _wrapped(texts: list[str], width: int, indent: int) -> Iterator[str]:
    """Each text on lines of its own, with room for an indentation; an empty one is one empty line."""
    for text in texts:
        lines = textwrap.wrap(text, width - indent - 1, subsequent_indent="  ", break_on_hyphens=False)
        yield from lines or [""]


def write(path: Path, report: Mapping[str, Any]) -> None:
    """The report as a file, put into place in one step; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")
        os.chmod(staged, 0o644)
        os.replace(staged, path)
    except BaseException:
        os.unlink(staged)
        raise
