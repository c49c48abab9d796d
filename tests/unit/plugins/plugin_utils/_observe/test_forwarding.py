# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices forward, and which are listed for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.forwarding import explain_idle, find_guests
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.devices import parse_devices
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Device
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.topology import (
    find_guest_ports,
    pick_flowtable_devices,
)

from tests.unit.helpers.topologies import BOTH, LAN, TOPOLOGIES, WAN, guest, inside, outside, part, unnumbered


def named(*devices: Device) -> dict[str, Device]:
    return {device.name: device for device in devices}


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (inside("x"), ""),
        (outside("x"), ""),
        (unnumbered("x"), ""),
        (replace(part("x"), next_hops=("ipv6",)), ""),
        (replace(part("x"), routes=("ipv4",)), ""),
        (replace(part("x", "tun"), next_hops=("ipv4",)), ""),
        (replace(inside("x"), up=False), "it is down"),
        (part("x"), "it has no address, and no route leads there"),
        (replace(inside("x"), forwarding=()), "forwarding of IPv4 and IPv6 is off there"),
        (
            replace(outside("x"), addresses=(), default_route=("ipv4",), forwarding=("ipv6",)),
            "forwarding of IPv4 is off there",
        ),
        (inside("x", "dummy"), "it drops what leaves through it"),
        (outside("x", "loopback"), "it is a loopback"),
        (inside("x", "vrf"), "packets come in through the devices in it"),
        (replace(part("x", "veth"), routes=("ipv4",), guest=True), "it has no address, and no route leads there"),
    ],
)
def test_what_tells(device: Device, why: str) -> None:
    assert explain_idle(named(device), device) == why


@pytest.mark.parametrize(
    ("others", "device", "vrf", "idle"),
    [
        ((), inside("x", master="mgmt"), part("mgmt", "vrf", "x"), True),
        ((inside("y", master="mgmt"),), inside("x", master="mgmt"), part("mgmt", "vrf", "x", "y"), False),
        ((replace(inside("y"), up=False),), inside("x", master="mgmt"), part("mgmt", "vrf", "x", "y"), True),
        ((inside("y", "dummy"),), inside("x", master="mgmt"), part("mgmt", "vrf", "x", "y"), True),
        ((), replace(inside("x", master="mgmt"), tables=("20", "main")), part("mgmt", "vrf", "x"), False),
        ((), inside("x", master="mgmt"), replace(part("mgmt", "vrf", "x"), tables=("main",)), False),
        ((), inside("x", master="mgmt"), part("mgmt", "bridge", "x"), False),
    ],
)
def test_alone_in_a_vrf(others: Sequence[Device], device: Device, vrf: Device, idle: bool) -> None:
    assert bool(explain_idle(named(*others, device, vrf), device)) is idle


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("two PPPoE", ["eth1", "eth2", "lan1", "lan2"]),
        ("PPPoE on a bridge", ["lan0", "wan1", "wan2"]),
        ("PPPoE server", ["lan0", "wan0"]),
        ("BGP edge", ["lan0", "wan0"]),
        ("BGP unnumbered", ["lan0", "up0", "up1"]),
        ("BGP before the first route", ["lan0", "up0"]),
        ("routes alone", ["lan0", "wg0"]),
        ("macvlan", ["mv0", "wan0"]),
        ("QinQ", ["lan0", "wan0"]),
        ("VRFs", ["lan0", "wan0"]),
        ("bond below a VLAN-aware bridge", ["bond0", "lan1"]),
        ("router in a namespace", ["eth0", "eth1"]),
        ("guests by routes", ["lan0", "wan0"]),
        ("guests on a bridge", ["lan0", "wan0"]),
    ],
)
def test_what_is_picked(name: str, names: list[str]) -> None:
    assert pick_flowtable_devices(named(*TOPOLOGIES[name])) == names


def test_one_session_of_pppoe_is_picked_as_two_are() -> None:
    """Neither a second session nor one that ends changes what is right for the first."""
    lan, wan1, wan2 = inside("lan0"), part("eth1"), part("eth2")
    one = named(lan, wan1, wan2, outside("ppp0", "ppp", "eth1"))
    two = named(lan, wan1, wan2, outside("ppp0", "ppp", "eth1", "eth2"), outside("ppp1", "ppp", "eth1", "eth2"))
    assert pick_flowtable_devices(one) == ["eth1", "lan0"]
    assert pick_flowtable_devices(two) == ["eth1", "eth2", "lan0"]
    assert pick_flowtable_devices(two, lowers=False) == ["lan0", "ppp0", "ppp1"]


def test_ports_of_guests() -> None:
    devices = named(
        inside("br0", "bridge", "eth0", "veth1", "tap1", "veth2"),
        inside("br0.5", "vlan", "br0"),
        part("eth0"),
        guest("veth1"),
        guest("tap1", "tun"),
        replace(guest("veth2"), up=False),
        inside("veth3", "veth"),
    )
    assert find_guest_ports(devices, "br0") == find_guest_ports(devices, "br0.5") == ("tap1", "veth1")
    assert find_guest_ports(devices, "veth3") == find_guest_ports(devices, "eth0") == ()


@pytest.mark.parametrize(
    ("others", "has_guests"),
    [
        ((LAN, WAN), True),
        ((part("eth1"), outside("ppp0", "ppp", "eth1.7"), part("eth1.7", "vlan", "eth1")), True),
        ((outside("br0", "bridge", "lan1", "veth1"), part("lan1", "dsa", "eth0")), True),
        # modems and switches whose kind says nothing, and uplinks without a device below
        ((outside("wwan0", "wwan"),), True),
        ((outside("ppp0", "ppp"),), True),
        ((outside("vmbr0", "virtual"), part("eth1")), True),
        ((replace(LAN, up=False, addresses=()), outside("wg0", "wireguard")), True),
        ((LAN, outside("tun0", "tun")), True),
        ((outside("eth1", "veth"), WAN), True),
        # nothing tells
        ((LAN, inside("veth2", "veth")), True),
        ((), True),
        # a router in a container, and its port for management
        ((inside("br0", "bridge", "veth1"), outside("eth1", "veth"), replace(LAN, forwarding=())), False),
        ((inside("br0", "bridge", "veth1"), part("eth1", "veth"), outside("ppp0", "ppp", "eth1")), False),
        ((outside("br0.5", "vlan", "br0"), part("br0", "bridge", "veth1"), part("lan0")), False),
    ],
)
def test_guests_are_those_of_a_router_that_is_none(others: Sequence[Device], has_guests: bool) -> None:
    found = find_guests(named(part("veth1", "veth"), part("tap1", "tun"), *others))
    assert (found >= {"veth1", "tap1"}, bool(found)) == (has_guests, has_guests)


BGP = {
    # name, kind's files, routes of `ip -4 route show table all` as sh/read/devices.sh reduces them
    "devices": "".join(
        f"./{name}/uevent:IFINDEX={index}\n./{name}/iflink:{index}\n./{name}/flags:{flags}\n./{name}/type:1\n"
        for index, (name, flags) in enumerate(
            [("enp1s0f0np0", "0x1003"), ("enp1s0f1np1", "0x1003"), ("lan0", "0x1003"), ("dummy0", "0xc3")], 2
        )
    ),
    "links": "".join(
        f"lrwxrwxrwx 1 root root 0 Jan 1 00:00 ./{name}/device -> ../../../0000:01:00.{index}\n"
        for index, name in enumerate(["enp1s0f0np0", "enp1s0f1np1", "lan0"])
    ),
    "forwarding": "".join(
        f"{family}/conf/{name}/forwarding:1\n"
        for family in BOTH
        for name in ("enp1s0f0np0", "enp1s0f1np1", "lan0", "dummy0")
    ),
}


def test_a_bgp_edge() -> None:
    """The router's id on a dummy is no network."""
    addresses = (
        "enp1s0f0np0 inet 192.0.2.1/31\nenp1s0f1np1 inet 198.51.100.1/24\n"
        "dummy0 inet 192.0.2.255/32\ndummy0 inet6 2001:db8::ff/128\n"
    )
    assert pick_flowtable_devices(parse_devices({**BGP, "addresses": addresses})) == ["enp1s0f0np0", "enp1s0f1np1"]


def test_bgp_over_link_local_addresses() -> None:
    """Which are not among the addresses that are read; the routes tell."""
    addresses = "lan0 inet 198.51.100.1/24\ndummy0 inet 192.0.2.255/32\n"
    routes = "path enp1s0f0np0 main via\npath enp1s0f1np1 main via\npath lan0 main link\n"
    found = parse_devices({**BGP, "addresses": addresses, "routes ipv4": routes})
    assert pick_flowtable_devices(found) == ["enp1s0f0np0", "enp1s0f1np1", "lan0"]
