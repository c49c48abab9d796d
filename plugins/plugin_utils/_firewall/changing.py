# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rules that decide otherwise while a connection is open: those with hours, or with a set that changes. Pure: no I/O.

Such a connection stays out of the flowtable, where no rule would see its packets, and the rules judge the packets of
the side that opened it again and again. That side alone shows its Ethernet address, and the addresses and ports that
the rules are about; so packets of the other side offload nothing between such zones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .model import Firewall, Hosts, PortForward, Rule
from .services import Port, braces
from .text import quote_devices, variants

Pair = tuple[str, str]


def changing_pairs(firewall: Firewall) -> dict[Pair, list[str]]:
    """Zones that a connection may be opened from and to -> the matches of those to judge again."""
    found: dict[Pair, list[str]] = {}
    for rule in filter(lambda rule: _rule_changes(firewall, rule), firewall.forward):
        for pair in ((one, other) for one in rule.zones for other in rule.to):
            found.setdefault(pair, []).extend(_rule_matches(firewall, rule))
    for entry in firewall.port_forwards:
        if _names_changing(firewall, entry.sources):
            for one in dict.fromkeys((*entry.zones, *entry.hairpin)):
                found.setdefault((one, entry.to), []).extend(_server_matches(entry, hairpin=one in entry.hairpin))
    return {pair: list(dict.fromkeys(matches)) for pair, matches in found.items()}


def changing_input(firewall: Firewall) -> dict[str, list[str]]:
    """Zones that a connection to the router may be opened from -> the matches of those to judge again."""
    found: dict[str, list[str]] = {}
    for rule in filter(lambda rule: _rule_changes(firewall, rule), firewall.input):
        for zone in rule.zones:
            found.setdefault(zone, []).extend(_rule_matches(firewall, rule))
    return {zone: list(dict.fromkeys(matches)) for zone, matches in found.items()}


def slow_rules(firewall: Firewall, pairs: Mapping[Pair, object]) -> list[str]:
    """The rules before ``flow add`` that keep out what is judged again, and what a changing blocklist may drop."""
    lines = list(_slow_rules(firewall, pairs))
    return ["# what rules with hours, or with sets that change, may decide about", *lines] if lines else []


def _slow_rules(firewall: Firewall, pairs: Mapping[Pair, object]) -> Iterator[str]:
    for one, other in pairs:
        back = f"iifname {quote_devices(firewall.devices(other))} oifname {quote_devices(firewall.devices(one))}"
        yield f"{back} ct direction reply return"
    changing = [blocklist for blocklist in firewall.blocklists if f"@{blocklist.name}" in firewall.changing]
    for zone in dict.fromkeys(zone for blocklist in changing for zone in blocklist.zones):
        devices = quote_devices(firewall.devices(zone))
        yield f"iifname {devices} ct direction original return"
        yield f"oifname {devices} ct direction reply return"


def _names_changing(firewall: Firewall, hosts: Hosts | None) -> bool:
    return any(value in firewall.changing for values in (hosts or {}).values() for value in values)


def _ports_change(firewall: Firewall, ports: Iterable[Port]) -> bool:
    return any(f"@{port.named}" in firewall.changing for port in ports if port.named)


def _rule_changes(firewall: Firewall, rule: Rule) -> bool:
    sets = any(_names_changing(firewall, hosts) for hosts in (rule.sources, rule.destinations))
    return bool(rule.times) or sets or _ports_change(firewall, rule.ports)


def _rule_matches(firewall: Firewall, rule: Rule) -> Iterator[str]:
    """What the rule may take at some time: it is about whatever a changing set may come to hold."""
    ports = () if _ports_change(firewall, rule.ports) else rule.ports
    sources, destinations = (
        None if _names_changing(firewall, hosts) else hosts for hosts in (rule.sources, rule.destinations)
    )
    macs = f"ether saddr {braces(rule.macs)} " if rule.macs else ""
    for match in variants(firewall.families, rule.families, ports, sources, destinations):
        yield f"{macs}{match}".strip()


def _server_matches(entry: PortForward, hairpin: bool) -> Iterator[str]:
    if entry.ipv4:
        moved = [port.moved(entry.target_port) for port in entry.ports]
        yield from variants((), ("ipv4",), moved, None, {"ipv4": [entry.ipv4]})
    if entry.ipv6 and not hairpin:
        yield from variants((), ("ipv6",), entry.ports, None, {"ipv6": [entry.ipv6]})
