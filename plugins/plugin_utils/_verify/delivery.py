# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 6: did what the fast path took leave again, and was it answered?

What the kernel's fast path takes has to be sent by a device, as what it was: packets of each family and protocol are
counted where they come in and where they go out, less those that went through postrouting. Queueing and shaping come
after that, so what a shaper drops was delivered to it; and what is never answered (logging, television) left all the
same. What leaves for the MAC address of nobody is lost: newer kernels send so where a neighbour is not known. What
leaves inside of something else (PPPoE, a tunnel that the fast path sees through, IPsec) cannot be counted so: of TCP
there remain the answers, which leave on the side that asked. What a NIC takes by itself the kernel sees neither come
nor go: connection tracking has its packets of both directions, and the NIC's own counters what it sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from .._observe.forwarding import is_forwarding
from .._observe.paths import sees_through
from .._observe.state import Sample, Taken
from .subject import Subject
from .takers import list_takers, name_takers

FEWEST = 20
"""packets of a family and protocol: fewer are no ground for anything"""
LOST = 0.5
"""less than this part of what was taken left again: it was not delivered"""
SHOWN = 0.9
"""this part left again: it was delivered. The counters are listed one after the other, which costs a little"""
ANSWERED = 0.02
"""least part of TCP packets that answers are: GRO makes one of up to 44 segments, and every second one is confirmed"""
MOST_LOOKING = 8
"""addresses in evidence"""


@dataclass(frozen=True)
class Delivery:
    """What is known of it."""

    lost: tuple[str, ...] = ()
    """lines about what was taken and not delivered"""
    unseen: tuple[str, ...] = ()
    """why of something it cannot be seen"""
    shown: tuple[str, ...] = ()
    """lines about what was delivered"""
    causes: tuple[str, ...] = ()
    """what is known to lead to that on this router"""


def see_delivery(subject: Subject, sample: Sample, nic_bytes: int, nic_packets: int) -> Delivery:
    """What became of the packets that were taken during the sample.

    ``nic_bytes`` that NICs received and the kernel never saw; ``nic_packets`` of flows in hardware that connection
    tracking counted.
    """
    lost: list[str] = []
    unseen: list[str] = []
    shown: list[str] = []
    takers = list_takers(subject)
    hidden = _why_hidden(subject, sample)
    for taken in sample.deliveries:
        if taken.packets < FEWEST:
            continue
        line = f"{taken.family} {taken.protocol}: the fast path took {taken.packets} packets, {taken.left} left again"
        if taken.astray:
            line += f", {taken.astray} for 00:00:00:00:00:00, which is the MAC address of nobody"
        match _judge_taken(subject, sample, taken, hidden):
            case True:
                shown.append(line)
            case False if takers and hidden:  # only answers would show it, which may have been taken
                unseen.append(f"{line}; answers may have gone through {name_takers(takers)}")
            case False:
                lost.append(line)
            case None:
                unseen.append(f"{line}; {sample.unwatched or hidden or 'which may be chance'}")
    if sample.total.bypassed >= FEWEST and not (lost or unseen or shown):
        unseen.append("packets were taken inside of PPPoE or a tunnel, where their protocol is not seen")
    if (nic_bytes or nic_packets) and subject.flows_in_hardware:
        line, answered = _judge_hardware(subject, sample, nic_bytes)
        (shown if answered else unseen).append(line)
    one_way = list(_list_one_way(subject))
    (unseen if takers else lost).extend(one_way)  # nothing counts the packets that were taken
    lost += _list_looking(subject)
    causes = tuple(found.reason for found in subject.undelivered)
    return Delivery(tuple(lost), tuple(unseen), tuple(shown), causes if lost else ())


def _judge_taken(subject: Subject, sample: Sample, taken: Taken, hidden: str) -> bool | None:
    """Were the packets delivered? None: it cannot be seen."""
    if not sample.exits:
        return _judge_by_device_counters(subject, sample)
    if taken.astray >= FEWEST:
        return False
    if not hidden:
        return True if taken.left >= SHOWN * taken.packets else False if taken.left < LOST * taken.packets else None
    if taken.left >= ANSWERED * taken.packets:
        return True
    known = any(found.family == taken.family for found in subject.undelivered)
    return False if taken.protocol == "tcp" or known else None


def _judge_by_device_counters(subject: Subject, sample: Sample) -> bool | None:
    """By what the devices themselves count, of all families and protocols together."""
    sent, taken = sum(sample.sent.values()), sample.total.bypassed
    if set(sample.sent) < set(subject.listed_devices):
        return None
    outside = [name for name in subject.forwarding_devices if subject.unlisted_devices(name)]
    if sent < LOST * taken and not outside:
        return False
    return True if sent - sample.total.traversed >= SHOWN * taken else None


def _why_hidden(subject: Subject, sample: Sample) -> str:
    """Why packets may have left as others, or by devices that were not watched; empty where neither can be."""
    kernel = subject.state.platform.kernel_version
    for device in subject.devices.values():
        tunnel = device.kind in ("ipip", "ip6tnl") and sees_through(device.kind, kernel)
        # the outer tag of two is beside the packet, and the inner one before what its protocol is read from
        kinds_below = [subject.devices[name].kind for name in device.lowers if name in subject.devices]
        nested = device.kind == "vlan" and "vlan" in kinds_below
        if device.up and (device.kind == "ppp" or tunnel or nested):
            return f"{device.name} puts packets into others, which are not counted as what they were"
    if any(subject.state.other_handlers.ipsec.values()):
        return "IPsec puts packets into others, which are not counted as what they were"
    watched = frozenset(sample.exits)
    for device in subject.devices.values():
        below = {device.name, *device.lowers, *subject.hook_devices(device.name)}
        if is_forwarding(subject.devices, device) and sample.exits and below.isdisjoint(watched):
            return f"what leaves by {device.name} was not counted"
    return ""


def _judge_hardware(subject: Subject, sample: Sample, nic_bytes: int) -> tuple[str, bool]:
    """A line about what NICs forwarded, and whether it was seen to leave and to be answered."""
    flows = subject.state.flows
    carried = flows.carried.get("hardware") if flows is not None else None
    if carried is not None and carried.original and carried.reply:
        line = f"connection tracking counted {carried.original} packets of flows in hardware, {carried.reply} in reply"
        return line, True
    sent = sum(sample.nic_sent.values())
    if sent and sent >= LOST * nic_bytes:
        return f"NICs sent {sent} bytes at least that the kernel never saw", True
    return "whether what NICs took was delivered cannot be seen: nothing counts what they sent, nor replies", False


def _list_one_way(subject: Subject) -> Iterator[str]:
    """Families of which most TCP flows have packets one way only, as connection tracking counts them."""
    flows = subject.state.flows
    for key, (all_flows, one_way) in (flows.one_way if flows is not None else {}).items():
        if one_way > all_flows / 2 and one_way > 1:
            family, _blank, kind = key.partition(" ")
            yield f"{one_way} of {all_flows} {family} TCP flows in {kind} had packets one way only"


def _list_looking(subject: Subject) -> Iterator[str]:
    """Addresses of offloaded flows that ARP looks for on a link where they are not, most flows of IPv4 having one."""
    flows = subject.state.flows
    if flows is None:
        return
    offloaded = sum(
        number
        for key, number in flows.counts.items()
        if key.startswith("ipv4 ") and key.endswith((" hardware", " software"))
    )
    found = {
        (address, device): number
        for (address, device), number in flows.unresolved.items()
        if not _is_on_link(subject, address, device)
    }
    if sum(found.values()) * 2 > offloaded:
        for (address, device), number in list(found.items())[:MOST_LOOKING]:
            yield f"{number} offloaded flows have the address {address}, which ARP looks for on {device} in vain"


def _is_on_link(subject: Subject, address: str, device: str) -> bool:
    """Does an address of the device have a network that the address is in? Then the host is gone, and nothing wrong."""
    addresses = subject.devices[device].addresses if device in subject.devices else ()
    try:
        host = ip_address(address)
        return any(host in ip_network(own, strict=False) for own in addresses if ":" not in own)
    except ValueError:
        return True
