# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which devices a flowtable should list: those where packets come in, as the kernel's fast path sees them. Pure.

The kernel looks a flow's device up below VLANs, bridges and PPPoE (paths.py has since when), so the flowtable's hook
must sit on the device below, its hook device; bonds, tunnels and the rest are hook devices themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

from .forwarding import is_forwarding
from .paths import LOWERS, sees_through
from .state import Device

DEEPEST = 16
"""devices that stand on each other; Linux itself allows 8 (MAX_NEST_DEV)"""


def sees_lowers(kernel: tuple[int, int]) -> bool:
    """Does a kernel of this version look below VLANs, bridges and PPPoE? An unknown one, (0, 0), is taken as new."""
    return all(sees_through(kind, kernel) for kind in LOWERS)


def find_hook_devices(
    devices: Mapping[str, Device], name: str, lowers: bool = True, known: dict[str, tuple[str, ...]] | None = None
) -> tuple[str, ...]:
    """Names, sorted, of the devices where the fast path meets the packets of the device ``name``; itself if none below.

    Empty for a bridge with no port that is up but those of containers and virtual machines. ``lowers``: does the kernel
    look below the device (``sees_lowers``)? Names that are not in ``devices`` are left out. ``known`` keeps what was
    found, for the next call with the same devices.
    """
    return _find_hook_devices(devices, name, {} if known is None else known, 0) if lowers else (name,)


def _find_hook_devices(
    devices: Mapping[str, Device], name: str, known: dict[str, tuple[str, ...]], depth: int
) -> tuple[str, ...]:
    """The same, below ``depth`` other devices. Where all comes from one device below, that one's own tuple."""
    device = devices.get(name)
    if device is None or depth > DEEPEST:
        return ()
    if name in known:
        return known[name]
    known[name] = ()  # while it is looked at: a circle adds nothing
    below = [devices[lower] for lower in device.lowers if lower in devices]
    if device.kind == "bridge":
        below = [port for port in below if port.up and not port.guest]
    elif device.kind not in LOWERS or not below:
        known[name] = (name,)
        return known[name]
    parts = [part for port in below if (part := _find_hook_devices(devices, port.name, known, depth + 1))]
    known[name] = parts[0] if len(parts) == 1 else tuple(sorted({found for part in parts for found in part}))
    return known[name]


def find_guest_ports(devices: Mapping[str, Device], name: str) -> tuple[str, ...]:
    """Names, sorted, of the ports of containers and virtual machines of a bridge, which may be below a VLAN."""
    seen: set[str] = set()
    found: set[str] = set()
    pending = [name]
    while pending:
        device = devices.get(pending.pop())
        if device is None or device.name in seen:
            continue
        seen.add(device.name)
        below = [devices[lower] for lower in device.lowers if lower in devices]
        if device.kind == "bridge":
            found |= {port.name for port in below if port.up and port.guest}
        elif device.kind in LOWERS:
            pending += [lower.name for lower in below]
    return tuple(sorted(found))


def map_hook_devices(devices: Mapping[str, Device], lowers: bool = True) -> dict[str, tuple[str, ...]]:
    """Name of each device that forwards -> its hook devices; arguments as for ``find_hook_devices``."""
    known: dict[str, tuple[str, ...]] = {}
    return {
        name: find_hook_devices(devices, name, lowers, known)
        for name, device in devices.items()
        if is_forwarding(devices, device)
    }


def pick_flowtable_devices(devices: Mapping[str, Device], lowers: bool = True) -> list[str]:
    """Names, sorted, of the devices that a flowtable for all forwarded traffic should list."""
    different = {id(names): names for names in map_hook_devices(devices, lowers).values()}
    return sorted({name for names in different.values() for name in names})
