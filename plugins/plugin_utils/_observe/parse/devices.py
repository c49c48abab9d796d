# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/devices.sh -> Device, one for each that the router has. One function a section, none of them raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ..._core.text import iterate_lines, read_number, split_words
from ..state import Device

IFF_UP = 0x1
ARPHRD_ETHER = "1"
ARPHRD_PPP = "512"
ARPHRD_LOOPBACK = "772"

Values = Mapping[str, str]

_VALUE = re.compile(r"\./([^/:\s]+)/(\w+):(?:(DEVTYPE|IFINDEX)=)?(\S*)", re.ASCII)

TEXTS = ("devices", "links", "forwarding", "addresses", "routes ipv4", "routes ipv6", "pppoe")
"""the sections of read_devices"""


def parse_devices(texts: Mapping[str, str], unknown: list[str] | None = None) -> dict[str, Device]:
    """Name -> Device, in the order of their index, from the texts of the sections TEXTS; any of them may be missing.

    Lines that are not understood are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    values = _parse_values(texts.get("devices", ""), unknown)
    links = _parse_links(texts.get("links", ""))
    forwarding = _collect_pairs(r"(?P<value>ipv[46])/conf/(?P<device>[^/]+)/forwarding:1", texts.get("forwarding", ""))
    addresses = _collect_pairs(r"(?P<device>\S+) inet6? (?P<value>\S+)", texts.get("addresses", ""))
    routes = _parse_default_routes(texts)
    devices = {
        name: Device(
            name=name,
            index=_parse_number(value.get("IFINDEX", "")),
            kind=_derive_kind(value, links.get(name, {})),
            driver=links.get(name, {}).get("device/driver", ""),
            up=bool(_parse_number(value.get("flags", "")) & IFF_UP),
            master=links.get(name, {}).get("master", ""),
            lowers=_list_lowers(links.get(name, {})),
            addresses=addresses.get(name, ()),
            forwarding=forwarding.get(name, ()),
            default_route=routes.get(name, ()),
        )
        for name, value in values.items()
    }
    return _add_pppoe_lower(dict(sorted(devices.items(), key=lambda item: item[1].index)), texts.get("pppoe", ""))


def parse_forwarding(text: str) -> tuple[str, ...]:
    """Address families (ipv4, ipv6) that the router forwards at all, from the text of the section forwarding.

    IPv4 is a matter of each device (IN_DEV_FORWARD). For IPv6 conf/all decides (net/ipv6/ip6_output.c: ip6_forward),
    and from Linux 6.17 on also a device's force_forwarding.
    """
    on = {tuple(line.removesuffix(":1").split("/")) for line in iterate_lines(text) if line.endswith(":1")}
    ipv4 = any(path[0] == "ipv4" and path[2:3] != ("lo",) and path[-1] == "forwarding" for path in on)
    ipv6 = ("ipv6", "conf", "all", "forwarding") in on or any(path[-1] == "force_forwarding" for path in on)
    return (("ipv4",) if ipv4 else ()) + (("ipv6",) if ipv6 else ())


def _parse_number(text: str) -> int:
    """Decimal, or hexadecimal with 0x; 0 when it is neither."""
    return 0 if text[:1] in {"+", "-"} else read_number(text)


def _parse_values(text: str, unknown: list[str]) -> dict[str, dict[str, str]]:
    """``./lan0/flags:0x1003`` and ``./lan0/uevent:DEVTYPE=vlan`` -> device -> name -> value."""
    found: dict[str, dict[str, str]] = {}
    for line in iterate_lines(text):
        if match := _VALUE.fullmatch(line):
            device, file, key, value = match.groups()
            found.setdefault(device, {})[key or file] = value
        elif line.strip():
            unknown.append(f"devices: {line.strip()}")
    return found


def _parse_links(text: str) -> dict[str, dict[str, str]]:
    """``... ./lan0/device/driver -> ../../bus/pci/drivers/igb`` -> device -> link -> last part of what it points to."""
    found: dict[str, dict[str, str]] = {}
    for line in iterate_lines(text):
        path, arrow, target = line.rpartition(" -> ")
        place, slash, link = path.rpartition(" ./")[2].partition("/")
        if arrow and slash and place and link:
            found.setdefault(place, {})[link] = target.rpartition("/")[2]
    return found


def _collect_pairs(pattern: str, text: str) -> dict[str, tuple[str, ...]]:
    """Device -> values, from lines of this pattern; each value once, in the order of the lines."""
    found: dict[str, dict[str, None]] = {}
    for line in iterate_lines(text):
        if match := re.fullmatch(pattern, line, re.ASCII):
            found.setdefault(match["device"], {})[match["value"]] = None
    return {device: tuple(values) for device, values in found.items()}


def _parse_default_routes(texts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """``default via 192.0.2.1 dev wan0`` -> device -> families; a multipath route names a device per line."""
    found: dict[str, dict[str, None]] = {}
    for family in ("ipv4", "ipv6"):
        for line in iterate_lines(texts.get(f"routes {family}", "")):
            words = split_words(line)
            if words and words[0] in {"default", "nexthop"} and "dev" in words[:-1]:
                found.setdefault(words[words.index("dev") + 1], {})[family] = None
    return {device: tuple(families) for device, families in found.items()}


def _list_lowers(links: Values) -> tuple[str, ...]:
    """Names of the devices below it, sorted, from its links lower_NAME."""
    return tuple(sorted(link.removeprefix("lower_") for link in links if link.startswith("lower_")))


def _derive_kind(values: Values, links: Values) -> str:
    """The kernel's own word where it has one (SET_NETDEV_DEVTYPE): bridge, vlan, bond, wireguard, dsa, ..."""
    if values.get("type") == ARPHRD_LOOPBACK:
        return "loopback"
    if values.get("DEVTYPE"):
        return values["DEVTYPE"]
    if "tun_flags" in values:
        return "tun"
    if values.get("type") == ARPHRD_PPP:
        return "ppp"
    if "device" in links or "device/driver" in links:
        return "nic"
    # the other end of a veth is its iflink (veth.c: veth_get_iflink); 0 is none
    apart = values.get("iflink", "0") not in {"0", values.get("IFINDEX")}
    if apart and values.get("type") == ARPHRD_ETHER and not _list_lowers(links):
        return "veth"
    return "virtual"


def _add_pppoe_lower(devices: dict[str, Device], text: str) -> dict[str, Device]:
    """A ppp device has no link to its NIC, but with one such device and one session (/proc/net/pppoe) it is known."""
    rows = (split_words(line) for line in iterate_lines(text))
    nics = [row[2] for row in rows if len(row) == 3 and re.fullmatch(r"[0-9A-Fa-f:]{17}", row[1])]
    sessions = [nic for nic in nics if nic in devices]
    ppp = [device for device in devices.values() if device.kind == "ppp"]
    if len(sessions) == len(ppp) == 1 and not ppp[0].lowers:
        devices[ppp[0].name] = replace(ppp[0], lowers=(sessions[0],))
    return devices
