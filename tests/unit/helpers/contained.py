# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps tests from touching the machine that they run on, whatever script they run and whatever path it is given.

An ordinary user may write to no directory of the system. root gets a mount namespace in which those are read-only and
/run is empty and nobody else's. Where root gets none, as in many containers, no process is started at all: there the
tests have to be run as an ordinary user.

``contain`` is called by conftest.py, and again by every helper that starts something, for those who go around that.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SYSTEM = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/boot", "/var/lib")
"""what becomes read-only, with all that is below"""
EMPTY = ("/run", "/var/run")
"""what becomes empty, and this namespace's own"""
STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn")
"""audit events of Python"""

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000

Mount = Callable[[str, str, str, int], None]


class NotContained(RuntimeError):
    """A test would have run something as root, with all of the machine within its reach."""


def contain() -> None:
    """From now on neither this process nor one that it starts reaches the machine's own /etc, /run and the like.

    Of a process with several threads only the calling one, and those that it starts.
    """
    if os.geteuid() != 0 or is_contained():
        return
    try:
        unshare_mounts()
    except OSError as error:
        sys.addaudithook(_refuse_to_start(str(error)))
        return
    arrange(mount)


def is_contained() -> bool:
    """Whether this process sees the namespace that ``contain`` makes."""
    return Path(f"{EMPTY[0]}/{MARK}").exists()


MARK = "nft-offload-tests-see-no-other-run"


def arrange(mount: Mount) -> None:
    """Make the namespace; ``mount`` takes source, target, type and flags."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    # its own mount, so that it stays writable where it is below one that does not
    mount(str(ROOT), str(ROOT), "", MS_BIND | MS_REC)
    for path in SYSTEM:
        if Path(path).is_dir() and not Path(path).is_symlink():
            mount(path, path, "", MS_BIND | MS_REC)
    for path in mounts_below(SYSTEM):
        if not Path(path).is_relative_to(ROOT):
            mount("none", path, "", MS_REMOUNT | MS_BIND | MS_RDONLY)
    for path in EMPTY:
        if Path(path).is_dir() and not Path(path).is_symlink():
            mount("tmpfs", path, "tmpfs", 0)
            Path(path).chmod(0o755)
    Path(f"{EMPTY[0]}/{MARK}").touch()


def mounts_below(tops: tuple[str, ...]) -> list[str]:
    """Where something is mounted, these directories and below."""
    return [path for path in _mount_points() if any(Path(path).is_relative_to(top) for top in tops)]


def _mount_points() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # a blank and the like are written as octal numbers
        yield line.split()[4].encode().decode("unicode_escape")


def unshare_mounts() -> None:
    """A mount namespace of our own; raises OSError where there is none to be had."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), f"no mount namespace: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str, flags: int) -> None:
    """mount(2); raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}: {os.strerror(ctypes.get_errno())}")


def _refuse_to_start(why: str) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in STARTS:
            raise NotContained(
                f"tests start nothing as root that could change this machine ({why}): run them as an ordinary user, or "
                "where root may make a mount namespace"
            )

    return hook
