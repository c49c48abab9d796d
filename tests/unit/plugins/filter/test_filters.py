# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices a flowtable should list."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kmod.nft_offload.plugins.filter.flowtable_devices import FilterModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.forwarding import is_forwarding
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import read_state
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Device
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.topology import pick_flowtable_devices

from tests.unit.helpers.captures import SUITES, answer

select = FilterModule().filters()["flowtable_devices"]
BOTH = ("ipv4", "ipv6")


def device(name: str, kind: str = "nic", *lowers: str, **values: Any) -> Device:
    """One that is up and forwards, without an address."""
    return Device(name, 1, kind, up=values.pop("up", True), lowers=lowers, forwarding=BOTH, **values)


def lan(name: str, kind: str = "nic", *lowers: str, **values: Any) -> Device:
    """One that forwards for its network."""
    return device(name, kind, *lowers, addresses=("192.0.2.1/24",), **values)


def chosen(*devices: Device) -> list[str]:
    return pick_flowtable_devices({found.name: found for found in devices})


@pytest.mark.parametrize("suite", SUITES)
def test_lab_routers(suite: str) -> None:
    assert select(read_state(answer(suite, "router")).as_result()) == ["lan0", "wan0"]
    assert select(read_state(answer(suite, "user")).as_result()) == ["lan0", "wan0"]
    assert select(read_state(answer(suite, "devices")).as_result()) == ["bond0", "lan0", "wan0", "wg0"]


@pytest.mark.parametrize(
    ("devices", "names"),
    [
        ([lan("eth0"), lan("eth1")], ["eth0", "eth1"]),
        ([lan("eth0.5", "vlan", "eth0"), lan("eth0.6", "vlan", "eth0"), device("eth0")], ["eth0"]),
        (
            [lan("br0", "bridge", "lan1", "lan2"), device("lan1", "dsa", "eth0"), device("lan2", "dsa", "eth0")],
            ["lan1", "lan2"],
        ),
        ([lan("br0", "bridge", "lan1", "lan2"), device("lan1"), device("lan2", up=False)], ["lan1"]),
        ([lan("br0", "bridge", "eth0.5"), device("eth0.5", "vlan", "eth0"), device("eth0")], ["eth0"]),
        ([lan("br0.5", "vlan", "br0"), device("br0", "bridge", "lan1"), device("lan1")], ["lan1"]),
        ([lan("br0", "bridge", "lan1", "ap0"), device("lan1"), device("ap0", "wlan")], ["ap0", "lan1"]),
        ([lan("docker0", "bridge")], []),
        ([lan("docker0", "bridge", "veth1"), device("veth1", "veth", guest=True)], []),
        ([lan("virbr0", "bridge", "vnet0", "eth0"), device("vnet0", "tun", guest=True), device("eth0")], ["eth0"]),
        (
            [lan("bond0", "bond", "eth0", "eth1"), device("eth0", master="bond0"), device("eth1", master="bond0")],
            ["bond0"],
        ),
        ([lan("bond0.5", "vlan", "bond0"), device("bond0", "bond", "eth0"), device("eth0")], ["bond0"]),
        ([lan("ppp0", "ppp", "eth1.7"), device("eth1.7", "vlan", "eth1"), device("eth1")], ["eth1"]),
        ([lan("ppp0", "ppp")], ["ppp0"]),
        ([lan("wg0", "wireguard"), lan("tun0", "tun"), lan("veth0", "veth")], ["tun0", "veth0", "wg0"]),
        ([lan("lan1", "dsa", "eth0"), lan("wan", "dsa", "eth0"), device("eth0")], ["lan1", "wan"]),
        ([lan("a", "vlan", "b"), device("b", "vlan", "a")], []),
        ([lan("eth0.5", "vlan", "gone")], ["eth0.5"]),
        ([], []),
    ],
)
def test_topologies(devices: list[Device], names: list[str]) -> None:
    assert chosen(*devices) == names


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Device("x", 1, up=True, addresses=("192.0.2.1/24",), forwarding=("ipv4",)), True),
        (Device("x", 1, up=True, addresses=("2001:db8::1/64",), forwarding=("ipv6",)), True),
        (Device("x", 1, up=True, default_route=("ipv4",), forwarding=("ipv4",)), True),
        (Device("x", 1, up=True, addresses=("192.0.2.1/24",), forwarding=("ipv6",)), False),
        (Device("x", 1, up=True, addresses=("192.0.2.1/24",)), False),
        (Device("x", 1, up=True, forwarding=BOTH), False),
        (Device("x", 1, up=False, addresses=("192.0.2.1/24",), forwarding=BOTH), False),
        (Device("lo", 1, "loopback", up=True, addresses=("127.0.0.1/8",), forwarding=BOTH), False),
    ],
)
def test_forwards(found: Device, expected: bool) -> None:
    assert is_forwarding({}, found) is expected


def test_two_vlans_of_one_nic_are_both_directions() -> None:
    nic = {"name": "eth0", "index": 2, "up": True}
    vlans = {
        f"eth0.{number}": {
            "name": f"eth0.{number}", "index": number, "kind": "vlan", "up": True, "lowers": ["eth0"],
            "addresses": [f"192.0.{number}.1/24"], "forwarding": ["ipv4"],
        }
        for number in (10, 20)
    }  # fmt: skip
    assert select({"devices": {"eth0": nic, **vlans}, "platform": {"kernel": "6.12.1"}}) == ["eth0"]


def test_one_direction_is_not_enough() -> None:
    seen = {"devices": {"eth0": {"name": "eth0", "index": 2, "up": True, "addresses": [], "forwarding": ["ipv4"]}}}
    with pytest.raises(
        AnsibleFilterError,
        match=r"both directions, found: none .*forward: none; others: eth0: it has no address, and no .*Remedy: ",
    ):
        select(seen)
    seen["devices"]["eth0"]["default_route"] = ["ipv4"]
    with pytest.raises(AnsibleFilterError, match=r"found: eth0 .*Remedy: .*name the devices yourself"):
        select(seen)


@pytest.mark.parametrize(
    "wrong", [None, "lan0", [], {}, {"devices": None}, {"devices": {"a": "b"}}, {"devices": {"a": {}}}]
)
def test_another_kind_of_input_is_told(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"takes what offload_info returned.*Remedy: "):
        select(wrong)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the filter warns of."""
    found: list[str] = []
    monkeypatch.setattr("ansible.utils.display.Display.warning", lambda _display, message: found.append(message))
    return found


def seen(kernel: str, *devices: Device) -> dict[str, Any]:
    """What offload_info returns of such a router."""
    return {"platform": {"kernel": kernel}, "devices": {found.name: asdict(found) for found in devices}}


def test_ds_lite_has_a_choice_that_delivers(warnings: list[str]) -> None:
    devices = (lan("lan0"), lan("wan0"), lan("tun0", "ip6tnl", "wan0"))
    assert select(seen("6.12.1", *devices)) == ["lan0", "tun0", "wan0"]
    assert warnings == []
    assert select(seen("7.2.0", *devices)) == ["lan0", "tun0"]
    (warning,) = warnings
    assert "IPv4 through tun0 must stay out" in warning and warning.endswith("; left out: wan0")


def test_a_next_hop_of_another_family_is_warned_of(warnings: list[str]) -> None:
    devices = (lan("lan0"), lan("wan0", ipv6_gateways=("fe80::2",)))
    assert select(seen("6.12.1", *devices)) == ["lan0", "wan0"]
    (warning,) = warnings
    assert "IPv6 gateway (fe80::2)" in warning and "rules before 'flow add' have to leave it out" in warning
