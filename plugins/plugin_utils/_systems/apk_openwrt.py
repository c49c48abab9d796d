# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""apk, OpenWrt's package manager since 25.12. Pure: no I/O."""

from __future__ import annotations

import re

from .feeds import OTHER_IMAGE, UNREACHABLE, Feeds, mismatch, unknown_package
from .package_manager import WAIT, Reason


class ApkOpenWrt(Feeds):
    """It does not refuse where it finds a solution, and another kernel's packages are one (openwrt#16808)."""

    name = "apk"
    command = "apk"
    apply_scripts = ("apply/apk_openwrt", "apply/feeds")
    reasons = (
        UNREACHABLE,
        mismatch(r"breaks: (?P<package>\S+?)-\d[^[]*\[kernel=(?P<kernel>[^]]+)\]"),
        Reason(
            re.compile(
                r"\) (?:Upgrading|Downgrading|Replacing|Purging|Reinstalling) kernel "
                r"\((?:\S+ -> )?(?P<kernel>[^)]+)\)"
            ),
            "apk would put another kernel's packages in ({kernel}; this image has {image}), which leaves the router "
            "without modules at its next start; nothing was changed",
            OTHER_IMAGE,
        ),
        unknown_package(r"^\s*(?P<package>\S+) \(no such package\)"),
    )
    remedies = (("Unable to lock database", WAIT),)

    def parse_removal(self, output: str) -> frozenset[str]:
        """``apk del --simulate`` -> packages that need it: ``  PACKAGE: KEEPER KEEPER`` up to an empty line.

        The lines have 50 columns. What apk would purge as well is not in the way: nobody needs that any more.
        """
        held = re.search(r"not removed due to:\n((?:  .+\n?)*)", output)
        words = held[1].split() if held else []
        return frozenset(word for word in words if not word.endswith(":"))
