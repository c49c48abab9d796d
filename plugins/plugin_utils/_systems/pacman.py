# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""pacman, of Arch Linux and what comes of it. Pure: no I/O.

The modules are in the package of the kernel, and go with it when it is upgraded: what the running one needs is gone
until the router is rebooted, and no package brings it back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from .._core.sections import Call
from .package_manager import PackageManager
from .reasons import (
    full,
    locked,
    not_root,
    read_only,
    same_file,
    unknown,
    unreachable,
    unsatisfied,
    untrusted,
)

UPGRADE = "upgrade the whole router (pacman -Syu) and reboot it, then run the play again"


class Pacman(PackageManager):
    """Its lists are not updated by themselves: new packages beside old ones are a state that Arch does not support."""

    name = command = "pacman"
    systems = frozenset({"arch", "archarm"})
    kernels = "Arch's linux or linux-lts"
    names: ClassVar = {"conntrack": "conntrack-tools"}
    read_scripts = ("read/pacman",)
    apply_scripts = ("apply/pacman",)
    reasons = (
        not_root(r"you cannot perform this operation unless you are root"),
        locked(r"unable to lock database"),
        full(r"(?P<line>[^\n]*(?:No space left on device|too full:|not enough free disk space)[^\n]*)"),
        read_only(r"(?P<line>[^\n]*(?:Read-only file system|is mounted read only)[^\n]*)"),
        untrusted(
            r"(?P<line>[^\n]*(?:missing required signature|is unknown trust|invalid or corrupted [^\n]*PGP signature"
            r"|signature from [^\n]* is invalid|could not be looked up remotely|keyring is not writable)[^\n]*)"
        ),
        unreachable(r"(?P<line>failed retrieving file [^\n]*|failed to synchronize all databases[^\n]*)"),
        unknown(r"target not found: (?P<package>\S+)", UPGRADE),
        unsatisfied(r"(?P<line>unable to satisfy dependency [^\n]*|removing \S+ breaks dependency [^\n]*)"),
        same_file(r"(?P<line>\S+: \S+ exists in (?:filesystem|both)[^\n]*)"),
    )

    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        return [("read_pacman", *self.translate_names(packages))]

    def list_removal_calls(self, record_path: str) -> list[Call]:
        return [("read_pacman_removal", record_path)]

    def parse_removal(self, output: str) -> frozenset[str]:
        """``pacman -R --print``, lines such as ``removing a breaks dependency 'a' required by b``."""
        return frozenset(re.findall(r" breaks dependency '[^']*' required by (\S+)$", output, re.MULTILINE))

    def find_modules_package(self, release: str, os_id: str) -> str:
        return ""
