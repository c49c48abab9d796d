# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a fault on a router of the lab, and what it counts as."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import routers, suites
from lab.host import LabError
from tests.lab.openwrt import OpenWrt
from tests.lab.router import Live
from tests.safety.faults import NEW, OLD, OTHERS, PATIENT, PORTS, REMOTE, Fault, make_table
from tests.safety.play import FLOWTABLE, Play, Watch
from tests.safety.sabotage import CUT, PREPARE, when_reached

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


@dataclass(frozen=True)
class Subject:
    """What a module changes: a table, and the file that boot makes it from."""

    table: str
    boot: str


SUBJECTS = {
    "ruleset": Subject("inet nft_offload", "/etc/nft-offload/ruleset.nft"),
    "fw4_offload": Subject("inet fw4", "/etc/config/firewall"),
}


@dataclass(frozen=True)
class Firewall:
    """The table as the router lists it, without its devices, which come and go; and the file for boot, as it is."""

    live: str
    boot: str


@dataclass(frozen=True)
class Look:
    """What was seen on a router at one moment."""

    firewall: Firewall
    others: dict[str, str]
    """table -> its listing"""
    devices: list[str]
    in_flowtable: list[str]
    pending: bool
    acted: bool
    left: str
    """what is left of a change: staged files, processes"""


@dataclass
class Known:
    """What routers of one suite can run: for each module word -> firewall."""

    firewalls: dict[str, dict[str, Firewall]] = field(default_factory=dict)
    before: dict[tuple[str, str], Look] = field(default_factory=dict)
    """saved state and module -> what a router in it looks like"""


LOOK = """
exec 2>/dev/null
section() {{ echo "@@@ $1"; }}
section pending; ls -d /run/nft-offload/pending /var/run/nft-offload/pending
section devices; for device in lan0 wan0; do [ ! -e /sys/class/net/$device ] || echo $device; done
section boot; cat {boot}
section acted; ls /root/reached /root/acted
section left; find /etc /usr/local /lib/upgrade -name '*.nft-offload-new'
for process in $(pgrep -x sleep); do
  case $(tr '\\000' ' ' </proc/$process/cmdline) in 'sleep 30'[01]' ') echo process $process ;; esac
done
section ruleset; nft -s list ruleset
"""
USERS = """for address in 203.0.113.2 2001:db8:203::2; do
  exec 3<>/dev/tcp/$address/7000 && echo hello >&3 && read -t 5 answer <&3 && echo "answer $answer"
done"""
COUNTS = re.compile(r"packets \d+ bytes \d+| # count \d+")
DEVICES = re.compile(r"^\t\tdevices = .*\n", re.MULTILINE)


def look(router: Live, module: str = "ruleset") -> Look:
    """What the router runs and would boot, in one exec."""
    subject = SUBJECTS[module]
    sections = re.split(r"^@@@ (\w+)\n", router.sh(LOOK.format(boot=subject.boot) + "true"), flags=re.MULTILINE)
    text = dict(zip(sections[1::2], sections[2::2], strict=True))
    tables = split_tables(text["ruleset"])
    listing = tables.pop(f"table {subject.table}", "")
    return Look(
        firewall=Firewall(DEVICES.sub("", listing), text["boot"]),
        others={name: DEVICES.sub("", COUNTS.sub("", one)) for name, one in tables.items()},
        devices=text["devices"].split(),
        in_flowtable=sorted(set(re.findall(r"[a-z]+[0-9]", " ".join(DEVICES.findall(listing)))) & {"lan0", "wan0"}),
        pending=bool(text["pending"].strip()),
        acted=bool(text["acted"].strip()),
        left=" ".join(text["left"].split()),
    )


def split_tables(listing: str) -> dict[str, str]:
    """Head of each table of a ruleset, without its bracket -> its listing."""
    parts = re.split(r"^(table \w+ \S+) \{", listing, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def users_get_through(router: Live) -> str:
    """What keeps users behind the router from the world over IPv4 and IPv6, or nothing."""
    machine = routers.get(router.name)
    until = time.monotonic() + 20
    while True:
        command = machine.host_command("lan", f"timeout 15 bash -c {shlex.quote(USERS)}")
        done = machine.login.run(command, timeout=60)
        if done.stdout.count("answer") == 2:
            return ""
        if time.monotonic() > until:
            return f"users do not get through: {done.stdout.strip()} {done.stderr.strip()[-200:]}"
        time.sleep(1)


def keep_users_busy(router: Live) -> None:
    """Users who go on in the background, with ten new connections a second; returns once they are answered."""
    machine = routers.get(router.name)
    run = machine.host_command("lan", "exec python3 /tmp/users.py busy 120 203.0.113.2 2001:db8:203::2")
    users = Path(__file__).parents[1].joinpath("lab/users.py").read_text(encoding="utf-8")
    wait = "for _try in $(seq 120); do grep -q ready /tmp/users && exit; sleep 0.5; done; exit 1"
    prefix = suites.hosts_prefix(machine.suite)
    router.sh(f"{prefix}sh -c 'cat >/tmp/users.py' <<'END'\n{users}END\n({run} </dev/null >/tmp/users 2>&1 &)\n{wait}")


# --- routers


# OpenSSH 9.8 and later shut out clients that connect and do not log in, as Watch does.
TOLERATE = """
if command -v sshd; then
  grep -q '^Include' /etc/ssh/sshd_config
  ! sshd -T | grep -q '^persourcepenalties' || echo PerSourcePenalties no >/etc/ssh/sshd_config.d/watch.conf
  systemctl reload ssh
fi
"""
LOAD_OTHERS = f"""
{PREPARE}
if [ -d /etc/systemd ]; then
  printf 'flush ruleset\\n%s\\n' '{OTHERS}' >/etc/nftables.conf
  systemctl enable nftables.service
  nft -f /etc/nftables.conf
fi
"""


def boot_router(suite: str) -> Live:
    """A router with the state tools."""
    short = suite.replace("openwrt-", "owrt").replace(".", "")
    kind = OpenWrt if suites.is_openwrt(suite) else Live
    router = kind(f"safety-{os.getpid()}-{short}", f"{suite}/offload")
    assert router.module("kernel_support").status == "ok"
    router.sh(f"set -e; modprobe nft_ct || true; {TOLERATE}")
    router.save("tools")
    return router


def prepare(router: Live) -> Known:
    """What the router can run, from the state tools; saves the states none and old."""
    known = Known()
    openwrt = isinstance(router, OpenWrt)
    router.sh(LOAD_OTHERS)
    if openwrt:
        offload = router.module("fw4_offload", offload="software", confirm_timeout=60)
        assert offload.status == "ok", offload.msg
        new = look(router, "fw4_offload").firewall
        router.restore("tools")
        router.sh(LOAD_OTHERS)
        known.firewalls["fw4_offload"] = {"old": look(router, "fw4_offload").firewall, "new": new}
    assert router.module("nic_features", devices=FLOWTABLE["devices"]).status == "ok"
    router.save("none")
    firewalls = {"none": Firewall("", ""), "new": load_content(router, NEW)}
    router.restore("none")
    firewalls["old"] = load_content(router, OLD)
    router.save("old")
    known.firewalls["ruleset"] = firewalls
    assert len(set(firewalls.values())) == 3
    return known


def prepare_ports(router: Live, known: Known) -> None:
    """The state ports, for the faults that begin with it: a table that nft 1.0.6 lists so that it cannot load it."""
    router.restore("none")
    known.firewalls["ruleset"]["ports"] = load_content(
        router, make_table("old").replace("  set closed", f"  {PORTS}\n  set closed")
    )
    router.save("ports")


def load_content(router: Live, content: str) -> Firewall:
    task = router.module("ruleset", content=content, flowtables=[FLOWTABLE], confirm_timeout=60)
    assert task.status == "ok", task.msg
    return look(router).firewall


# --- a run


def run_once(router: Live, fault: Fault, known: Known) -> Ending:
    """One change with one fault."""
    if fault.start == "ports" and "ports" not in known.firewalls["ruleset"]:
        prepare_ports(router, known)
    router.restore(fault.start)
    router.acts += 1
    router.hang_up()
    machine = routers.get(router.name)
    boots = _count_boots(router)
    before = known.before.get((fault.start, fault.module)) or look(router, fault.module)
    known.before[fault.start, fault.module] = before
    router.sh(_preparation(fault))
    if fault.traffic:
        keep_users_busy(router)
    with tempfile.TemporaryDirectory(prefix="nft-safety-") as name, Watch(machine.port) as watch:
        place = Path(name)
        play = Play(router, fault, place / "first")
        try:
            plays = [play, *_inject(router, fault, play, place)]
            if fault.inject == "power":
                if fault.cut_at_boot:
                    _cut_power_at_boot(router)
                _wait_for_boot(router, boots + 1)
            results = [one.result() for one in plays]
        finally:
            play.signal(signal.SIGKILL)
        lost, seen = settle(router, fault, known)
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
    own = not is_remote(fault) or ". /root/stages" in fault.prepare
    reached = not own or fault.inject == "power" or bool(lost) or seen.acted
    return Ending(lost, round(watch.longest, 1), summarise(results), bool(reached))


def is_remote(fault: Fault) -> bool:
    """Whether what is injected is not a command for the router."""
    return fault.inject in REMOTE


def _preparation(fault: Fault) -> str:
    own = is_remote(fault)
    parts = [
        fault.prepare,
        "" if own else when_reached(fault.after, f": >/root/reached\n{fault.inject}"),
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


def _cut_power_at_boot(router: Live) -> None:
    """Wait for the word on the console; the boot was not over yet, so it is not counted."""
    machine = routers.get(router.name).machine
    until = time.monotonic() + 120
    while CUT.encode() not in machine.console.read_bytes()[-4000:]:
        if time.monotonic() > until:
            raise LabError("the moment to cut the power at boot never came")
        time.sleep(0.2)
    machine.monitor("system_reset")


def _inject(router: Live, fault: Fault, play: Play, place: Path) -> list[Play]:
    """Wait for the moment and inject what comes from outside of the router; returns the plays that this started."""
    if fault.inject in ("", "local") or not is_remote(fault):
        return []
    until = time.monotonic() + 120
    while not router.succeeds(f". /root/stages; {fault.after}"):
        if time.monotonic() > until or not play.running:
            raise LabError(f"the moment to inject the fault never came: {summarise([play.result()])}")
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
        time.sleep(25)
        play.signal(signal.SIGCONT)
    elif fault.inject == "overtaken":
        return [_overtake(router, fault, play, place)]
    elif play.jump is not None:
        play.jump.die()
        if fault.inject == "jump host":
            time.sleep(15)
            play.jump.revive()
    return []


CUT_CONNECTIONS = """if [ -e /var/run/dropbear.pid ]; then
  for one in $(pgrep -x dropbear); do [ "$one" = "$(cat /var/run/dropbear.pid)" ] || kill -9 "$one"; done
else
  kill -9 $(pgrep -f 'sshd[^ ]*: root@notty')
fi"""


def _overtake(router: Live, fault: Fault, play: Play, place: Path) -> Play:
    """Stop the play until the router has undone its change and somebody else made one."""
    play.signal(signal.SIGSTOP)
    until = time.monotonic() + 60
    while not router.succeeds(". /root/stages; ! locked") and time.monotonic() < until:
        time.sleep(0.5)
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
    seen = Look(Firewall("", ""), {}, [], [], pending=False, acted=False, left="")
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
            problem = "a change stays pending" if healed else f"live is {' '.join(runs) or 'a mixture'}"
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
    if seen.left:
        return f"left behind: {seen.left}"
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
