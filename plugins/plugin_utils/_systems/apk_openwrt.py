# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""apk, OpenWrt's package manager since 25.12. Pure: no I/O."""

from __future__ import annotations

from .apk import parse_kept
from .feeds import (
    UNREACHABLE,
    WHOLE_ROUTER,
    Feeds,
    mismatch,
    other_kernel,
    same_file,
    unknown_module,
    unknown_package,
)
from .package_manager import WAIT


class ApkOpenWrt(Feeds):
    """It does not refuse where it finds a solution, and another kernel's packages are one (openwrt#16808)."""

    name = "apk"
    command = "apk"
    apply_scripts = ("apply/apk_openwrt", "apply/feeds")
    reasons = (
        *WHOLE_ROUTER,
        UNREACHABLE,
        mismatch(r"(?:^\s*kernel-(?P<image>\d\S*):\s+)?breaks: (?P<package>\S+?)-\d[^[]*\[kernel=(?P<kernel>[^]]+)\]"),
        other_kernel(
            r"\) (?:Upgrading|Downgrading|Replacing|Purging|Reinstalling) kernel \((?:\S+ -> )?(?P<kernel>[^)]+)\)"
        ),
        same_file(r"ERROR: (?P<package>\S+?)-\d\S*: trying to overwrite (?P<file>\S+) owned by (?P<owner>\S+?)-\d\S*"),
        unknown_module(r"^\s*(?P<package>kmod-\S+) \(no such package\)"),
        unknown_package(r"^\s*(?P<package>\S+) \(no such package\)"),
    )
    remedies = (("Unable to lock database", WAIT),)

    def parse_removal(self, output: str) -> frozenset[str]:
        return parse_kept(output)
