# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which devices a flowtable should list: those where packets come in, as the kernel's fast path sees them. Pure.

The kernel looks a flow's device up below VLANs, bridges and PPPoE (ndo_fill_forward_path: vlan, bridge, pppoe, dsa;
Linux 5.13 on), so the flowtable's hook must sit on the device below, its hook device; bonds, tunnels and the rest have
no such function and are hook devices themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

from .state import Device

SEEN_THROUGH = ("vlan", "ppp")
LOWERS_SINCE = (5, 13)
"""Linux before that looks packets up at the very device that has the address (nf_flowtable.rst)"""
GUEST_KINDS = ("veth", "tun")
"""as ports of a bridge: containers and virtual machines, which come and go"""


def sees_lowers(kernel: tuple[int, int]) -> bool:
    """Does a kernel of this version look below VLANs, bridges and PPPoE? An unknown one, (0, 0), is taken as new."""
    return kernel == (0, 0) or kernel >= LOWERS_SINCE


def is_forwarding(device: Device) -> bool:
    """Is the device up, and does it forward an address family of which it has an address or the default route?"""
    families = {"ipv6" if ":" in address else "ipv4" for address in device.addresses} | set(device.default_route)
    return device.up and device.kind != "loopback" and bool(families & set(device.forwarding))


def find_hook_devices(devices: Mapping[str, Device], name: str, lowers: bool = True) -> tuple[str, ...]:
    """Names, sorted, of the devices where the fast path meets the packets of the device ``name``; itself if none below.

    Empty for a bridge with no port that is up but those of containers and virtual machines. ``lowers``: does the kernel
    look below the device (``sees_lowers``)? Names that are not in ``devices`` are left out.
    """
    if not lowers:
        return (name,)
    found: set[str] = set()
    seen: set[str] = set()
    pending = [name]
    while pending:
        device = devices.get(pending.pop())
        if device is None or device.name in seen:
            continue
        seen.add(device.name)
        find_hook_devices = [devices[lower] for lower in device.lowers if lower in devices]
        if device.kind == "bridge":
            pending += [port.name for port in find_hook_devices if port.up and port.kind not in GUEST_KINDS]
        elif device.kind in SEEN_THROUGH and find_hook_devices:
            pending += [lower.name for lower in find_hook_devices]
        else:
            found.add(device.name)
    return tuple(sorted(found))


def map_hook_devices(devices: Mapping[str, Device], lowers: bool = True) -> dict[str, tuple[str, ...]]:
    """Name of each device that forwards -> its hook devices; arguments as for ``find_hook_devices``."""
    return {name: find_hook_devices(devices, name, lowers) for name, device in devices.items() if is_forwarding(device)}


def pick_flowtable_devices(devices: Mapping[str, Device], lowers: bool = True) -> list[str]:
    """Names, sorted, of the devices that a flowtable for all forwarded traffic should list."""
    return sorted({name for names in map_hook_devices(devices, lowers).values() for name in names})
