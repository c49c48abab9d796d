# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Does a condition hold? For all classes at once: those of which it certainly does, and those of which it may. Pure.

A comparison of a header that the packet does not have never holds, also if it is negated: nft puts a comparison of the
family or the protocol before it (src/payload.c: payload_gen_dependency).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..._core.text import read_number
from ..._observe.ruleset import LEFT_OUT, LEFT_OUT_ADDRESSES, Chain, Condition, Ruleset, VerdictMap
from .packet import FAMILIES, Address, Mask, Space, Witness


class Fit(NamedTuple):
    """For which classes something holds."""

    yes: Mask
    """certainly"""
    may: Mask
    """certainly, or for a part of their packets, or it is not known"""


@dataclass(frozen=True)
class Packet:
    """What rules before this one have made of the packets of all classes that are here."""

    tracked: bool = True
    """False behind notrack"""
    marks: tuple[str, str] = ("", "")
    """'meta mark' and 'ct mark': a number; empty: as the packet came; '?': not known"""


@dataclass(frozen=True)
class Place:
    """Where a rule stands."""

    chain: Chain
    hook: str
    early: bool
    """before connection tracking, which finds a packet's connection at priority -200 (NF_IP_PRI_CONNTRACK)"""


_STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
"""bits of ``ct state`` (include/uapi/linux/netfilter/nf_conntrack_common.h)"""
_STATUS = {"confirmed": True, "seen-reply": True, "assured": True, "dnat": False, "expected": False, "dying": False}
"""of a long-lived connection without a port forward"""
_PROTOCOL_NUMBERS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp"}
_FAMILY_NAMES = {"ipv4": "ip", "ipv6": "ip6", "ip": "ip", "ip6": "ip6", "2": "ip", "10": "ip6"}
_SYMBOLS = {
    **{f"cs{number}": number * 8 for number in range(8)},
    **{f"af{number}{drop}": number * 8 + drop * 2 for number in range(1, 5) for drop in range(1, 4)},
    **{"ef": 46, "va": 44, "le": 1, "lephb": 1, "df": 0, "be": 0},
    **{"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128},
}
_DEVICES = {"iif": 0, "iifname": 0, "oif": 1, "oifname": 1}
_NEVER = {"icmp", "icmpv6", "igmp", "arp", "sctp", "dccp", "udplite", "esp", "ah", "comp", "gre", "mh", "gretap"}
"""headers of packets that are no TCP and no UDP"""
_NO_SOCKET = {"skuid", "skgid", "meta skuid", "meta skgid"}
"""a forwarded packet has no socket"""
_USUAL: Mapping[str, int] = {
    "meta mark": 0,
    "ct mark": 0,
    "ct zone": 0,
    "ct label": 0,
    "ct packets": 10**9,
    "ct original packets": 10**9,
    "ct reply packets": 10**9,
    "ct bytes": 10**12,
    "ct original bytes": 10**12,
    "ct reply bytes": 10**12,
    "ct avgpkt": 1000,
    "ip dscp": 0,
    "ip6 dscp": 0,
    "ip ecn": 0,
    "ip6 ecn": 0,
    "ip frag-off": 0x4000,
    "tcp flags": 16,
    "exthdr frag": 0,
    "exthdr hbh": 0,
    "exthdr rt": 0,
    "exthdr dst": 0,
    "ip option ra": 0,
    "ip option rr": 0,
    "ip option lsrr": 0,
    "ip option ssrr": 0,
    "ip6 flowlabel": 0x12345,
    "meta priority": 0,
    "meta secpath": 0,
    "meta ipsec": 0,
}
"""what the packet of a witness has where nothing else is said"""
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,16}|[0-9]{1,18}")


class Matcher:
    """Fits of conditions, for one space and one ruleset."""

    def __init__(self, space: Space, ruleset: Ruleset, state: str = "established") -> None:
        self._space = space
        self._ruleset = ruleset
        self._state = _STATES[state]
        self._devices: dict[tuple[int, str], Fit] = {}
        self._known: dict[tuple[Condition, Packet, str, bool, str, str], Fit] = {}

    def condition(self, condition: Condition, packet: Packet, place: Place) -> Fit:
        """For which classes it holds."""
        key = (condition, packet, place.hook, place.early, place.chain.family, place.chain.table)
        fit = self._known.get(key)
        if fit is None:
            fit = self._known[key] = self._condition(condition, packet, place)
        return fit

    def element(self, keys: tuple[str, ...], value: str, packet: Packet, place: Place) -> Fit:
        """For which classes the element of a verdict map is found."""
        return self.condition(Condition(keys, (value,)), packet, place)

    def _condition(self, condition: Condition, packet: Packet, place: Place) -> Fit:
        every = self._space.every
        if not condition.keys or condition.keys == (LEFT_OUT,):
            return Fit(0, every)
        if condition.keys == (LEFT_OUT_ADDRESSES,):
            return Fit(0, every & ~self._classes(lambda witness: witness.excluded))
        has = every
        for key in condition.keys:
            has &= self._presence(key, packet, place)
        if not has or condition.values == ("*",):
            return Fit(has, has)
        yes = may = 0
        for value in condition.values:
            fit = self._value(condition, value, packet, place)
            yes |= fit.yes
            may |= fit.may
            if yes & has == has:
                break
        if condition.operator == "!=":
            yes, may = every & ~may, every & ~yes
        return Fit(yes & has, may & has)

    def _presence(self, key: str, packet: Packet, place: Place) -> Mask:
        """Classes whose packets have what is compared."""
        space = self._space
        first = key.split(" ", 1)[0]
        if first in space.families:
            return space.families[first]
        if first in space.protocols:
            return space.protocols[first]
        if first in _NEVER or key in _NO_SOCKET:
            return 0
        if first == "ct" and key != "ct state":
            lost = not packet.tracked or place.early
            return 0 if lost else _address_family(key, space)
        return space.every

    def _value(self, condition: Condition, value: str, packet: Packet, place: Place) -> Fit:
        """One value of a condition; '@name' stands for the elements of a set."""
        if value.startswith("@"):
            return self._set(condition, value, packet, place)
        keys = condition.keys
        parts = value.split(" . ") if len(keys) > 1 else [value]
        if len(parts) != len(keys):
            return Fit(0, self._space.every)
        fit = Fit(self._space.every, self._space.every)
        for key, part in zip(keys, parts, strict=True):
            found = self._single(key, part, condition, packet, place)
            fit = Fit(fit.yes & found.yes, fit.may & found.may)
        return fit

    def _set(self, condition: Condition, name: str, packet: Packet, place: Place) -> Fit:
        key = (place.chain.family, place.chain.table, name[1:])
        elements = self._ruleset.sets.get(key)
        if elements is None or key in self._ruleset.partial:
            # its elements were not listed: some packets are in it, an ordinary one is not
            space = self._space
            if not all(_names_hosts(one) or one in _USUAL for one in condition.keys):
                return Fit(0, space.every)
            inside = self._classes(lambda witness: name in witness.sets)
            return Fit(inside, space.every & ~self._classes(lambda w: w.excluded and name not in w.sets))
        yes = may = 0
        for element in elements:
            fit = self._value(condition, element, packet, place) if not element.startswith("@") else Fit(0, may)
            yes |= fit.yes
            may |= fit.may
        return Fit(yes, may)

    def _single(self, key: str, value: str, condition: Condition, packet: Packet, place: Place) -> Fit:
        """One key against one literal."""
        space = self._space
        if value == "*":
            return Fit(space.every, space.every)
        if key in _DEVICES:
            return self._device(_DEVICES[key], value, place)
        if key == "ct state":
            return self._state_fits(value, condition, packet, place)
        known = packet.marks[0 if key == "meta mark" else 1] if key in {"meta mark", "ct mark"} else ""
        if known == "?":
            return Fit(0, space.every)
        if known:
            return _certain(space.every if _compare(read_number(known), value, condition) else 0)
        certain = _find_certain(space, key, value)
        if certain is not None:
            return _certain(certain)
        if key == "ct status" and not condition.mask:
            return self._status_fits(value)
        return self._of_witnesses(lambda witness: _fits(witness, key, value, condition))

    def _status_fits(self, value: str) -> Fit:
        """Bits of one connection, any of which is enough."""
        bits = value.split("|")
        known = [_STATUS.get(bit) for bit in bits]
        held = True if True in known else None if None in known else False
        sure = self._space.every if {"confirmed", "seen-reply"} & set(bits) else 0
        return self._of_witnesses(lambda _witness: held, sure)

    def _classes(self, holds: Callable[[Witness], bool]) -> Mask:
        """The classes of those witnesses."""
        return sum(self._space.of_witness(at) for at, one in enumerate(self._space.witnesses, 1) if holds(one))

    def _of_witnesses(self, holds: Callable[[Witness], bool | None], sure: Mask = 0) -> Fit:
        """A fit that is not known of any packet, and of each witness what ``holds`` says, None for not known."""
        yes, may = 0, self._space.any_packet
        for at, witness in enumerate(self._space.witnesses, 1):
            found = holds(witness)
            yes |= self._space.of_witness(at) if found else 0
            may |= self._space.of_witness(at) if found is not False else 0
        return Fit(yes | sure, may | sure)

    def _device(self, side: int, value: str, place: Place) -> Fit:
        if side == 1 and place.hook in {"prerouting", "ingress"}:
            return Fit(0, 0)  # it is not known yet where the packet leaves
        if (side, value) not in self._devices:
            groups, masks = (
                (self._space.entering, self._space.enters) if side == 0 else (self._space.leaving, self._space.leaves)
            )
            yes = sum(mask for group, mask in zip(groups, masks, strict=True) if value in group.matched)
            may = sum(mask for group, mask in zip(groups, masks, strict=True) if value in group.some)
            self._devices[side, value] = Fit(yes, may)
        return self._devices[side, value]

    def _state_fits(self, value: str, condition: Condition, packet: Packet, place: Place) -> Fit:
        state = _STATES["untracked"] if not packet.tracked else _STATES["invalid"] if place.early else self._state
        wanted = _read_bits(value, _STATES)
        masked = state & _read_bits(condition.mask, _STATES)
        fits = masked == wanted if condition.mask else bool(state & wanted)
        return _certain(self._space.every if fits else 0)


def _certain(mask: Mask) -> Fit:
    return Fit(mask, mask)


def _find_certain(space: Space, key: str, value: str) -> Mask | None:
    """Classes for which a key has that value, where it is certain of each class; else None."""
    if key in {"meta l4proto", "ip protocol", "ip6 nexthdr", "ct protocol", "ct original protocol"}:
        return _pick(space.protocols, _PROTOCOL_NUMBERS, value)
    if key in {"meta nfproto", "ct l3proto", "meta protocol", "ether type", "ct original l3proto"}:
        return _pick(space.families, _FAMILY_NAMES, value, {0x800: "ip", 0x86DD: "ip6"})
    if key in {"ip version", "ip6 version"}:
        return space.every if read_number(value) == (4 if key == "ip version" else 6) else 0
    if key == "meta pkttype":
        return space.every if value in {"host", "unicast"} else 0
    return None


def _pick(
    masks: Mapping[str, Mask], names: Mapping[str, str], value: str, numbers: Mapping[int, str] | None = None
) -> Mask:
    """Classes of a name or a number, or of a range of numbers; none for what is neither."""
    if value in names:
        return masks[names[value]]
    low, dash, high = value.partition("-")
    if not _NUMBER.fullmatch(low) or (dash and not _NUMBER.fullmatch(high)):
        return 0
    first, last = read_number(low), read_number(high or low)
    known = numbers or {read_number(number): name for number, name in names.items() if number.isdecimal()}
    return sum(masks[name] for number, name in known.items() if first <= number <= last)


def _address_family(key: str, space: Space) -> Mask:
    """``ct original ip saddr``: of one family"""
    for family in FAMILIES:
        if f" {family} " in key:
            return space.families[family]
    return space.every


def _names_hosts(key: str) -> bool:
    """Does a rule that compares this name hosts or services?"""
    words = key.split()
    return words[-1] in {"saddr", "daddr", "sport", "dport", "proto-src", "proto-dst"}


def _read_bits(value: str, names: Mapping[str, int]) -> int:
    """``established|related``, ``0x6``"""
    bits = 0
    for word in re.split(r"[|,]", value):
        bits |= names[word] if word in names else read_number(word)
    return bits


def _route_fits(key: str, value: str) -> bool | None:
    """``fib daddr type local``, ``fib saddr . iif oif 0``: of a packet whose addresses are what they should be"""
    if key.endswith(" type"):
        return value in {"unicast", "1"} if "daddr" in key or "saddr" in key else None
    if "saddr" in key and value in {"0", "1"}:
        return value == "1" if "check" in key or value == "1" else False
    return None


def _fits(witness: Witness, key: str, value: str, condition: Condition) -> bool | None:
    """Does the witness have that value? None where it is not known."""
    if key == "ct direction":
        return value in {"original", "0"}
    if key == "ct helper":
        return False
    if key.startswith("fib "):
        return _route_fits(key, value)
    words = key.split()
    if words[-1] in {"saddr", "daddr"}:
        address = witness.addresses.get(key) or witness.addresses.get(f"{words[-2]} {words[-1]}")
        if words[0] in {"ether", "arp"}:
            return False
        if address is None and words[:2] == ["ct", "original"]:
            return None
        return None if address is None else is_in(address, value)
    port = {"proto-src": "sport", "proto-dst": "dport"}.get(words[-1], words[-1])
    if port in {"sport", "dport"}:
        number = witness.numbers.get(port) if words[:2] != ["ct", "reply"] else None
    else:
        number = witness.numbers.get(key, _USUAL.get(key))
    return None if number is None else _compare(number, value, condition)


def _compare(number: int, value: str, condition: Condition) -> bool:
    """A number of the packet against one value of a condition, both sides of != as if it were ==."""
    if condition.mask:
        number &= _read_bits(condition.mask, _SYMBOLS)
    low, dash, high = value.partition("-")
    if dash and _NUMBER.fullmatch(low) and _NUMBER.fullmatch(high):
        return read_number(low) <= number <= read_number(high)
    other = _read_bits(value, _SYMBOLS)
    if condition.keys[-1:] == ("tcp flags",) and not condition.mask and condition.operator in {"==", "!="}:
        return bool(number & other)
    orders: Mapping[str, bool] = {
        "<": number < other,
        ">": number > other,
        "<=": number <= other,
        ">=": number >= other,
    }
    return orders.get(condition.operator, number == other)


@lru_cache(maxsize=65536)
def read_range(value: str) -> tuple[Address, Address] | None:
    """``192.0.2.1``, ``2001:db8::/32``, ``10.0.0.1-10.0.0.9`` -> the first and the last; None for anything else."""
    low, dash, high = value.partition("-")
    try:
        if dash:
            return ipaddress.ip_address(low), ipaddress.ip_address(high)
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None
    return network[0], network[-1]


def is_in(address: Address, value: str) -> bool | None:
    """Is it one of the addresses? None where they are not understood."""
    ends = read_range(value)
    if ends is None:
        return None
    low, high = ends
    return low.version == address.version and low.packed <= address.packed <= high.packed


def list_conditions(ruleset: Ruleset) -> Iterable[Condition]:
    """Every condition of the ruleset, those of verdict maps and with the elements of sets in place of their names."""
    for chain in ruleset.chains.values():
        for rule in chain.rules:
            for part in rule.parts:
                if isinstance(part, VerdictMap):
                    elements = part.elements or ruleset.maps.get((chain.family, chain.table, part.name), ())
                    yield Condition(part.keys, tuple(value for value, _verdict in elements), text=part.text)
                elif isinstance(part, Condition):
                    yield _resolve(part, chain, ruleset)


def _resolve(condition: Condition, chain: Chain, ruleset: Ruleset) -> Condition:
    if not any(value.startswith("@") for value in condition.values):
        return condition
    values: list[str] = []
    for value in condition.values:
        values += (
            ruleset.sets.get((chain.family, chain.table, value[1:]), (value,)) if value.startswith("@") else [value]
        )
    return Condition(condition.keys, tuple(values), condition.operator, condition.mask, condition.text)


def find_device_literals(conditions: Iterable[Condition]) -> tuple[set[str], set[str]]:
    """Names, numbers and patterns of devices in rules: where packets enter, where they leave."""
    found: tuple[set[str], set[str]] = (set(), set())
    for condition in conditions:
        for value in condition.values:
            parts = value.split(" . ") if len(condition.keys) > 1 else [value]
            for key, part in zip(condition.keys, parts, strict=False):
                if key in _DEVICES:
                    found[_DEVICES[key]].add(part)
    return found
