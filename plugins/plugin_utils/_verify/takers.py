# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What may take packets where neither connection tracking nor the sample of rung 6 sees them.

It is no fault, and what it does is not known. But without it nobody may say that there was no traffic, that most of it
was slow, or that nobody answered: rungs 5 and 6 ask here first. And where tc offloads flows of its own, what connection
tracking and NICs show of offloaded flows proves nothing about a flowtable of nft's: rungs 5 to 7 ask that too.
"""

from __future__ import annotations

from .._observe.state import PacketFilter
from .subject import Subject


def list_takers(subject: Subject) -> list[str]:
    """'the XDP program on wan0 (native)', of each that gets packets before a judged flowtable does."""
    programs = subject.state.other_handlers.xdp
    found = [f"the XDP program on {name} ({programs[name]})" for name in subject.ingress_devices if name in programs]
    found += [
        name
        for one in subject.state.other_handlers.filters
        if one.direction == "ingress" and one.device in subject.ingress_devices and (name := _name_taker(subject, one))
    ]
    return list(dict.fromkeys(found))


def _name_taker(subject: Subject, one: PacketFilter) -> str:
    """A filter at ingress that may keep packets from all that is behind it; empty where it does not.

    What an ifb gets comes back from there.
    """
    if one.nic_only:
        return f"the tc filter ({one.classifier}) in the NIC of {one.device}"
    if one.effect == "program":
        return f"the tc program on {one.device} ({one.target})"
    target = subject.devices.get(one.target)
    if one.effect == "redirect" and not (target is not None and target.kind == "dummy"):
        return f"the tc filter ({one.classifier}) on {one.device} that redirects to {one.target}"
    return ""


def list_trackers(subject: Subject) -> list[PacketFilter]:
    """Filters with connection tracking of their own, on listed devices, above or below them."""
    related = {device.name for flowtable in subject.flowtables for device in subject.devices_and_uppers(flowtable)}
    related |= set(subject.ingress_devices)
    return [one for one in subject.state.other_handlers.filters if one.effect == "ct" and one.device in related]


def describe_trackers(trackers: list[PacketFilter]) -> list[str]:
    """A line of evidence for each device, eight at most."""
    devices = dict.fromkeys(one.device for one in trackers)
    return [f"flows may be offloaded by tc's connection tracking on {device}" for device in devices][:8]


def describe_takers(takers: list[str]) -> list[str]:
    """A line of evidence for each, eight at most."""
    return [f"what {taker} takes is not counted" for taker in takers[:8]]


def name_takers(takers: list[str]) -> str:
    """Their names in a sentence, three at most."""
    left = len(takers) - 3
    return ", ".join(takers[:3]) + (f" and {left} more" if left > 0 else "")
