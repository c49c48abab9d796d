# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab uses of the machine it runs on: directories, locks, programs, progress on stderr, and its one error."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

# program -> the Debian package that has it
PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "newuidmap": "uidmap",
}


SHORT_ENOUGH = 40  # characters of a directory for sockets, whose paths may have 107


class LabError(Exception):
    """Expected trouble: what went wrong, and what to do about it. The command line prints both and exits with 1."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def cache_root() -> Path:
    """Directory of images and saved states: $LAB_CACHE, else nft-offload-lab in the user's cache directory."""
    if own := os.environ.get("LAB_CACHE"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nft-offload-lab"


def run_root() -> Path:
    """Directory of running routers, with one directory for each: $LAB_RUN, else build/lab in the repository."""
    return Path(os.environ.get("LAB_RUN") or REPOSITORY / "build" / "lab").absolute()


def socket_root() -> Path:
    """A short directory for sockets, one for each `run_root()`."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(str(base)) > SHORT_ENOUGH:
        base = Path("/tmp")
    digest = hashlib.sha256(str(run_root()).encode()).hexdigest()[:8]
    root = base / f"nft-lab-{os.getuid()}-{digest}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise LabError(f"{root} belongs to somebody else", f"remove {root}, or set XDG_RUNTIME_DIR")
    return root


def tool(name: str) -> str:
    """Path of a program, also in the system directories that an ordinary user's PATH lacks on Debian."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise LabError(f"{name} is not installed", f"apt-get install {PACKAGES.get(name, name)}")
    return path


def say(text: str) -> None:
    """Print progress to stderr: stdout is for what a command was run for."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Print one line of progress, with the seconds that the body took."""
    start = time.monotonic()
    if sys.stderr.isatty():
        print(f"  {text} ...", end="\r", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        say(f"  {text}: failed after {time.monotonic() - start:.1f} s")
        raise
    say(f"  {text}: {time.monotonic() - start:.1f} s")


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[int]:
    """Hold `path` locked, a directory or a file, which is made if missing; prints a line when it has to wait.

    Yields the descriptor: a child process that inherits it keeps the lock until it has ended too.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"  waiting: another lab command is busy with {what}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def run_logged(
    command: Sequence[str],
    log: Path,
    *,
    remedy: str = "",
    lock_fd: int | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `command` with its output appended to `log`; LabError with the last lines when it fails.

    An exception such as Ctrl-C ends the command and everything that it has started before it is raised again.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=() if lock_fd is None else (lock_fd,),
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        try:
            code = child.wait()
        except BaseException:
            _end_group(child)
            raise
    if code:
        last = "\n".join("    " + line for line in tail(log, 8))
        raise LabError(f"{Path(command[0]).name} failed with exit code {code}:\n{last}", remedy or f"whole log: {log}")


def _end_group(leader: subprocess.Popen[bytes]) -> None:
    """End a session that this process started: with SIGTERM, so that it can clean up, then with SIGKILL."""
    for kill, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, kill)
        with contextlib.suppress(subprocess.TimeoutExpired):
            leader.wait(patience)


def tail(path: Path, lines: int) -> list[str]:
    """Last lines of a text file that may be missing or hold stray bytes."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return []
    return text.replace("\r", "").rstrip().splitlines()[-lines:]


def need_space(where: Path, mebibytes: int) -> None:
    """LabError unless that much disk is free at `where` (an existing directory)."""
    free = shutil.disk_usage(where).free >> 20
    if free < mebibytes:
        raise LabError(
            f"{where} has {free} MiB free, {mebibytes} MiB are needed",
            "free some disk space, or set LAB_CACHE (images) or LAB_RUN (running routers) to a place with more room",
        )
