# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Addresses that are translated: port forwards, hairpins, source NAT, masquerade. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .model import SUFFIX, Declared, Firewall, PortForward, Redirect, SourceNat
from .services import Port, matches
from .text import IP, Text, base_chain, quote_devices, variants

Extra = Callable[[str], list[str]]
WITH_PORTS = {"ipv4": "meta l4proto { icmp, tcp, udp }", "ipv6": "meta l4proto { icmpv6, tcp, udp }"}
"""what has ports to translate; for an echo request that is its identifier"""


def address_chains(firewall: Firewall, text: Text, extra: Extra) -> None:
    """Add the chains of type nat to ``text``, where there is something to translate.

    ``extra`` returns the user\'s own lines for a place.
    """
    _render_destinations(firewall, text, extra("dstnat"))
    _render_sources(firewall, text, extra("srcnat"))


def _render_destinations(firewall: Firewall, text: Text, extra: list[str]) -> None:
    text.sets += filter(None, map(_moved_ports, firewall.port_forwards))
    zones = {}
    for zone in firewall.zones.values():
        zones[zone.name] = [line for entry in firewall.port_forwards for line in _forward_rules(entry, zone.name)]
        zones[zone.name] += [line for each in firewall.redirect for line in _redirect_rules(firewall, each, zone.name)]
        zones[zone.name] += [line for entry in firewall.source_nat for line in _back_rules(entry, zone.name)]
    comment = "flow_offload_router.port_forwards, for IPv4"
    comment += "; redirect" if firewall.redirect else ""
    comment += "; source_nat, back" if any(entry.network for entry in firewall.source_nat) else ""
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
    for port in entry.ports:
        for match in matches([port], "ipv4"):
            yield from (f"{source}{dialled} {match} dnat ip to {_target(entry, port)}" for source in sources)


def _redirect_rules(firewall: Firewall, entry: Redirect, zone: str) -> Iterator[str]:
    """What the router takes itself of what comes from a zone."""
    if zone not in entry.zones:
        return
    yield f"# {entry.where}"
    to = "redirect" if entry.target_port is None else f"redirect to :{entry.target_port}"
    for match in variants(firewall.families, entry.families, entry.ports, entry.sources, entry.destinations):
        yield f"{match} {to}"


def _back_rules(entry: SourceNat, zone: str) -> Iterator[str]:
    """What comes for a prefix that stands for one inside. The router's own addresses in it stay its own."""
    if not entry.network or zone not in entry.to:
        return
    yield f"# {entry.where}.address, back"
    (family,) = entry.families
    ip = IP[family]
    for match in variants((), (family,), (), entry.destinations, {family: [entry.address]}):
        yield f"{match} fib daddr type != local dnat {ip} prefix to {entry.network}"


def _target(entry: PortForward, port: Port) -> str:
    """The server's address and port, as ``dnat to`` takes them."""
    if entry.target_port is None:
        return entry.ipv4
    if port.low == port.high:
        return f"{entry.ipv4}:{entry.target_port}"
    return f"{entry.ipv4}:{port.protocol} dport map @{moved_ports_name(entry)}"


def moved_ports_name(entry: PortForward) -> str:
    """The map from each port that is dialled to that of the server; nft would else take any port of the range."""
    return f"moved_ports_{entry.number}"


def _moved_ports(entry: PortForward) -> Declared | None:
    """That map, where ports move together. Single ports: nft 1.0.6 cannot load its own listing of ranges."""
    port, first = entry.ports[0], entry.target_port
    if not entry.ipv4 or first is None or port.low == port.high:
        return None
    elements = tuple(f"{each} : {first + each - port.low}" for each in range(port.low, port.high + 1))
    where = f"{entry.where}.target_port"
    return Declared("map", moved_ports_name(entry), "inet_service : inet_service", elements, where, flags="")


def _render_sources(firewall: Firewall, text: Text, extra: list[str]) -> None:
    lines = list(_hairpin_rules(firewall))
    zones = {}
    for zone in firewall.zones.values():
        body = [
            line
            for entry in firewall.source_nat
            if zone.name in entry.to
            for line in _translation_rules(firewall, text, entry)
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


def _translation(text: Text, entry: SourceNat, family: str) -> str:
    """What follows the match of a rule; chains that it needs are added to ``text``."""
    ip = IP[family]
    if entry.action == "none":
        return "accept"
    if entry.map:
        return f"snat {ip} to {ip} saddr map @{entry.map}"
    if entry.network:
        return f"snat {ip} prefix to {entry.address}"
    if not entry.ports:
        return f"snat {ip} to {entry.address}" if entry.address else "masquerade"
    address = entry.address
    if family == "ipv6" and address:
        address = "-".join(f"[{end}]" for end in address.split("-"))
    to = [f"{f'snat {ip}' if address else 'masquerade'} to {address}:{ports}" for ports in entry.ports]
    if len(to) == 1:
        return f"{WITH_PORTS[family]} {to[0]}"
    # Chains, because nft 1.0.6 cannot load its own listing of a map whose values are ranges of ports
    chains = [f"source_nat_{entry.number}_v{SUFFIX[family]}_{block}" for block in range(len(to))]
    for chain, statement in zip(chains, to, strict=True):
        if chain not in text.named:
            text.chain(chain, [f"{WITH_PORTS[family]} {statement}"], later=True)
    blocks = ", ".join(f"{block} : goto {chain}" for block, chain in enumerate(chains))
    return f"{WITH_PORTS[family]} numgen inc mod {len(chains)} vmap {{ {blocks} }}"


def _translation_rules(firewall: Firewall, text: Text, entry: SourceNat) -> Iterator[str]:
    """The rules of one entry of source_nat."""
    yield f"# {entry.where}"
    for family in entry.families:
        to = _translation(text, entry, family)
        every = firewall.families if entry.action == "none" and len(entry.families) == len(firewall.families) else ()
        for match in variants(every, (family,), (), entry.sources, entry.destinations):
            yield f"{match} {to}".strip()
