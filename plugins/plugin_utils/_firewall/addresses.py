# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Addresses that are translated: port forwards, hairpins, source NAT, masquerade. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .model import Firewall, PortForward, SourceNat
from .services import matches
from .text import IP, Text, base_chain, quote_devices, variants

Extra = Callable[[str], list[str]]


def address_chains(firewall: Firewall, text: Text, extra: Extra) -> None:
    """Add the chains of type nat to ``text``, where there is something to translate.

    ``extra`` returns the user\'s own lines for a place.
    """
    _render_destinations(firewall, text, extra("dstnat"))
    _render_sources(firewall, text, extra("srcnat"))


def _render_destinations(firewall: Firewall, text: Text, extra: list[str]) -> None:
    zones = {}
    for zone in firewall.zones.values():
        zones[zone.name] = [line for entry in firewall.port_forwards for line in _forward_rules(entry, zone.name)]
    comment = "flow_offload_router.port_forwards, for IPv4"
    text.dispatch(
        "dstnat", base_chain("nat", "prerouting", "dstnat", "accept"), "iifname", firewall, zones, comment, extra
    )


def _forward_rules(entry: PortForward, zone: str) -> Iterator[str]:
    """The rules of one port forward for what comes from a zone."""
    if not entry.ipv4 or zone not in (*entry.zones, *entry.hairpin):
        return
    sources = [""]
    dialled = f"ip daddr {entry.address}" if entry.address else "fib daddr type local"
    if zone not in entry.zones and not entry.address:
        dialled += " fib daddr . iif type != local"
    if entry.sources is not None:
        sources = [f"ip saddr {value} " for value in entry.sources.get("ipv4", ())]
    if sources == [""] and not entry.address:
        sources = ["meta nfproto ipv4 "]
    yield f"# {entry.where}{'.hairpin' if zone in entry.hairpin else ''}: {entry.name}"
    target = entry.ipv4 if entry.target_port is None else f"{entry.ipv4}:{entry.target_port}"
    for port in entry.ports:
        for match in matches([port], "ipv4"):
            yield from (f"{source}{dialled} {match} dnat ip to {target}" for source in sources)


def _render_sources(firewall: Firewall, text: Text, extra: list[str]) -> None:
    lines = list(_hairpin_rules(firewall))
    zones = {}
    for zone in firewall.zones.values():
        body = [
            line
            for entry in firewall.source_nat
            if zone.name in entry.to
            for line in _translation_rules(firewall, entry)
        ]
        if zone["masquerade"]:
            body += [f"# {zone.where}.masquerade", "meta nfproto ipv4 masquerade"]
        zones[zone.name] = body
    comment = "flow_offload_router.source_nat and zones.masquerade"
    first = [*extra, *lines]
    text.dispatch(
        "srcnat", base_chain("nat", "postrouting", "srcnat", "accept"), "oifname", firewall, zones, comment, first
    )


def _hairpin_rules(firewall: Firewall) -> Iterator[str]:
    """A server in the client's own zone would answer it directly, past the translation; so it has to see the router."""
    for zone in firewall.zones.values():
        if any(entry.ipv4 and zone.name == entry.to and zone.name in entry.hairpin for entry in firewall.port_forwards):
            devices = quote_devices(zone.devices)
            yield f'iifname {devices} oifname {devices} ct status dnat masquerade comment "hairpin"'


def _translation_rules(firewall: Firewall, entry: SourceNat) -> Iterator[str]:
    """The rules of one entry of source_nat."""
    yield f"# {entry.where}"
    for family in entry.families:
        ip = IP[family]
        to = {
            "none": "accept",
            "masquerade": "masquerade",
            "snat": f"snat {ip} to {entry.address}" if entry.address else f"snat {ip} to {ip} saddr map @{entry.map}",
        }[entry.action]
        every = firewall.families if entry.action == "none" and len(entry.families) == len(firewall.families) else ()
        for match in variants(every, (family,), (), entry.sources, entry.destinations):
            yield f"{match} {to}".strip()
