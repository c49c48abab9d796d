# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report shows of a router beside its verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Flowtable, RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.overview import describe_traffic, list_drivers
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject

from tests.unit.helpers.routers import flows, router, with_device, with_flowtable, with_sample

BRIDGED = with_device(
    with_flowtable(router(), devices=("lan0", "wan0")), "br-lan", kind="bridge", lowers=("lan0",), up=True
)
TUNNEL = with_device(BRIDGED, "wg0", kind="wireguard", up=True)
SOFTWARE_BESIDE = replace(
    TUNNEL,
    flowtables=(*(TUNNEL.flowtables or ()), Flowtable("inet", "nft_offload_software", "ft", ("lan0", "wg0", "wan0"))),
)


def listed(state: RouterState, enters: str, leaves: str) -> str:
    """How flowtables list one direction."""
    lines = (f"traversed4 {enters} {leaves} 9 1200", f"slow4 {enters} {leaves} tcp 1 7 900")
    found = describe_traffic(Subject(with_sample(state, "fast 4 lan0 900", *lines)))
    assert found
    (direction,) = found.directions
    assert (direction.family, direction.enters, direction.leaves, direction.slow) == ("ipv4", enters, leaves, 7)
    return direction.listed


@pytest.mark.parametrize(
    ("state", "enters", "leaves", "kind"),
    [
        (router(), "lan0", "wan0", "hardware"),
        (router(hardware=False), "lan0", "wan0", "software"),
        (BRIDGED, "br-lan", "wan0", "hardware"),
        (BRIDGED, "wan0", "mgmt0", "none"),
        (TUNNEL, "br-lan", "wg0", "none"),
        (SOFTWARE_BESIDE, "br-lan", "wg0", "software"),
        (SOFTWARE_BESIDE, "br-lan", "wan0", "hardware"),
    ],
)
def test_what_lists_a_direction(state: RouterState, enters: str, leaves: str, kind: str) -> None:
    """By the devices that the fast path meets, a bridge's ports, and not by the names that rules see."""
    assert listed(state, enters, leaves) == kind


@pytest.mark.parametrize(
    ("state", "share"),
    [
        (with_sample(router(hardware=False), "fast 4 lan0 900", "slow4 lan0 wan0 tcp 1 100 9000"), 10.0),
        (with_sample(router(hardware=False), "fast 4 lan0 3", "slow4 lan0 wan0 tcp 1 5 900"), None),
        (with_sample(router(hardware=False), "fast 4 lan0 900", classed=False), None),
        (replace(with_sample(router(hardware=False), "fast 4 lan0 900"), flowtables=()), None),
        (replace(with_sample(router(), "slow4 lan0 wan0 tcp 1 5 900"), flows=flows(hardware=4)), None),
    ],
)
def test_a_share_is_told_where_enough_was_seen(state: RouterState, share: float | None) -> None:
    found = describe_traffic(Subject(state))
    assert found and found.slow_share == share


def test_nothing_is_told_where_nothing_was_measured() -> None:
    assert describe_traffic(Subject(router())) is None


def test_drivers_of_listed_devices() -> None:
    assert list_drivers(Subject(router())) == {"lan0": "labnic", "wan0": "labnic"}
    assert list_drivers(Subject(SOFTWARE_BESIDE)) == {"lan0": "labnic", "wan0": "labnic"}
    assert list_drivers(Subject(with_flowtable(router(), devices=("gone0",)))) == {}
