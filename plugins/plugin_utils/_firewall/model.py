# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""flow_offload_router as it was meant: names resolved, addresses by family. Made by reader.py, rendered by table.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .services import Port, braces

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
    subnets: Hosts
    """family -> its prefixes, where it has only a part of its devices; one value each"""
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
    macs: tuple[str, ...]
    """Ethernet addresses that it comes from; none: whichever"""
    times: tuple[str, ...]
    """the matches of the time at which it holds; none: always"""
    options: Options
    where: str

    def __getitem__(self, option: str) -> Any:
        """An option as it is in the description, such as ``forward`` or ``action``."""
        return self.options[option]

    @property
    def conditions(self) -> str:
        """The matches beside families, ports and addresses; empty where there are none."""
        macs = f"ether saddr {braces(self.macs)}" if self.macs else ""
        return " ".join(filter(None, (macs, *self.times)))

    @property
    def open(self) -> bool:
        """Does it take everything?"""
        limits = (
            self["limit"],
            self["connections"],
            self.ports,
            self.sources,
            self.destinations,
            self.macs,
            self.times,
        )
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
    """what comes after ``daddr``: an address, or how it ends"""
    target_port: int | None
    """the first of those at the server"""
    address: str
    """the router's own one that is dialled; empty: whichever"""
    sources: Hosts | None
    hairpin: tuple[str, ...]
    where: str
    number: int
    """its place in the description, from 0"""


@dataclass(frozen=True)
class Redirect:
    """What the router takes itself, wherever it was sent to."""

    zones: tuple[str, ...]
    ports: tuple[Port, ...]
    sources: Hosts | None
    destinations: Hosts | None
    families: tuple[str, ...]
    target_port: int | None
    where: str
    to: tuple[str, ...] = ()
    """none: the router"""

    @property
    def taken(self) -> tuple[Port, ...]:
        """The ports at which it arrives."""
        if self.target_port is None:
            return self.ports
        protocols = dict.fromkeys(port.protocol for port in self.ports)
        return tuple(Port(protocol, self.target_port, self.target_port) for protocol in protocols)

    @property
    def offers(self) -> bool:
        """Does the router take all of it, also what was sent to itself?"""
        return self.target_port is None and self.sources is None and self.destinations is None


@dataclass(frozen=True)
class SourceNat:
    """What becomes of source addresses that leave through zones."""

    to: tuple[str, ...]
    sources: Hosts | None
    destinations: Hosts | None
    families: tuple[str, ...]
    action: str
    address: str
    """one, a range, or a prefix that the sources' own prefix becomes"""
    ports: tuple[str, ...]
    """the only ones to be used, as nft takes them; empty: any"""
    map: str
    where: str
    number: int
    """its place in the description, from 0"""

    @property
    def network(self) -> str:
        """The prefix that the sources are in, where it becomes another one; else nothing."""
        if "/" not in self.address or self.sources is None:
            return ""
        ((network,),) = self.sources.values()
        return network


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
    redirect: Sequence[Redirect]
    source_nat: Sequence[SourceNat]
    blocklists: Sequence[Blocklist]
    log: Options
    extra: Mapping[str, Sequence[tuple[str, str]]]
    """place -> (the key that it comes from, the text) of each"""
    changing: frozenset[str] = frozenset()
    """sets whose elements come and go by themselves, as a match names them: ``@name4``"""
    exclusions: Sequence[Exclusion] = field(default=())

    def devices(self, *zones: str) -> list[str]:
        """The devices of these zones, in order, each once."""
        return list(dict.fromkeys(device for zone in zones for device in self.zones[zone].devices))
