# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to a router: SSH as root over the forwarded port, with the image's own keys."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab.host import LabError, tool
from lab.images import Image

Command = str | list[str]


def command_line(command: Command) -> str:
    """A string is a shell command line; a list is taken word by word."""
    return command if isinstance(command, str) else shlex.join(command)


@dataclass(frozen=True)
class Login:
    """How to log in: `directory` holds the key and known_hosts, `control` is the socket of a shared connection."""

    port: int
    directory: Path
    control: Path

    @property
    def key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def prepare(self, image: Image) -> None:
        """Copy the keys out of the image, which may be rebuilt while the router runs."""
        self.key.touch(mode=0o600)
        self.key.write_bytes(image.login_key.read_bytes())
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {image.info['host_key']}\n")

    @property
    def host_options(self) -> list[str]:
        """Options that any SSH client needs to trust this router and no other."""
        return [
            "-o", f"UserKnownHostsFile={_quoted(self.known_hosts)}", "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes",
        ]  # fmt: skip

    def ssh(self, *options: str) -> list[str]:
        """The client's command line up to the remote command. A connection is shared, and kept for half a minute."""
        return [
            tool("ssh"), "-F", "/dev/null", *self.host_options, "-i", str(self.key), "-p", str(self.port),
            "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20",
            "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=8",
            "-o", "ControlMaster=auto", "-o", "ControlPersist=30", "-o", f"ControlPath={self.control}",
            *options, "root@127.0.0.1",
        ]  # fmt: skip

    def run(self, command: Command, *, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run as root on the router, output captured. Exit code 255 is SSH's own failure; LabError after `timeout`."""
        try:
            return subprocess.run(
                [*self.ssh(), "--", command_line(command)],
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"the router did not finish this in {timeout:g} s: {command_line(command)}") from None

    def wait_for_login(self, name: str, seconds: float = 60) -> str:
        """Wait until the router takes a login, set its name and clock, and return its boot id."""
        deadline = time.monotonic() + seconds
        while True:
            done = self.run(["/usr/lib/lab/settle", name, f"{time.time():.3f}"], timeout=seconds)
            if done.returncode == 0:
                return done.stdout.strip()
            if time.monotonic() > deadline:
                raise LabError(f"no login to {name}: {done.stderr.strip() or f'exit code {done.returncode}'}")
            time.sleep(0.2)

    def hang_up(self) -> None:
        hang_up(self.control)


def _quoted(path: Path) -> str:
    """A file name as ssh_config reads it, where an unquoted space separates two names."""
    return f'"{path}"' if " " in str(path) else str(path)


def hang_up(control: Path) -> None:
    """Close a shared connection, if there is one."""
    if control.exists():
        with contextlib.suppress(LabError):
            subprocess.run(
                [tool("ssh"), "-F", "/dev/null", "-o", f"ControlPath={control}", "-O", "exit", "router"],
                capture_output=True,
                check=False,
            )
        control.unlink(missing_ok=True)
