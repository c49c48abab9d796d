# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""dnf, of Fedora, RHEL and what comes of them: versions 4 and 5. Pure: no I/O.

Modules below net/netfilter are in kernel-modules-core, the fast path's among them (redhat/*/def_variants.yaml.* of the
kernel's sources for Fedora and RHEL); up to RHEL 9.1 they were in kernel-core (filter-modules.sh.rhel).
"""

from __future__ import annotations

from collections.abc import Sequence

from .._core.sections import Call
from .reasons import locked, not_root, same_file, unknown, unreachable, unsatisfied, untrusted
from .rpm import FULL, READ_ONLY, Rpm

OTHER_KERNEL = (
    "upgrade the router's kernel and reboot it, where this is the package of a kernel that its sources have no more; "
    "else add a package source that has it, or install it by hand"
)


class Dnf(Rpm):
    name = command = "dnf"
    systems = frozenset({"fedora", "rhel", "centos"})
    kernels = "that of Fedora, CentOS Stream 9 or RHEL 9 and later"
    read_scripts = ("read/dnf",)
    apply_scripts = ("apply/dnf",)
    reasons = (
        not_root(r"has to be run with superuser privileges|cannot create directories: Permission denied"),
        locked(r"[Ff]ailed to obtain (?:the )?(?:rpm )?transaction lock|[Aa]lready locked by|lock.* held by"),
        FULL,
        READ_ONLY,
        untrusted(
            r"(?P<line>(?:You have enabled checking of packages via GPG keys|[^\n]*Signature verification failed"
            r"|[^\n]*GPG check FAILED|[^\n]*GPG signature is not available|[^\n]*Failed to retrieve GPG key"
            r"|[^\n]*(?:Public key|key) [^\n]*(?:is )?not installed|[^\n]*repomd\.xml GPG signature verification error)"
            r"[^\n]*)"
        ),
        unreachable(r"(?P<line>(?:Curl error|[^\n]*Failed to download metadata|[^\n]*Usable URL not found)[^\n]*)"),
        unknown(r"(?:No match for argument|Unable to find a match): (?P<package>kernel-\S+)", OTHER_KERNEL),
        unknown(r"(?:No match for argument|Unable to find a match): (?P<package>\S+)"),
        unsatisfied(r"(?P<line>nothing provides \S+[^\n]* needed by \S+)"),
        same_file(r"(?P<line>file \S+ (?:from install of \S+ )?conflicts[^\n]*)"),
    )

    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        return [("read_dnf", *self.translate_names(packages))]

    def list_removal_calls(self, record_path: str) -> list[Call]:
        return [("read_dnf_removal", record_path)]

    def find_modules_package(self, release: str, os_id: str) -> str:
        """``6.12.0-55.el10.x86_64+rt`` is the release of the variant kernel-rt."""
        version, _plus, variant = release.partition("+")
        return "-".join(["kernel", *([variant] if variant else []), "modules-core", version])
