# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a router must have or be, whatever a module wants of it; each raises OffloadError. Pure: no I/O."""

from __future__ import annotations

from .._core.errors import OffloadError
from .state import OLDEST_KERNEL, OLDEST_NFT, Platform


def require_root(platform: Platform) -> None:
    """Raise OffloadError unless the login is root: reading the ruleset and any change need CAP_NET_ADMIN.

    Checked first, because the tools' own errors are vaguer.
    """
    if platform.uid != 0:
        raise OffloadError(
            f"the login on the router is not root (uid {platform.uid})", "set become: true, or log in as root"
        )


def require_fw4(platform: Platform) -> None:
    """Raise OffloadError for fw3, OpenWrt's firewall up to 21.02, which offloads through iptables."""
    if "fw3" in platform.commands and "fw4" not in platform.commands:
        raise OffloadError(
            f"{platform.os_name or 'this router'} has fw3, which offloads through iptables (kmod-ipt-offload); "
            "this collection works with nftables",
            "upgrade the router to OpenWrt 22.03 or later",
        )


def require_nft(platform: Platform, checking: bool) -> None:
    """Raise OffloadError unless kernel and nft can do what our table needs (facts: 05abe4456fa3, nft 8e6cc9f3).

    A check run may meet a router on which the real run would have installed nft before.
    """
    if platform.kernel_version < OLDEST_KERNEL:
        raise OffloadError(
            f"Linux {platform.kernel} cannot hold a flowtable without devices",
            "upgrade the router's kernel to Linux 5.8 or later",
        )
    if platform.nft_version is None and not checking:
        raise OffloadError("there is no nft on this router", "install it with kmod.nft_offload.kernel_support")
    if platform.nft_version is not None and platform.nft_version < OLDEST_NFT:
        version = ".".join(str(part) for part in platform.nft_version)
        raise OffloadError(f"nft {version} is too old for flowtable flags", "install nftables 0.9.9 or later")
