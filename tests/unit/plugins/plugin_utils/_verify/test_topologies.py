# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter picks is never accused, whatever the topology, the firewall and the kernel; mistakes are named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.role.steps import pick_devices
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Device, RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.topology import pick_flowtable_devices
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.configured import listed, topology
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import Verdict
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.helpers.captures import SUITES
from tests.unit.helpers.routers import router, verdict_on, with_boot, with_flowtable
from tests.unit.helpers.topologies import (
    LAN,
    RULESETS,
    TOPOLOGIES,
    WAN,
    Shape,
    guest,
    inside,
    outside,
    part,
    read_shape,
)

LOWER = {"supported", "loaded", "configured", "bound"}
"""the rungs that are judged without traffic"""


def picked(name: str) -> list[str]:
    return pick_flowtable_devices({device.name: device for device in TOPOLOGIES[name]})


def found(state: RouterState, expectation: Expectation | None = None, infos: bool = False) -> set[str]:
    """Ids at the lower rungs."""
    verdict: Verdict = verdict_on(state, expectation or Expectation())
    return {f.id for f in verdict.findings if f.rung in LOWER and (infos or f.severity != "info")}


@pytest.mark.parametrize("ruleset", RULESETS)
@pytest.mark.parametrize("hardware", [True, False], ids=["hardware", "software"])
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_healthy_router_is_not_accused(name: str, suite: str, hardware: bool, ruleset: str) -> None:
    names = picked(name)
    state = read_shape(Shape(suite, TOPOLOGIES[name], names, hardware, ruleset))
    assert pick_flowtable_devices(state.devices) == names
    assert state.not_understood == ()
    assert {one.outcome for one in Subject(state).classes.judged} == {"surely"}
    for expect in ("any", "hardware" if hardware else "software"):
        assert found(state, Expectation(expect, devices=tuple(names))) == set()
    verdict = verdict_on(state)
    assert {result.name: result.status for result in verdict.rungs if result.name in LOWER} == dict.fromkeys(
        LOWER, "proven"
    )


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    ("name", "names"),
    [("bridge", ["br-lan", "wan0"]), ("VLANs on one NIC", ["eth0.10", "eth0.20"]), ("PPPoE", ["lan0", "wan0"])],
)
def test_what_openwrt_lists_in_software_is_not_accused(name: str, names: list[str], suite: str) -> None:
    """fw4 since 2024-03: the devices of the networks as they are."""
    assert found(read_shape(Shape(suite, TOPOLOGIES[name], names, ruleset="fw4"))) == set()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    ("name", "names", "hardware", "ids"),
    [
        ("two NICs", ["lan0"], False, "configured.one-direction"),
        ("two NICs", ["wan0"], True, "configured.one-direction"),
        ("two LANs", ["lan0"], False, "configured.one-direction"),
        ("two LANs", ["lan0", "lan1"], False, "configured.default-route-uncovered"),
        ("two LANs", ["lan0", "wan0"], False, "configured.network-uncovered"),
        ("two WANs", ["lan0", "wan0"], False, "configured.network-uncovered"),
        ("WireGuard as WAN", ["lan0", "wan0"], False, "configured.default-route-uncovered"),
        ("WireGuard as WAN", ["lan0", "wg0"], False, "configured.network-uncovered"),
        ("bridge", ["lan1", "lan2"], False, "configured.one-direction"),
        ("bridge", ["lan1", "wan0"], False, "configured.port-uncovered"),
        ("bridge", ["br-lan", "wan0"], False, "configured.bridge-listed"),
        ("bridge", ["br-lan", "wan0"], True, "configured.bridge-in-hardware"),
        ("bridge", ["br-lan", "lan1", "lan2", "wan0"], False, "configured.upper-and-lower"),
        ("VLAN-filtering bridge", ["br-lan.10", "br-lan.20", "wan0"], True, "configured.vlan-in-hardware"),
        ("VLAN-filtering bridge", ["br-lan", "wan0"], True, "configured.bridge-in-hardware"),
        ("VLANs on one NIC", ["eth0.10", "eth0.20"], True, "configured.vlan-in-hardware"),
        ("VLANs on one NIC", ["eth0.10"], False, "configured.one-direction"),
        ("VLANs on one NIC", ["eth0.10", "eth0"], False, "configured.upper-and-lower"),
        ("bond", ["eth1", "eth2", "wan0"], False, "configured.bond-member"),
        ("bond", ["bond0", "eth1", "wan0"], False, "configured.upper-and-lower"),
        ("VLANs on a bond", ["bond0.10", "wan0", "bond0.20"], True, "configured.vlan-in-hardware"),
        ("PPPoE", ["lan0", "ppp0", "wan0"], False, "configured.pppoe-and-nic"),
        ("PPPoE", ["lan0", "ppp0"], True, "configured.vlan-in-hardware"),
        ("PPPoE", ["lan0", "ppp0"], False, ""),
        ("two PPPoE", ["eth1", "eth2", "lan1", "lan2", "pppoe-wan1", "pppoe-wan2"], False, "configured.pppoe-and-nic"),
        (
            "two PPPoE",
            ["br-lan", "pppoe-wan1", "pppoe-wan2"],
            True,
            "configured.vlan-in-hardware configured.bridge-in-hardware",
        ),
        ("two PPPoE", ["eth1", "lan1", "lan2"], False, "configured.network-uncovered"),
        ("two PPPoE", ["eth1"], False, "configured.one-direction"),
        ("two PPPoE", ["lan1", "lan2"], False, "configured.one-direction"),
        ("PPPoE server", ["lan0"], False, "configured.default-route-uncovered"),
        ("BGP unnumbered", ["lan0"], False, "configured.one-direction"),
        ("BGP unnumbered", ["lan0", "up0"], False, "configured.network-uncovered"),
        ("guests on a bridge", ["lan0", "wan0"], False, "configured.guests-uncovered"),
        ("guests on a bridge", ["docker0", "lan0", "wan0"], False, ""),
        ("guests on a bridge", ["lan0", "veth1", "wan0"], False, ""),
        ("PPPoE on a VLAN", ["lan0"], False, "configured.one-direction"),
        ("switch ports", ["lan1", "lan2"], True, "configured.one-direction"),
    ],
)
def test_a_mistake_is_named(name: str, names: list[str], hardware: bool, ids: str, suite: str) -> None:
    state = read_shape(Shape(suite, TOPOLOGIES[name], names, hardware, "firewalld"))
    usual = {"configured.boot-not-judged", "configured.feature-unknown", "configured.second-firewall"}
    assert found(state, infos=True) - usual == set(ids.split())


FLOW_RULE = RULESETS["firewalld"][1].split("\n")[8].strip()


def test_the_classic_mistake() -> None:
    accept = "ct state { established, related } accept\n"
    for suite in SUITES:
        flow = FLOW_RULE if suite == "trixie" else FLOW_RULE.replace("{ tcp, udp }", "{ 6, 17 }")
        swapped = ((f"{flow}\n\t\t{accept}", f"{accept}\t\t{flow}\n"),)
        shape = Shape(suite, TOPOLOGIES["two NICs"], ["lan0", "wan0"], False, "firewalld", changes=swapped)
        assert found(read_shape(shape)) == {"configured.rule-shadowed"}


def test_a_device_that_serves_something_unseen_is_not_accused() -> None:
    """Such as a port with link-local addresses only, which routes go over all the same."""
    devices = (LAN, WAN, part("eth5"))
    assert found(read_shape(Shape("trixie", devices, ["lan0", "eth5"], ruleset="firewalld"))) == set()


def test_one_device_with_all_networks_is_both_directions() -> None:
    devices = (replace(WAN, addresses=(*WAN.addresses, *LAN.addresses)),)
    assert found(read_shape(Shape("trixie", devices, ["wan0"], ruleset="firewalld"))) == set()


def test_guests_are_not_missed_but_may_be_listed() -> None:
    devices = TOPOLOGIES["guests on a bridge"]
    for names in (["lan0", "wan0"], ["docker0", "lan0", "wan0"], ["docker0", "wan0"]):
        state = read_shape(Shape("trixie", devices, names, ruleset="firewalld"))
        assert not any("bridge" in id or "port" in id for id in found(state, infos=True))
        assert found(state) == set()


@pytest.mark.parametrize("suite", SUITES)
def test_containers_may_be_the_only_other_direction(suite: str) -> None:
    devices = (WAN, inside("br-docker", "bridge", "veth1", network=172), guest("veth1", master="br-docker"))
    state = read_shape(Shape(suite, devices, ["wan0"], ruleset="fw4"))
    assert found(state) == {"configured.guests-uncovered"}
    (finding,) = (f for f in verdict_on(state).findings if f.id == "configured.guests-uncovered")
    assert "only what wan0 needs, and not br-docker" in finding.message
    for names in (["br-docker", "wan0"], ["veth1", "wan0"]):
        assert found(read_shape(Shape(suite, devices, names, ruleset="fw4"))) == set()


def test_before_linux_5_13_the_devices_with_the_addresses_count() -> None:
    devices = {device.name: device for device in TOPOLOGIES["bridge"]}
    assert pick_flowtable_devices(devices, lowers=False) == ["br-lan", "wan0"]
    shape = Shape("bookworm", TOPOLOGIES["bridge"], ["br-lan", "wan0"], ruleset="firewalld")
    state = read_shape(shape)
    old = replace(state, platform=replace(state.platform, kernel="5.10.0-30-amd64"))
    assert found(old, Expectation(devices=("br-lan",)), infos=True) == {
        "configured.boot-not-judged",
        "configured.second-firewall",
    }
    assert found(read_shape(replace(shape, names=["lan1", "lan2", "wan0"]))) == set()


def test_a_management_network_left_out_is_no_more_than_worth_knowing() -> None:
    devices = (LAN, inside("lan1", network=11), outside("mgmt0"))
    state = read_shape(Shape("trixie", devices, ["lan0", "lan1"], ruleset="firewalld"))
    assert found(state) == set()
    assert "configured.default-route-uncovered" in found(state, infos=True)


NAMES = st.sampled_from("abcdefgh")
WAYS = st.sampled_from([(), ("ipv4",), ("ipv4", "ipv6")])
DEVICES = st.builds(
    Device,
    name=NAMES,
    index=st.integers(1, 9),
    kind=st.sampled_from(
        ["nic", "bridge", "vlan", "dsa", "bond", "ppp", "wireguard", "veth", "dummy", "vrf", "virtual"]
    ),
    up=st.booleans(),
    master=NAMES | st.just(""),
    lowers=st.lists(NAMES, max_size=3, unique=True).map(tuple),
    addresses=st.sampled_from([(), ("192.0.2.1/24",), ("fd00::1/64",)]),
    forwarding=WAYS,
    default_route=WAYS,
    routes=WAYS,
    next_hops=WAYS,
    tables=st.sampled_from([(), ("main",), ("main", "10")]),
)


@settings(max_examples=5 * settings().max_examples, deadline=None)
@given(st.lists(DEVICES, max_size=8), st.booleans(), st.sampled_from(["5.10.0", "6.1.0", "6.12.1", "7.2.0"]))
def test_whatever_the_filter_picks_is_not_accused(found: list[Device], hardware: bool, kernel: str) -> None:
    """Also of networks that nobody would build."""
    devices = {device.name: device for device in found}
    try:
        major, minor, _patch = kernel.split(".")
        names = tuple(pick_devices(devices, (int(major), int(minor))))
    except OffloadError:  # one direction is not enough
        return
    state = with_boot(with_flowtable(router(hardware, kernel), devices=names), attachments=dict.fromkeys(names, ""))
    state = replace(state, devices=devices)
    for check in (*listed.CHECKS, *topology.CHECKS):
        accused = [f for f in check(Subject(state, Expectation(devices=names))) if f.severity != "info"]
        assert accused == []
