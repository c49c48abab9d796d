# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What counts as traffic to be offloaded: for each class of it, whether it gets to a rule that feeds a flowtable. Pure.

This is the one place where that is decided. ``surely`` is a proof: no packet of the class is forwarded without having
met such a rule. ``never`` is one too. ``may`` is all else: a condition selects a part of the class, or is not
understood.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from ..._core.text import read_number
from ..._observe.ruleset import Condition, ObjectKey, Ruleset, Statement, VerdictMap
from .match import find_device_literals, is_in, list_conditions, read_range
from .packet import FAMILIES, PROTOCOLS, Address, Interface, Mask, Space, Witness, group_interfaces
from .walk import LAYER_3, Cause, Crowd, Record, RulePlace, TooLong, Walk

Outcome = Literal["surely", "may", "never", "dropped"]
"""every forwarded packet of the class meets 'flow add'; a part of them may, or it is not known; none does; none is
forwarded at all, so there is nothing to offload"""
FAMILY_NAMES = {"ip": "ipv4", "ip6": "ipv6"}
"""nft's name -> that of connection tracking"""
SHOWN = {"ipv4": "IPv4", "ipv6": "IPv6"}
MOST_FLOWTABLES = 16
"""whose rules are told apart"""
MOST_SELECTED = 3
"""rules with 'flow add' for whose own conditions a packet is made up"""

_SOURCES = {
    "ip": ("100.99.88.77", "45.67.89.123", "10.213.87.65", "172.29.113.77", "192.168.231.77", "198.18.7.77"),
    "ip6": ("2a0d:f3c1:9b7e:51::77", "fd4b:91c7:3a5e:d2::77", "2400:cb00:77:77::77"),
}
_TARGETS = {
    "ip": ("185.23.45.67", "91.189.91.39", "10.221.43.21", "172.27.99.13", "192.168.217.13", "198.19.9.13"),
    "ip6": ("2a0e:b107:2c5d:63::13", "fd7a:115c:e1a0:b3::13", "2606:4700:13:13::13"),
}
_PORTS = {"sport": (50321, 40961, 61111, 33333, 23456), "dport": (44321, 47777, 38383, 20202, 29999)}
"""the first that no rule names is the witness's"""


@dataclass(frozen=True)
class TrafficClass:
    """Established traffic of one family and protocol, from one group of devices to another."""

    family: Literal["ipv4", "ipv6"]
    protocol: Literal["tcp", "udp"]
    enters: tuple[str, ...]
    """devices with an address, such as a bridge, that no rule distinguishes"""
    leaves: tuple[str, ...]
    listed: bool
    """are both sides in a judged flowtable"""
    outcome: Outcome
    shown: Outcome
    """the same of the best packet that could be found: one that no rule names by its addresses, ports or mark, or one
    that a rule with 'flow add' asks for"""
    decided_by: str = ""
    """'chain NAME: RULE' that keeps it, or a part of it, from 'flow add'; empty where it surely gets there"""
    through: str = ""
    """the rule in another chain that it leads to, where that one accepts or drops"""
    condition: str = ""
    """the condition of that rule that is not known to hold, or does not"""
    untracked: bool = False
    """is it notrack that keeps it out"""
    by_condition: bool = False
    """is it the condition of a rule with 'flow add' itself, which its packets come to"""

    @property
    def devices(self) -> str:
        """'lan0 -> wan0', 'between lan0, wan0'"""
        if self.enters == self.leaves:
            return f"between {_name_devices(self.enters)}"
        return f"{_name_devices(self.enters)} -> {_name_devices(self.leaves)}"


@dataclass(frozen=True)
class Classes:
    """The outcome of one packet walk."""

    space: Space
    record: Record
    forwarded: Crowd
    flowtables: tuple[str, ...] = ()
    """paths, in the order of the crowd"""
    families: frozenset[str] = frozenset(FAMILIES)
    """ip and ip6, those that the router forwards"""
    gave_up: bool = False
    """the ruleset has more ways through it than are looked at: nothing is known"""
    _found: dict[tuple[str, str, str, str, str], TrafficClass | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def find(self, family: str, protocol: str, enters: str, leaves: str) -> TrafficClass | None:
        """The class of packets of a family (ipv4 or ipv6) and protocol (tcp or udp) from one device to another.

        The devices are those with an address, as the forward chain sees them. None for a device that does not forward,
        and for anything else that is in no class.
        """
        key = (family, protocol, enters, leaves, "")
        if key not in self._found:
            self._found[key] = self._find(family, protocol, enters, leaves)
        return self._found[key]

    def _find(self, family: str, protocol: str, enters: str, leaves: str) -> TrafficClass | None:
        ours = {name: own for own, name in FAMILY_NAMES.items()}.get(family)
        sides = (self.space.entering, self.space.leaving)
        groups = [
            next((at for at, group in enumerate(side) if name in group.names), None)
            for side, name in zip(sides, (enters, leaves), strict=True)
        ]
        if ours is None or protocol not in PROTOCOLS or groups[0] is None or groups[1] is None:
            return None
        return self._make(FAMILIES.index(ours), PROTOCOLS.index(protocol), groups[0], groups[1])

    @cached_property
    def judged(self) -> tuple[TrafficClass, ...]:
        """The classes that rung 3 is about: of families that are forwarded, between devices that are listed."""
        return tuple(self._list(""))

    def of_flowtable(self, path: str) -> tuple[TrafficClass, ...]:
        """The same as far as one flowtable may have them, judged as if it were the only one."""
        if path not in self._listed:
            self._listed[path] = tuple(self._list(path))
        return self._listed[path]

    def _list(self, path: str) -> Iterator[TrafficClass]:
        families = LAYER_3.get(path.partition(" ")[0], FAMILIES)
        for family, protocol, enters, leaves in self._places:
            if FAMILIES[family] in families:
                yield self._make(family, protocol, enters, leaves, path)

    @cached_property
    def _listed(self) -> dict[str, tuple[TrafficClass, ...]]:
        """Path of a flowtable -> its classes, filled as they are asked for."""
        return {}

    @cached_property
    def _causes(self) -> dict[tuple[int, bool], Cause | None]:
        """(bit, is it dropped) -> what decides, filled as it is asked for."""
        return {}

    @cached_property
    def _taken(self) -> Mapping[str, Mask]:
        """Path of a flowtable -> classes that may get into it, those left out that are in another one before."""
        found: dict[str, Mask] = {}
        for (_place, path), mask in self.record.fed.items():
            found[path] = found.get(path, 0) | mask
        return found

    @cached_property
    def _served(self) -> dict[str, Mask]:
        """Path of a flowtable -> classes both of whose sides it has, filled as they are asked for."""
        return {}

    @cached_property
    def _any_fed(self) -> Mask:
        """Classes that may get to some rule with 'flow add'."""
        found = 0
        for mask in self.record.first_fed.values():
            found |= mask
        return found

    @cached_property
    def _places(self) -> tuple[tuple[int, int, int, int], ...]:
        return tuple(self._list_judged())

    def _list_judged(self) -> Iterator[tuple[int, int, int, int]]:
        every = [
            (enters, leaves, one.listed and other.listed)
            for enters, one in enumerate(self.space.entering)
            for leaves, other in enumerate(self.space.leaving)
            if len({*one.names, *other.names}) > 1 or "" in one.names
        ]
        pairs = [(enters, leaves) for enters, leaves, listed in every if listed]
        pairs = pairs or [(enters, leaves) for enters, leaves, _listed in every]
        for family, name in enumerate(FAMILIES):
            if name in self.families:
                for protocol in range(len(PROTOCOLS)):
                    yield from ((family, protocol, enters, leaves) for enters, leaves in pairs)

    @cached_property
    def judged_mask(self) -> Mask:
        """The judged classes, of any packet, as bits."""
        return sum(1 << self.space.bit(0, *place) for place in self._places)

    @property
    def offloaded(self) -> Mask:
        """Classes, of any packet, that are offloaded or may be."""
        return (self.record.anything | self._any_fed) & self.judged_mask

    @property
    def is_all_untracked(self) -> bool:
        """Does no judged class have a connection when it comes to the forward hook?"""
        arriving = self.record.arriving & self.judged_mask
        return bool(arriving) and not arriving & self.record.tracked

    def compete(self, one: str, other: str) -> bool:
        """Of two flowtables, by their paths: may one of them take what is the other's?

        Not where each class that both have rules for goes to the one that has the devices of both its sides, and the
        other has not.
        """
        if self.gave_up:
            return True
        met = self.record.first_fed
        wanted = met.get(one, 0) & met.get(other, 0) & self.space.any_packet
        first, second = (self._taken.get(path, 0) for path in (one, other))
        ours, theirs = self._serve(one), self._serve(other)
        clear = (first & ours & ~theirs) | (second & theirs & ~ours)
        return bool(wanted & (first & second | ~clear))

    def _serve(self, path: str) -> Mask:
        """The classes both of whose sides a flowtable has."""
        if path in self._served:
            return self._served[path]
        sides = ((self.space.entering, self.space.enters), (self.space.leaving, self.space.leaves))
        found = self.space.every
        for groups, masks in sides:
            found &= sum(mask for group, mask in zip(groups, masks, strict=True) if path in group.flowtables)
        self._served[path] = found
        return found

    def may_get_to(self, mask: Mask) -> bool:
        """Is any judged class among these?"""
        return bool(mask & self.judged_mask)

    def _outcome(self, bit: int, path: str) -> Outcome:
        if self.gave_up:
            return "may"
        one = 1 << bit
        index = self.flowtables.index(path) + 2 if path in self.flowtables else 1
        met = bool((self.record.first_fed.get(path, 0) if path else self._any_fed) & one)
        missed = bool(self.forwarded[index] & one)
        if self.record.anything & one:
            return "may" if missed or not met else "surely"
        if met:
            return "may" if missed else "surely"
        return "never" if self.forwarded[0] & one else "dropped"

    def _make(self, family: int, protocol: int, enters: int, leaves: int, path: str = "") -> TrafficClass:
        place = (family, protocol, enters, leaves)
        one, other = self.space.entering[enters], self.space.leaving[leaves]
        bit = self.space.bit(0, *place)
        outcome = self._outcome(bit, path)
        witnesses = [self._outcome(self.space.bit(at, *place), path) for at in range(1, len(self.space.witnesses) + 1)]
        order: tuple[Outcome, ...] = ("surely", "may", "never", "dropped")
        shown = min((outcome, *witnesses), key=order.index)
        cause = None if outcome == "surely" else self._find_cause(bit, outcome)
        return TrafficClass(
            "ipv4" if family == 0 else "ipv6",
            "tcp" if protocol == 0 else "udp",
            one.names,
            other.names,
            one.listed and other.listed,
            outcome,
            shown,
            str(cause.place.decider) if cause else "",
            str(cause.place) if cause and cause.place.decider != cause.place else "",
            cause.condition if cause else "",
            bool(cause and cause.kind == "untracked"),
            bool(cause and cause.kind == "condition"),
        )

    def _find_cause(self, bit: int, outcome: Outcome) -> Cause | None:
        """The rule that decides: it accepts or leads elsewhere, or is a 'flow add' whose condition does not hold."""
        key = (bit, outcome == "dropped")
        if key not in self._causes:
            self._causes[key] = self._search_cause(bit, outcome)
        return self._causes[key]

    def _search_cause(self, bit: int, outcome: Outcome) -> Cause | None:
        one = 1 << bit
        fitting = [cause for cause in self.record.causes.values() if cause.classes & one]
        kinds = ("untracked", "decided", "condition")
        found = min(fitting, key=lambda cause: kinds.index(cause.kind), default=None)
        if outcome == "dropped" and (found is None or found.kind == "condition"):
            dropped = next((place for mask, place in self.record.drops.values() if mask & one), None)
            return Cause(one, dropped, "decided") if dropped else None
        return found


def traverse_ruleset(
    ruleset: Ruleset,
    interfaces: Sequence[Interface],
    flowtables: Iterable[str],
    families: Iterable[str] = FAMILIES,
    hooked: Mapping[str, int] | None = None,
) -> Classes:
    """Send every class of established traffic between the interfaces through the ruleset.

    ``flowtables``: paths of those to be told apart, the judged ones first. ``families``: ip and ip6, those forwarded.
    ``hooked``: device that a judged flowtable has -> priority of the flowtable's hook.
    """
    paths = tuple(dict.fromkeys(flowtables))[:MOST_FLOWTABLES]
    conditions = list(list_conditions(ruleset))
    entering, leaving = (group_interfaces(interfaces, literals) for literals in find_device_literals(conditions))
    space = Space(entering, leaving, tuple(make_witnesses(ruleset, conditions)))
    walk = Walk(ruleset, space, paths)
    try:
        forwarded = walk.run()
        walk.pass_by_ingress(hooked or {})
    except TooLong:
        return know_nothing(interfaces, paths)
    return Classes(space, walk.record, forwarded, paths, frozenset(families))


def bridge_view(ruleset: Ruleset) -> Ruleset:
    """The chains of family bridge, as if they were of inet: they see what ports pass on as those see what is routed."""

    def keep(key: ObjectKey) -> ObjectKey:
        return ("inet", *key[1:])

    return Ruleset(
        {keep(key): replace(chain, family="inet") for key, chain in ruleset.chains.items() if key[0] == "bridge"},
        {keep(key): elements for key, elements in ruleset.sets.items() if key[0] == "bridge"},
        {keep(key): elements for key, elements in ruleset.maps.items() if key[0] == "bridge"},
        frozenset(keep(key) for key in ruleset.partial if key[0] == "bridge"),
    )


def know_nothing(interfaces: Sequence[Interface], flowtables: Iterable[str]) -> Classes:
    """The classes of a ruleset that could not be read, or that has too many ways through it."""
    paths = tuple(dict.fromkeys(flowtables))[:MOST_FLOWTABLES]
    space = Space(group_interfaces(interfaces, ()), group_interfaces(interfaces, ()))
    return Classes(space, Record(anything=space.every), (space.every,) * (len(paths) + 2), paths, gave_up=True)


def find_helper_rules(ruleset: Ruleset, classes: Classes) -> list[RulePlace]:
    """Rules that give new connections of the judged classes a helper. Empty where nothing is known."""
    if not any(
        isinstance(part, Statement) and part.kind == "helper"
        for chain in ruleset.chains.values()
        for rule in chain.rules
        for part in rule.parts
    ):
        return []
    if classes.gave_up:
        return []
    walk = Walk(ruleset, classes.space, (), "new")
    try:
        walk.run()
    except TooLong:
        return []
    return list(dict.fromkeys(place for mask, place in walk.record.helped if classes.may_get_to(mask)))


def make_witnesses(ruleset: Ruleset, conditions: Sequence[Condition]) -> Iterator[Witness]:
    """One packet that no rule names where there is one, and such as the first rules with 'flow add' ask for."""
    addresses: dict[str, list[str]] = {family: [] for family in FAMILIES}
    numbers: dict[str, list[str]] = {"sport": [], "dport": []}
    for condition in conditions:
        for value in condition.values:
            parts = value.split(" . ") if len(condition.keys) > 1 else [value]
            for key, part in zip(condition.keys, parts, strict=False):
                word = key.rsplit(" ", 1)[-1]
                if word in {"saddr", "daddr"}:
                    addresses["ip6" if ":" in part else "ip"].append(part)
                elif word in numbers:
                    numbers[word].append(part)
                elif word in {"proto-src", "proto-dst"}:
                    numbers["sport" if word == "proto-src" else "dport"].append(part)
    chosen: dict[str, Address] = {}
    for family in FAMILIES:
        named = addresses[family]
        chosen[f"{family} saddr"] = _choose_address(_SOURCES[family], named)
        chosen[f"{family} daddr"] = _choose_address(_TARGETS[family], named)
    ports = {name: _choose_port(_PORTS[name], named) for name, named in numbers.items()}
    yield Witness(chosen, ports, excluded=True)
    for number, asked in enumerate(_list_asked(ruleset)):
        if number < MOST_SELECTED:
            yield Witness({**chosen, **asked.addresses}, {**ports, **asked.numbers}, asked.sets)


def _choose_address(candidates: Sequence[str], named: Sequence[str]) -> Address:
    found = [ipaddress.ip_address(candidate) for candidate in candidates]
    return next((one for one in found if not any(is_in(one, value) for value in named)), found[0])


def _choose_port(candidates: Sequence[int], named: Sequence[str]) -> int:
    def is_named(port: int) -> bool:
        return any(_in_range(port, value) for value in named)

    return next((one for one in candidates if not is_named(one)), candidates[0])


def _in_range(port: int, value: str) -> bool:
    low, _dash, high = value.partition("-")
    if not low.isascii() or not low.isdecimal() or not (high or low).isdecimal():
        return False
    return read_number(low) <= port <= read_number(high or low)


def _list_asked(ruleset: Ruleset) -> Iterator[Witness]:
    """For each rule with 'flow add' that selects by address, port or set: a packet that its conditions hold for."""
    for chain in ruleset.chains.values():
        for rule in chain.rules:
            if any(isinstance(part, Statement) and part.kind == "flow" for part in rule.parts):
                asked = _ask(part for part in rule.parts if not isinstance(part, VerdictMap))
                if asked.addresses or asked.numbers or asked.sets:
                    yield asked


def _ask(parts: Iterable[object]) -> Witness:
    addresses: dict[str, Address] = {}
    numbers: dict[str, int] = {}
    sets: set[str] = set()
    for part in parts:
        if not isinstance(part, Condition) or part.operator != "==" or len(part.keys) != 1 or not part.values:
            continue
        key, value = part.keys[0], part.values[0]
        word = key.rsplit(" ", 1)[-1]
        if value.startswith("@"):
            sets.add(value)
        elif word in {"saddr", "daddr"} and (ends := read_range(value)):
            addresses[key] = ends[-1] if ends[0] == ends[1] else ends[0] + 1
        elif word in {"sport", "dport"} or key in {"meta mark", "ct mark"}:
            number = value.partition("-")[0]
            if number.isascii() and number.isdecimal() and len(number) < 6:
                numbers[word if word != "mark" else key] = read_number(number)
    return Witness(addresses, numbers, frozenset(sets))


def describe_classes(classes: Iterable[TrafficClass]) -> list[str]:
    """Few lines for many classes: those with one family, protocol or pair of devices after the other are joined.

    ``IPv4 and IPv6, TCP and UDP, lan0 -> wan0, wan0 -> lan0``
    """
    by_pair: dict[str, dict[str, list[str]]] = {}
    for one in classes:
        families = by_pair.setdefault(one.devices, {}).setdefault(one.family, [])
        families.append(one.protocol)
    merged: dict[tuple[tuple[str, tuple[str, ...]], ...], list[str]] = {}
    for pair, kinds in by_pair.items():
        key = tuple((family, tuple(protocols)) for family, protocols in kinds.items())
        merged.setdefault(key, []).append(pair)
    return [f"{_name_kinds(kinds)}, {_list_pairs(pairs)}" for kinds, pairs in merged.items()]


def _name_kinds(kinds: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    different: dict[tuple[str, ...], list[str]] = {}
    for family, protocols in kinds:
        different.setdefault(protocols, []).append(SHOWN[family])
    return ", ".join(
        f"{' and '.join(families)} {' and '.join(protocol.upper() for protocol in protocols)}"
        for protocols, families in different.items()
    )


def _list_pairs(pairs: Sequence[str]) -> str:
    shown = "; ".join(pairs[:6])
    return shown if len(pairs) <= 6 else f"{shown}; and {len(pairs) - 6} more pairs"


def _name_devices(names: Sequence[str]) -> str:
    shown = ", ".join(dict.fromkeys(name or "any device" for name in names[:4]))
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
