# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of routers like OpenWrt: a small flash of their own, with the kernel and the NICs of a Debian router's image.

That image is also a second disk of the machine, for the LAN host and the WAN host (guest/usr/lib/lab/hosts); a login to
the router does not see it. A third disk is the flash as it was built, for the stand-in for sysupgrade.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab import images
from lab.host import LabError, cache_root, lock, need_space, run_logged, say, step, tool
from lab.images import Image
from lab.machine import HOSTS
from lab.openwrt import modules
from lab.openwrt.programs import Programs
from lab.openwrt.root import RELEASES, Release, make_root

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest"
BASE = "trixie"
"""the Debian suite that the kernel, the NICs, the programs and the hosts come from"""
FLASH_SIZE = "15M"
"""nearly full: some 2 MB are left"""
BUILD_SPACE = 2048  # MiB that a build may take while it runs

SUITES = {"openwrt-24.10": RELEASES["24.10.4"], "openwrt-25.12": RELEASES["25.12.1"]}
PROGRAMS = ("base-files", "busybox", "dropbear-bin", "nftables", "ethtool", "util-linux")
INSTALLED = "base-files busybox dropbear firewall4 netifd nftables-json procd ubus uci ucode"
INTERFACES = "lan br-lan br-lan static up\nwan wan0 wan0 static up\n"
# init script -> its prefix in /etc/rc.d, in OpenWrt's order
ENABLED = {"boot": "S10", "dropbear": "S19", "firewall": "S19", "network": "S20"}


def recipe_key(suite: str) -> str:
    """Hash of everything that makes the image of `suite`."""
    digest = hashlib.sha256(f"{suite}\0{images.recipe_key(BASE)}".encode())
    for path in images.sources(HERE):
        digest.update(f"\0{path.relative_to(HERE)}\0{os.access(path, os.X_OK)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def find(suite: str) -> Image | None:
    """The cached image of `suite`, if there is one for the current recipe."""
    image = Image(suite, images.images_root() / f"{suite}-{recipe_key(suite)}")
    return image if image.directory.is_dir() else None


def ensure(suite: str) -> Image:
    """The image of `suite`, built when it is not in the cache; the Debian image below it too."""
    if image := find(suite):
        return image
    base = images.ensure(BASE)
    with lock(cache_root() / "locks" / suite, f"the image of {suite}") as lock_fd:
        if image := find(suite):
            return image
        image = Image(suite, images.images_root() / f"{suite}-{recipe_key(suite)}")
        _build(image, base, lock_fd)
        images._prune(image)
        return image


def _build(image: Image, base: Image, lock_fd: int) -> None:
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
            builder = Builder(SUITES[image.suite], base, work, roots, log, lock_fd)
            with step("programs from Debian's packages"):
                builder.programs()
            with step("kernel modules from the Debian router"):
                tree = builder.kernel_modules()
            with step("the flash"):
                builder.root(tree)
                builder.flash()
                builder.result(image.suite)
        work.joinpath("result").rename(image.directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class Builder:
    """The steps of one build. ``work/result`` becomes the image's directory, ``work/root`` is what the flash holds."""

    release: Release
    base: Image
    work: Path
    roots: Path
    log: Path
    lock_fd: int

    @property
    def flash_root(self) -> Path:
        return self.work / "root"

    @property
    def unpacked(self) -> Programs:
        return Programs(self.roots / "programs")

    def run(self, *command: str | Path) -> None:
        remedy = f"whole log: {self.log}"
        words, env = [str(word) for word in command], {"TMPDIR": str(self.roots)}
        run_logged(words, self.log, remedy=remedy, lock_fd=self.lock_fd, env=env)

    def programs(self) -> None:
        """Unpack the packages without installing them: none of their code runs as root."""
        self.run(
            tool("mmdebstrap"),
            f"--mode={'unshare' if images.as_root() else 'root'}",
            "--format=directory",
            "--variant=extract",
            '--aptopt=APT::Install-Recommends "false"',
            f"--include={','.join(PROGRAMS)}",
            *images.OPTIONS.get(BASE, ()),
            BASE,
            self.unpacked.top,
        )

    def kernel_modules(self) -> modules.Tree:
        """Copy the kernel's modules from the Debian router's disk, without mounting it."""
        raw, top = self.work / "base.raw", self.work / "modules"
        self.run(tool("qemu-img"), "convert", "-O", "raw", self.base.disk, raw)
        release = self.base.info["kernel"]
        self.run(tool("debugfs"), "-R", f"rdump /usr/lib/modules {self.work}", raw)
        raw.unlink()
        if not (top / release / "modules.dep").exists():
            raise LabError(f"no modules of {release} on {self.base.disk}", f"whole log: {self.log}")
        return modules.Tree(top, release)

    def root(self, tree: modules.Tree) -> None:
        """Make the directory with everything on the flash."""
        root = self.flash_root
        root.mkdir()
        make_root(root, self.release, tree.release, self.unpacked)
        for name in ("dropbear", "nft"):
            self.unpacked.install(self.unpacked.get(name), root, f"usr/sbin/{name}")
        shutil.copytree(GUEST, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        _packages(root, tree, self.unpacked)
        shutil.copy(tree.directory / "modules.builtin", root / "lib/modules" / tree.release)
        (root / "etc/stand-in/interfaces").write_text(INTERFACES)
        for name, place in ENABLED.items():
            (root / f"etc/rc.d/{place}{name}").symlink_to(f"../init.d/{name}")
        (root / "etc/shadow").write_text("root:::0:99999:7:::\n")
        (root / "etc/shells").write_text("/bin/ash\n")
        (root / "mnt").mkdir()
        _login(root, self.base, self.unpacked)

    def flash(self) -> None:
        """Fill the file system from the directory with mke2fs, without mounting it."""
        raw = self.work / "flash.ext4"
        owner = ["unshare", "--map-root-user"] if images.as_root() else []
        make = [*owner, tool("mke2fs"), "-q", "-t", "ext4", "-b", "1024", "-m", "0", "-J", "size=1", "-L", "flash"]
        self.run(*make, "-d", self.flash_root, raw, FLASH_SIZE)
        self.run(tool("qemu-img"), "convert", "-f", "raw", "-O", "qcow2", raw, self.work / "root.qcow2")

    def result(self, suite: str) -> None:
        """Make the image's directory. Files of the Debian image are hard links, so that either image can be removed."""
        result = self.work / "result"
        result.mkdir()
        for name in ("vmlinuz", "initrd", "id_ed25519", "id_ed25519.pub"):
            os.link(self.base.directory / name, result / name)
        os.link(self.base.disk, result / HOSTS)
        (self.work / "root.qcow2").rename(result / "root.qcow2")
        printed = self.unpacked.output("dropbearkey", "-y", "-f", str(self.flash_root / HOST_KEY))
        algorithm, key = next(line for line in printed.splitlines() if line.startswith("ssh-")).split()[:2]
        info = {"suite": suite, "kernel": self.base.info["kernel"], "host_key": f"{algorithm} {key}"}
        (result / "info.json").write_text(json.dumps(info, indent=2) + "\n")


HOST_KEY = "etc/dropbear/dropbear_ed25519_host_key"


def _login(root: Path, base: Image, programs: Programs) -> None:
    """Make dropbear's host key, and let root log in with the lab's key."""
    (root / HOST_KEY).parent.mkdir(mode=0o700)
    programs.output("dropbearkey", "-t", "ed25519", "-f", str(root / HOST_KEY))
    keys = root / "etc/dropbear/authorized_keys"
    keys.write_bytes((base.directory / "id_ed25519.pub").read_bytes())
    keys.chmod(0o600)


def _packages(root: Path, tree: modules.Tree, programs: Programs) -> None:
    """Put modules into the image, and those that it lacks, with ethtool, into the feed."""
    feed = root / "etc/stand-in/feed"
    kernel = tree.kernel_version
    index, installed = [], [f"kernel {kernel}", *(f"{name} 1-r1" for name in INSTALLED.split())]
    for package, names in modules.contents(tree).items():
        offered = package in modules.OFFERED
        modules.put(tree, feed / "files" / package if offered else root, package, names)
        if offered:
            needs = ",".join(modules.PACKAGES[package][1])
            index.append(f"{package} {kernel} {kernel} {_kilobytes(feed / 'files' / package)} {needs}")
        else:
            installed.append(f"{package} {kernel}")
    programs.install(programs.get("ethtool"), root, "etc/stand-in/feed/files/ethtool/usr/sbin/ethtool")
    index.append(f"ethtool 6.14-r1 - {_kilobytes(feed / 'files/ethtool')} -")
    (feed / "index").write_text("".join(f"{line}\n" for line in index))
    (root / "etc/stand-in/installed").write_text("".join(f"{line}\n" for line in installed))
    # netifd reads features from the kernel; its stand-in runs the ethtool in the feed
    ethtool = root / "usr/lib/stand-in/ethtool"
    ethtool.write_text('#!/bin/sh\nexec /etc/stand-in/feed/files/ethtool/usr/sbin/ethtool "$@"\n')
    ethtool.chmod(0o755)


def _kilobytes(top: Path) -> int:
    return sum(path.stat().st_size + 1023 for path in top.rglob("*") if path.is_file()) // 1024
