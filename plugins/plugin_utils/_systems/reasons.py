# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Why package managers of a whole distribution refuse: what it means for the router, whoever says it. Pure: no I/O.

Each function makes a Reason of a pattern, searched with MULTILINE; those of OpenWrt, whose routers have a flash and
feeds, are in feeds.py.
"""

from __future__ import annotations

import re

from .package_manager import WAIT, Reason

BY_HAND = "add a package source that has it to the router, or install it by hand"


def _reason(pattern: str, problem: str, remedy: str) -> Reason:
    return Reason(re.compile(pattern, re.MULTILINE), problem, remedy)


def locked(pattern: str) -> Reason:
    """Another one is at work."""
    return _reason(pattern, "another package manager is at work on the router", WAIT)


def not_root(pattern: str) -> Reason:
    """The login may not install."""
    return _reason(pattern, "the package manager was not run as root", "set become: true, or log in as root")


def read_only(pattern: str) -> Reason:
    """``pattern`` has the group ``line``."""
    return _reason(
        pattern,
        "a file system of the router is read-only: {line}",
        "find out why (mount, dmesg); an image-based system has a way of its own to add packages",
    )


def full(pattern: str) -> Reason:
    """``pattern`` has the group ``line``."""
    return _reason(pattern, "the router's disk is full: {line}", "remove what is not needed there")


def untrusted(pattern: str) -> Reason:
    """``pattern`` has the group ``line``."""
    return _reason(
        pattern,
        "a package or a package source is not signed by a key that this router trusts: {line}",
        "give the router the key of who signs it, or take that source out",
    )


def unreachable(pattern: str) -> Reason:
    """``pattern`` has the group ``line``; comes before ``unknown``, which is mostly an echo of it."""
    return _reason(
        pattern,
        "the package sources could not be read: {line}",
        "make sure the router can reach its package sources, or install the packages by hand",
    )


def unknown(pattern: str, remedy: str = BY_HAND) -> Reason:
    """``pattern`` has the group ``package``."""
    return _reason(pattern, "the router's package sources have no package {package}", remedy)


def unsatisfied(pattern: str) -> Reason:
    """``pattern`` has the group ``line``: what a package needs, and nothing has."""
    return _reason(
        pattern,
        "packages that this router's sources have do not fit together: {line}",
        "update the router's packages, or add the package source that has what is missing",
    )


def same_file(pattern: str) -> Reason:
    """``pattern`` has the group ``line``."""
    return _reason(
        pattern,
        "a file is there already that a package brings: {line}",
        "remove the package that holds it, then run the play again",
    )
