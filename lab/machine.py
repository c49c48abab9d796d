# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One QEMU process: its command line, its control socket (QMP), and how it is found and ended."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.accel import Accel, qemu_version
from lab.host import LabError, cache_root, tail, tool
from lab.images import Image

MEMORY = int(os.environ.get("LAB_MEMORY", "512"))  # MiB
CPUS = 1  # a second one costs more than it gives under emulation
PORTS = range(2201, 2300)  # on 127.0.0.1, forwarded to the router's SSH
READY = b"lab-ready"  # the router writes this to its console when it is up
SNAPSHOT = "ready"
HOSTS = "hosts.qcow2"  # in the directory of an image whose LAN and WAN hosts have a disk of their own
STOP_PATIENCE = 5.0  # seconds that QEMU has to end after each request

# The router's virtual hardware. A saved state fits these options and no others.
HARDWARE = (
    "-nodefaults", "-display", "none", "-machine", "pc", "-m", str(MEMORY), "-smp", str(CPUS),
    "-device", "virtio-net-pci,netdev=mgmt,romfile=", "-device", "virtio-rng-pci", "-device", "vmgenid,guid=auto",
)  # fmt: skip
CMDLINE = "root=/dev/vda rw console=ttyS0 fsck.mode=skip mitigations=off audit=0 quiet loglevel=4 TERM=dumb"


def fingerprint(accel: Accel) -> str:
    """Hash of what a saved state depends on: options, QEMU's version, and with KVM the host's kernel and CPU."""
    parts = [*HARDWARE, CMDLINE, *accel.options, accel.cmdline, qemu_version()]
    if accel.name == "kvm":
        cpus = Path("/proc/cpuinfo").read_text().splitlines()
        parts += [os.uname().release, *sorted({line for line in cpus if line.startswith(("model name", "flags"))})]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def choose_port(taken: set[int]) -> int:
    """The first port of PORTS that is not in `taken` and that nothing listens on."""
    for port in PORTS:
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise LabError(
        f"no free TCP port between {PORTS.start} and {PORTS.stop - 1} on 127.0.0.1",
        "stop routers with `python -m lab down`, or what listens there (ss -tlnp)",
    )


@dataclass(frozen=True)
class Machine:
    """Files of one QEMU process: `directory` holds its disk, console and pid; `qmp` is its control socket."""

    directory: Path
    qmp: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.qcow2"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def kept_console(self) -> Path:
        """Where the console of a failed start is kept, since `directory` is cleared away."""
        return cache_root() / "logs" / f"{self.directory.name}-console.log"

    @property
    def pid_file(self) -> Path:
        return self.directory / "pid"

    def start(self, image: Image, nic: str, port: int, accel: Accel, *, resume: bool) -> None:
        """Start QEMU on `disk` in the background; LabError with its message when it refuses."""
        free, needed = memory_available(), MEMORY + accel.memory
        if free < needed:
            raise LabError(
                f"{free} MiB of memory are free, a router needs {needed}", "stop a router, or another program"
            )
        command = [
            tool("qemu-system-x86_64"), *HARDWARE, *accel.options,
            "-drive", f"file={_escape(self.disk)},if=virtio,cache=unsafe,discard=unmap",
            "-netdev", f"user,id=mgmt,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
            "-chardev", f"file,id=console,path={_escape(self.console)}", "-serial", "chardev:console",
            "-kernel", str(image.kernel), "-initrd", str(image.initrd),
            "-append", f"{CMDLINE} {accel.cmdline} lab.nic={nic} {image.info.get('cmdline', '')}".rstrip(),
            "-qmp", f"unix:{_escape(self.qmp)},server=on,wait=off",
            "-pidfile", str(self.pid_file), "-daemonize",
            *(("-loadvm", SNAPSHOT) if resume else ()),
            *self._more_disks(image),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise LabError(f"QEMU does not start: {done.stderr.strip() or f'exit code {done.returncode}'}")

    def _more_disks(self, image: Image) -> Iterator[str]:
        """The further disks of a router that is not Debian's: that of the hosts behind it, and its own as built."""
        hosts = image.directory / HOSTS
        for disk in (hosts, image.disk) if hosts.exists() else ():
            yield from ("-drive", f"file={_escape(disk)},if=virtio,readonly=on")

    def pid(self) -> int | None:
        """The process, if it runs and is ours: a pid file may be stale, and its number reused."""
        try:
            pid = int(self.pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.pid_file).encode() in words else None

    def wait_ready(self, boots: int, seconds: float) -> None:
        """Wait until the console has shown READY `boots` times."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            console = self.console.read_bytes() if self.console.exists() else b""
            if console.count(READY) >= boots:
                return
            if b"Kernel panic" in console or self.pid() is None:
                break
            time.sleep(0.1)
        lines = tail(self.console, 200)
        panic = next((number for number, line in enumerate(lines) if "Kernel panic" in line), len(lines))
        last = "\n".join("    " + line for line in lines[: panic + 1][-12:])
        state = "did not come up in time" if self.pid() else "ended while booting"
        raise LabError(
            f"the router {state}; its console ends with:\n{last}",
            f"whole console: {self.console} or {self.kept_console}",
        )

    def monitor(self, command: str) -> None:
        """Run a command of QEMU's monitor; LabError with its answer, which is empty when the command worked."""
        with Qmp(self.qmp) as qmp:
            answer = qmp.execute("human-monitor-command", {"command-line": command})
        if str(answer).strip():
            raise LabError(f"QEMU cannot {command}: {str(answer).strip()}")

    def stop(self) -> None:
        """End the process: by request, then by signals. Nothing happens when it does not run."""
        if self.pid() is None:
            return
        with contextlib.suppress(OSError, LabError), Qmp(self.qmp) as qmp:
            qmp.execute("quit")
        for kill in (None, signal.SIGTERM, signal.SIGKILL):
            if kill and (pid := self.pid()):
                os.kill(pid, kill)
            deadline = time.monotonic() + STOP_PATIENCE
            while time.monotonic() < deadline:
                if self.pid() is None:
                    return
                time.sleep(0.02)
        raise LabError(f"the QEMU process {self.pid()} does not end", f"kill -9 {self.pid()}")


class Qmp:
    """QEMU's machine protocol: JSON lines over a socket."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Qmp:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(self.path))
        self.lines = self.socket.makefile("rb")
        self.lines.readline()  # the greeting
        self.execute("qmp_capabilities")
        return self

    def __exit__(self, *_exc: object) -> None:
        self.lines.close()
        self.socket.close()

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> object:
        """The command's answer. Events that arrive before it are ignored."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments or {}}).encode())
        for line in self.lines:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise LabError(f"QEMU refuses {command}: {answer['error'].get('desc')}")
        raise LabError(f"QEMU closed its control socket during {command}")


def memory_available() -> int:
    """MiB that the host can give without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return MEMORY


def _escape(path: Path) -> str:
    """A comma separates QEMU's options, so one in a path is doubled."""
    return str(path).replace(",", ",,")
