# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""flow_offload_router as it was meant: names resolved, addresses by family. Made by reader.py, rendered by table.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .services import Port

FAMILIES = ("ipv4", "ipv6")
SUFFIX = {"ipv4": "4", "ipv6": "6"}
"""what an nft set's name ends in: one holds one family"""

Options = Mapping[str, Any]
Hosts = Mapping[str, Sequence[str]]
"""family -> the values of an address match, each for a rule of its own: ``192.0.2.1``, ``{ a, b }``, ``@name4``"""


@dataclass(frozen=True)
class Zone:
    """Devices that are treated alike."""

    name: str
    devices: tuple[str, ...]
    ports: tuple[Port, ...]
    """services that the router offers to it"""
    options: Options
    where: str

    def __getitem__(self, option: str) -> Any:
        """An option as it is in the description, such as ``forward`` or ``action``."""
        return self.options[option]


@dataclass(frozen=True)
class Declared:
    """A set or a map as nft has it."""

    kind: str
    """set or map"""
    name: str
    type: str
    elements: tuple[str, ...]
    where: str
    flags: str = "interval"
    timeout: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Rule:
    """What may, or may not, go to the router (``to`` is empty) or from zone to zone."""

    zones: tuple[str, ...]
    to: tuple[str, ...]
    ports: tuple[Port, ...]
    sources: Hosts | None
    """None: whoever"""
    destinations: Hosts | None
    families: tuple[str, ...]
    options: Options
    where: str

    def __getitem__(self, option: str) -> Any:
        """An option as it is in the description, such as ``forward`` or ``action``."""
        return self.options[option]

    @property
    def open(self) -> bool:
        """Does it take everything?"""
        limits = (self["limit"], self["connections"], self.ports, self.sources, self.destinations)
        return not any(limits) and self["family"] == "both"


@dataclass(frozen=True)
class PortForward:
    """What arrives for the router and goes on to a server behind it."""

    name: str
    zones: tuple[str, ...]
    to: str
    ports: tuple[Port, ...]
    ipv4: str
    ipv6: str
    target_port: int | None
    address: str
    """the router's own one that is dialled; empty: whichever"""
    sources: Hosts | None
    hairpin: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class SourceNat:
    """What becomes of source addresses that leave through zones."""

    to: tuple[str, ...]
    sources: Hosts | None
    destinations: Hosts | None
    families: tuple[str, ...]
    action: str
    address: str
    map: str
    where: str


@dataclass(frozen=True)
class Blocklist:
    """A set whose addresses are dropped when they come from zones, or are gone to."""

    name: str
    zones: tuple[str, ...]
    to: tuple[str, ...]
    log: bool
    where: str


@dataclass(frozen=True)
class Exclusion:
    """Flows that stay on the slow path: all of what it names has to be true."""

    ports: tuple[Port, ...]
    addresses: Hosts | None
    marks: tuple[str, ...]
    dscp: tuple[str, ...]
    devices: tuple[str, ...]
    packets: int
    comment: str
    """the key that it comes from, and what it excludes"""
    family: str = ""
    """ipv4 or ipv6; empty for both"""


@dataclass(frozen=True)
class Firewall:
    """All of it."""

    families: tuple[str, ...]
    zones: Mapping[str, Zone]
    declared: Sequence[Declared]
    input: Sequence[Rule]
    forward: Sequence[Rule]
    port_forwards: Sequence[PortForward]
    source_nat: Sequence[SourceNat]
    blocklists: Sequence[Blocklist]
    log: Options
    extra: Mapping[str, Sequence[tuple[str, str]]]
    """place -> (the key that it comes from, the text) of each"""
    exclusions: Sequence[Exclusion] = field(default=())

    def devices(self, *zones: str) -> list[str]:
        """The devices of these zones, in order."""
        return [device for zone in zones for device in self.zones[zone].devices]
