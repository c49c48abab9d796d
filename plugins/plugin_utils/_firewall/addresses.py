# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Addresses that are translated: port forwards, hairpins, source NAT, masquerade. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .model import Firewall, PortForward, SourceNat
from .services import matches
from .text import IP, Text, hook, names, variants

Extra = Callable[[str], list[str]]


def address_chains(firewall: Firewall, text: Text, extra: Extra) -> None:
    """The chains of type nat, where there is something to translate."""
    _destinations(firewall, text, extra("dstnat"))
    _sources(firewall, text, extra("srcnat"))


def _destinations(firewall: Firewall, text: Text, extra: list[str]) -> None:
    zones = {}
    for zone in firewall.zones.values():
        zones[zone.name] = [line for said in firewall.port_forwards for line in _forwarded(said, zone.name)]
    says = "flow_offload_router.port_forwards, for IPv4"
    text.dispatch("dstnat", hook("nat", "prerouting", "dstnat", "accept"), "iifname", firewall, zones, says, extra)


def _forwarded(said: PortForward, zone: str) -> Iterator[str]:
    """The rules of one port forward for what comes from a zone."""
    if not said.ipv4 or zone not in (*said.zones, *said.hairpin):
        return
    sources = [""]
    dialled = f"ip daddr {said.address}" if said.address else "fib daddr type local"
    if zone not in said.zones and not said.address:
        dialled += " fib daddr . iif type != local"
    if said.sources is not None:
        sources = [f"ip saddr {value} " for value in said.sources.get("ipv4", ())]
    if sources == [""] and not said.address:
        sources = ["meta nfproto ipv4 "]
    yield f"# {said.where}{'.hairpin' if zone in said.hairpin else ''}: {said.name}"
    target = said.ipv4 if said.target_port is None else f"{said.ipv4}:{said.target_port}"
    for port in said.ports:
        for match in matches([port], "ipv4"):
            yield from (f"{source}{dialled} {match} dnat ip to {target}" for source in sources)


def _sources(firewall: Firewall, text: Text, extra: list[str]) -> None:
    lines = list(_hairpins(firewall))
    zones = {}
    for zone in firewall.zones.values():
        body = [line for said in firewall.source_nat if zone.name in said.to for line in _translated(firewall, said)]
        if zone["masquerade"]:
            body += [f"# {zone.where}.masquerade", "meta nfproto ipv4 masquerade"]
        zones[zone.name] = body
    says = "flow_offload_router.source_nat and zones.masquerade"
    first = [*extra, *lines]
    text.dispatch("srcnat", hook("nat", "postrouting", "srcnat", "accept"), "oifname", firewall, zones, says, first)


def _hairpins(firewall: Firewall) -> Iterator[str]:
    """A server in the client's own zone would answer it directly, past the translation; so it has to see the router."""
    for zone in firewall.zones.values():
        if any(said.ipv4 and zone.name == said.to and zone.name in said.hairpin for said in firewall.port_forwards):
            devices = names(zone.devices)
            yield f'iifname {devices} oifname {devices} ct status dnat masquerade comment "hairpin"'


def _translated(firewall: Firewall, said: SourceNat) -> Iterator[str]:
    yield f"# {said.where}"
    for family in said.families:
        ip = IP[family]
        to = {
            "none": "accept",
            "masquerade": "masquerade",
            "snat": f"snat {ip} to {said.address}" if said.address else f"snat {ip} to {ip} saddr map @{said.map}",
        }[said.action]
        every = firewall.families if said.action == "none" and len(said.families) == len(firewall.families) else ()
        for match in variants(every, (family,), (), said.sources, said.destinations):
            yield f"{match} {to}".strip()
