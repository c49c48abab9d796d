# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Devices that zones share, each with its subnets: whose is a packet? Pure: no I/O.

A source that has no route back through the device is dropped before all of that, so it gets into no zone. What is left
is a host that takes the address of another one on its own wire, which no router can see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .model import Firewall

REST = {"ipv4": "", "ipv6": "!= fe80::/10"}


@dataclass(frozen=True)
class Shared:
    """Devices whose packets belong to zones by their addresses."""

    devices: tuple[str, ...]
    zones: tuple[str, ...]
    """at most one without subnets, the last"""


def zones_of_devices(firewall: Firewall) -> dict[str, tuple[str, ...]]:
    """Each device -> its zones, one without subnets last."""
    found: dict[str, tuple[str, ...]] = {device: () for device in firewall.devices(*firewall.zones)}
    for zone in sorted(firewall.zones.values(), key=lambda zone: not zone.subnets):
        for device in zone.devices:
            found[device] = (*found[device], zone.name)
    return found


def list_shared(firewall: Firewall) -> list[Shared]:
    """The devices that zones with subnets are on, those of the same zones together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for device, zones in zones_of_devices(firewall).items():
        if any(firewall.zones[zone].subnets for zone in zones):
            found.setdefault(zones, []).append(device)
    return [Shared(tuple(devices), zones) for zones, devices in found.items()]


def part(firewall: Firewall, zone: str, among: Sequence[str], family: str) -> str | None:
    """The prefixes by which a packet belongs to a zone ``among`` those of its device; None: no packet does.

    What the others leave goes to the zone without subnets, of the families that all of them have some of. In another
    family there is no telling whose host it is, and no address of one link tells it. Empty for the whole family.
    """
    if subnets := firewall.zones[zone].subnets:
        return subnets[family][0] if family in subnets else None
    return None if _lacking(firewall, among, family) else REST[family]


def _lacking(firewall: Firewall, among: Sequence[str], family: str) -> list[str]:
    """The zones whose subnets have none of that family."""
    zones = (firewall.zones[name] for name in among)
    return [zone.name for zone in zones if zone.subnets and family not in zone.subnets]


def describe_unplaced(firewall: Firewall) -> Iterator[str]:
    """What of a zone without subnets is dropped, because there is no telling it from another zone's."""
    for group in list_shared(firewall):
        rest = firewall.zones[group.zones[-1]]
        for family in firewall.families:
            if not rest.subnets and (lacking := _lacking(firewall, group.zones, family)):
                yield (
                    f"{rest.where}: {family} through {', '.join(group.devices)} is dropped, because the subnets of "
                    f"{', '.join(lacking)} have none, and so nothing tells their hosts from those of {rest.name}"
                )
