# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which faults of others that are known may a router have? Pure: no I/O. What is known: known.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .._observe.state import Device, RouterState
from .finding import Finding
from .known import ADVISORIES, Advisory
from .subject import Subject

KINDS = tuple(advisory.kind for advisory in ADVISORIES)

_PORT_RANGES = re.compile(r"\bmap \{[^}]*: *[0-9]+-[0-9]+ *[,}]|^\t\telements = \{[^}]*: *[0-9]+-[0-9]+ *[,}]", re.M)


@dataclass(frozen=True)
class Situation:
    """What a fault depends on: a router, with the flowtables that it has or would get."""

    state: RouterState
    devices: tuple[str, ...]
    """names of those in the flowtables"""
    hardware: bool
    """is any of these a hardware flowtable"""

    def stacks(self) -> Iterator[Device]:
        """Each device of the flowtables, and those below it."""
        pending = list(self.devices)
        seen = set()
        while pending:
            device = self.state.devices.get(pending.pop(0))
            if device is not None and device.name not in seen:
                seen.add(device.name)
                pending += device.lowers
                yield device


Condition = Callable[[Situation], str]
"""what on the router makes it hold, as a line of evidence; empty where it does not hold or cannot be known"""


def _find_wireless(situation: Situation) -> str:
    return _name_first(situation.state.devices, lambda device: device.up and device.kind == "wlan")


def _find_l2tp(situation: Situation) -> str:
    """L2TP's own devices, and those that pppd makes over it, by the name that OpenWrt gives them."""
    return _name_first(
        situation.state.devices,
        lambda device: device.up and (device.kind == "l2tpeth" or re.match(r"l2tp[-0-9]", device.name) is not None),
    )


def _find_roaming(situation: Situation) -> str:
    devices = situation.state.devices
    for bridge in devices.values():
        ports = [devices[name] for name in bridge.lowers if name in devices] if bridge.kind == "bridge" else []
        kinds = {port.kind: port.name for port in ports if port.up}
        if {"wlan", "dsa"} <= kinds.keys():
            return f"{bridge.name} has the radio {kinds['wlan']} and the switch's port {kinds['dsa']}"
    return ""


def _find_listed_bridge(situation: Situation) -> str:
    listed = {name: situation.state.devices[name] for name in situation.devices if name in situation.state.devices}
    return _name_first(listed, lambda device: device.kind == "bridge")


def _find_stacked_vlans(situation: Situation) -> str:
    devices = situation.state.devices
    for device in devices.values():
        below = [name for name in device.lowers if name in devices and devices[name].kind == "vlan"]
        if device.kind == "vlan" and below and "ipv6" in device.forwarding:
            return f"{device.name} is a VLAN on the VLAN {below[0]}"
    return ""


def _find_many_neighbours(situation: Situation) -> str:
    """More than are kept without being used: those that were idle for a minute are dropped."""
    for family, (known, kept) in situation.state.kernel.neighbours.items():
        if known > kept:
            return f"{family}: {known} neighbours, of which {kept} are kept (net.{family}.neigh.default.gc_thresh1)"
    return ""


def _find_port_ranges(situation: Situation) -> str:
    found = _PORT_RANGES.search(situation.state.boot.live or "")
    return f"the live table has {' '.join(found[0].split())}" if found else ""


def _name_first(devices: Mapping[str, Device], holds: Callable[[Device], bool]) -> str:
    """Evidence for the first device for which it holds."""
    return next((f"{name}: {device.kind}" for name, device in devices.items() if holds(device)), "")


CONDITIONS: Mapping[str, Condition] = {
    "bridge listed": _find_listed_bridge,
    "l2tp": _find_l2tp,
    "many neighbours": _find_many_neighbours,
    "map of port ranges": _find_port_ranges,
    "stacked vlans": _find_stacked_vlans,
    "wireless": _find_wireless,
    "wireless beside switch ports": _find_roaming,
}


def match_advisory(advisory: Advisory, situation: Situation) -> tuple[str, ...] | None:
    """Lines of evidence that the router may have the fault; None where it has not, or where that cannot be known."""
    platform = situation.state.platform
    evidence = [f"Linux {platform.kernel}"]
    if advisory.hardware is not None and advisory.hardware is not situation.hardware:
        return None
    if advisory.since or advisory.before:
        kernel = platform.kernel_numbers
        if not kernel or kernel < (advisory.since or ()) or (advisory.before and kernel >= advisory.before):
            return None
    if advisory.nft_before:
        if platform.nft_version is None or platform.nft_version >= advisory.nft_before:
            return None
        evidence = [f"nft {'.'.join(map(str, platform.nft_version))}"]
    if advisory.drivers:
        driven = next((one for one in situation.stacks() if one.driver.startswith(advisory.drivers)), None)
        if driven is None:
            return None
        evidence.append(f"{driven.name}: driver {driven.driver}")
    found = [CONDITIONS[name](situation) for name in advisory.needs]
    return (*evidence, *found) if all(found) else None


def find_advisories(situation: Situation) -> Iterator[tuple[Advisory, tuple[str, ...]]]:
    """Each advisory that is about such a router, with its evidence."""
    for advisory in ADVISORIES:
        evidence = match_advisory(advisory, situation)
        if evidence is not None:
            yield advisory, evidence


def find_known_faults(subject: Subject) -> list[Finding]:
    """Faults of others that this router may have, with the flowtables that are judged."""
    if not subject.flowtables:
        return []
    situation = Situation(subject.state, tuple(subject.listed_devices), bool(subject.hardware_flowtables))
    return [
        advisory.kind.found(f"{advisory.title}; this router may have that fault", *evidence)
        for advisory, evidence in find_advisories(situation)
    ]


CHECKS = (find_known_faults,)
