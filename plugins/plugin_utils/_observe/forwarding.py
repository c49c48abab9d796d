# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Does a device forward? Packets must be able to come in there for elsewhere, and to leave there. Pure.

An address is one sign of it. Uplinks without one of their own have others: a default route, a route by a gateway behind
them (IPv4 by a gateway of IPv6 too, RFC 8950), or another router that IPv6 found there before any route was learnt.
"""

from __future__ import annotations

from collections.abc import Mapping

from .state import Device

GUEST_KINDS = ("veth", "tun")
"""of containers and virtual machines, which come and go: as ports of a bridge, or with a route to one guest each"""
CARRIES_NOTHING = {
    "loopback": "it is a loopback",
    "dummy": "it drops what leaves through it",
    "vrf": "packets come in through the devices in it",
}
"""kind -> why no forwarded packet ever comes in by such a device, whatever addresses it has"""
NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


def find_guests(devices: Mapping[str, Device]) -> frozenset[str]:
    """Names of the devices that containers and virtual machines are connected by.

    None where default routes leave by veths only, or by what stands on veths: such a router is in a container itself,
    and these are its NICs.
    """
    uplinks = [name for name, device in devices.items() if device.default_route]
    inside = bool(uplinks) and all(_stands_on_veths(devices, name) for name in uplinks)
    return frozenset(name for name, device in devices.items() if device.kind in GUEST_KINDS and not inside)


def _stands_on_veths(devices: Mapping[str, Device], name: str) -> bool:
    """Is there nothing but veths at the bottom of the device?"""
    pending, seen, kinds = [name], set(), set()
    while pending:
        device = devices.get(pending.pop())
        if device is not None and device.name not in seen:
            seen.add(device.name)
            below = [lower for lower in device.lowers if lower in devices]
            pending += below
            kinds |= set() if below else {device.kind}
    return kinds == {"veth"}


def is_forwarding(devices: Mapping[str, Device], device: Device) -> bool:
    """Can packets be forwarded through the device?"""
    return not explain_idle(devices, device)


def explain_idle(devices: Mapping[str, Device], device: Device) -> str:
    """Why no packet is forwarded through the device, such as "it is down"; empty where packets are."""
    if not device.up:
        return "it is down"
    if device.kind in CARRIES_NOTHING:
        return CARRIES_NOTHING[device.kind]
    reached = _list_reached_families(device)
    if not reached:
        return "it has no address, and no route leads there"
    if not reached & set(device.forwarding):
        return f"forwarding of {' and '.join(NAMES[family] for family in sorted(reached))} is off there"
    if _is_alone_in_vrf(devices, device):
        return f"it is alone in the VRF {device.master}, which no other routing table leads to"
    return ""


def _list_reached_families(device: Device) -> set[str]:
    """Address families of which something is reached through the device: a network, a router, or one guest."""
    own = {"ipv6" if ":" in address else "ipv4" for address in device.addresses}
    # a route without a gateway leads to the one guest behind a veth or tap, as Calico and routed hypervisors have it
    behind = () if device.guest else device.routes
    return own.union(device.default_route, device.next_hops, behind)


def _is_alone_in_vrf(devices: Mapping[str, Device], device: Device) -> bool:
    """Is it the only device of its VRF that is up, as a management port is, with no route into it from elsewhere?"""
    vrf = devices.get(device.master)
    if vrf is None or vrf.kind != "vrf":
        return False
    # a route by the VRF device itself stands in another table: it leads from there into the VRF's own
    leaked = len(device.tables) > 1 or bool(vrf.tables)
    others = (devices[name] for name in vrf.lowers if name in devices and name != device.name)
    return not leaked and not any(other.up and other.kind not in CARRIES_NOTHING for other in others)
