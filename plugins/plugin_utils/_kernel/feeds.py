# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""OpenWrt's packages: their names, and what opkg and apk mean when they refuse. Pure: no I/O.

Modules of another kernel would load, and read the running kernel's structures at the wrong places: modversions are off
in OpenWrt, and what a package says it is for is the only check. So nothing is ever forced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .._core.errors import OffloadError
from .._core.plan import StepError

MODULES_PACKAGE = "kmod-nft-offload"
NAMES = {"nftables": "nftables-json"}
"""what a package is called there; fw4 needs an nft that speaks JSON"""

# (what it says, the groups "kernel" that the feed is for and "package", where it has them)
MISMATCHES = (
    re.compile(r"cannot find dependency kernel \(= (?P<kernel>[^)]+)\) for (?P<package>\S+)"),
    re.compile(r"dependencies for (?P<package>\S+):\s+(?:\* )?\s*kernel \(= (?P<kernel>[^)]+)\)"),
    re.compile(r"breaks: (?P<package>\S+?)-\d[^[]*\[kernel=(?P<kernel>[^]]+)\]"),
)
REPLACED = re.compile(
    r"\) (?:Upgrading|Downgrading|Replacing|Purging|Reinstalling) kernel \((?:\S+ -> )?(?P<kernel>[^)]+)\)"
)
UNKNOWN = re.compile(r"Unknown package '([^']+)'|^\s*(\S+) \(no such package\)", re.MULTILINE)
FULL = re.compile(r"Only have (\d+)kb available on filesystem (\S+), pkg (\S+) needs (\d+)")
AWAY = (
    *("Failed to download", "wget returned", "network error", "unexpected end of file", "temporary error"),
    *("remote server returned error", "wget: exited"),
)
OTHER_IMAGE = (
    "install an image of the feed's kernel with sysupgrade (attended sysupgrade keeps the packages), or an image that "
    f"has {MODULES_PACKAGE} in it"
)


def feed_names(packages: Iterable[str]) -> list[str]:
    return [NAMES.get(package, package) for package in packages]


def staged_warning(staged: Sequence[str]) -> str:
    return (
        f"somebody staged changes of UCI and did not commit them ({', '.join(staged[:5])}): a package that brings "
        "uci-defaults commits them when it is installed"
    )


def explained(error: StepError, image: str) -> OffloadError:
    """The same error, told by what it means for the router; ``image`` is the kernel that its packages are for.

    A download that failed comes first: what follows it is mostly an echo.
    """
    said = error.said
    details = dict(error.details)
    if any(words in said for words in AWAY):
        return OffloadError(
            f"could not {error.step.summary}: the package feeds could not be read: {_line(said, AWAY)}",
            "give the router a way to its package feeds, or install the packages by hand",
            **details,
        )
    for pattern in MISMATCHES:
        if found := pattern.search(said):
            return OffloadError(
                f"could not {error.step.summary}: the feed's {found['package']} is for the kernel {found['kernel']}, "
                f"and this image has {image or 'another one'}; nothing was changed",
                OTHER_IMAGE,
                **details,
            )
    if found := REPLACED.search(said):
        return OffloadError(
            f"could not {error.step.summary}: apk would put another kernel's packages in ({found['kernel']}; this "
            f"image has {image or 'another one'}), which leaves the router without modules at its next start; "
            "nothing was changed",
            OTHER_IMAGE,
            **details,
        )
    if found := FULL.search(said):
        return OffloadError(
            f"could not {error.step.summary}: the flash is full: {found[3]} needs {found[4]} kB, and {found[2]} has "
            f"{found[1]} kB left; nothing was left changed",
            "remove packages that are not needed, or build an image that has these in it: the same takes less there",
            **details,
        )
    if found := UNKNOWN.search(said):
        return OffloadError(
            f"could not {error.step.summary}: the router's feeds have no package {found[1] or found[2]}",
            f"images that were not built by OpenWrt's own builders often have no feed of modules: {OTHER_IMAGE}",
            **details,
        )
    return error


def _line(said: str, words: Sequence[str]) -> str:
    return next(line.strip(" *") for line in said.splitlines() if any(word in line for word in words))
