# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fast path sees through, and what it loses, by kernel version."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.paths import (
    PATHS,
    list_undelivered,
    sees_through,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Device

from tests.faults.topologies import TOPOLOGIES

LAN, WAN = (
    Device(name, index, up=True, forwarding=("ipv4", "ipv6")) for index, name in enumerate(("lan0", "wan0"), start=2)
)
TUNNEL = Device("tun0", 4, kind="ip6tnl", up=True, lowers=("wan0",), forwarding=("ipv4",))
BY_IPV6 = replace(WAN, ipv6_gateways=("fe80::2",))


def lost(*devices: Device, kernel: tuple[int, int] = (6, 12), listed: str = "lan0 wan0") -> list[tuple[str, str]]:
    found = list_undelivered({device.name: device for device in devices}, kernel, listed.split())
    assert all(item.device in item.reason for item in found)
    return [(item.family, item.device) for item in found]


def test_every_path_has_a_source_and_a_topology_that_exists() -> None:
    assert len({path.kind for path in PATHS}) == len(PATHS)
    for path in PATHS:
        assert ".c: " in path.source
        assert not path.topology or path.topology in TOPOLOGIES, path.topology


@pytest.mark.parametrize(
    ("kind", "kernel", "seen"),
    [
        ("vlan", (5, 12), False),
        ("vlan", (5, 13), True),
        ("bridge", (0, 0), True),
        ("ipip", (6, 18), False),
        ("ipip", (6, 19), True),
        ("ip6tnl", (6, 19), False),
        ("ip6tnl", (7, 0), True),
        *((kind, (7, 2), False) for kind in ("nic", "bond", "wireguard", "gre", "sit", "vxlan", "virtual", "tun")),
    ],
)
def test_seen_through(kind: str, kernel: tuple[int, int], seen: bool) -> None:
    assert sees_through(kind, kernel) is seen


def test_ipv4_by_an_ipv6_gateway_is_lost_on_every_kernel() -> None:
    for kernel in ((5, 4), (6, 1), (7, 2), (0, 0)):
        assert lost(LAN, BY_IPV6, kernel=kernel) == [("ipv4", "wan0")]
    assert lost(LAN, BY_IPV6, listed="lan0") == [("ipv4", "wan0")], "it is taken where it comes in"
    assert lost(LAN, BY_IPV6, listed="") == []
    assert lost(LAN, replace(BY_IPV6, up=False)) == lost(LAN, WAN) == []


def test_ds_lite() -> None:
    """Healthy before Linux 7.0, and without the device below the tunnel."""
    assert lost(LAN, WAN, TUNNEL, kernel=(6, 19)) == []
    for listed in ("lan0 wan0", "lan0 tun0 wan0", "lan0 wan*"):
        assert lost(LAN, WAN, TUNNEL, kernel=(7, 0), listed=listed) == [("ipv4", "tun0")]
    assert lost(LAN, WAN, TUNNEL, kernel=(7, 2), listed="lan0 tun0") == []
    unknown = replace(TUNNEL, lowers=())
    assert lost(LAN, WAN, unknown, kernel=(7, 2), listed="lan0 wan0") == [("ipv4", "tun0")]
    assert lost(LAN, WAN, replace(TUNNEL, forwarding=("ipv6",)), kernel=(7, 2)) == [], "IPv6 in IPv6 is what it is for"


def test_ds_lite_over_a_vlan() -> None:
    vlan = Device("wan0.7", 5, kind="vlan", up=True, lowers=("wan0",))
    assert lost(LAN, WAN, vlan, replace(TUNNEL, lowers=("wan0.7",)), kernel=(7, 2)) == [("ipv4", "tun0")]
