# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a fault on a router of the lab, and what it counts as."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab import routers
from lab.host import LabError
from lab.machine import READY
from tests.lab.router import Live
from tests.safety.evidence import RECORDER
from tests.safety.faults import PATIENT, REMOTE, Fault
from tests.safety.look import Firewall, Known, Look, end_users, keep_users_busy, look, users_get_through
from tests.safety.play import Play, Watch
from tests.safety.rack import prepare_ports
from tests.safety.sabotage import ACTED, AT_BOOT, CUT, PREPARE, when_reached

STAYS_PENDING = "a change stays pending"
STAYS = ("the change is confirmed, and", "the change stays, but")
"""of messages of a task that failed once nothing undoes the change any more"""
SETTLING = 120
"""seconds for a run to settle, a boot included"""


@dataclass(frozen=True)
class Ending:
    """How a run ended. ``lost`` is why the router counts as lost, or empty; ``outage`` is in seconds."""

    lost: str
    outage: float
    note: str
    reached: bool = True
    """the fault was injected"""


class NotInjectedError(Exception):
    """The run did not come to the moment of its fault."""


def run_once(router: Live, fault: Fault, known: Known, place: Path) -> Ending:
    """One change with one fault. ``place`` is an empty directory, which holds the evidence then."""
    machine = routers.get(router.name)
    try:
        before, boots = _begin(router, fault, known)
    except (LabError, AssertionError, OSError, subprocess.TimeoutExpired) as error:
        raise NotInjectedError(f"the router could not be prepared: {error}") from error
    with Watch(machine.port) as watch:
        written = machine.machine.console.stat().st_size
        play = Play(router, fault, place / "first")
        try:
            plays = [play, *_inject(router, fault, play, place)]
            if fault.inject == "power":
                if fault.cut_at_boot:
                    _cut_power_at_boot(router, written)
                _wait_for_boot(router, boots + 1)
            results = [one.result() for one in plays]
        finally:
            play.signal(signal.SIGKILL)
        lost, seen = settle(router, fault, known)
        if fault.traffic and not lost and not end_users(router):
            raise NotInjectedError("the users behind the router had gone")
        if lost and b"soft lockup" in machine.machine.console.read_bytes()[written:]:
            raise NotInjectedError("the emulated processor stood still")
        if lost == STAYS_PENDING and _is_left_behind(router):
            results = [Play(router, fault, place / "next").result()]
            lost, seen = settle(router, replace(fault, heal=""), known)
        if fault.reboot and not lost:
            boots = _count_boots(router)
            machine.machine.monitor("system_reset")
            _wait_for_boot(router, boots + 1)
            seen = look(router, fault.module)
        if not lost and any(one.hung for one in plays):
            lost = "the task did not end by itself"
        if not lost:
            lost = judge(router, fault, known, before, seen, results)
    if not lost and fault.within and watch.longest > fault.within:
        lost = f"out of reach for {watch.longest:.0f} s, not {fault.within}"
    reached = bool(lost) or is_injected(fault, seen.acted)
    return Ending(lost, round(watch.longest, 1), summarise(results), reached)


def _begin(router: Live, fault: Fault, known: Known) -> tuple[Look, int]:
    """Bring the router to the state that the run starts with; how it looks then, and how often it has booted."""
    if fault.start == "ports" and "ports" not in known.firewalls["ruleset"]:
        prepare_ports(router, known)
    router.restore(fault.start)
    router.acts += 1
    router.hang_up()
    boots = _count_boots(router)
    before = known.before.get((fault.start, fault.module)) or look(router, fault.module)
    known.before[fault.start, fault.module] = before
    router.sh(_preparation(fault))
    if fault.traffic:
        keep_users_busy(router)
    return before, boots


def _is_left_behind(router: Live) -> bool:
    """Whether a change was begun and nothing more: it has no guard and loads nothing; the next controller clears it."""
    return router.succeeds(". /root/stages; event begun && ! event guard && ! event loading")


def is_injected(fault: Fault, acted: Container[str]) -> bool:
    """Whether all that the fault does on the router has happened. What comes from outside waits for its moment."""
    if AT_BOOT in fault.prepare and not fault.cut_at_boot:
        return "at-boot" in acted
    if fault.inject == "power":
        return True
    if not is_remote(fault):
        return "reached" in acted
    return "acted" in acted or ACTED not in fault.prepare


def is_remote(fault: Fault) -> bool:
    """Whether what is injected is not a command for the router."""
    return fault.inject in REMOTE


# What failed was not injected. It may end its own process, so the word comes first.
INJECT = """: >/root/reached
{{
{}
}} || rm -f /root/reached"""


def _preparation(fault: Fault) -> str:
    parts = [
        PREPARE,
        RECORDER,
        f"{{ :\n{fault.prepare}\n}} || exit",
        "" if is_remote(fault) else when_reached(fault.after, INJECT.format(fault.inject)),
        ": >/root/begun",
        "sync",
    ]
    return "\n".join(part for part in parts if part)


def _count_boots(router: Live) -> int:
    return routers.get(router.name).machine.console.read_bytes().count(b"lab-ready")


def _wait_for_boot(router: Live, boots: int) -> None:
    machine = routers.get(router.name)
    machine.login.hang_up()
    machine.machine.wait_ready(boots, 240)
    machine.login.hang_up()
    machine.login.wait_for_login(router.name)


def _cut_power_at_boot(router: Live, written: int) -> None:
    """Wait for the word on the console, behind what was there before; the boot was not over, so it is not counted."""
    machine = routers.get(router.name).machine
    until = time.monotonic() + 240
    while CUT.encode() not in machine.console.read_bytes()[written:]:
        if time.monotonic() > until or READY in machine.console.read_bytes()[written:]:
            raise NotInjectedError("the moment to cut the power at boot never came")
        time.sleep(0.2)
    machine.monitor("system_reset")


def _inject(router: Live, fault: Fault, play: Play, place: Path) -> list[Play]:
    """Wait for the moment and inject what comes from outside of the router; returns the plays that this started."""
    if fault.inject in ("", "local") or not is_remote(fault):
        return []
    until = time.monotonic() + 120
    while not router.succeeds(f". /root/stages; {fault.after}"):
        if time.monotonic() > until or not play.running:
            raise NotInjectedError(f"the moment to inject the fault never came: {summarise([play.result()])}")
        time.sleep(0.1)
    machine = routers.get(router.name)
    if fault.inject == "controller":
        play.signal(signal.SIGKILL)
    elif fault.inject == "connection":
        router.succeeds(CUT_CONNECTIONS)
    elif fault.inject == "power":
        machine.machine.monitor("system_reset")
    elif fault.inject == "second":
        return [Play(router, fault, place / "second")]
    elif fault.inject.startswith("suspended"):
        play.signal(signal.SIGSTOP)
        if fault.inject == "suspended hour":
            router.succeeds("date -s +1hour")
        _wait_until_over(router, 60)
        play.signal(signal.SIGCONT)
    elif fault.inject == "overtaken":
        return [_overtake(router, fault, play, place)]
    elif play.jump is not None:
        play.jump.die()
        if fault.inject == "jump host":
            time.sleep(15)
            play.jump.revive()
    return []


CUT_CONNECTIONS = """. /root/stages
if [ -e /var/run/dropbear.pid ]; then
  for one in $(matching 'dropbear*'); do [ "$one" = "$(cat /var/run/dropbear.pid)" ] || kill -9 "$one"; done
else
  kill -9 $(matching '*sshd*: root@notty*')
fi"""


def _wait_until_over(router: Live, seconds: float) -> None:
    """Until the router has undone the change."""
    until = time.monotonic() + seconds
    while not router.succeeds(". /root/stages; ! locked") and time.monotonic() < until:
        time.sleep(0.5)


def _overtake(router: Live, fault: Fault, play: Play, place: Path) -> Play:
    """Stop the play until the router has undone its change and somebody else made one."""
    play.signal(signal.SIGSTOP)
    _wait_until_over(router, 60)
    second = Play(router, fault, place / "second", {"checks": [], **PATIENT})
    with contextlib.suppress(subprocess.TimeoutExpired):
        second.process.wait(90)
    play.signal(signal.SIGCONT)
    return second


def settle(router: Live, fault: Fault, known: Known) -> tuple[str, Look]:
    """Wait until the router takes a new login and no change is pending; why it is lost, and the last look."""
    until = time.monotonic() + SETTLING
    healed = not fault.heal
    problem = "not reachable"
    seen = Look(Firewall("", ""), {}, [], [], pending=False, acted=set(), left="")
    routers.get(router.name).login.hang_up()
    while time.monotonic() < until:
        try:
            seen = look(router, fault.module)
        except (LabError, subprocess.TimeoutExpired, AssertionError):
            routers.get(router.name).login.hang_up()
            time.sleep(1)
            continue
        runs = {word for word, one in known.firewalls[fault.module].items() if one.live == seen.firewall.live}
        if not healed and runs & {*fault.ends}:
            router.sh(fault.heal)
            healed = True
            until = time.monotonic() + SETTLING
        elif healed and not seen.pending:
            return "", seen
        else:
            problem = STAYS_PENDING if healed else f"live is {' '.join(runs) or 'a mixture'}"
            time.sleep(1)
    return problem, seen


def judge(router: Live, fault: Fault, known: Known, before: Look, seen: Look, results: Sequence[dict[str, Any]]) -> str:
    """What is wrong: the firewall must be exactly the old or the new one, live and for boot, as the tasks claimed."""
    firewalls = known.firewalls[fault.module]
    runs = next((word for word, one in firewalls.items() if one == seen.firewall), "")
    if not runs:
        live = next((word for word, one in firewalls.items() if one.live == seen.firewall.live), "a mixture")
        boot = next((word for word, one in firewalls.items() if one.boot == seen.firewall.boot), "a mixture")
        return f"live is {live}, boot is {boot}"
    ends = [fault.start if end == "old" and fault.start == "ports" else end for end in fault.ends]
    if runs not in ends:
        return f"it runs {runs}, not {' or '.join(ends)}"
    if fault.module == "ruleset" and runs != "none" and seen.in_flowtable != seen.devices:
        return f"the flowtable has {seen.in_flowtable}, the router {seen.devices}"
    if changed := _differing(before.others, seen.others, fault.foreign):
        return f"tables of others are not as they were: {', '.join(changed)}"
    if left := [word for word in seen.left.split() if not (fault.litter and word.endswith(".nft-offload-new"))]:
        return f"left behind: {' '.join(left)}"
    if not set(before.devices) - set(seen.devices) and (problem := users_get_through(router)):
        return problem
    return find_false_claim(fault, runs, [result for result in results if result])


def _differing(before: Mapping[str, str], after: Mapping[str, str], but: str) -> list[str]:
    names = sorted({*before, *after} - {f"table {but}"})
    return [name for name in names if before.get(name) != after.get(name)]


def find_false_claim(fault: Fault, runs: str, results: Sequence[dict[str, Any]]) -> str:
    """What a task claimed that is not true, or nothing. A task that was killed has claimed nothing."""
    if fault.inject in ("second", "overtaken"):
        statuses = sorted(result["status"] for result in results)
        expected = ["failed", "ok"] if runs == fault.goal else ["failed", "failed"]
        unknown = [status.replace("unreachable", "failed") for status in statuses]
        return "" if unknown == expected else f"of two controllers {statuses}, and the router runs {runs}"
    for result in results:
        change = result["result"].get("change", {})
        # one whose files could not be put in place at first has failed, and says that it is there all the same
        stays = any(claim in str(result["result"].get("msg", "")) for claim in STAYS)
        if stays and runs != fault.goal:
            return "the task claims that the change stays, and the router does not run it"
        if (result["status"] == "ok" or stays) != (runs == fault.goal) and not fault.loses_router:
            return f"the task ended {result['status']}, and the router runs {runs}"
        if result["status"] == "ok" and runs != fault.goal:
            return "the task claims the change, and the router does not run it"
        if change.get("rolled_back") and runs == fault.goal:
            return "the task claims a rollback, and the router runs the change"
        if change.get("confirmed") and runs != fault.goal:
            return "the task claims a confirmation, and the router runs the old ruleset"
    return ""


NOTE = 1000
"""characters that a run keeps of what its tasks said"""


def summarise(results: Sequence[dict[str, Any]]) -> str:
    """Status and message of each task, NOTE characters at most."""
    parts = [f"{result.get('status', 'killed')} {result.get('result', {}).get('msg', '')}" for result in results]
    return " | ".join(part.strip() for part in parts)[:NOTE]
