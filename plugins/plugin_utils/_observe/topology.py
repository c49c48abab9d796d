# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which devices a flowtable should list: those where packets come in, as the kernel's fast path sees them. Pure.

The kernel looks a flow's device up below VLANs, bridges and PPPoE (ndo_fill_forward_path: vlan, bridge, pppoe, dsa;
Linux 5.13 on), so the device below must be listed; bonds, tunnels and the rest have no such function and are listed
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

from .state import Device

SEEN_THROUGH = ("vlan", "ppp")
PATHS_SINCE = (5, 13)
"""Linux before that looks packets up at the very device that has the address (nf_flowtable.rst)"""
GUESTS = ("veth", "tun")
"""as ports of a bridge: containers and virtual machines, which come and go"""


def has_paths(kernel: tuple[int, int]) -> bool:
    """Does this kernel look below VLANs, bridges and PPPoE? An unknown one, (0, 0), is taken for a new one."""
    return kernel == (0, 0) or kernel >= PATHS_SINCE


def forwards(device: Device) -> bool:
    """It is up and forwards a family of addresses that it has, or that leaves here by default."""
    families = {"ipv6" if ":" in address else "ipv4" for address in device.addresses} | set(device.default_route)
    return device.up and device.kind != "loopback" and bool(families & set(device.forwarding))


def below(devices: Mapping[str, Device], name: str, paths: bool = True) -> tuple[str, ...]:
    """Names, sorted, of the devices where the fast path meets the packets of a device; itself where nothing is below.

    None for a bridge with no port that is up but those of containers and virtual machines. ``paths``: see PATHS_SINCE.
    """
    if not paths:
        return (name,)
    found: set[str] = set()
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        device = devices.get(ahead.pop())
        if device is None or device.name in seen:
            continue
        seen.add(device.name)
        lowers = [devices[lower] for lower in device.lowers if lower in devices]
        if device.kind == "bridge":
            ahead += [port.name for port in lowers if port.up and port.kind not in GUESTS]
        elif device.kind in SEEN_THROUGH and lowers:
            ahead += [lower.name for lower in lowers]
        else:
            found.add(device.name)
    return tuple(sorted(found))


def ways(devices: Mapping[str, Device], paths: bool = True) -> dict[str, tuple[str, ...]]:
    """Each device that forwards -> where the fast path meets its packets (``below``)."""
    return {name: below(devices, name, paths) for name, device in devices.items() if forwards(device)}


def flowtable_devices(devices: Mapping[str, Device], paths: bool = True) -> list[str]:
    """Names, sorted, of the devices that a flowtable for all forwarded traffic should list."""
    return sorted({name for names in ways(devices, paths).values() for name in names})
