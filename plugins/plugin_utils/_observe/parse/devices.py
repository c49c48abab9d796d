# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/devices.sh -> Device, one for each that the router has. One function a section, none of them raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..._core.text import iterate_lines, read_number, split_words
from ..state import Device

IFF_UP = 0x1
IFF_NOARP = 0x80
IFF_MASTER = 0x400
ARPHRD_ETHER = "1"
ARPHRD_PPP = "512"
ARPHRD_LOOPBACK = "772"
TUNNELS = {"768": "ipip", "769": "ip6tnl", "776": "sit", "778": "gre", "823": "ip6gre"}
"""ARPHRD_TUNNEL and the like -> kind of the device"""

Values = Mapping[str, str]

_VALUE = re.compile(r"\./([^/:\s]+)/(\w+):(?:(DEVTYPE|IFINDEX)=)?(\S*)", re.ASCII)

TEXTS = ("devices", "links", "forwarding", "addresses", "routes ipv4", "routes ipv6", "tunnels", "pppoe")
"""the sections of read_devices"""
OTHER_PPP = ("3g-", "l2tp-", "pppoa-", "pptp-", "sstp-")
"""how netifd of OpenWrt begins the names of ppp devices that are not PPPoE"""
MOST_SESSION_DEVICES = 16
"""a PPPoE server may have a VLAN for each of thousands of sessions; then their NICs stand for them"""


def parse_devices(texts: Mapping[str, str], unknown: list[str] | None = None) -> dict[str, Device]:
    """Name -> Device, in the order of their index, from the texts of the sections TEXTS; any of them may be missing.

    Lines that are not understood are appended to ``unknown``.
    """
    unknown = unknown if unknown is not None else []
    values = _parse_values(texts.get("devices", ""), unknown)
    links = _parse_links(texts.get("links", ""))
    forwarding = _collect_pairs(r"(?P<value>ipv[46])/conf/(?P<device>[^/]+)/forwarding:1", texts.get("forwarding", ""))
    addresses = _collect_pairs(r"(?P<device>\S+) inet6? (?P<value>\S+)", texts.get("addresses", ""))
    default_routes = _parse_default_routes(texts)
    paths = _parse_paths(texts)
    gateways = _collect_pairs(r"gateway (?P<device>\S+) (?P<value>\S+)", texts.get("routes ipv4", ""))
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
            default_route=default_routes.get(name, ()),
            routes=tuple(paths.get(name, _NOWHERE).routes),
            next_hops=tuple(paths.get(name, _NOWHERE).next_hops),
            tables=tuple(paths.get(name, _NOWHERE).tables),
            ipv6_gateways=tuple("unknown" if value == "-" else value for value in gateways.get(name, ())),
        )
        for name, value in values.items()
    }
    _add_tunnel_lowers(devices, texts.get("tunnels", ""))
    return _add_pppoe_lowers(dict(sorted(devices.items(), key=lambda item: item[1].index)), texts.get("pppoe", ""))


def describe_unread_gateways(text: str) -> str:
    """Why the section routes ipv4 may lack some gateways; empty where it has them all, and where it is not there."""
    for line in iterate_lines(text):
        match split_words(line):
            case ["gateways", "first"]:
                return "there are many routes, and the first of them alone were looked through for IPv6 gateways"
            case ["gateways", "main"]:
                return "this ip shows no IPv6 gateway of an IPv4 route: looked for in the main table alone"
    return ""


def parse_forwarding(text: str) -> tuple[str, ...]:
    """Address families (ipv4, ipv6) that the router forwards at all, from the text of the section forwarding.

    IPv4 is a matter of each device (IN_DEV_FORWARD). For IPv6 conf/all decides (net/ipv6/ip6_output.c: ip6_forward),
    and from Linux 6.17 on also a device's force_forwarding.
    """
    on = {tuple(line.removesuffix(":1").split("/")) for line in iterate_lines(text) if line.endswith(":1")}
    ipv4 = any(path[0] == "ipv4" and path[2:3] != ("lo",) and path[-1] == "forwarding" for path in on)
    ipv6 = ("ipv6", "conf", "all", "forwarding") in on or any(path[-1] == "force_forwarding" for path in on)
    return (("ipv4",) if ipv4 else ()) + (("ipv6",) if ipv6 else ())


def parse_bridged(text: str) -> dict[str, tuple[str, ...]]:
    """Bridge, or ``*`` for every one -> families, from the text of the section forwarding (br_netfilter_hooks.c)."""
    every = _collect_pairs(r"(?P<device>bridge)/bridge-nf-call-(?P<value>ip6?)tables:1", text)
    single = _collect_pairs(r"\./(?P<device>[^/]+)/bridge/nf_call_(?P<value>ip6?)tables:1", text)
    found = {**single, **({"*": every["bridge"]} if every else {})}
    return {
        name: tuple(sorted("ipv6" if value == "ip6" else "ipv4" for value in values)) for name, values in found.items()
    }


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


@dataclass
class _Paths:
    """Where routes lead by one device; keys only, in the order of the lines."""

    routes: dict[str, None] = field(default_factory=dict)
    next_hops: dict[str, None] = field(default_factory=dict)
    tables: dict[str, None] = field(default_factory=dict)


_NOWHERE = _Paths()


def _parse_paths(texts: Mapping[str, str]) -> dict[str, _Paths]:
    """Lines ``path DEVICE TABLE via|link`` and ``router DEVICE`` of the sections about routes, by device."""
    found: dict[str, _Paths] = {}
    for family in ("ipv4", "ipv6"):
        for line in iterate_lines(texts.get(f"routes {family}", "")):
            match split_words(line):
                case ["path", device, table, "via" | "link" as how]:
                    paths = found.setdefault(device, _Paths())
                    paths.routes[family] = paths.tables[table] = None
                    if how == "via":
                        paths.next_hops[family] = None
                case ["router", device]:
                    found.setdefault(device, _Paths()).next_hops[family] = None
    return found


def _list_lowers(links: Values) -> tuple[str, ...]:
    """Names of the devices below it, sorted, from its links lower_NAME."""
    return tuple(sorted(link.removeprefix("lower_") for link in links if link.startswith("lower_")))


def _derive_kind(values: Values, links: Values) -> str:
    """The kernel's own word where it has one (SET_NETDEV_DEVTYPE): bridge, vlan, bond, wireguard, dsa, ..."""
    flags = _parse_number(values.get("flags", ""))
    if values.get("type") == ARPHRD_LOOPBACK:
        return "loopback"
    if values.get("DEVTYPE"):
        return values["DEVTYPE"]
    if values.get("type") in TUNNELS:
        return TUNNELS[values["type"]]
    if "tun_flags" in values:
        return "tun"
    if values.get("type") == ARPHRD_PPP:
        return "ppp"
    if "device" in links or "device/driver" in links:
        return "nic"
    # the other end of a veth is its iflink (veth.c: veth_get_iflink); 0 is none
    apart = values.get("iflink", "0") not in {"0", values.get("IFINDEX")}
    ethernet = values.get("type") == ARPHRD_ETHER
    if ethernet and flags & IFF_NOARP and not apart:
        # vrf.c: vrf_newlink; dummy.c: dummy_setup, and ifb.c alike
        if flags & IFF_MASTER:
            return "vrf"
        if not _list_lowers(links):
            return "dummy"
    if apart and ethernet and not _list_lowers(links):
        return "veth"
    return "virtual"


def _add_tunnel_lowers(devices: dict[str, Device], text: str) -> None:
    """``below TUNNEL DEVICE``: the device by which the tunnel's packets leave."""
    for name, lowers in _collect_pairs(r"below (?P<device>\S+) (?P<value>\S+)", text).items():
        if name in devices and lowers[0] in devices and not devices[name].lowers:
            devices[name] = replace(devices[name], lowers=lowers[:1])


def _add_pppoe_lowers(devices: dict[str, Device], text: str) -> dict[str, Device]:
    """The devices below PPPoE. No link leads there; lines ``session DEVICE NUMBER`` tell that there are such sessions.

    Which of them a ppp device belongs to is told by ``pppd PPP DEVICE`` alone, where pppd's command line names both.
    Each other one may be over any device that has a session left; where none has, it is another kind of PPP.
    """
    sessions: dict[str, int] = {}
    named: dict[str, str] = {}
    for line in iterate_lines(text):
        match split_words(line):
            case ["session", lower, number] if lower in devices:
                sessions[lower] = read_number(number)
            case ["pppd", name, lower] if lower in devices:
                named[name] = lower
    ppp = [device for device in devices.values() if device.kind == "ppp" and not device.lowers]
    own = {device.name: named[device.name] for device in ppp if named.get(device.name) in sessions}
    for lower in own.values():
        sessions[lower] -= 1
    left = _join_many(devices, sorted(lower for lower, number in sessions.items() if number > 0))
    for device in ppp:
        if device.name in own:
            devices[device.name] = replace(device, lowers=(own[device.name],))
        elif not device.name.startswith(OTHER_PPP):
            devices[device.name] = replace(device, lowers=left)
    return devices


def _join_many(devices: Mapping[str, Device], names: list[str]) -> tuple[str, ...]:
    """The names, or where they are more than MOST_SESSION_DEVICES those of the devices below them, if fewer."""
    while len(names) > MOST_SESSION_DEVICES:
        below = sorted({lower for name in names for lower in devices[name].lowers or (name,) if lower in devices})
        if len(below) >= len(names):
            break
        names = below
    return tuple(names)
