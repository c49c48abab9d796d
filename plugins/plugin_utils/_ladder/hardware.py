# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 7, hardware: the NIC took flows, which conntrack shows with the hardware bit."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder import nic
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.finding import (
    Expectation,
    Finding,
    Kind,
    RungResult,
    rung,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.offloading import counted
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.scope import judged, nothing_to_judge
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import RouterState

REFUSED = Kind(
    "hardware.refused",
    "error",
    "The NIC refuses the flows: they are offloaded in software only",
    "The flowtable has 'flags offload' and flows are in it, but not one has the hardware bit. A NIC refuses each flow"
    " without a word: the kernel keeps it in software and goes on listing the flowtable as a hardware one.",
    "turn hw-tc-offload on with kmod.nft_offload.nic_features; where it is on, the driver takes the flowtable but not"
    " these flows, and software is what is left (flow_offload_mode: software)",
)
KINDS = (REFUSED,)


def refused(state: RouterState, expectation: Expectation) -> list[Finding]:
    """Flows in software although every flowtable on the router is a hardware one."""
    seen = state.flows
    if seen is None or not _asked(state, expectation) or _software_elsewhere(state):
        return []
    if seen.of("hardware") or not seen.of("software"):
        return []
    gates = nic.gates(state, expectation)
    off = [
        nic.described(device) for device in gates.values() if device.hw_tc_offload and not device.hw_tc_offload.active
    ]
    drivers = ", ".join(f"{name} {device.driver or 'unknown'}" for name, device in gates.items())
    reason = f"likely because of {'; '.join(off)}" if off else f"although hw-tc-offload is not off (drivers: {drivers})"
    message = f"{seen.of('software')} flows are offloaded in software, none in hardware, {reason}"
    return [REFUSED.found(message, counted(seen), *seen.examples.get("software", ())[:1])]


CHECKS = (refused,)


def judge(state: RouterState, expectation: Expectation) -> RungResult:
    if not judged(state, expectation):
        return rung("hardware", False, [nothing_to_judge(state)])
    if not _asked(state, expectation):
        expected = expectation.expect == "software"
        return rung("hardware", None, ["software is expected" if expected else "the flowtable offloads in software"])
    seen = state.flows
    evidence = [counted(seen)] if seen is not None else []
    holds = seen is not None and seen.of("hardware") > 0
    if seen is not None and holds:
        evidence += seen.examples.get("hardware", ())[:1]
    elif _software_elsewhere(state):
        evidence.append("another flowtable offloads in software, so flows in software say nothing about the NIC")
    return rung("hardware", holds, evidence, [f for check in CHECKS for f in check(state, expectation)])


def _asked(state: RouterState, expectation: Expectation) -> bool:
    """Is there a hardware flowtable, and is it meant to be one?"""
    return expectation.expect != "software" and any(flowtable.hardware for flowtable in judged(state, expectation))


def _software_elsewhere(state: RouterState) -> bool:
    return any(not flowtable.hardware for flowtable in state.flowtables or ())
