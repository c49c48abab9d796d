# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of routers like OpenWrt: a small flash of their own, with the kernel and the NICs of a Debian router's image.

A third disk of the machine is the flash as it was built, for the stand-in for sysupgrade.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import derived
from lab.derived import Workshop
from lab.host import step
from lab.images import Image
from lab.openwrt import modules
from lab.openwrt.root import RELEASES, make_root
from lab.programs import Programs

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest"
FLASH_SIZE = "15M"
"""nearly full: some 2 MB are left"""

SUITES = {"openwrt-24.10": RELEASES["24.10.4"], "openwrt-25.12": RELEASES["25.12.1"]}
PROGRAMS = ("base-files", "busybox", "dropbear-bin", "nftables", "ethtool", "util-linux")
INSTALLED = "base-files busybox dropbear firewall4 netifd nftables-json procd ubus uci ucode"
INTERFACES = "lan br-lan br-lan static up\nwan wan0 wan0 static up\n"
# init script -> its prefix in /etc/rc.d, in OpenWrt's order
ENABLED = {"boot": "S10", "dropbear": "S19", "firewall": "S19", "network": "S20"}


def recipe_key(suite: str) -> str:
    """Hash of everything that makes the image of `suite`."""
    return derived.make_key(suite, HERE, HERE.parent / "programs.py")


def ensure(suite: str) -> Image:
    """The image of `suite`, built when it is not in the cache; the Debian image below it too."""
    return derived.ensure(suite, recipe_key(suite), make)


def make(shop: Workshop) -> None:
    """Build the image in its workshop."""
    with step("programs from Debian's packages"):
        shop.unpack(PROGRAMS)
    with step("kernel modules from the Debian router"):
        tree = copy_modules(shop)
    with step("the flash"):
        make_flash_root(shop, tree)
        shop.fill(FLASH_SIZE, "-b", "1024", "-m", "0", "-J", "size=1", "-L", "flash")
        shop.finish(tree.release, {name: shop.base.directory / name for name in ("vmlinuz", "initrd")})


def copy_modules(shop: Workshop) -> modules.Tree:
    """Copy the kernel's modules from the Debian router's disk."""
    release = shop.base.info["kernel"]
    shop.copy_out(shop.base.disk, "/usr/lib/modules", shop.work)
    derived.require_modules(shop.work / "modules", release, shop.base.disk, shop.log)
    return modules.Tree(shop.work / "modules", release)


def make_flash_root(shop: Workshop, tree: modules.Tree) -> None:
    """Make the directory with everything on the flash."""
    root = shop.root
    root.mkdir()
    make_root(root, SUITES[shop.suite], tree.release, shop.programs)
    shop.programs.install(shop.programs.get("nft"), root, "usr/sbin/nft")
    for files in (derived.FILES, GUEST):
        shutil.copytree(files, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    _packages(root, tree, shop.programs)
    shutil.copy(tree.directory / "modules.builtin", root / "lib/modules" / tree.release)
    (root / "etc/stand-in/interfaces").write_text(INTERFACES)
    for name, place in ENABLED.items():
        (root / f"etc/rc.d/{place}{name}").symlink_to(f"../init.d/{name}")
    (root / "etc/shadow").write_text("root:::0:99999:7:::\n")
    (root / "etc/shells").write_text("/bin/ash\n")
    (root / "mnt").mkdir()
    shop.let_in()


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
