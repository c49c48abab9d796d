# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""opkg, OpenWrt's package manager up to 24.10. Pure: no I/O."""

from __future__ import annotations

import re

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
from .package_manager import WAIT, Reason


class Opkg(Feeds):
    name = "opkg"
    command = "opkg"
    apply_scripts = ("apply/opkg", "apply/feeds")
    reasons = (
        *WHOLE_ROUTER,
        UNREACHABLE,
        mismatch(r"cannot find dependency kernel \(= (?P<kernel>[^)]+)\) for (?P<package>\S+)"),
        mismatch(r"dependencies for (?P<package>\S+):\s+(?:\* )?\s*kernel \(= (?P<kernel>[^)]+)\)"),
        Reason(
            re.compile(
                r"Only have (?P<left>\d+)kb available on filesystem (?P<place>\S+), "
                r"pkg (?P<package>\S+) needs (?P<needs>\d+)"
            ),
            "the flash is full: {package} needs {needs} kB, and {place} has {left} kB left",
            "remove packages that are not needed, or build an image that has these in it: the same takes less there",
        ),
        other_kernel(r"^Upgrading kernel on \S+ from (?P<image>\S+) to (?P<kernel>\S+?)\.*$"),
        same_file(
            r"Package (?P<package>\S+) wants to install file (?P<file>\S+)\s+But that file is already provided by "
            r"package\s+\*? *(?P<owner>\S+)"
        ),
        unknown_module(r"Unknown package '(?P<package>kmod-[^']+)'"),
        unknown_package(r"Unknown package '(?P<package>[^']+)'"),
    )
    remedies = (("Could not lock", WAIT),)

    def parse_removal(self, output: str) -> frozenset[str]:
        """``opkg --noaction remove`` -> packages that need it, one a line below the warning."""
        return frozenset(re.findall(r"print_dependents_warning:\s+(\S+)$", output, re.MULTILINE))
