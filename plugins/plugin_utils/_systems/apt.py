# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""apt and dpkg, of Debian and what comes of it. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._core.sections import Call
from .package_manager import WAIT, PackageManager


class Apt(PackageManager):
    """Configuration that was edited stays when a package is removed, and goes with a purge."""

    name = "apt"
    command = "apt-get"
    systems = frozenset({"debian", "ubuntu"})
    kernels = "Debian's linux-image-amd64 or linux-image-arm64"
    read_scripts = ("read/apt",)
    apply_scripts = ("apply/apt",)
    remedies = (
        ("Could not get lock", WAIT),
        ("Failed to fetch", "make sure the router can reach its package source, or install the package by hand"),
        ("Unable to locate package", "add a package source that has it to the router, or install it by hand"),
    )

    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        return [("read_apt", *packages)]

    def list_removal_calls(self, record_path: str) -> list[Call]:
        return [("read_apt_removal", record_path)]

    def parse_removal(self, output: str) -> frozenset[str]:
        """``apt-get -s remove``, lines such as ``Remv nftables [1.1.3-1]`` -> all that would go."""
        return frozenset(re.findall(r"^Remv (\S+)", output, re.MULTILINE))

    def find_modules_package(self, release: str, os_id: str) -> str:
        """Ubuntu's cloud kernels keep these modules in a package of their own."""
        return f"linux-modules-extra-{release}" if os_id == "ubuntu" else ""
