# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch, there and back, on routers with a timer of systemd's and with cron."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Plan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_system import ServiceState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.verbs import (
    DisableUnit,
    EnableUnit,
    ReloadManagers,
    RestartCron,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._watch import plan as _watch
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._watch.plan import WatchState

from tests.unit.helpers.ruleset_states import FRESH

THEIRS = "# a comment\n0 3 * * * /usr/bin/backup\n"
TIMER = "nft-offload-watch.timer"


def state(init: str, files: dict[str, str] | None = None, service: ServiceState | None = None) -> WatchState:
    return WatchState(replace(FRESH.platform, init=init), files or {}, service or ServiceState())


def after(found: WatchState, plan: Plan) -> WatchState:
    files = {path: text for path, text in found.files.items() if path not in plan.removed}
    on = ServiceState(enabled=True, active=True) if any(isinstance(s.verb, EnableUnit) for s in plan.closing) else None
    return replace(
        found,
        files={**files, **{path: text for path, (_mode, text) in plan.files.items()}},
        service=on or found.service,
    )


def test_with_systemd() -> None:
    fresh = state("systemd")
    plan = _watch.plan_present(fresh, None, 300)
    assert set(plan.files) == {paths.WATCH_SCRIPT, paths.WATCH_UNIT, paths.WATCH_TIMER}
    assert f"ExecStart={paths.WATCH_SCRIPT} /var/lib/prometheus/node-exporter 300\n" in plan.files[paths.WATCH_UNIT][1]
    assert "OnUnitActiveSec=300\n" in plan.files[paths.WATCH_TIMER][1]
    assert EnableUnit(TIMER) in [step.verb for step in plan.closing]
    assert plan.result["file"] == "/var/lib/prometheus/node-exporter/nft_offload.prom"
    there = after(fresh, plan)
    assert not _watch.plan_present(there, None, 300).changed
    other = _watch.plan_present(there, "/srv/textfile", 60)
    assert set(other.files) == {paths.WATCH_UNIT, paths.WATCH_TIMER}
    assert [step.verb for step in other.closing] == [ReloadManagers()]
    gone = _watch.plan_absent(there)
    assert set(gone.removed) == set(there.files)
    assert [step.verb for step in gone.steps] == [DisableUnit(TIMER)]
    assert not _watch.plan_absent(replace(after(there, gone), service=ServiceState())).changed


@pytest.mark.parametrize(
    ("init", "directory"), [("procd", "/var/prometheus"), ("openrc", "/var/lib/prometheus/node-exporter")]
)
def test_with_cron(init: str, directory: str) -> None:
    """Lines of others stay, also where there are none."""
    for theirs in (THEIRS, ""):
        fresh = state(init, {paths.CRONTAB: theirs} if theirs else {})
        plan = _watch.plan_present(fresh, None, 300)
        assert plan.files[paths.CRONTAB] == (
            paths.PRIVATE,
            f"{theirs}*/5 * * * * nice -n 19 {paths.WATCH_SCRIPT} {directory} 300\n",
        )
        assert [step.verb for step in plan.closing] == [RestartCron()]
        there = after(fresh, plan)
        assert not _watch.plan_present(there, None, 300).changed
        hourly = _watch.plan_present(there, None, 3600)
        assert set(hourly.files) == {paths.CRONTAB}
        assert hourly.files[paths.CRONTAB][1].count(paths.WATCH_SCRIPT) == 1
        gone = _watch.plan_absent(there)
        assert gone.files[paths.CRONTAB][1] == theirs
        assert set(gone.removed) == {paths.WATCH_SCRIPT}
        assert not _watch.plan_absent(after(there, gone)).changed


@pytest.mark.parametrize(
    ("directory", "interval", "named"),
    [
        ("textfile", 300, "directory"),
        ("/srv/a b", 300, "directory"),
        ("/srv/100%", 300, "directory"),
        ("/srv/../etc", 300, "directory"),
        ("/srv/$(reboot)", 300, "directory"),
        (None, 59, "interval"),
        (None, 90, "interval"),
        (None, 420, "interval"),
        (None, 7200, "interval"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(directory: str | None, interval: int, named: str) -> None:
    with pytest.raises(OffloadError, match=f"option {named}: ") as caught:
        _watch.check_options(directory, interval)
    assert caught.value.remedy


def test_a_router_that_nothing_of_ours_can_be_started_by() -> None:
    with pytest.raises(OffloadError, match="started by sysvinit"):
        _watch.plan_present(state("sysvinit"), None, 300)
    assert not _watch.plan_absent(state("sysvinit")).changed


def test_what_was_read() -> None:
    answer = {
        "platform": Section("uid=0\nkernel=6.12.1\ninit=systemd", 0),
        f"file.{paths.WATCH_TIMER}": Section("x", 0),
        "unit": Section("UnitFileState=enabled\nActiveState=active", 0),
    }
    found = _watch.read_state(Answer(answer))
    assert found.files == {paths.WATCH_TIMER: "x\n"}
    assert found.service == ServiceState(enabled=True, active=True)
