# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suites that a router can have: those of Debian, releases of OpenWrt, and Alpine."""

from __future__ import annotations

from lab import images
from lab.alpine import image as alpine
from lab.host import LabError
from lab.images import Image
from lab.openwrt import image as openwrt

SUITES = (*images.SUITES, *openwrt.SUITES, *alpine.SUITES)
DEFAULT = images.DEFAULT_SUITE
_MAKERS = {**dict.fromkeys(openwrt.SUITES, openwrt.ensure), **dict.fromkeys(alpine.SUITES, alpine.ensure)}
"""of those whose hosts have a disk of their own"""


def is_openwrt(suite: str) -> bool:
    return suite in openwrt.SUITES


def list_nics(suite: str) -> tuple[str, ...]:
    """The kinds of NIC that a router of the suite can have."""
    return ("plain",) if suite in alpine.SUITES else ("offload", "plain")


def check(suite: str) -> None:
    if suite not in SUITES:
        raise LabError(f"unknown suite: {suite}", f"known suites: {', '.join(SUITES)}")


def ensure(suite: str) -> Image:
    """The image of `suite`, built when it is not in the cache."""
    check(suite)
    return _MAKERS.get(suite, images.ensure)(suite)


def hosts_prefix(suite: str) -> str:
    """The start of a command line on the router that runs where the network namespaces of the hosts are."""
    return "/usr/lib/lab/inside " if suite in _MAKERS else ""
