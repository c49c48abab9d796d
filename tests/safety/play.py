# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of a run: a play that can be killed or stopped, a jump host that can die, and a watch."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab import routers
from tests.lab.plays import settings
from tests.lab.router import Live
from tests.safety.faults import TIMEOUT, Fault

PATIENCE = 240
"""seconds for a play to end"""
FLOWTABLE = {"name": "ft", "devices": ["lan0", "wan0"]}
SEAL = (
    "unshare", "--mount", "sh", "-ec",
    "mount -t tmpfs tmpfs /run; mount --bind /etc /etc; mount -o remount,ro,bind /etc; "
    "for nft in /usr/sbin/nft /sbin/nft; do [ ! -e $nft ] || mount --bind /bin/false $nft; done; exec \"$@\"", "sh",
)  # fmt: skip
"""for a play with a local connection, which ``shell`` leads to the router: this machine itself is out of its reach"""


class Watch:
    """Requests sshd's banner over a new connection every two seconds; the longest time without one is the outage.

    Less often on a busy machine: a router has to start a process for each of them.
    """

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
        pause = 2.0
        while not self._done.wait(pause):
            asked = time.monotonic()
            answered = reaches_sshd(self._port)
            now = time.monotonic()
            self.longest = max(self.longest, now - seen)
            if answered:
                seen = now
            pause = max(2.0, 5 * (now - asked)) if answered else 2.0


def reaches_sshd(port: int) -> bool:
    """Whether a new connection gets sshd's banner. QEMU itself accepts any connection."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.settimeout(3)
        return connection.recv(4) == b"SSH-"
    return False


class JumpHost:
    """Carries connections to the router, until it dies."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._ends: list[socket.socket] = []
        self._start(0)

    def _start(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _address = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()

    @property
    def option(self) -> str:
        """For ssh: go through it."""
        carry = f"exec 3<>/dev/tcp/127.0.0.1/{self.port}; cat <&3 & cat >&3; kill $!"
        return f"-o ProxyCommand={shlex.quote('bash -c ' + shlex.quote(carry))}"

    def die(self) -> None:
        """End every connection, and take no more."""
        _shut(self._listener)
        for end in self._ends:
            _shut(end)

    def revive(self) -> None:
        self._start(self.port)


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _shut(sink)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


class Play:
    """One task in an ansible-playbook of its own, which can be killed and stopped."""

    def __init__(self, router: Live, fault: Fault, place: Path, more: Mapping[str, Any] | None = None) -> None:
        """``more``: options that override the fault's."""
        options: dict[str, Any] = {"confirm_timeout": TIMEOUT, **fault.options, **(more or {})}
        if fault.module == "ruleset" and options.get("state") != "absent":
            options = {"content": fault.content, "flowtables": [FLOWTABLE], **options}
        task = {"name": "change", f"kmod.nft_offload.{fault.module}": options}
        place.mkdir()
        self.record = place / "record"
        self.hung = False
        self.jump: JumpHost | None = None
        play = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
        (place / "play.yml").write_text(yaml.safe_dump(play))
        variables = {"ansible_timeout": 5, "ansible_ssh_retries": 0, **fault.host}
        environment = {**os.environ, **settings(), **fault.environment, "RECORD_FILE": str(self.record)}
        login = routers.get(router.name).login
        own = shlex.join(login.host_options)
        if fault.inject.startswith("jump host"):
            self.jump = JumpHost(login.port)
            own = f"{own} {self.jump.option}"
        if fault.inject == "local":
            wrapper = place / "shell"
            command = 'command=$(printf "%s" "$2" | sed "s|$0|/bin/sh|g")'
            wrapper.write_text(f'#!/bin/sh\n{command}\nexec {shlex.join(login.ssh())} -- "$command"\n')
            wrapper.chmod(0o700)
            environment["ANSIBLE_EXECUTABLE"] = str(wrapper)
            variables["ansible_connection"] = "local"
        variables["ansible_ssh_common_args"] = f"{own} {variables.get('ansible_ssh_common_args', '')}".strip()
        (place / "inventory.yml").write_text(yaml.safe_dump(router.inventory(**variables)))
        program = Path(sys.executable).with_name("ansible-playbook")
        self.log = (place / "log").open("w")
        sealed = SEAL if fault.inject == "local" and os.geteuid() == 0 else ()
        self.process = subprocess.Popen(
            [*sealed, str(program), "play.yml", "-i", "inventory.yml", "-vvv"],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it to the play and its workers, which Ansible puts into sessions of their own, and their connections."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def result(self) -> dict[str, Any]:
        """Status and result of the task; empty when it never ended."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.hung = True
            self.signal(signal.SIGKILL)
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
