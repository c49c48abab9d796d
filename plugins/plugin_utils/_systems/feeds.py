# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""OpenWrt's feeds, which opkg and apk share: names, and what a refusal means for the router. Pure: no I/O.

Modules of another kernel would load, and read the running kernel's structures at the wrong places: modversions are off
in OpenWrt, and the kernel that a package depends on is the only check. So nothing is ever forced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from .._core.sections import Answer, Call
from .package_manager import WAIT, Inventory, PackageManager, Reason

MODULES_PACKAGE = "kmod-nft-offload"
OTHER_IMAGE = (
    "install an image of the feed's kernel with sysupgrade (attended sysupgrade keeps the packages), or an image that "
    f"has {MODULES_PACKAGE} in it"
)
UNREACHABLE = Reason(
    re.compile(
        r"^[ *]*(?P<line>.*?(?:Failed to download|wget returned|network error|unexpected end of file|temporary error"
        r"|remote server returned error|wget: exited).*?)[ *]*$",
        re.MULTILINE,
    ),
    "the package feeds could not be read: {line}",
    "make sure the router can reach its package feeds, or install the packages by hand",
)
"""comes first: what follows a download that failed is mostly an echo of it"""


LOCKED = Reason(
    re.compile(r"(?P<line>[^\n]*(?:Could not lock|Unable to lock)[^\n]*(?:temporarily unavailable|busy)[^\n]*)"),
    "another package manager is at work on the router",
    WAIT,
)
READ_ONLY = Reason(
    re.compile(r"(?P<line>[^\n]*Read-only file system)"),
    "the router's file system is read-only: {line}",
    "find out why (mount, logread): flash that is full or worn, failsafe, or an overlay that did not come up",
)
FULL = Reason(
    re.compile(r"(?P<line>[^\n]*No space left on device)"),
    "the flash is full: {line}",
    "remove packages that are not needed, or build an image that has these in it: the same takes less there",
)
DAMAGED = Reason(
    re.compile(r"^damaged: (?P<package>\S+) (?P<file>[^\n]+)$", re.M),
    "{package} is not whole after its installation, which reported success, as where the flash runs full: {file}",
    "make room on the flash: remove packages that are not needed, or build an image that has these in it, where the "
    "same takes less",
)
"""sh/apply/feeds.sh looks: opkg ends with 0 where the flash runs full"""
OUTCOME = re.compile(r"^(?:taken out again|still installed|still in /etc/apk/world): \S.*$", re.M)
"""what sh/apply/feeds.sh prints of packages that a failed installation brought"""
UNTRUSTED = Reason(
    re.compile(
        r"^[ *]*(?P<line>.*?(?:UNTRUSTED signature|BAD signature|Signature check failed|bad signature)[^\n]*)", re.M
    ),
    "the index of a feed is not signed by a key that this router trusts: {line}",
    "put the key of who builds that feed on the router (/etc/opkg/keys, /etc/apk/keys), or take the feed out",
)
WHOLE_ROUTER = (LOCKED, READ_ONLY, DAMAGED, FULL, UNTRUSTED)
"""about the router and not the package: they come first, because a package that is not found is an echo of them"""


def mismatch(pattern: str) -> Reason:
    """Another kernel's feed; ``pattern`` has the groups ``package``, ``kernel`` that it is for, maybe ``image``."""
    return Reason(
        re.compile(pattern, re.MULTILINE),
        "the feed's {package} is for the kernel {kernel}, and this image has {image}; nothing was changed",
        OTHER_IMAGE,
    )


def other_kernel(pattern: str) -> Reason:
    """A plan that would replace the running kernel's package; ``pattern`` has the group ``kernel``, maybe ``image``."""
    return Reason(
        re.compile(pattern, re.MULTILINE),
        "this would put another kernel's packages in ({kernel}; this image has {image}), which leaves the router "
        "without modules at its next start; nothing was changed",
        OTHER_IMAGE,
    )


def same_file(pattern: str) -> Reason:
    """Two packages with one file; ``pattern`` has the groups ``package``, ``file`` and ``owner``."""
    return Reason(
        re.compile(pattern),
        "the packages {package} and {owner} hold the same file, {file}: {owner} has to go first",
        "remove the package that holds it, then run the play again",
    )


def unknown_module(pattern: str) -> Reason:
    """``pattern`` has the group ``package``, a kmod-."""
    return Reason(
        re.compile(pattern, re.MULTILINE),
        "the router's feeds have no package {package}: no feed of this image's kernel modules is configured",
        f"images that were not built by OpenWrt's own builders often have no feed of modules: {OTHER_IMAGE}",
    )


def unknown_package(pattern: str) -> Reason:
    """``pattern`` has the group ``package``."""
    return Reason(
        re.compile(pattern, re.MULTILINE),
        "the router's feeds have no package {package}",
        f"images that were not built by OpenWrt's own builders often have no feed of modules: {OTHER_IMAGE}",
    )


class Feeds(PackageManager):
    """What opkg and apk have in common."""

    init = "procd"
    distribution = "OpenWrt"
    systems = frozenset({"openwrt"})
    kernels = "that of OpenWrt's own images"
    read_scripts = ("read/feeds",)
    names: ClassVar = {"nftables": "nftables-json"}
    """fw4 needs an nft that speaks JSON"""
    lists_modules = True
    broken_modules_remedy = (
        "install a whole image with sysupgrade: kernel and modules of this one do not belong together"
    )

    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        return [("read_feeds", *self.translate_names(packages))]

    def list_removal_calls(self, record_path: str) -> list[Call]:
        return [("read_feed_removal", record_path)]

    def find_modules_package(self, release: str, os_id: str) -> str:
        return MODULES_PACKAGE

    def explain(self, output: str, image: str) -> tuple[str, str] | None:
        """With what became of the packages that came before an installation failed."""
        explained = super().explain(output, image)
        if explained is None:
            return None
        problem, remedy = explained
        return "; ".join((problem, *OUTCOME.findall(output))), remedy

    def read(self, answer: Answer) -> Inventory:
        """With the version of the package ``kernel``, and what is staged in UCI."""
        lines = [line.partition("=") for line in answer.lines(f"{self.command}.image")]
        staged = [option for key, _equals, option in lines if key == "staged"]
        return replace(
            super().read(answer),
            image=next((version for key, _equals, version in lines if key == "kernel"), ""),
            warnings=(_warn_of_staged(staged),) if staged else (),
        )


def _warn_of_staged(options: Sequence[str]) -> str:
    return (
        f"somebody staged changes of UCI and did not commit them ({', '.join(options[:5])}): a package that brings "
        "uci-defaults commits them when it is installed"
    )
