# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of routers that are not Debian's: a disk of their own beside a Debian router's image.

That image is also a second disk of the machine, for the LAN host and the WAN host (hosts/usr/lib/lab/hosts); a login to
the router does not see it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import images
from lab.host import LabError, cache_root, lock, need_space, run_logged, say, tool
from lab.images import Image
from lab.machine import HOSTS
from lab.programs import Programs

FILES = Path(__file__).resolve().parent / "hosts"
"""what every such router has to have hosts behind it"""
BASE = "trixie"
"""the Debian suite that the hosts and the programs come from"""
BUILD_SPACE = 2048
"""MiB that a build may take while it runs"""
HOST_KEY = "etc/dropbear/dropbear_ed25519_host_key"


def make_key(suite: str, *places: Path) -> str:
    """Hash of all that makes the image of `suite`: the Debian image, and the files below each place."""
    digest = hashlib.sha256(f"{suite}\0{images.recipe_key(BASE)}".encode())
    for place in (Path(__file__), FILES, *places):
        for path in images.sources(place) if place.is_dir() else [place]:
            digest.update(f"\0{path.relative_to(place.parent)}\0{os.access(path, os.X_OK)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def find(suite: str, key: str) -> Image | None:
    """The cached image of `suite`, if there is one for the current recipe."""
    image = Image(suite, images.images_root() / f"{suite}-{key}")
    return image if image.directory.is_dir() else None


def ensure(suite: str, key: str, make: Callable[[Workshop], None]) -> Image:
    """The image of `suite`, made when it is not in the cache; the Debian image below it too."""
    if image := find(suite, key):
        return image
    base = images.ensure(BASE)
    with lock(cache_root() / "locks" / suite, f"the image of {suite}") as lock_fd:
        if image := find(suite, key):
            return image
        image = Image(suite, images.images_root() / f"{suite}-{key}")
        _build(image, base, lock_fd, make)
        images._prune(image)
        return image


def _build(image: Image, base: Image, lock_fd: int, make: Callable[[Workshop], None]) -> None:
    """Build in a temporary directory and move the result into place; the caller holds the suite's lock."""
    for name in ("mmdebstrap", "mke2fs", "debugfs", "qemu-img"):
        tool(name)
    need_space(images.images_root(), BUILD_SPACE)
    say(f"{image.suite}: building the router image (once; half a minute)")
    work = cache_root() / "tmp" / image.suite
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    log = cache_root() / "logs" / f"{image.suite}.log"
    log.unlink(missing_ok=True)
    try:
        with images._roots(work) as roots:
            make(Workshop(image.suite, base, work, roots, log, lock_fd))
        work.joinpath("result").rename(image.directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class Workshop:
    """One build. `work/result` becomes the image's directory, `work/root` is what the router's disk holds."""

    suite: str
    base: Image
    work: Path
    roots: Path
    log: Path
    lock_fd: int

    @property
    def root(self) -> Path:
        return self.work / "root"

    @property
    def programs(self) -> Programs:
        """Those that `unpack` has put there."""
        return Programs(self.roots / "programs")

    def run(self, *command: str | Path) -> None:
        """Run a command on this machine; LabError where it fails."""
        remedy = f"whole log: {self.log}"
        words, env = [str(word) for word in command], {"TMPDIR": str(self.roots)}
        run_logged(words, self.log, remedy=remedy, lock_fd=self.lock_fd, env=env)

    def unpack(self, packages: tuple[str, ...]) -> None:
        """Unpack Debian packages without installing them: none of their code runs as root."""
        self.run(
            tool("mmdebstrap"),
            f"--mode={'unshare' if images.as_root() else 'root'}",
            "--format=directory",
            "--variant=extract",
            '--aptopt=APT::Install-Recommends "false"',
            f"--include={','.join(packages)}",
            *images.OPTIONS.get(BASE, ()),
            BASE,
            self.programs.top,
        )

    def copy_out(self, disk: Path, place: str, to: Path) -> None:
        """Copy a directory from a disk in QEMU's format to below `to`, without mounting it."""
        raw = self.work / "copied.raw"
        self.run(tool("qemu-img"), "convert", "-O", "raw", disk, raw)
        self.run(tool("debugfs"), "-R", f"rdump {place} {to}", raw)
        raw.unlink()

    def fill(self, size: str, *options: str) -> None:
        """Make the disk from the root directory with mke2fs, without mounting it."""
        raw = self.work / "filled.ext4"
        owner = ["unshare", "--map-root-user"] if images.as_root() else []
        self.run(*owner, tool("mke2fs"), "-q", "-t", "ext4", *options, "-d", self.root, raw, size)
        self.run(tool("qemu-img"), "convert", "-f", "raw", "-O", "qcow2", raw, self.work / "root.qcow2")

    def let_in(self) -> None:
        """Install dropbear, make its host key, and let root log in with the lab's key."""
        self.programs.install(self.programs.get("dropbear"), self.root, "usr/sbin/dropbear")
        (self.root / HOST_KEY).parent.mkdir(mode=0o700, parents=True)
        self.programs.output("dropbearkey", "-t", "ed25519", "-f", str(self.root / HOST_KEY))
        keys = self.root / "etc/dropbear/authorized_keys"
        keys.write_bytes((self.base.directory / "id_ed25519.pub").read_bytes())
        keys.chmod(0o600)

    def finish(self, kernel: str, boot: dict[str, Path], cmdline: str = "") -> None:
        """Make the image's directory. Files are hard links, so that either image can be removed.

        `kernel` is its release, `boot` has the files `vmlinuz` and `initrd`, `cmdline` what this kernel needs beside
        what the machine gives to every one.
        """
        result = self.work / "result"
        result.mkdir()
        keys = {name: self.base.directory / name for name in ("id_ed25519", "id_ed25519.pub")}
        for name, path in {**keys, **boot, HOSTS: self.base.disk}.items():
            os.link(path, result / name)
        (self.work / "root.qcow2").rename(result / "root.qcow2")
        printed = self.programs.output("dropbearkey", "-y", "-f", str(self.root / HOST_KEY))
        algorithm, key = next(line for line in printed.splitlines() if line.startswith("ssh-")).split()[:2]
        info = {"suite": self.suite, "kernel": kernel, "host_key": f"{algorithm} {key}", "cmdline": cmdline}
        (result / "info.json").write_text(json.dumps(info, indent=2) + "\n")


def require_modules(top: Path, release: str, disk: Path, log: Path) -> None:
    """LabError where the modules that were copied are not those of a kernel."""
    if not (top / release / "modules.dep").exists():
        raise LabError(f"no modules of {release} on {disk}", f"whole log: {log}")
