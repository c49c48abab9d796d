# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""zypper, of openSUSE and SUSE Linux Enterprise. Pure: no I/O.

The fast path's modules are in the kernel's own package, and not in kernel-default-base, the one for small images
(supported.conf of the kernel's sources does not mark them as base). The two exclude each other, and a kernel is
nothing that a play should replace: so no package is installed for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._core.sections import Call
from .reasons import locked, not_root, same_file, unknown, unreachable, unsatisfied, untrusted
from .rpm import FULL, READ_ONLY, Rpm


class Zypper(Rpm):
    name = command = "zypper"
    systems = frozenset({"opensuse", "suse", "sles"})
    kernels = "openSUSE's kernel-default, in the place of kernel-default-base, which leaves these modules out"
    read_scripts = ("read/zypper",)
    apply_scripts = ("apply/zypper",)
    reasons = (
        not_root(r"Root privileges are required"),
        locked(r"System management is locked by the application|[Aa]lready locked by"),
        FULL,
        READ_ONLY,
        untrusted(
            r"(?P<line>[^\n]*(?:Signature verification failed|is unsigned\.|signed with an unknown key"
            r"|Signature verification \[[^]]*\]|is not signed)[^\n]*)"
        ),
        unreachable(
            r"(?P<line>(?:Error message: |[^\n]*Failed to retrieve new repository metadata"
            r"|[^\n]*Download \(curl\) error"
            r"|[^\n]*Problem retrieving|[^\n]*not found on medium|Repository '[^']*' is invalid)[^\n]*)"
        ),
        unknown(r"No provider of '(?P<package>[^']+)' found"),
        unsatisfied(r"(?P<line>nothing provides '[^']*' needed by [^\n]*)"),
        same_file(r"(?P<line>File \S+[^\n]*conflicts with[^\n]*)"),
    )

    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        return [("read_zypper", *self.translate_names(packages))]

    def list_removal_calls(self, record_path: str) -> list[Call]:
        return [("read_zypper_removal", record_path)]

    def find_modules_package(self, release: str, os_id: str) -> str:
        return ""
