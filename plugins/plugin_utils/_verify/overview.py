# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a report shows of a router beside its verdict: what was measured, and which device has which driver. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bypassing import judge_slow_share
from .subject import Subject

Listed = Literal["hardware", "software", "none"]


@dataclass(frozen=True)
class Direction:
    """What was forwarded from one device to another, of one address family."""

    family: str
    """ipv4 or ipv6"""
    enters: str
    leaves: str
    listed: Listed
    """hardware: a hardware flowtable has both devices, or what is below them; software: each is in some flowtable"""
    slow: int
    """packets that could have taken the fast path and did not"""


@dataclass(frozen=True)
class Traffic:
    """What was measured over some seconds."""

    seconds: float
    slow_share: float | None
    """percent of what could take the fast path that did not; None where too little was seen to tell"""
    bypassed: int
    """packets that the flowtables took"""
    directions: tuple[Direction, ...]
    """those with the most slow packets first, at most 12"""


def describe_traffic(subject: Subject) -> Traffic | None:
    """None where nothing was measured."""
    sample = subject.state.sample
    if sample is None:
        return None
    directions = (
        Direction(
            one.family, one.enters, one.leaves, _tell_listed(subject, one.enters, one.leaves), one.late + one.slow
        )
        for one in sample.directions
    )
    return Traffic(sample.seconds, judge_slow_share(subject), sample.total.bypassed, tuple(directions))


def list_drivers(subject: Subject) -> dict[str, str]:
    """Device -> driver, of those that flowtables list, as far as it is known."""
    found = {name: subject.devices[name].driver for name in sorted(subject.listed_devices) if name in subject.devices}
    return {name: driver for name, driver in found.items() if driver}


def _tell_listed(subject: Subject, *ends: str) -> Listed:
    around = [subject.serving_flowtables(name) for name in ends]
    if set.intersection(*({flowtable.path for flowtable in found if flowtable.hardware} for found in around)):
        return "hardware"
    return "software" if all(around) else "none"
