# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers with filters of tc before a flowtable, and where offloaded packets do not pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import PacketFilter, RouterState

from tests.unit.helpers.ladder_case import HARD, SOFT, beside, case
from tests.unit.helpers.ladder_cases_traffic import BOTH_WAYS, BY_NIC, COUNTED
from tests.unit.helpers.routers import flows, with_carried, with_device, with_platform, with_sample


def filtered(state: RouterState, place: str, effect: Any, target: str = "", **more: Any) -> RouterState:
    """A filter at 'DEVICE ingress' or 'DEVICE egress'."""
    device, direction = place.split()
    found = PacketFilter(device, "ingress" if direction == "ingress" else "egress", "flower", effect, target, **more)
    return beside(state, filters=(*state.other_handlers.filters, found))


def quiet(state: RouterState) -> RouterState:
    return replace(state, flows=flows())


IFB = with_device(SOFT, "ifb0", kind="dummy")
IN_BRIDGE = with_device(SOFT, "br0", kind="bridge", lowers=("lan0",))
OVER_VLAN = with_device(SOFT, "wan0.7", kind="vlan", lowers=("wan0",))
BYPASSED, FILTERED = "configured.filter-bypassed", "configured.ingress-filtered"

FILTERS = {
    "some redirected before": case(
        filtered(IFB, "wan0 ingress", "redirect", "ifb0"),
        FILTERED,
        "offloading",
        "a tc filter (flower) redirects some of what comes in through wan0 to ifb0, before a flowtable",
    ),
    "some redirected past the hardware": case(
        filtered(HARD, "wan0 ingress", "redirect", "ifb0"),
        BYPASSED,
        "hardware",
        "flows that inet nft_offload ft offloads in hardware do not pass it",
    ),
    "some redirected, and the NIC's counters": case(
        with_sample(filtered(with_device(HARD, "ifb0", kind="dummy"), "lan0 ingress", "redirect", "ifb0"), *BY_NIC),
        f"{BYPASSED} bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "dropped before": case(filtered(SOFT, "wan0 ingress", "drop"), "", "offloading"),
    "limited before the hardware": case(
        filtered(HARD, "wan0 ingress", "police", whole=True), BYPASSED, "hardware", "limits all of what comes in"
    ),
    "redirected behind": case(filtered(SOFT, "wan0 egress", "redirect", "ifb0", whole=True), "", "offloading"),
    "redirected behind the hardware": case(
        filtered(HARD, "wan0 egress", "redirect", "ifb0", whole=True),
        BYPASSED,
        "hardware",
        "redirects all of what goes out through wan0 to ifb0",
    ),
    "behind a bridge": case(filtered(IN_BRIDGE, "br0 egress", "police"), BYPASSED, "offloading", "in software"),
    "behind a bridge that is not seen through": case(
        filtered(with_platform(IN_BRIDGE, kernel="5.10.0"), "br0 egress", "police"), "", "offloading"
    ),
    "behind a VLAN": case(filtered(OVER_VLAN, "wan0.7 egress", "police"), "", "offloading"),
    "in front of a VLAN": case(filtered(OVER_VLAN, "wan0.7 ingress", "drop"), BYPASSED, "offloading"),
    "elsewhere": case(filtered(HARD, "mgmt0 ingress", "drop"), "", "hardware"),
    "in the NIC": case(filtered(SOFT, "wan0 ingress", "drop", nic_only=True), "", "offloading"),
    "in the NIC, and no traffic": case(
        quiet(filtered(SOFT, "wan0 ingress", "drop", nic_only=True)),
        "offloading.taken-before",
        "bound",
        "the tc filter (flower) in the NIC of wan0 may take packets",
    ),
    "connection tracking of its own": case(
        filtered(SOFT, "wan0 ingress", "ct"),
        "configured.tc-conntrack",
        "bound",
        "tracks connections by itself",
        "flows may be offloaded by tc's connection tracking on wan0",
        offloading="unproven",
    ),
    "connection tracking of its own, in hardware": case(
        with_carried(with_sample(filtered(HARD, "wan0 ingress", "ct"), "traversed4 lan0 wan0 6 600"), **COUNTED),
        "configured.tc-conntrack bypassing.little-traffic",
        "bound",
        offloading="unproven",
        bypassing="unproven",
        hardware="unproven",
    ),
    "connection tracking of its own, and the NIC's counters": case(
        with_sample(filtered(HARD, "wan0 ingress", "ct"), *BY_NIC),
        "configured.tc-conntrack bypassing.little-traffic",
        "bound",
        bypassing="unproven",
        hardware="unproven",
    ),
    "connection tracking of its own, and slow packets": case(
        with_carried(
            with_sample(filtered(HARD, "wan0 ingress", "ct"), "traversed4 lan0 wan0 150 9", "late4 lan0 wan0 150 9"),
            **COUNTED,
        ),
        "configured.tc-conntrack",
        "bound",
        bypassing="unproven",
    ),
    "connection tracking of its own, and the flowtable takes packets": case(
        with_sample(filtered(SOFT, "wan0 ingress", "ct"), *BOTH_WAYS),
        "configured.tc-conntrack",
        "bypassing",
        offloading="unproven",
        bypassing="proven",
    ),
    "connection tracking elsewhere": case(filtered(SOFT, "mgmt0 ingress", "ct"), "", "offloading"),
    "a program, and no traffic": case(
        quiet(filtered(SOFT, "wan0 ingress", "program", "dae")),
        "offloading.taken-before",
        "bound",
        "the tc program on wan0 (dae) may take packets before they are seen",
    ),
    "a program, and little traffic": case(
        with_sample(filtered(SOFT, "wan0 ingress", "program", "dae"), "fast 4 lan0 4"),
        "bypassing.taken-before",
        "offloading",
        bypassing="unproven",
    ),
    "a program, and traffic that bypasses": case(
        with_sample(filtered(SOFT, "wan0 ingress", "program", "dae"), *BOTH_WAYS), "", "bypassing"
    ),
    "a program behind, and no traffic": case(
        quiet(filtered(SOFT, "wan0 egress", "program", "dae")), "offloading.no-traffic", "bound"
    ),
    "forwarded by tc, and no traffic": case(
        quiet(filtered(SOFT, "wan0 ingress", "redirect", "lan0")),
        f"{FILTERED} offloading.taken-before",
        "bound",
        "the tc filter (flower) on wan0 that redirects to lan0",
    ),
    "some to an ifb, and no traffic": case(
        quiet(filtered(IFB, "wan0 ingress", "redirect", "ifb0")), f"{FILTERED} offloading.no-traffic", "bound"
    ),
}
CASES = {f"tc: {name}": found for name, found in FILTERS.items()}
