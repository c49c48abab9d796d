# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suites that a router can have: those of Debian, and releases of OpenWrt."""

from __future__ import annotations

from lab import images
from lab.host import LabError
from lab.images import Image
from lab.openwrt import image as openwrt

SUITES = (*images.SUITES, *openwrt.SUITES)
DEFAULT = images.DEFAULT_SUITE


def is_openwrt(suite: str) -> bool:
    return suite in openwrt.SUITES


def check(suite: str) -> None:
    if suite not in SUITES:
        raise LabError(f"unknown suite: {suite}", f"known suites: {', '.join(SUITES)}")


def ensure(suite: str) -> Image:
    """The image of `suite`, built when it is not in the cache."""
    check(suite)
    return openwrt.ensure(suite) if is_openwrt(suite) else images.ensure(suite)


def hosts_prefix(suite: str) -> str:
    """The start of a command line on the router that runs where the network namespaces of the hosts are."""
    return "/usr/lib/lab/inside " if is_openwrt(suite) else ""
