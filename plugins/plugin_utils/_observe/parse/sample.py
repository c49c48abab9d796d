# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/sample.sh -> Sample."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..._core.text import iterate_lines, read_decimal, read_number, split_words
from ..share import estimate_share
from ..state import Device, Direction, Entrance, Sample, Share, Taken
from ..topology import find_hook_devices

MOST = 12
"""directions, and entrances, that are returned"""
MOST_TAKEN = 256
"""devices whose taken packets are returned: as many as sh/read/sample.sh hooks"""
HEADER = 24
"""bytes a frame that a device may count and the kernel does not: Ethernet, VLAN tags, the checksum"""

PROTOCOLS = {"6": "tcp", "17": "udp"}
"""as nft lists them where there is no /etc/protocols"""

WRAPPING = ("ppp", "ipip", "ip6tnl", "sit", "gre", "ip6gre", "wireguard", "vxlan", "tun")
"""kinds of devices whose packets leave inside of others"""

_NUMBERS = re.compile(r"[0-9]{1,18}")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_SET = re.compile(r"(traversed|late|slow|before|after|left|astray|sent)([46])")


@dataclass
class _Counts:
    """The numbers of the lines, packets by where they came in and went out; keys begin with the address family."""

    traversed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    late: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    slow: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    flows: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    slow_protocols: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """those of slow by protocol as well"""
    bypassed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """before the flowtables, less what came after them"""
    unseen: Counter[str] = field(default_factory=Counter)
    """bytes that a device received, less twice those that the kernel saw"""
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """the same as bypassed by family and protocol, where the protocol is known"""
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    """packets by family and protocol that devices sent"""
    astray: Counter[tuple[str, str]] = field(default_factory=Counter)
    """those of left that were sent to the MAC address of nobody"""
    sent: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """packets through postrouting: family, protocol, device"""
    transmitted: Counter[str] = field(default_factory=Counter)
    """packets that a device sent, by its own counter"""
    unseen_sent: Counter[str] = field(default_factory=Counter)
    """bytes that a device sent, less twice those that the kernel saw"""
    late_bytes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    slow_bytes: int = 0
    traversed_bytes: int = 0
    bypassed_bytes: int = 0


def parse_sample(text: str, devices: Mapping[str, Device], unknown: list[str] | None = None) -> Sample:
    """Lines of read_sample -> Sample. ``devices``, name -> Device, show what lies below a bridge or a VLAN.

    Lines that are not understood are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    counts = _Counts()
    values = {"seconds": "0", "classed": "no", "full": "", "unhooked": "", "unwatched": "", "exits": ""}
    for line in iterate_lines(text):
        match split_words(line, 2):
            case [("family" | "classed" | "full" | "unhooked" | "unwatched" | "exits") as key, value]:
                values[key] = value
            case ["seconds", value] if _SECONDS.fullmatch(value):
                values["seconds"] = value
            case [_, *_] if not _count_line(counts, split_words(line)):
                unknown.append(f"sample: {line.strip()}")
    exits = tuple(split_words(values["exits"]))
    entrances = _list_entrances(counts, devices)
    directions = _list_directions(counts, devices)
    traversed, late, slow = (counter.total() for counter in (counts.traversed, counts.late, counts.slow))
    bypassed = (+counts.bypassed).total()
    percent, error = estimate_share(late + slow, bypassed)
    return Sample(
        seconds=read_decimal(values["seconds"]),
        total=Share(traversed, late, slow, bypassed, percent, error),
        entrances=tuple(sorted(entrances, key=lambda entrance: -entrance.traversed - entrance.bypassed)[:MOST]),
        directions=tuple(sorted(directions, key=lambda found: (-found.late - found.slow, -found.traversed))[:MOST]),
        slow_protocols=dict(_sum_slow_protocols(counts)),
        slow_bytes=counts.slow_bytes,
        bypassed_bytes=max(counts.bypassed_bytes, 0),
        traversed_bytes=counts.traversed_bytes,
        nic_bytes=(+counts.unseen).total(),
        nic_devices=dict((+counts.unseen).most_common(MOST)),
        taken=_sum_taken(counts),
        classed=values["classed"] == "yes",
        full=bool(values["full"]),
        unhooked=values["unhooked"],
        deliveries=_list_taken(counts, devices, exits),
        exits=exits,
        unwatched=values["unwatched"],
        sent=dict((+counts.transmitted).most_common(MOST)),
        nic_sent=dict((+counts.unseen_sent).most_common(MOST)) if exits else {},
    )


def _count_line(counts: _Counts, words: Sequence[str]) -> bool:
    """One line of numbers; False when it is none."""
    match words:
        case ["device", name, *numbers] if len(numbers) == 4 and _are_numbers(numbers):
            counts.unseen[name] += read_number(numbers[1])
            counts.transmitted[name] += read_number(numbers[2])
            counts.unseen_sent[name] += read_number(numbers[3])
        case ["arrived", name, *numbers] if len(numbers) == 2 and _are_numbers(numbers):
            counts.unseen[name] -= 2 * (read_number(numbers[1]) + HEADER * read_number(numbers[0]))
        case ["departed", name, *numbers] if len(numbers) == 2 and _are_numbers(numbers):
            counts.unseen_sent[name] -= 2 * (read_number(numbers[1]) + HEADER * read_number(numbers[0]))
        case [name, *rest] if found := _SET.fullmatch(name):
            return _count_set(counts, found[1], f"ipv{found[2]}", rest)
        case _:
            return False
    return True


def _count_set(counts: _Counts, name: str, family: str, words: Sequence[str]) -> bool:
    """Count one element of a set; False when it is none that is known."""
    match [name, *words]:
        case ["late", enters, leaves, *_] | ["slow", enters, leaves, *_] if enters == leaves:
            pass  # what a bridge passes on and br_netfilter shows to the forward chain is no business of a flowtable
        case ["traversed", enters, leaves, packets, size] if _are_numbers([packets, size]):
            counts.traversed[family, enters, leaves] += read_number(packets)
            counts.traversed_bytes += read_number(size)
        case ["late", enters, leaves, packets, size] if _are_numbers([packets, size]):
            counts.late[family, enters, leaves] += read_number(packets)
            counts.late_bytes[family, enters, leaves] += read_number(size)
            counts.slow_bytes += read_number(size)
        case ["slow", enters, leaves, protocol, flows, packets, size] if _are_numbers([flows, packets, size]):
            counts.slow[family, enters, leaves] += read_number(packets)
            counts.flows[family, enters, leaves] += read_number(flows)
            counts.slow_protocols[family, PROTOCOLS.get(protocol, protocol), enters, leaves] += read_number(packets)
            counts.slow_bytes += read_number(size)
        case ["before" | "after", device, packets, size] if _are_numbers([packets, size]):
            _count_passing(counts, name, family, device, packets, size)
        case ["before" | "after", device, protocol, packets, size] if _are_numbers([packets, size]):
            counts.taken[family, PROTOCOLS.get(protocol, protocol)] += _count_passing(
                counts, name, family, device, packets, size
            )
        case ["left", _device, protocol, packets, size] if _are_numbers([packets, size]):
            counts.left[family, PROTOCOLS.get(protocol, protocol)] += read_number(packets)
        case ["astray", _device, protocol, packets, size] if _are_numbers([packets, size]):
            counts.astray[family, PROTOCOLS.get(protocol, protocol)] += read_number(packets)
        case ["sent", device, protocol, packets, size] if _are_numbers([packets, size]):
            counts.sent[family, PROTOCOLS.get(protocol, protocol), device] += read_number(packets)
        case _:
            return False
    return True


def _count_passing(counts: _Counts, name: str, family: str, device: str, packets: str, size: str) -> int:
    """Count what came to the flowtables (before) or was left by them (after); the packets with their sign."""
    sign = 1 if name == "before" else -1
    counts.bypassed[family, device] += sign * read_number(packets)
    counts.bypassed_bytes += sign * read_number(size)
    return sign * read_number(packets)


def _list_taken(counts: _Counts, devices: Mapping[str, Device], exits: Sequence[str]) -> tuple[Taken, ...]:
    """One for each family and protocol, TCP and UDP, of which something was taken."""
    watched, found = frozenset(exits), []
    for (family, protocol), packets in sorted((+counts.taken).items()):
        if protocol not in PROTOCOLS.values():
            continue
        slow = sum(
            number * _count_exits(devices, device, watched)
            for (of_family, of_protocol, device), number in counts.sent.items()
            if (of_family, of_protocol) == (family, protocol)
        )
        astray = counts.astray[family, protocol]
        found.append(Taken(family, protocol, packets, max(counts.left[family, protocol] - astray - slow, 0), astray))
    return tuple(found)


def _count_exits(devices: Mapping[str, Device], name: str, watched: frozenset[str]) -> int:
    """How often a packet that is sent by a device was counted: at the device itself, and at one below it."""
    below = {lower for lower in _list_below(devices, name) if lower != name}
    return (name in watched) + (not below.isdisjoint(watched))


def _list_below(devices: Mapping[str, Device], name: str) -> set[str]:
    """The device, and all that it stands on as what it is: a tunnel's packets are other ones below it."""
    found: set[str] = set()
    pending = [name]
    while pending:
        device = devices.get(pending.pop())
        if device is not None and device.name not in found:
            found.add(device.name)
            pending += () if device.kind in WRAPPING else device.lowers
    return found


def _are_numbers(words: Iterable[str]) -> bool:
    """Is every word a decimal number?"""
    return all(_NUMBERS.fullmatch(word) for word in words)


def _list_entrances(counts: _Counts, devices: Mapping[str, Device]) -> list[Entrance]:
    """One for each device that the forward chain saw, and for each listed one that is below none of these."""
    seen = {(family, enters) for family, enters, _leaves in counts.traversed}
    known = {(family, device) for family, enters in seen for device in find_hook_devices(devices, enters)}
    alone = {key for key, packets in counts.bypassed.items() if packets > 0 and key not in known}
    sums = [_sum_by_entrance(counter) for counter in (counts.traversed, counts.late, counts.slow)]
    found = []
    for family, enters in sorted(seen | alone):
        lowers = find_hook_devices(devices, enters) or [enters]
        traversed, late, slow = (counter[family, enters] for counter in sums)
        bypassed = _sum_bypassed(counts, family, lowers)
        percent, error = estimate_share(late + slow, bypassed)
        found.append(Entrance(traversed, late, slow, bypassed, percent, error, family, enters, tuple(lowers)))
    return found


def _sum_by_entrance(counter: Mapping[tuple[str, str, str], int]) -> Counter[tuple[str, str]]:
    """The numbers by family and where packets came in, whatever they went out by."""
    sums: Counter[tuple[str, str]] = Counter()
    for (family, enters, _leaves), number in counter.items():
        sums[family, enters] += number
    return sums


def _list_directions(counts: _Counts, devices: Mapping[str, Device]) -> list[Direction]:
    """One for each pair of devices that the forward chain saw."""
    found = []
    for key in counts.traversed:
        family, enters, leaves = key
        traversed, late, slow = counts.traversed[key], counts.late[key], counts.slow[key]
        bypassed = _sum_bypassed(counts, family, find_hook_devices(devices, enters) or [enters])
        percent, error = estimate_share(late + slow, bypassed)
        protocols = {
            protocol: number
            for (of, protocol, *devices), number in counts.slow_protocols.items()
            if (of, *devices) == key
        }
        more = counts.flows[key], counts.late_bytes[key], protocols
        found.append(Direction(traversed, late, slow, bypassed, percent, error, family, enters, leaves, *more))
    return found


def _sum_slow_protocols(counts: _Counts) -> Counter[str]:
    """The slow packets by 'FAMILY PROTOCOL'."""
    sums: Counter[str] = Counter()
    for (family, protocol, _enters, _leaves), number in counts.slow_protocols.items():
        sums[f"{family} {protocol}"] += number
    return sums


def _sum_bypassed(counts: _Counts, family: str, devices: Iterable[str]) -> int:
    """Never below nothing: the packets after the flowtables are listed a moment later than those before."""
    return sum(max(counts.bypassed[family, device], 0) for device in devices)


def _sum_taken(counts: _Counts) -> dict[str, int]:
    """Packets taken at each device's ingress, of both families; MOST_TAKEN devices, and none without any."""
    sums: Counter[str] = Counter()
    for (_family, device), packets in counts.bypassed.items():
        sums[device] += packets
    return dict((+sums).most_common(MOST_TAKEN))
