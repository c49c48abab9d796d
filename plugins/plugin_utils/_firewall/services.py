# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Services by name -> the nft matches that they mean. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import OffloadError

# What a service is called -> its ports or protocols.
SERVICES: dict[str, tuple[str, ...]] = {
    "bgp": ("tcp/179",),
    "dhcp": ("udp/67",),
    "dhcpv6": ("udp/547",),
    "dns": ("tcp/53", "udp/53"),
    "ftp": ("tcp/21",),
    "http": ("tcp/80",),
    "http3": ("udp/443",),
    "https": ("tcp/443",),
    "imap": ("tcp/143",),
    "imaps": ("tcp/993",),
    "ipsec": ("udp/500", "udp/4500", "esp"),
    "iperf3": ("tcp/5201", "udp/5201"),
    "ldap": ("tcp/389",),
    "ldaps": ("tcp/636",),
    "mdns": ("udp/5353",),
    "mysql": ("tcp/3306",),
    "ntp": ("udp/123",),
    "openvpn": ("udp/1194",),
    "ospf": ("ospf",),
    "ping": ("ping",),
    "postgresql": ("tcp/5432",),
    "prometheus-node": ("tcp/9100",),
    "radius": ("udp/1812", "udp/1813"),
    "rdp": ("tcp/3389", "udp/3389"),
    "sip": ("tcp/5060", "udp/5060"),
    "sips": ("tcp/5061",),
    "smb": ("tcp/445",),
    "smtp": ("tcp/25",),
    "snmp": ("udp/161",),
    "ssh": ("tcp/22",),
    "submission": ("tcp/587", "tcp/465"),
    "syslog": ("udp/514",),
    "tftp": ("udp/69",),
    "vrrp": ("vrrp",),
    "wireguard": ("udp/51820",),
    "zabbix-agent": ("tcp/10050",),
}
LAST_PORT = 65535
WITH_PORTS = ("tcp", "udp", "sctp", "dccp")
# What has no ports -> the match that it means; a number where nft 1.0.6 has no word of its own: it would look into
# /etc/protocols, which not every router has
PROTOCOLS = {
    "ah": "meta l4proto ah",
    "esp": "meta l4proto esp",
    "gre": "meta l4proto 47",
    "igmp": "ip protocol 2",
    "ipip": "meta l4proto 4",
    "6in4": "meta l4proto 41",
    "ospf": "meta l4proto 89",
    "ping": "",
    "pim": "meta l4proto 103",
    "vrrp": "meta l4proto 112",
}
DPORT = "{protocol} dport"
PING = {"ipv4": "icmp type echo-request", "ipv6": "icmpv6 type echo-request"}


@dataclass(frozen=True, order=True)
class Port:
    """Ports of a protocol, or a set of them by name. A protocol without ports has 0 for both."""

    protocol: str
    low: int = 0
    high: int = 0
    named: str = ""

    def moved(self, to: int | None) -> Port:
        """The same protocol's ports at the server, where the first one is ``to``."""
        return self if to is None else Port(self.protocol, to, to + self.high - self.low)


def span(low: int, high: int) -> str:
    """Ports as nft takes them: ``443`` or ``8000-8010``."""
    return str(low) if low == high else f"{low}-{high}"


def read_span(text: str, where: str) -> tuple[int, int]:
    """``443`` or ``8000-8010`` -> first and last port; raises OffloadError."""
    match = re.match(r"([0-9]{1,5})(?:-([0-9]{1,5}))?\Z", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= low <= high <= LAST_PORT:
        raise OffloadError(f"{where}: {text!r} is not a port", "write a port such as 443, or two such as 8000-8010")
    return low, high


def read_port(text: str, where: str) -> Port | None:
    """``udp/51820``, ``tcp/8000-8010``, ``tcp/@set``, ``esp``; None for what may be the name of a service."""
    protocol, slash, ports = text.partition("/")
    if slash and protocol in WITH_PORTS and ports.startswith("@"):
        return Port(protocol, named=ports[1:])
    if slash and protocol in WITH_PORTS:
        return Port(protocol, *read_span(ports, where))
    if slash:
        raise OffloadError(f"{where}: {protocol!r} is not a protocol with ports", f"use {', '.join(WITH_PORTS)}")
    return Port(text) if text in PROTOCOLS else None


def read_services(names: Iterable[str], known: Mapping[str, Sequence[Port]], where: str) -> tuple[Port, ...]:
    """Names or ports -> ports, sorted, each once; raises OffloadError for a name that is not known."""
    ports: set[Port] = set()
    for name in names:
        if name in known:
            ports.update(known[name])
        elif (port := read_port(name, where)) is not None:
            ports.add(port)
        else:
            raise OffloadError(
                f"{where}: unknown service in {name}",
                f"use {', '.join(sorted(known))}; or a port such as udp/51820, or declare it in "
                "flow_offload_router.services",
            )
    return tuple(sorted(ports))


def merged(ports: Iterable[Port]) -> dict[str, list[tuple[int, int]]]:
    """Protocol -> its port ranges, in order, none overlapping: nft takes no overlapping elements."""
    found: dict[str, list[tuple[int, int]]] = {}
    for port in sorted(port for port in ports if not port.named):
        spans = found.setdefault(port.protocol, [])
        if spans and port.low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], port.high))
        else:
            spans.append((port.low, port.high))
    return found


def braces(values: Sequence[str]) -> str:
    """One value as it is, more as a set."""
    return values[0] if len(values) == 1 else f"{{ {', '.join(values)} }}"


def matches(ports: Iterable[Port], family: str, side: str = DPORT) -> list[str]:
    """One nft match for each protocol; none at all for what the family does not have, such as IGMP in IPv6.

    ``family`` is ipv4 or ipv6, or both where it does not matter; ``side`` is how a port is asked for. Another one than
    DPORT gets a match for each range: nft 1.0.6 cannot read again how it lists a set of ``ct original
    proto-dst``, so a router could not go back to such a table.
    """
    ports = sorted(ports)
    found: list[str] = [f"{side.format(protocol=port.protocol)} @{port.named}" for port in ports if port.named]
    plain: list[str] = []
    spans = {protocol: [span(*each) for each in ranges] for protocol, ranges in merged(ports).items()}
    if side == DPORT and "tcp" in spans and spans.get("udp") == spans["tcp"]:
        found.append(f"meta l4proto {{ tcp, udp }} th dport {braces(spans.pop('tcp'))}")
        del spans["udp"]
    for protocol, ranges in spans.items():
        if protocol in WITH_PORTS:
            values = [braces(ranges)] if side == DPORT else ranges
            found += [f"{side.format(protocol=protocol)} {value}" for value in values]
        elif protocol == "ping":
            found += [PING[family]] if family in PING else list(PING.values())
        elif protocol != "igmp" or family != "ipv6":
            plain.append(PROTOCOLS[protocol])
    return found + plain
