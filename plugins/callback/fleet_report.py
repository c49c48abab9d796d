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
  - At the end of a playbook run shows how many routers of the run, and of each of its groups, are well, a line for each
    router, and what was found on those that are not. With C(-v) it shows every router in full, its seven rungs with
    their status and evidence. On the way it tells after each tenth of a run of 20 routers or more how far it has come.
  - Where the terminal's own callback writes JSON, all of that goes to the standard error.
  - Takes the last result of M(kmod.nft_offload.offload_verify) for each router. A router that could not be reached,
    that was never verified, or whose last M(kmod.nft_offload.offload_verify) failed before it had a verdict, is shown
    as such.
  - Routers are all hosts of all plays, less those that are reached with the C(local) connection and were not verified.
options:
  path:
    description:
      - Files for the report, separated by commas. The ending of a name decides on the format. C(.json) is JSON, which
        is also written to a name with any other ending; C(.html) is HTML, one file to look at, from a disk or from a CI
        job's artifacts; C(.xml) is JUnit, for what shows the results of a CI job;
        C(.md) is Markdown, for a merge request or a chat; C(.prom) is Prometheus, for the textfile collector of its
        node exporter; C(.csv) is CSV, for a spreadsheet.
      - A file is replaced in one step, so that a reader never sees half of it. A link by its name is replaced, not
        followed. The umask decides who can read a new file; one that is there already is made readable for nobody else.
      - Without a path none is written.
      - Nothing is shown or written at the end of a run that had no routers.
    type: pathlist
    env:
      - name: KMOD_NFT_OFFLOAD_REPORT
    ini:
      - section: callback_kmod_nft_offload_fleet_report
        key: path
  before:
    description:
      - An earlier report as JSON to compare this one with. A router is C(better) or C(worse) where the state in which
        it is (without a verdict, with errors, with warnings, well) is another one, where a rung was proven and failed
        or does not apply now, and where there are findings beside those of before; C(new), or C(absent) from this run.
        That a rung is not proven any more is no change, for at night there is no traffic to prove it with.
      - It may be one of the files of O(path), which is then the report of the run before. A run over a part of the
        fleet leaves a report on that part there.
    type: path
    env:
      - name: KMOD_NFT_OFFLOAD_REPORT_BEFORE
    ini:
      - section: callback_kmod_nft_offload_fleet_report
        key: before
requirements:
  - Enable it with C(callbacks_enabled=kmod.nft_offload.fleet_report), or C(ANSIBLE_CALLBACKS_ENABLED).
notes:
  - "The JSON file holds C(version) (1, of this form), C(made) (when the run ended) and one object C(routers), with a
    key for each router: C(verdict) (name of the highest rung proven, or C(none)), C(rung) (its number, 0 to 7),
    C(unproven), C(rungs), C(kernel), C(firewall), C(expected), C(offload) and C(drivers) as
    M(kmod.nft_offload.offload_verify) returns them, C(findings) less their evidence, the paths in C(flows), C(traffic),
    and the C(groups) of the inventory. C(comparison) has the C(changes) of routers since the report O(before), which
    was C(made) then. C(docs/fleet_report.schema.json) of this collection is its JSON Schema.
    M(kmod.nft_offload.merge_reports) reads it again."
  - In the JUnit file a rung that is unproven or does not apply is a skipped case, one that failed or has an error among
    its findings a failure, and a router without a verdict an error.
  - "The gauges of the Prometheus file are C(nft_offload_verified), C(nft_offload_rung), C(nft_offload_findings) (by
    C(id) and C(severity)) and C(nft_offload_report_timestamp_seconds)."
seealso:
  - module: kmod.nft_offload.offload_verify
  - module: kmod.nft_offload.merge_reports
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._report.fleet import (
    FleetReport,
    RouterReport,
    compare_reports,
    parse_result,
    report_not_verified,
    report_unreachable,
)
from ..plugin_utils._report.json_file import parse_report
from ..plugin_utils._report.registry import choose_file_format, screen_formats
from ..plugin_utils._report.writing import replace_file

ACTION = "kmod.nft_offload.offload_verify"
LONG_RUN = 20
"""routers from which on it is told how far a run has come"""


class CallbackModule(CallbackBase):
    """Collects results while the playbook runs; at its end has every format render them."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kmod.nft_offload.fleet_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hosts: dict[str, tuple[Any, str]] = {}  # name -> the inventory's hostvars, the play's connection
        self._groups: dict[str, set[str]] = {}
        self._routers: dict[str, RouterReport] = {}
        self._failures: dict[str, str] = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        variables = play.get_variable_manager().get_vars(play=play)
        for name in variables.get("ansible_play_hosts_all", ()):
            self._hosts[str(name)] = (variables["hostvars"], play.connection)
        for group, members in variables.get("groups", {}).items():
            if group not in ("all", "ungrouped"):
                for name in members:
                    self._groups.setdefault(str(name), set()).add(str(group))

    def v2_runner_on_ok(self, result: Any) -> None:
        self._keep_verdict(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not self._keep_verdict(result) and not ignore_errors:
            self._failures[_unpack(result)[0]] = _failure_of(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        name, _task, data = _unpack(result)
        self._keep(name, report_unreachable(_message_of(data)))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        report = self.report()
        if not report.routers:
            # of another playbook: what is known of the fleet stays as it is
            return
        report = self._compare(report)
        for screen in screen_formats(self._display.verbosity):
            for line, color in screen.lines(report, self._display.columns):
                self._show(line, color)
        for path in self.get_option("path") or ():
            try:
                replace_file(Path(path), choose_file_format(Path(path)).render(report))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                self._display.warning(f"the fleet report could not be written to {path}: {reason}")

    def _compare(self, report: FleetReport) -> FleetReport:
        """With what became of its routers since the report of the option ``before``."""
        if not (path := self.get_option("before")):
            return report
        try:
            return compare_reports(report, parse_report(Path(path).read_text(encoding="utf-8"), path))
        except FileNotFoundError:
            self._show(f"fleet report: there is no {path} yet to compare with")
        except OffloadError as error:
            self._display.warning(f"nothing is compared: {error}")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._display.warning(f"nothing is compared: {path}: {reason}")
        return report

    def report(self) -> FleetReport:
        """Every router by name, those without a result among them."""
        routers = dict(self._routers)
        for name, (hostvars, connection) in self._hosts.items():
            if name not in routers and hostvars[name].get("ansible_connection", connection) != "local":
                routers[name] = report_not_verified(self._failures.get(name, ""))
        groups = {name: tuple(sorted(self._groups.get(name, ()))) for name in routers}
        placed = {name: replace(router, groups=groups[name]) for name, router in routers.items()}
        return FleetReport(dict(sorted(placed.items())), datetime.now(UTC))

    def _keep_verdict(self, result: Any) -> bool:
        """Keep what offload_verify found; False for any other task.

        Where it gave no verdict, one from before says nothing of the router any more.
        """
        name, task, data = _unpack(result)
        if ACTION not in (getattr(task, "resolved_action", None), task.action):
            return False
        self._keep(name, parse_result(data) or report_not_verified(_failure_of(result)))
        return True

    def _keep(self, name: str, router: RouterReport) -> None:
        """Keep what is known of a router, and tell how far a long run has come."""
        is_new = name not in self._routers
        self._routers[name] = router
        number = sum(connection != "local" for _hostvars, connection in self._hosts.values())
        done = len(self._routers)
        if is_new and number >= LONG_RUN and done * 10 // number > (done - 1) * 10 // number:
            well = sum(one.state == "well" for one in self._routers.values())
            self._show(f"fleet report: {done} of {number} routers, {well} of them well")

    def _show(self, line: str, color: str | None = None) -> None:
        """A line on the terminal; beside a callback that writes JSON there, on the standard error."""
        self._display.display(line, color=color, stderr="json" in str(constants.DEFAULT_STDOUT_CALLBACK))


def _unpack(result: Any) -> tuple[str, Any, Mapping[str, Any]]:
    """(host, task, data) of a result: public names since core 2.19, private ones in 2.18."""
    if hasattr(result, "result"):
        return str(result.host.name), result.task, result.result
    return str(result._host.get_name()), result._task, result._result


def _failure_of(result: Any) -> str:
    """The name of a task that failed, and its message."""
    _name, task, data = _unpack(result)
    return f"{task.get_name()}: {_message_of(data)}"


def _message_of(data: Mapping[str, Any]) -> str:
    """The message of a failed result, on one line."""
    return " ".join(str(data.get("msg") or "no reason given").split())
