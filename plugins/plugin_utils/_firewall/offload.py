# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What feeds the flowtable, and what stays out of it: flow_offload_exclude. Pure: no I/O.

A flow is offloaded by a packet of either direction, so an exclusion has to hold for both: addresses and devices are
looked for on both sides, ports in the connection's own record of how it began. What a packet has by itself (its mark,
its class, what rules of the user's own look at) those of the other direction need not have, so with any of these only
the side that began offloads a flow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from .._core.errors import OffloadError
from .._core.names import SOFTWARE, SOFTWARE_DEVICES
from . import elements, services, spec
from .model import Exclusion, Hosts
from .names import Names, device_name, require_match
from .services import Port
from .text import IP, Text, quote_devices

EXCLUDE = "flow_offload_exclude"
FEED = "flow add @ft"
REPLIES = "ct direction reply"
STATES = "ct state { established, related } meta l4proto { tcp, udp }"
DSCP_EXPECTED = "a class such as ef or cs5, or a number up to 63, was expected"
DSCP = re.compile(r"(cs[0-7]|af[1-4][1-3]|be|ef|[0-9]|[1-5][0-9]|6[0-3])\Z")


def read_exclude(exclude: list[Mapping[str, Any]], names: Names | None = None) -> list[Exclusion]:
    """The exclusions; ``names`` knows the zones, sets and services of flow_offload_router where there is one."""
    items = spec.checked(EXCLUDE, exclude)
    return [_exclusion(f"{EXCLUDE}[{number}]", item, names) for number, item in enumerate(items)]


def _exclusion(where: str, item: Mapping[str, Any], names: Names | None) -> Exclusion:
    if not any(value for value in item.values()):
        raise OffloadError(f"{where}: it excludes nothing", f"give it one of {', '.join(item)}")
    if item["zones"] and names is None:
        raise OffloadError(
            f"{where}.zones: only flow_offload_ruleset: router has zones", "name the devices in devices instead"
        )
    devices = [device_name(device, f"{where}.devices") for device in item["devices"]]
    if names is not None:
        zones = names.read_zones(item["zones"], f"{where}.zones")
        if parted := [zone for zone in zones if names.zones[zone].subnets]:
            problem = f"{where}.zones: {parted[0]} has only a part of its devices"
            raise OffloadError(problem, f"name the subnets of {parted[0]} in addresses instead")
        devices += [device for zone in zones for device in names.zones[zone].devices]
    if item["packets"] is not None and not 1 <= item["packets"] <= 1_000_000:
        raise OffloadError(
            f"{where}.packets: {item['packets']} is not a number of packets", "use a whole number of at least 1"
        )
    ports = _ports(where, item["services"], names)
    return Exclusion(
        ports=ports,
        addresses=_hosts(where, item["addresses"], names),
        marks=tuple(_mark(mark, f"{where}.marks") for mark in item["marks"]),
        dscp=tuple(
            require_match(
                DSCP, value.lower(), f"{where}.dscp", "a class such as ef or cs5, or a number up to 63, was expected"
            )
            for value in item["dscp"]
        ),
        devices=tuple(dict.fromkeys(devices)),
        packets=item["packets"] or 0,
        comment=f"{where}: {'; '.join(f'{key} {_joined(value)}' for key, value in item.items() if value)}",
    )


def _joined(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _ports(where: str, texts: Sequence[str], names: Names | None) -> tuple[Port, ...]:
    where = f"{where}.services"
    if names is not None:
        ports = names.read_ports(texts, where)
    else:
        known = {name: services.read_services(ports, {}, name) for name, ports in services.SERVICES.items()}
        ports = services.read_services(texts, known, where)
        if named := [port.named for port in ports if port.named]:
            raise OffloadError(f"{where}: only flow_offload_ruleset: router has sets (@{named[0]})", "write the ports")
    if slow := [port.protocol for port in ports if port.protocol not in ("tcp", "udp")]:
        raise OffloadError(
            f"{where}: {slow[0]} is never offloaded anyway", "leave it out: flowtables take TCP and UDP only"
        )
    return ports


def _hosts(where: str, texts: Sequence[str], names: Names | None) -> Hosts | None:
    where = f"{where}.addresses"
    if names is not None:
        return names.read_hosts(texts, where)
    if named := [item for item in texts if item.startswith("@")]:
        raise OffloadError(f"{where}: only flow_offload_ruleset: router has sets ({named[0]})", "write the addresses")
    return elements.host_matches(elements.Line(item, where) for item in texts) or None


def _mark(text: str, where: str) -> str:
    """``0x10`` or ``0x10/0xff``: the match after ``mark``."""
    value, slash, mask = text.partition("/")
    number = elements.read_mark(elements.Line(value, where))
    if not slash:
        return f"{number:#x}"
    bits = elements.read_mark(elements.Line(mask, where))
    if not bits:
        raise OffloadError(f"{where}: {text!r} fits every mark", "write a mask other than 0")
    if number & ~bits:
        raise OffloadError(f"{where}: {text!r} has bits outside of its mask", "correct the mark or the mask")
    return f"& {bits:#x} == {number:#x}"


def exclude_device(family: str, device: str, comment: str) -> Exclusion:
    """Every flow of an address family (ipv4 or ipv6) that enters or leaves by a device."""
    return Exclusion((), None, (), (), (device_name(device, EXCLUDE),), 0, comment, family)


def render_exclusion(exclusion: Exclusion) -> list[str]:
    """The rules of an exclusion: any of the matches of a line, of every line, keeps a flow out."""
    parts: list[list[str]] = [[f"meta nfproto {exclusion.family}"]] if exclusion.family else []
    if exclusion.ports:
        parts.append(services.matches(exclusion.ports, "both", "meta l4proto {protocol} ct original proto-dst"))
    if exclusion.addresses is not None:
        sides = ("saddr", "daddr")
        parts.append(
            [
                f"{IP[family]} {side} {value}"
                for family, values in exclusion.addresses.items()
                for value in values
                for side in sides
            ]
        )
    if exclusion.devices:
        parts.append([f"{side} {quote_devices(exclusion.devices)}" for side in ("iifname", "oifname")])
    if exclusion.packets:
        parts.append([f"ct packets < {exclusion.packets}"])
    packet: list[list[str]] = []
    if exclusion.marks:
        packet.append([f"{kind} mark {mark}" for mark in exclusion.marks for kind in ("ct", "meta")])
    if exclusion.dscp:
        value = services.braces(exclusion.dscp)
        packet.append([f"ip dscp {value}", f"ip6 dscp {value}"])
    matches = [*product(*parts, *packet), *(product(*parts, [REPLIES]) if packet else ())]
    return [f"{' '.join(line)} return" for line in matches]


def add_feeding_rule(
    text: Text, exclusions: Sequence[Exclusion], extra: Sequence[str], ahead: Sequence[str] = ()
) -> str:
    """The rule for the forward chain that feeds the flowtable.

    With exclusions, lines ``ahead`` of them, or ``extra`` ones of the user's, it does so through a chain of its own,
    which is added to ``text``.
    """
    if not exclusions and not extra and not ahead:
        return f"{STATES} {FEED}"
    lines = list(ahead)
    for exclusion in exclusions:
        lines += [f"# {exclusion.comment}", *render_exclusion(exclusion)]
    if extra:
        lines += [
            *extra,
            "# what these returned for one side, the other side's packets must not offload",
            f"{REPLIES} return",
        ]
    comment = "what returns from here stays on the slow path"
    text.chain("fast_path", [*lines, FEED], comment, later=True)
    return f"{STATES} jump fast_path"


def render_software_table(exclusions: Sequence[Exclusion], priority: str, table: str = "inet nft_offload") -> str:
    """The text of the second table beside ``table``, for what goes through devices that hardware does not take.

    ``priority`` is that of its chain, which must see packets before the chain of ``table`` that feeds the flowtable.
    Empty where an exclusion uses a set: those are in ``table``, and can be used nowhere else.
    """
    text = Text()
    line = add_feeding_rule(text, exclusions, ())
    text.chain(
        "forward",
        [f"{side} {SOFTWARE_DEVICES} {line}" for side in ("iifname", "oifname")],
        "What comes in or goes out by a device that hardware does not take; the first rule to see a flow offloads it.",
        f"type filter hook forward priority {priority}; policy accept;",
    )
    rendered = text.rendered(f"{table}{SOFTWARE}", ())
    return "" if "@" in rendered.replace(FEED, "") else rendered


def software_overlay(exclude: list[Mapping[str, Any]], further: Sequence[Exclusion] = ()) -> str:
    """The second table beside that of ``overlay``: right before it, and so after the firewall that is there too."""
    return render_software_table([*further, *read_exclude(exclude)], "filter + 19")


def overlay(
    exclude: list[Mapping[str, Any]], table: str = "inet nft_offload", further: Sequence[Exclusion] = ()
) -> str:
    """The text of the small table beside the firewall that is there; ``exclude`` is flow_offload_exclude.

    ``further`` exclusions come before these. Raises OffloadError naming the key that is wrong.
    """
    text = Text()
    line = add_feeding_rule(text, [*further, *read_exclude(exclude)], ())
    text.chain(
        "forward",
        [line],
        "After the firewall that is there (filter, firewalld at filter + 10): a packet that it dropped never comes "
        "here, so only what it lets through is taken to the fast path.",
        "type filter hook forward priority filter + 20; policy accept;",
    )
    return text.rendered(table, ())
