# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What the kernel's fast path sees through, and what it takes and does not deliver, by kernel version. Pure.

A flow's device is looked up through ndo_fill_forward_path (net/core/dev.c: dev_fill_forward_path), which each kind of
device has since another version, or not at all. Where it has, packets meet the flowtable at the device below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._core.names import stands_for
from .state import Device

Version = tuple[int, int]
"""(major, minor); (0, 0) is not known, and taken as newer than all"""


@dataclass(frozen=True)
class Path:
    """A kind of device through which the fast path looks."""

    kind: str
    """of Device"""
    since: Version
    lowers: bool
    """does the flowtable have to list what is below it, and not the device? Of a tunnel either will do, and the device
    below is not always known; a switch's port and a Wi-Fi device have nothing below them that could be listed"""
    source: str
    topology: str
    """name of the topology of the lab that shows it; empty where the lab has no such device"""


PATHS = (
    Path("vlan", (5, 13), True, "net/8021q/vlan_dev.c: vlan_dev_fill_forward_path", "vlans-on-one-nic"),
    Path("bridge", (5, 13), True, "net/bridge/br_device.c: br_fill_forward_path", "bridge"),
    Path("ppp", (5, 13), True, "drivers/net/ppp/pppoe.c: pppoe_fill_forward_path", ""),
    Path("dsa", (5, 13), False, "net/dsa/user.c: dsa_user_fill_forward_path", ""),
    Path("wlan", (5, 13), False, "net/mac80211/iface.c: ieee80211_netdev_fill_forward_path; not every driver", ""),
    Path("ipip", (6, 19), False, "net/ipv4/ipip.c: ipip_fill_forward_path", "ipip"),
    Path("ip6tnl", (7, 0), False, "net/ipv6/ip6_tunnel.c: ip6_tnl_fill_forward_path", "ds-lite"),
)
"""Of bonds, macvlan, VRF, WireGuard, GRE, VXLAN, 6in4 (sit) and tun no version has one up to Linux 7.2: they are
where packets are met"""

_PATHS = {path.kind: path for path in PATHS}
LOWERS = tuple(path.kind for path in PATHS if path.lowers)
"""kinds in whose place a flowtable lists what is below them"""


def reaches(kernel: Version, since: Version) -> bool:
    """Is this kernel of that version or newer?"""
    return kernel == (0, 0) or kernel >= since


def sees_through(kind: str, kernel: Version) -> bool:
    """Does a kernel of this version look through devices of this kind?"""
    path = _PATHS.get(kind)
    return path is not None and reaches(kernel, path.since)


@dataclass(frozen=True)
class Undelivered:
    """Flows of one family through one device, which a flowtable takes and does not deliver."""

    family: str
    """ipv4"""
    device: str
    reason: str
    """a clause that says why, with names and values of this router"""


def list_undelivered(devices: Mapping[str, Device], kernel: Version, listed: Iterable[str]) -> tuple[Undelivered, ...]:
    """What a software flowtable that lists these devices would take and not deliver, in the order of ``devices``."""
    names = frozenset(listed)
    found = []
    for device in devices.values():
        if not device.up or not names:
            continue
        if device.ipv6_gateways:
            found.append(Undelivered("ipv4", device.name, _explain_gateway(device)))
        elif _is_ipv4_in_ipv6(device, kernel) and _may_be_above(devices, device, names):
            found.append(Undelivered("ipv4", device.name, _explain_tunnel(device)))
    return tuple(found)


def _explain_gateway(device: Device) -> str:
    """nf_flow_table_ip.c, nf_flow_offload_ip_hook: the next hop is rt_nexthop(), which is an IPv4 gateway or else the
    destination itself. Seen in the lab on 6.1, 6.12 and 7.2. Hardware flowtables and bridges keep the MAC address that
    the gateway had when the flow was added (FLOW_OFFLOAD_XMIT_DIRECT) and deliver.
    """
    gateways = ", ".join(name for name in device.ipv6_gateways if name != "unknown")
    return (
        f"IPv4 routes by {device.name} have an IPv6 gateway{f' ({gateways})' if gateways else ''}, and a flowtable"
        " takes the destination itself for the next hop"
    )


IPV4_IN_IPV6_SINCE = (7, 0)
"""the tunnel's path is that of IPv6 in IPv6 whatever it carries (ip6_tunnel.c), and its outer route is looked up in the
family of the packet inside (nf_flow_table_path.c: nft_flow_tunnel_update_route). Seen in the lab on 7.2, where 6.12 is
healthy"""


def _is_ipv4_in_ipv6(device: Device, kernel: Version) -> bool:
    """Does the device carry IPv4 in IPv6 on a kernel that gets it wrong?"""
    return device.kind == "ip6tnl" and "ipv4" in device.forwarding and reaches(kernel, IPV4_IN_IPV6_SINCE)


def _explain_tunnel(device: Device) -> str:
    below = " and ".join(device.lowers) or "the device below it"
    return (
        f"{device.name} carries IPv4 in IPv6, and from Linux 7.0 on a flowtable that has {below} sends its packets out"
        " with the wrong outer header"
    )


def _may_be_above(devices: Mapping[str, Device], device: Device, names: frozenset[str]) -> bool:
    """Does the device stand on one of these, or on none that is known? The path ends at a device that is listed."""
    below = list_below(devices, device.name)
    return not below or any(stands_for(listed, name) for listed in names for name in below)


def list_below(devices: Mapping[str, Device], name: str) -> frozenset[str]:
    """Names of all devices that a device stands on."""
    found: set[str] = set()
    pending = [name]
    while pending:
        device = devices.get(pending.pop())
        for lower in device.lowers if device is not None else ():
            if lower not in found:
                found.add(lower)
                pending.append(lower)
    return frozenset(found)
