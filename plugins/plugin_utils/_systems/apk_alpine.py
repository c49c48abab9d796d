# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""apk of Alpine Linux, versions 2 and 3. Pure: no I/O.

The modules are in the package of the kernel, and go with it when it is upgraded: what the running one needs is gone
until the router is rebooted, and no package brings it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .._core.sections import Call
from .apk import parse_kept
from .package_manager import PackageManager
from .reasons import full, locked, not_root, read_only, same_file, unknown, unreachable, unsatisfied, untrusted


class ApkAlpine(PackageManager):
    """What it shall have is a list, /etc/apk/world: all else that is installed is there because somebody needs it."""

    name = command = "apk"
    init = "openrc"
    distribution = "Alpine"
    systems = frozenset({"alpine"})
    kernels = "Alpine's linux-lts or linux-virt"
    names: ClassVar = {"conntrack": "conntrack-tools"}
    read_scripts = ("read/apk",)
    apply_scripts = ("apply/apk",)
    reasons = (
        not_root(r"Unable to (?:lock|open|read|write) database[^\n]*: Permission denied"),
        full(r"(?P<line>[^\n]*No space left on device[^\n]*)"),
        read_only(r"(?P<line>[^\n]*Read-only file system[^\n]*)"),
        locked(r"Unable to lock database"),
        untrusted(r"(?P<line>[^\n]*(?:UNTRUSTED signature|BAD signature|not signed)[^\n]*)"),
        unreachable(
            r"(?P<line>[^\n]*(?:temporary error|network error|remote server returned error|connection refused"
            r"|timed out|DNS[^\n]*error)[^\n]*)"
        ),
        unsatisfied(r"^\s*(?P<line>(?:so|cmd|pc):\S+ \(no such package\))"),
        unknown(r"^\s*(?P<package>\S+) \(no such package\)"),
        unsatisfied(r"^\s*(?P<line>(?:breaks|conflicts|masked in): [^\n]*)"),
        same_file(r"(?P<line>\S+: trying to overwrite \S+ owned by [^\n]*)"),
    )

    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        return [("read_apk", *self.translate_names(packages))]

    def list_removal_calls(self, record_path: str) -> list[Call]:
        return [("read_apk_removal", record_path)]

    def parse_removal(self, output: str) -> frozenset[str]:
        return parse_kept(output)

    def find_modules_package(self, release: str, os_id: str) -> str:
        return ""
