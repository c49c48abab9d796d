# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of others that is known has a router that may have it, and some that have not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Boot, Device, RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.advisories import (
    CONDITIONS,
    Situation,
    match_advisory,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.known import ADVISORIES, Advisory

from tests.unit.helpers.routers import router, verdict_on, with_device, with_platform

BY_ID = {advisory.id: advisory for advisory in ADVISORIES}


def mediatek(kernel: str = "6.18.31", hardware: bool = True) -> RouterState:
    state = with_platform(router(hardware=hardware), kernel=kernel)
    return with_device(with_device(state, "lan0", driver="mtk_soc_eth"), "wan0", driver="mtk_soc_eth")


def beside(state: RouterState, *more: Device) -> RouterState:
    return replace(state, devices={**state.devices, **{device.name: device for device in more}})


def on(state: RouterState, *devices: str, hardware: bool = True) -> Situation:
    return Situation(state, devices or ("lan0", "wan0"), hardware)


def listing(text: str) -> RouterState:
    state = with_platform(router(), nft_version=(1, 0, 6))
    return replace(state, boot=replace(state.boot, live=f"table inet nft_offload {{\n{text}\n}}\n"))


RADIO = Device("phy0-ap0", 20, kind="wlan", up=True)
BRIDGE = Device("br-lan", 21, kind="bridge", up=True, lowers=("lan3", "phy0-ap0"), forwarding=("ipv4", "ipv6"))
PORT = Device("lan3", 22, kind="dsa", up=True, lowers=("lan0",))
L2TP = Device("l2tp-wan", 23, kind="ppp", up=True)
OUTER = Device("wan0.100", 24, kind="vlan", up=True, lowers=("wan0",), forwarding=("ipv4", "ipv6"))
INNER = Device("wan0.100.7", 25, kind="vlan", up=True, lowers=("wan0.100",), forwarding=("ipv4", "ipv6"))
MAP = "\t\tmeta l4proto tcp snat ip to 203.0.113.97:numgen inc mod 2 map { 0 : 5136-5151, 1 : 9232-9247 }"
NAMED = "\tmap ports {\n\t\ttype mark : inet_service\n\t\tflags interval\n\t\telements = { 0x1 : 5136-5151 }\n\t}"


def known(kernel: str, **neighbours: tuple[int, int]) -> Situation:
    """A router that knows so many neighbours, and keeps so many."""
    state = with_platform(router(), kernel=kernel)
    return on(replace(state, kernel=replace(state.kernel, neighbours=neighbours)), hardware=False)


AFFECTED = {
    "known.neighbour-forgotten": known("7.2.12-1", ipv4=(12, 128), ipv6=(129, 128)),
    "known.wed-connections-end": on(beside(mediatek(), RADIO)),
    "known.l2tp-hardware": on(beside(mediatek("6.6.110"), L2TP)),
    "known.roaming-hardware": on(beside(router(), RADIO, BRIDGE, PORT)),
    "known.bridge-stops-tcp": on(
        beside(with_platform(router(), kernel="6.19.3"), BRIDGE), "br-lan", "wan0", hardware=False
    ),
    "known.stacked-vlans-ipv6-nat": on(beside(router(), OUTER, INNER)),
    "known.listing-of-port-ranges": on(listing(MAP)),
}
NOT_AFFECTED = {
    "known.neighbour-forgotten": (
        known("7.2.12-1", ipv4=(128, 128)),
        known("7.2.12-1"),
        known("6.18.44", ipv4=(900, 128)),
        known("6.12.118+deb13-amd64", ipv4=(900, 128)),
        replace(known("7.2.12-1", ipv4=(900, 128)), hardware=True),
    ),
    "known.wed-connections-end": (
        on(beside(mediatek("6.12.80"), RADIO)),
        on(beside(mediatek("6.19.1"), RADIO)),
        on(beside(mediatek("unknown"), RADIO)),
        on(beside(mediatek(), RADIO), hardware=False),
        on(beside(mediatek(), replace(RADIO, up=False))),
        on(beside(with_platform(router(), kernel="6.18.31"), RADIO)),
        on(mediatek()),
    ),
    "known.l2tp-hardware": (on(mediatek()), on(beside(mediatek(), L2TP), hardware=False), on(beside(router(), L2TP))),
    "known.roaming-hardware": (
        on(router()),
        on(beside(router(), BRIDGE, PORT)),
        on(beside(router(), RADIO, replace(BRIDGE, lowers=("lan3",)), PORT)),
        on(beside(router(), RADIO, BRIDGE, PORT), hardware=False),
    ),
    "known.bridge-stops-tcp": (
        on(beside(with_platform(router(), kernel="6.18.3"), BRIDGE), "br-lan", "wan0", hardware=False),
        on(beside(with_platform(router(), kernel="7.2.1"), BRIDGE), "br-lan", "wan0", hardware=False),
        on(beside(with_platform(router(), kernel="6.19.3"), BRIDGE), "lan3", "wan0", hardware=False),
    ),
    "known.stacked-vlans-ipv6-nat": (
        on(beside(router(), OUTER)),
        on(beside(router(), OUTER, replace(INNER, forwarding=("ipv4",)))),
        on(beside(with_platform(router(), kernel="7.0.0"), OUTER, INNER)),
    ),
    "known.listing-of-port-ranges": (
        on(with_platform(listing(MAP), nft_version=(1, 0, 9))),
        on(with_platform(listing(MAP), nft_version=None)),
        on(listing("\t\ttcp dport { 5136-5151, 80 } accept")),
        on(replace(router(), boot=Boot())),
    ),
}


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda advisory: advisory.id)
def test_its_form(advisory: Advisory) -> None:
    assert re.fullmatch(r"known(\.[a-z0-9]+)(-[a-z0-9]+)*", advisory.id)
    assert advisory.severity in ("info", "warning")
    assert date(2026, 1, 1) <= date.fromisoformat(advisory.looked)
    assert advisory.link.startswith("https://")
    assert set(advisory.needs) <= CONDITIONS.keys()
    assert advisory.since is None or advisory.before is None or advisory.since < advisory.before
    narrowed = (advisory.since, advisory.before, advisory.nft_before, advisory.drivers, advisory.needs)
    assert any(narrowed), "what is true of every router is no advisory"
    assert not advisory.forbids_hardware or advisory.hardware, "it has to be one of hardware offload"
    assert all(text.endswith(".") for text in (advisory.affected, advisory.signs))


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda advisory: advisory.id)
def test_a_router_that_may_have_it_and_some_that_have_not(advisory: Advisory) -> None:
    assert match_advisory(advisory, AFFECTED[advisory.id])
    assert NOT_AFFECTED[advisory.id]
    for situation in NOT_AFFECTED[advisory.id]:
        assert match_advisory(advisory, situation) is None


def test_every_condition_is_one_of_some_advisory() -> None:
    assert {name for advisory in ADVISORIES for name in advisory.needs} == CONDITIONS.keys()


def test_named_maps_of_port_ranges_too() -> None:
    assert match_advisory(BY_ID["known.listing-of-port-ranges"], on(listing(NAMED)))


def test_verify_reports_them_with_what_shows_it() -> None:
    state = beside(mediatek(), RADIO)
    (found,) = [finding for finding in verdict_on(state).findings if finding.id == "known.wed-connections-end"]
    assert found.severity == "warning"
    assert found.evidence == ("Linux 6.18.31", "lan0: driver mtk_soc_eth", "phy0-ap0: wlan")


def test_they_do_not_change_what_is_proven() -> None:
    state = beside(mediatek(), RADIO)
    assert verdict_on(state).rung == verdict_on(with_platform(state, kernel="6.17.1")).rung
