# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Injects the faults on routers of the lab and writes build/safety/matrix.json.

usage: make safety SAFETY="[--suite SUITE]... [--runs N] [--quick] [PART OF A NAME]..."
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import api, routers
from lab.host import LabError
from tests.lab.plays import REPOSITORY, settings
from tests.lab.router import Live, sweep
from tests.safety.faults import FAULTS, NEW, OLD, POWER, QUICK, TIMEOUT, Fault

MATRIX = REPOSITORY / "build/safety/matrix.json"
FLOWTABLE = {"name": "ft", "devices": ["lan0", "wan0"]}
PATIENCE = 120  # seconds for a run to settle, a boot included


@dataclass(frozen=True)
class Ending:
    """How a run ended. ``lost`` is why the router counts as lost, or empty; ``outage`` is in seconds."""

    lost: str
    outage: float
    note: str


# OpenSSH 9.8 and later shut out clients that connect and do not log in, as Watch does.
TOLERATE = """
grep -q '^Include' /etc/ssh/sshd_config
! sshd -T | grep -q '^persourcepenalties' || echo PerSourcePenalties no >/etc/ssh/sshd_config.d/watch.conf
systemctl reload ssh
"""


class Watch:
    """Requests sshd's banner over a new connection every two seconds; the longest time without one is the outage."""

    def __init__(self, port: int) -> None:
        self.longest = 0.0
        self._port = port
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        seen = time.monotonic()
        while not self._done.wait(2):
            answered = reaches_sshd(self._port)
            self.longest = max(self.longest, time.monotonic() - seen)
            if answered:
                seen = time.monotonic()


def reaches_sshd(port: int) -> bool:
    """Whether a new connection gets sshd's banner. QEMU itself accepts any connection."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.settimeout(1)
        return connection.recv(4) == b"SSH-"
    return False


class Play:
    """One task of the ruleset module in an ansible-playbook of its own, which can be killed."""

    def __init__(self, router: Live, fault: Fault, place: Path) -> None:
        options: dict[str, Any] = {"confirm_timeout": TIMEOUT, **fault.options}
        if options.get("state") != "absent":
            options = {"content": fault.content, "flowtables": [FLOWTABLE], **options}
        task = {"name": "change", "kmod.nft_offload.ruleset": options}
        place.mkdir()
        self.record = place / "record"
        play = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
        (place / "play.yml").write_text(yaml.safe_dump(play))
        host = {"ansible_timeout": 5, "ansible_ssh_retries": 0}
        (place / "inventory.yml").write_text(yaml.safe_dump(router.inventory(**host)))
        program = Path(sys.executable).with_name("ansible-playbook")
        self.log = (place / "log").open("w")
        self.process = subprocess.Popen(
            [str(program), "play.yml", "-i", "inventory.yml", "-vvv"],
            cwd=place,
            env={**os.environ, **settings(), "RECORD_FILE": str(self.record)},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Kill it with its workers, which Ansible puts into sessions of their own, and their connections."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def result(self) -> dict[str, Any]:
        """Status and result of the task; empty when it never ended."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self.log.close()
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return dict(json.loads(lines[-1])) if lines else {}


def descendants(pid: int) -> list[int]:
    """Every process below this one, parents first."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


def inject(router: Live, fault: Fault, play: Play, place: Path) -> Play | None:
    """Wait for the moment and inject the fault; returns the play of the second controller, where there is one."""
    until = time.monotonic() + 180
    while not router.succeeds(fault.after):
        if time.monotonic() > until or play.process.poll() is not None:
            raise LabError(f"the moment to inject the fault never came: {summarise([play.result()])}")
        time.sleep(0.1)
    if fault.inject == "controller":
        play.kill()
    elif fault.inject == "connection":
        router.succeeds("kill -9 $(pgrep -f 'sshd[^ ]*: root@notty')")
    elif fault.inject == "power":
        routers.get(router.name).machine.monitor("system_reset")
    elif fault.inject == "second":
        return Play(router, fault, place / "second")
    else:
        router.sh(fault.inject)
    return None


def run_once(router: Live, fault: Fault, known: Mapping[str, Firewall]) -> Ending:
    """One change with one fault; ``known`` are the firewalls that ``prepare`` returned."""
    router.restore(fault.start)
    router.acts += 1
    router.hang_up()
    machine = routers.get(router.name)
    boots = machine.machine.console.read_bytes().count(b"lab-ready")
    if fault.prepare:
        router.sh(fault.prepare)
    router.sh("sync")
    with tempfile.TemporaryDirectory(prefix="nft-safety-") as name, Watch(machine.port) as watch:
        place = Path(name)
        play = Play(router, fault, place / "first")
        second = inject(router, fault, play, place) if fault.inject else None
        if fault.inject == "power":
            machine.login.hang_up()
            machine.machine.wait_ready(boots + 1, 240)
            machine.login.wait_for_login(router.name)
        results = [play.result(), *([second.result()] if second else [])]
        lost = settle(router)
    return Ending(lost or check_router(router, fault, known, results), round(watch.longest, 1), summarise(results))


def settle(router: Live) -> str:
    """Wait until the router takes a new login and no change is pending; returns why it is lost, or nothing."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        machine = routers.get(router.name)
        machine.login.hang_up()
        with contextlib.suppress(LabError, subprocess.TimeoutExpired, AssertionError):
            router.sh("! test -d /run/nft-offload/pending")
            return ""
        time.sleep(1)
    return "not reachable, or a change stays pending"


@dataclass(frozen=True)
class Firewall:
    """Our table as the router lists it, without its devices, which come and go; and the file for boot, as it is."""

    live: str
    boot: str


NOTHING = Firewall("", "")
DEVICES = re.compile(r"^\t\tdevices = .*\n", re.MULTILINE)
LOOK = """
nft -s list tables | grep -qx 'table inet nft_offload' || exit 0
nft -s list table inet nft_offload
"""


def read_firewall(router: Live) -> tuple[Firewall, list[str]]:
    """The router's firewall, and which of the devices of FLOWTABLE are in its flowtable."""
    listing = router.sh(LOOK)
    boot = router.sh("[ ! -e /etc/nft-offload/ruleset.nft ] || cat /etc/nft-offload/ruleset.nft")
    devices = re.findall(r"[a-z]+[0-9]", " ".join(DEVICES.findall(listing)))
    return Firewall(DEVICES.sub("", listing), boot), sorted(set(devices) & set(FLOWTABLE["devices"]))


def check_router(router: Live, fault: Fault, known: Mapping[str, Firewall], results: Sequence[dict[str, Any]]) -> str:
    """What is wrong: the firewall must be exactly the old or the new one, live and for boot, as the tasks claimed."""
    firewall, devices = read_firewall(router)
    runs = next((word for word, wanted in known.items() if wanted == firewall), "")
    if not runs:
        live = next((word for word, wanted in known.items() if wanted.live == firewall.live), "a mixture")
        boot = next((word for word, wanted in known.items() if wanted.boot == firewall.boot), "a mixture")
        return f"live is {live}, boot is {boot}"
    if runs not in fault.ends:
        return f"it runs {runs}, not {' or '.join(fault.ends)}"
    there = [device for device in FLOWTABLE["devices"] if router.succeeds(f"test -e /sys/class/net/{device}")]
    if runs != "none" and devices != there:
        return f"the flowtable has {devices}, the router {there}"
    return find_false_claim(fault, runs, [result for result in results if result])


def find_false_claim(fault: Fault, runs: str, results: Sequence[dict[str, Any]]) -> str:
    """What a task claimed that is not true, or nothing. A task that was killed has claimed nothing."""
    if fault.inject == "second":
        statuses = sorted(result["status"] for result in results)
        return "" if statuses == ["failed", "ok"] else f"of two controllers {statuses}"
    for result in results:
        change = result["result"].get("change", {})
        if (result["status"] == "ok") != (runs == fault.goal) and not fault.loses_router:
            return f"the task ended {result['status']}, and the router runs {runs}"
        if result["status"] == "ok" and runs != fault.goal:
            return "the task claims the change, and the router does not run it"
        if change.get("rolled_back") and runs == fault.goal:
            return "the task claims a rollback, and the router runs the change"
        if change.get("confirmed") and runs != fault.goal:
            return "the task claims a confirmation, and the router runs the old ruleset"
    return ""


def summarise(results: Sequence[dict[str, Any]]) -> str:
    """Status and message of each task, 300 characters at most."""
    parts = [f"{result.get('status', 'killed')} {result.get('result', {}).get('msg', '')}" for result in results]
    return " | ".join(part.strip() for part in parts)[:300]


def prepare(router: Live) -> dict[str, Firewall]:
    """The firewalls none, old and new as a router in the state tools lists them; saves the state old."""
    assert router.module("nic_features", devices=FLOWTABLE["devices"]).status == "ok"
    router.save("features")
    known = {"none": NOTHING, "new": load_content(router, NEW)}
    router.restore("features")
    known["old"] = load_content(router, OLD)
    router.save("old")
    assert len(set(known.values())) == 3
    return known


def boot_router(suite: str) -> Live:
    """A router with the state tools."""
    router = Live(f"safety-{os.getpid()}-{suite}", f"{suite}/offload")
    assert router.module("kernel_support").status == "ok"
    router.sh(f"set -e; modprobe nft_ct; {TOLERATE}")
    router.save("tools")
    return router


def load_content(router: Live, content: str) -> Firewall:
    task = router.module("ruleset", content=content, flowtables=[FLOWTABLE])
    assert task.status == "ok", task.msg
    return read_firewall(router)[0]


def write_matrix(matrix: dict[tuple[str, str], list[Ending]]) -> None:
    rows = [
        {
            "fault": fault,
            "kernel": kernel,
            "runs": len(endings),
            "lost": sum(bool(ending.lost) for ending in endings),
            "longest_outage_s": max(ending.outage for ending in endings),
            "note": next((ending.lost for ending in endings if ending.lost), endings[-1].note),
        }
        for (fault, kernel), endings in matrix.items()
    ]
    MATRIX.parent.mkdir(parents=True, exist_ok=True)
    MATRIX.write_text(json.dumps(rows, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--suite", action="append", help="default: trixie with all faults, and the others with power cuts"
    )
    parser.add_argument("--runs", type=int, default=200, help="runs in all, at least one of each")
    parser.add_argument("--quick", action="store_true", help="a few faults, once, on trixie")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    suites = given.suite or (["trixie"] if given.quick else ["trixie", "bookworm", "forky"])
    cells = [
        (suite, fault)
        for suite in suites
        for fault in (QUICK if given.quick else FAULTS if suite == "trixie" else POWER)
        if not given.names or any(name in fault.name for name in given.names)
    ]
    rounds = 1 if given.quick or not cells else max(1, -(-given.runs // len(cells)))
    matrix: dict[tuple[str, str], list[Ending]] = defaultdict(list)
    sweep("safety")
    for suite in suites:
        router = boot_router(suite)
        try:
            known = prepare(router)
            kernel = router.sh("uname -r").strip()
            for number in range(rounds):
                for fault in [fault for of, fault in cells if of == suite]:
                    try:
                        ending = run_once(router, fault, known)
                    except (LabError, AssertionError, subprocess.TimeoutExpired) as error:
                        ending = Ending(f"did not come to its end: {error}"[:300], 0.0, "")
                    matrix[fault.name, kernel].append(ending)
                    shown = ending.lost and f"LOST: {ending.lost}"
                    print(f"{kernel}  {number + 1}  {fault.name}: {shown or 'safe'} ({ending.outage} s)", flush=True)
                    write_matrix(matrix)
        finally:
            api.down([router.name])
    lost = sum(bool(ending.lost) for endings in matrix.values() for ending in endings)
    print(f"{sum(map(len, matrix.values()))} runs of {len(matrix)} cells, {lost} lost; {MATRIX}")
    return 1 if lost or not matrix else 0


if __name__ == "__main__":
    sys.exit(main())
