# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running routers: bringing them up from a saved state, finding them again, and taking them down.

A router is a directory below `run_root()`: QEMU's disk, console and pid, and `router.json` once it is up. A directory
without `router.json` is left from a start that was interrupted; the next command removes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import accel, images, login, suites
from lab.accel import Accel
from lab.host import LabError, lock, need_space, run_logged, run_root, say, socket_root, step, tool
from lab.login import Command, command_line
from lab.machine import SNAPSHOT, Machine, choose_port, fingerprint
from lab.spec import Spec, check_name

STATE_SPACE = 512  # MiB for one running router or one saved state
SIDES = ("lan", "wan")
ATTEMPTS = 5  # at starting QEMU with a port that another program may take first


@dataclass(frozen=True)
class Router:
    """A router that is up: what was requested, and where it runs.

    `port` on 127.0.0.1 leads to its SSH; `accel` is kvm or tcg, `reason` says why; `kernel` is its release.
    """

    name: str
    suite: str
    nic: str
    port: int
    accel: str
    reason: str
    kernel: str

    @property
    def spec(self) -> Spec:
        return Spec(self.name, self.suite, self.nic)

    @property
    def directory(self) -> Path:
        return run_root() / self.name

    @property
    def machine(self) -> Machine:
        return Machine(self.directory, socket_root() / f"{self.name}.qmp")

    @property
    def login(self) -> login.Login:
        return login.Login(self.port, self.directory, socket_root() / f"{self.name}.ssh")

    @property
    def boot_seconds(self) -> float:
        """Seconds that a boot may take."""
        return 60.0 if self.accel == "kvm" else 600.0

    def host_command(self, side: str, command: Command) -> str:
        """The command line on the router that runs `command` in the LAN host or the WAN host."""
        if side not in SIDES:
            raise LabError(f"no such side: {side}", "lan or wan")
        inside = command_line(["sh", "-c", command_line(command)])
        return f"{suites.hosts_prefix(self.suite)}ip netns exec {side} {inside}"


def up(specs: list[Spec], *, fresh: bool = False) -> list[Router]:
    """Bring routers up, one after another; one that already runs as requested stays as it is.

    `fresh` boots from power-on instead of resuming a saved state. LabError when a name runs as another kind.
    """
    for spec in specs:
        _running_as(spec)
    return [_up(spec, fresh) for spec in specs]


def _running_as(spec: Spec) -> Router | None:
    """The router that already runs as requested; LabError when one of that name runs as another kind."""
    running = find(spec.name)
    if running and running.spec != spec:
        raise LabError(
            f"{spec.name} already runs, as {running.suite}/{running.nic} and not {spec.suite}/{spec.nic}",
            f"python -m lab down {spec.name}",
        )
    return running


def _up(spec: Spec, fresh: bool) -> Router:
    if running := _running_as(spec):
        say(f"{spec.name}: already running ({spec.suite}/{spec.nic}, port {running.port})")
        return running
    image = suites.ensure(spec.suite)
    chosen = accel.choose(image)
    say(f"{spec.name}: {spec.suite}/{spec.nic}, kernel {image.info['kernel']}, {chosen.reason}")
    saved = None if fresh else _saved_state(image, spec.nic, chosen)
    with _lab_lock():
        if running := _running_as(spec):
            return running
        with step("cold boot" if fresh else "resumed"):
            return _start(spec, image, chosen, saved)


def resume(spec: Spec, disk: Path) -> Router:
    """Bring a router up from a disk that `keep` has put aside: as after its first boot, with all states saved since."""
    image = suites.ensure(spec.suite)
    with _lab_lock(), step("resumed"):
        return _start(spec, image, accel.choose(image), disk)


def keep(router: Router, disk: Path) -> None:
    """Take it down and put its disk aside, for `resume`."""
    with _lab_lock():
        router.machine.stop()
        disk.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(router.machine.disk, disk)
        _clear(router.machine)


@contextlib.contextmanager
def _lab_lock() -> Iterator[None]:
    """Lock the run directory. `down` may have removed it during the wait, so make sure that it is still the same."""
    while True:
        run_root().mkdir(parents=True, exist_ok=True)
        with lock(run_root(), "a router's start or stop") as descriptor:
            if run_root().is_dir() and os.path.samestat(os.fstat(descriptor), run_root().stat()):
                yield
                return


def _start(spec: Spec, image: images.Image, chosen: Accel, saved: Path | None, directory: Path | None = None) -> Router:
    """Start one router and log in to it; a failure or an interrupt leaves nothing but its console, in the cache."""
    directory = directory or run_root() / spec.name
    machine = Machine(directory, socket_root() / f"{directory.name}.qmp")
    _clear(machine)
    directory.mkdir(parents=True)
    try:
        need_space(directory, STATE_SPACE)
        if saved:
            shutil.copyfile(saved, machine.disk)
        else:
            create_overlay(image, machine.disk)
        port = _start_on_a_port(machine, image, spec.nic, chosen, saved is not None)
        router = Router(spec.name, spec.suite, spec.nic, port, chosen.name, chosen.reason, image.info["kernel"])
        entry = login.Login(port, directory, socket_root() / f"{directory.name}.ssh")
        entry.prepare(image)
        if not saved:
            machine.wait_ready(1, router.boot_seconds)
        entry.wait_for_login(spec.name)
        _write(router, directory)
    except BaseException:
        with contextlib.suppress(OSError):
            machine.kept_console.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(machine.console, machine.kept_console)
        _clear(machine)
        raise
    return router


def _start_on_a_port(machine: Machine, image: images.Image, nic: str, chosen: Accel, resume: bool) -> int:
    """Start QEMU with a free port and return it; another program may take the port before QEMU does."""
    tried: set[int] = {router.port for router in running_routers()}
    for attempt in range(ATTEMPTS):
        port = choose_port(tried)
        try:
            machine.start(image, nic, port, chosen, resume=resume)
            return port
        except LabError as error:
            if "host forwarding" not in str(error) or attempt == ATTEMPTS - 1:
                raise
            tried.add(port)
    raise AssertionError("unreachable")


def create_overlay(image: images.Image, disk: Path) -> None:
    """Make an empty disk on top of the image's."""
    run_logged(
        [tool("qemu-img"), "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image.disk), str(disk)],
        disk.with_suffix(".log"),
    )
    disk.with_suffix(".log").unlink()


def _saved_state(image: images.Image, nic: str, chosen: Accel) -> Path:
    """A disk with a snapshot of this kind of router right after its boot; made when there is none yet."""
    state = image.directory / "states" / f"{nic}-{fingerprint(chosen)}.qcow2"
    if state.exists():
        return state
    with lock(image.directory / "states" / f"{nic}.lock", f"the saved state of {image.suite}/{nic}"):
        if state.exists():
            return state
        work = state.parent / f"{image.suite}-{nic}-{fingerprint(chosen)}"
        with step("first boot, to be saved"):
            _start(Spec("router", image.suite, nic), image, chosen, None, work)
        machine = Machine(work, socket_root() / f"{work.name}.qmp")
        try:
            login.hang_up(machine.qmp.with_suffix(".ssh"))
            with step("saving its state"):
                machine.monitor(f"savevm {SNAPSHOT}")
            machine.stop()
            machine.disk.replace(state)
        finally:
            _clear(machine)
        return state


def _write(router: Router, directory: Path) -> None:
    fresh = directory / "router.json.new"
    fresh.write_text(json.dumps(asdict(router), indent=2) + "\n")
    fresh.replace(directory / "router.json")


def find(name: str) -> Router | None:
    """The router of that name, if it is up."""
    check_name(name)
    try:
        router = Router(**json.loads((run_root() / name / "router.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return router if router.machine.pid() else None


def get(name: str) -> Router:
    """The router of that name; LabError when it is not up."""
    if router := find(name):
        return router
    names = ", ".join(router.name for router in running_routers()) or "none"
    raise LabError(f"no router called {name} is up (running: {names})", f"python -m lab up {name}")


def names() -> list[str]:
    """Names of all routers that have a directory, up or not."""
    if not run_root().is_dir():
        return []
    return sorted(path.name for path in run_root().iterdir() if path.is_dir())


def running_routers() -> list[Router]:
    return [router for name in names() if (router := find(name))]


def down(wanted: list[str]) -> list[str]:
    """Take down these routers, or all; returns the names of those that existed. Images stay in the cache."""
    for name in wanted:
        check_name(name)
    gone = []
    if run_root().is_dir():
        with _lab_lock():
            for name in names():
                if not wanted or name in wanted:
                    _clear(Machine(run_root() / name, socket_root() / f"{name}.qmp"))
                    gone.append(name)
            with contextlib.suppress(OSError):
                run_root().rmdir()
    with contextlib.suppress(OSError):
        socket_root().rmdir()
    return gone


def _clear(machine: Machine) -> None:
    """End the process and remove its files and sockets, if there are any."""
    machine.stop()
    login.hang_up(machine.qmp.with_suffix(".ssh"))
    machine.qmp.unlink(missing_ok=True)
    shutil.rmtree(machine.directory, ignore_errors=True)


def reboot(router: Router) -> None:
    """Reboot as an administrator would, and wait until the next boot takes a login."""
    before = router.login.run("cat /proc/sys/kernel/random/boot_id").stdout.strip()
    boots = router.machine.console.read_bytes().count(b"lab-ready")
    with step(f"{router.name}: reboot"):
        with contextlib.suppress(LabError):  # the reboot may cut the answer off
            router.login.run("reboot", timeout=30)
        router.login.hang_up()
        router.machine.wait_ready(boots + 1, router.boot_seconds)
        after = router.login.wait_for_login(router.name)
    if after == before:
        raise LabError(f"{router.name} did not reboot: its boot id is still {before}")


def replug(router: Router, device: str) -> None:
    """Pull a NIC out and plug a new one of the same name in; addresses and routes come back, bindings do not."""
    if device not in ("lan0", "wan0"):
        raise LabError(f"{device} cannot be re-plugged", "lan0 or wan0")
    done = router.login.run(["/usr/lib/lab/net", "replug", device])
    if done.returncode:
        raise LabError(f"re-plugging {device} of {router.name} failed: {done.stderr.strip()}")
