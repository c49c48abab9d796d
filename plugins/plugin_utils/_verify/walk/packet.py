# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Abstract packets: all classes of forwarded traffic at once, one bit each. Pure.

A class is an address family, a protocol, the device that a packet of an established connection enters by and the one
that it leaves by. Devices that no rule distinguishes are one group. Each class is there once for any packet whatever,
and once for each witness: a packet with addresses, ports and a mark of its own, such as one that no rule names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

FAMILIES = ("ip", "ip6")
PROTOCOLS = ("tcp", "udp")
MOST_GROUPS = 48
"""groups of devices on each side; what is above is one group, of which nothing is certain"""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Mask = int
"""a set of classes, one bit each"""


@dataclass(frozen=True)
class Interface:
    """A device by which packets enter or leave the router, as rules see it."""

    name: str
    index: int = 0
    listed: bool = True
    """does a judged flowtable have it, or some of what is below it"""
    flowtables: frozenset[str] = frozenset()
    """paths of all that do"""


@dataclass(frozen=True)
class Group:
    """Devices that no rule distinguishes, or the rest of too many."""

    names: tuple[str, ...]
    matched: frozenset[str]
    """names and patterns in rules that stand for every one of them"""
    some: frozenset[str]
    """for one of them at least"""
    listed: bool
    flowtables: frozenset[str]
    """paths of the flowtables that have every one of them"""


@dataclass(frozen=True)
class Witness:
    """One packet of a long-lived connection, in its original direction; values of nft's keys that rules look at."""

    addresses: Mapping[str, Address] = field(default_factory=dict)
    """'ip saddr', 'ip6 daddr', ..."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """'sport', 'dport', 'meta mark', ..."""
    sets: frozenset[str] = frozenset()
    """sets that it is an element of: '@name'"""
    excluded: bool = False
    """names that a rule wants are not the packet's"""


@dataclass(frozen=True)
class Space:
    """Every class as one bit: ((witness * 2 + family) * 2 + protocol) * pairs + (enters * leaving groups + leaves)."""

    entering: tuple[Group, ...]
    leaving: tuple[Group, ...]
    witnesses: tuple[Witness, ...] = ()

    @property
    def pairs(self) -> int:
        """Pairs of groups, also of one with itself."""
        return len(self.entering) * len(self.leaving)

    @cached_property
    def every(self) -> Mask:
        """All classes."""
        return (1 << (self.pairs * 4 * (len(self.witnesses) + 1))) - 1

    @cached_property
    def any_packet(self) -> Mask:
        """The classes of any packet whatever."""
        return (1 << (self.pairs * 4)) - 1

    def bit(self, witness: int, family: int, protocol: int, enters: int, leaves: int) -> int:
        """The number of a class's bit; ``witness`` is 0 for any packet, else counted from 1."""
        return ((witness * 2 + family) * 2 + protocol) * self.pairs + enters * len(self.leaving) + leaves

    def of_witness(self, witness: int) -> Mask:
        """Classes of one witness, counted from 1."""
        return self.any_packet << (self.pairs * 4 * witness)

    @cached_property
    def families(self) -> Mapping[str, Mask]:
        """ip and ip6 -> classes."""
        return self._repeat(2, 2)

    @cached_property
    def protocols(self) -> Mapping[str, Mask]:
        """tcp and udp -> classes."""
        return self._repeat(1, 1)

    def _repeat(self, width: int, names: int) -> Mapping[str, Mask]:
        block = (1 << (self.pairs * width)) - 1
        masks = [0, 0]
        for at in range((len(self.witnesses) + 1) * 4 // width):
            masks[at % 2] |= block << (at * width * self.pairs)
        return dict(zip(FAMILIES if names == 2 else PROTOCOLS, masks, strict=True))

    @cached_property
    def enters(self) -> tuple[Mask, ...]:
        """Classes by group of devices that they enter by."""
        row = (1 << len(self.leaving)) - 1
        return tuple(self._everywhere(row << (at * len(self.leaving))) for at in range(len(self.entering)))

    @cached_property
    def leaves(self) -> tuple[Mask, ...]:
        """Classes by group of devices that they leave by."""
        column = sum(1 << (at * len(self.leaving)) for at in range(len(self.entering)))
        return tuple(self._everywhere(column << at) for at in range(len(self.leaving)))

    def _everywhere(self, pairs: Mask) -> Mask:
        return sum(pairs << (at * self.pairs) for at in range((len(self.witnesses) + 1) * 4))


def group_interfaces(interfaces: Sequence[Interface], literals: Iterable[str]) -> tuple[Group, ...]:
    """Interfaces that the same literals stand for, together; of too many groups, the smallest ones as one."""
    exact, patterns = set(), []
    for literal in set(literals):
        (patterns.append(literal) if literal.endswith("*") else exact.add(literal))
    found: dict[tuple[frozenset[str], bool, frozenset[str]], list[str]] = {}
    for interface in interfaces:
        names = {interface.name, str(interface.index)} & exact
        matched = frozenset(names | {pattern for pattern in patterns if interface.name.startswith(pattern[:-1])})
        found.setdefault((matched, interface.listed, interface.flowtables), []).append(interface.name)
    groups = [
        Group(tuple(names), matched, matched, listed, flowtables)
        for (matched, listed, flowtables), names in found.items()
    ]
    groups.sort(key=lambda group: (not group.listed, -len(group.names)))
    kept, rest = groups[: MOST_GROUPS - 1], groups[MOST_GROUPS - 1 :]
    for listed in (True, False):
        if some := [group for group in rest if group.listed == listed]:
            kept.append(
                Group(
                    tuple(name for group in some for name in group.names),
                    frozenset.intersection(*(group.matched for group in some)),
                    frozenset.union(*(group.matched for group in some)),
                    listed,
                    frozenset.intersection(*(group.flowtables for group in some)),
                )
            )
    return tuple(kept)
