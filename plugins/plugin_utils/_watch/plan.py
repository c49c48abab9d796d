# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what was read of a router to the plan that has it measured again and again. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .._core import paths
from .._core.errors import OffloadError
from .._core.files import DesiredFiles, file_changes, read_files
from .._core.plan import Plan, Step
from .._core.sections import Answer, Call
from .._observe.parse.platform import parse_platform
from .._observe.state import Platform
from .._systems.cron import drop_line, set_line
from .._systems.init_registry import INIT_SYSTEMS, find_init_scripts, find_init_system, require_init_system
from .._systems.init_system import WATCH_SCRIPTS, InitSystem, Service, ServiceState
from .._systems.verbs import RestartCron

DIRECTORY = re.compile(r"(/[A-Za-z0-9_.-]+)+")
"""words of a unit and of cron's table: no blank, no % and no quote"""
SHORTEST, LONGEST = 60, 3600
"""seconds between two readings"""
DIRECTORIES = {"procd": "/var/prometheus"}
ELSEWHERE = "/var/lib/prometheus/node-exporter"
"""where the exporters of the distributions read: OpenWrt's prometheus-node-exporter-lua-textfile, and Debian's"""


@dataclass(frozen=True)
class WatchState:
    """What was read of a router."""

    platform: Platform
    files: Mapping[str, str] = field(default_factory=dict)
    """path -> text"""
    service: ServiceState = field(default_factory=ServiceState)
    """of the timer"""


def list_own_files() -> tuple[str, ...]:
    """Every path that the watch module may have made on a router, less the table of cron, which is everybody's."""
    timers = [path for init in INIT_SYSTEMS if init.timer for path in init.timer.paths]
    return tuple(dict.fromkeys((*WATCH_SCRIPTS, *timers)))


def list_files() -> tuple[str, ...]:
    """Every path that is read."""
    return tuple(dict.fromkeys((*list_own_files(), *(init.crontab for init in INIT_SYSTEMS if init.crontab))))


def list_state_scripts() -> tuple[str, ...]:
    """The fragments of sh/read that ``list_state_calls`` need."""
    return tuple(script for init in INIT_SYSTEMS if init.timer for script in init.read_scripts)


def list_state_calls() -> list[Call]:
    """Calls that print what the router's init system reports of the timer."""
    return [call for init in INIT_SYSTEMS if init.timer for call in init.list_state_calls(init.timer)]


def read_state(answer: Answer) -> WatchState:
    """The sections of these calls, of the platform and of the files -> WatchState."""
    platform = parse_platform(answer.require("platform").text)
    init = find_init_system(platform.init)
    timer = init.timer if init else None
    return WatchState(
        platform=platform,
        files=read_files(answer),
        service=init.read_state(answer, timer) if init and timer else ServiceState(),
    )


def check_options(directory: str | None, interval: int) -> None:
    """Raise OffloadError for what an argument spec cannot refuse."""
    if directory is not None and (not DIRECTORY.fullmatch(directory) or ".." in directory.split("/")):
        raise OffloadError(
            f"option directory: {directory!r} is not the absolute path of a directory in letters, digits, _, . and -",
            "name the directory that the exporter on the router reads, such as /var/lib/prometheus/node-exporter",
        )
    if not SHORTEST <= interval <= LONGEST or interval % 60 or (interval < LONGEST and 3600 % interval):
        raise OffloadError(
            f"option interval: {interval} seconds cannot be kept by every timer",
            "use whole minutes that an hour can be divided by, such as 60, 300, 900 or 3600",
        )


def plan_present(state: WatchState, directory: str | None, interval: int) -> Plan:
    """Plan for a router that is measured every ``interval`` seconds, for an exporter that reads ``directory``.

    None: that of the distribution's exporter.
    """
    init = require_init_system(state.platform.init)
    place = directory or DIRECTORIES.get(init.name, ELSEWHERE)
    files: dict[str, tuple[str, str] | None] = dict(WATCH_SCRIPTS)
    if init.timer:
        files |= _fill(init.timer, place, interval)
    else:
        table = set_line(state.files.get(init.crontab, ""), f"{paths.WATCH_SCRIPT} {place} {interval}", interval // 60)
        files[init.crontab] = (paths.PRIVATE, table)
    plan = _plan(state, init, files)
    return replace(plan, result={"directory": place, "interval": interval, "file": f"{place}/nft_offload.prom"})


def plan_absent(state: WatchState) -> Plan:
    """Plan that leaves nothing of it; what was measured last goes with the next boot."""
    init = find_init_system(state.platform.init)
    files: dict[str, tuple[str, str] | None] = dict.fromkeys(list_own_files())
    if init and init.crontab in state.files:
        files[init.crontab] = (paths.PRIVATE, drop_line(state.files[init.crontab]))
    return replace(_plan(state, init, files), result={"directory": "", "interval": 0, "file": ""})


def _plan(state: WatchState, init: InitSystem | None, files: DesiredFiles) -> Plan:
    changes = file_changes(state.files, files)
    steps: Sequence[Step] = ()
    closing: list[Step] = []
    if init and init.timer and paths.WATCH_SCRIPT not in (path for path, text in files.items() if text is None):
        closing = init.plan_after_writing(init.timer, state.files, changes.written, state.service)
    elif init and init.timer:
        steps = init.plan_before_removing(init.timer, state.service)
        closing = init.plan_after_removing(init.timer, changes.removed, state.service)
    elif init and init.crontab in changes.written:
        closing = [Step("have cron read its table", RestartCron())]
    return Plan(
        steps=steps,
        files=changes.written,
        removed=changes.removed,
        closing=closing,
        diffs=changes.diffs,
        system_scripts=find_init_scripts(state.platform.init),
    )


def _fill(timer: Service, directory: str, interval: int) -> dict[str, tuple[str, str] | None]:
    return {
        path: (mode, text.replace("@DIRECTORY@", directory).replace("@INTERVAL@", str(interval)))
        for path, (mode, text) in timer.files.items()
    }
