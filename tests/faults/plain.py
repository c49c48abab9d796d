# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Topologies and faults where the lab has no NIC that offloads for the kernel: in software, on plain NICs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from lab import suites
from tests.faults.model import QUIET, Fault, Topology, value_for
from tests.faults.rulesets import FEATURES_ON, HARDWARE

NO_NIC = "the lab's NIC that offloads cannot be built for this kernel"
NO_PROGRAMS = "the lab has no PPPoE and no WireGuard for this suite"
OF_NICS = (
    "hardware.",
    "configured.feature",
    "configured.eswitch",
    "configured.shaper-bypassed",
    "configured.flag-",
    "supported.nft-too-old",
    "supported.nft-without-counter",
)
"""what findings begin with that only hardware offload has"""
SOFTWARE_RUNG = 6
QUIET_RUNG = 3
"""of a router without traffic: the kernel of each of these suites lists no hooks, so that only packets show rung 4"""

T = TypeVar("T")


def has_nic(suite: str) -> bool:
    """Can routers of this suite have the NIC that offloads?"""
    return "offload" in suites.list_nics(suite)


def fit_topology(topology: Topology, suite: str) -> Topology:
    """The topology as it is on a router of this suite."""
    if has_nic(suite):
        return topology
    if topology.kernel:
        return replace(topology, nic="plain", kernel="", impossible=NO_PROGRAMS)
    return replace(
        topology,
        nic="plain",
        setup=_in_software(topology.setup),
        expect="software" if topology.expect == "hardware" else topology.expect,
        rung=min(topology.rung, SOFTWARE_RUNG),
    )


def fit_fault(fault: Fault, topology: Topology, suite: str) -> Fault:
    """The fault as it is on a router of this suite; ``topology`` is its own, as it is elsewhere."""
    if has_nic(suite):
        return fault
    if value_for(fault.impossible, suite, ""):
        # it is for want of a program or of the lab's own, which an attempt would not show
        return replace(fault, inject="")
    scripts = [*_values(fault.inject), fault.during]
    ids = [name for names in _values(fault.ids) for name in names]
    if any("labnic" in script or "hw-tc-offload" in script for script in scripts) or (
        topology.expect == "hardware" and any(name.startswith(OF_NICS) for name in ids)
    ):
        return replace(fault, inject="", impossible=NO_NIC)
    highest = QUIET_RUNG if fault.traffic == QUIET else SOFTWARE_RUNG
    return replace(
        fault,
        inject=_each(fault.inject, _in_software),
        during=_in_software(fault.during),
        rung=_each(fault.rung, lambda rung: min(rung, highest)),
    )


def _in_software(script: str) -> str:
    return script.replace(FEATURES_ON, ":").replace(HARDWARE, "")


def _values(value: T | Mapping[str, T]) -> list[T]:
    return list(value.values()) if isinstance(value, Mapping) else [value]


def _each(value: T | Mapping[str, T], change: Callable[[T], T]) -> T | Mapping[str, T]:
    return {key: change(one) for key, one in value.items()} if isinstance(value, Mapping) else change(value)
