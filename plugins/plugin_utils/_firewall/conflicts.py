# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Parts of a description that do not go together. Pure: no I/O. Each function raises OffloadError for the first one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from .._core.errors import OffloadError
from . import services
from .model import (
    Firewall,
    Hosts,
    PortForward,
    Rule,
    Zone,
)
from .names import ROUTER
from .services import Port
from .shadowing import Shadowing


def refuse_conflicts(firewall: Firewall, logins: Iterable[str]) -> None:
    """Raise OffloadError for the first parts that do not go together.

    ``logins`` is what the play itself logs in by, as services or as ports such as tcp/22.
    """
    shadowing = Shadowing(firewall.declared)
    _refuse_shadowed_rules(firewall, shadowing)
    _refuse_clashing_port_forwards(firewall, shadowing)
    _refuse_shadowed_source_nat(firewall)
    _refuse_lockout(firewall, shadowing, tuple(logins))


def _refuse_shadowed_rules(firewall: Firewall, shadowing: Shadowing) -> None:
    """A rule after one that takes all of it from the same zones, or after a zone's own services."""
    for rules in (firewall.input, firewall.forward):
        for before, after in combinations(rules, 2):
            if _shadows(before, after, shadowing):
                what = "everything" if before.open else "all of that"
                problem = f"{after.where} is never reached: {before.where} takes {what} from {', '.join(after.zones)}"
                raise OffloadError(problem, "put it before that one, or take one of the two out")
    for rule in firewall.input:
        for zone in (firewall.zones[name] for name in rule.zones):
            if zone.ports and rule.ports and shadowing.covers_ports(zone.ports, rule.ports):
                problem = (
                    f"{rule.where} is never reached: the router offers that to zone {zone.name} ({zone.where}.services)"
                )
                raise OffloadError(problem, f"take it out of these services, or {zone.name} out of {rule.where}.from")
    for rule in firewall.forward:
        if not rule.open or rule["action"] == "accept":
            continue
        for entry in firewall.port_forwards:
            if entry.to in rule.to and (zones := [zone for zone in entry.zones if zone in rule.zones]):
                problem = (
                    f"{entry.where} is never reached: {rule.where} refuses everything from {zones[0]} to {entry.to}"
                )
                raise OffloadError(problem, "take one of the two out")


def _shadows(before: Rule, after: Rule, shadowing: Shadowing) -> bool:
    """Does the first rule leave nothing to the other one? Also with a limit: what is over it is dropped."""
    wider = ((before.zones, after.zones), (before.to, after.to), (before.families, after.families))
    return (
        all(set(wide) >= set(narrow) for wide, narrow in wider)
        and shadowing.covers_ports(before.ports, after.ports)
        and all(
            shadowing.covers_hosts(before.sources, after.sources, family)
            and shadowing.covers_hosts(before.destinations, after.destinations, family)
            for family in after.families
        )
    )


def _refuse_clashing_port_forwards(firewall: Firewall, shadowing: Shadowing) -> None:
    for one, other in combinations(firewall.port_forwards, 2):
        zones = sorted({*one.zones, *one.hairpin} & {*other.zones, *other.hairpin})
        here = not (one.address and other.address) or one.address == other.address
        same = one.ipv4 and other.ipv4 and zones and here and shadowing.covers_hosts(one.sources, other.sources, "ipv4")
        if same and shadowing.overlap(one.ports, other.ports):
            problem = f"{other.where}.port: from {zones[0]} it is forwarded by {one.where} ({one.name}) already"
            raise OffloadError(
                problem, "give one of the two another port or address, or put the one with sources first"
            )
    for entry in firewall.port_forwards:
        for family, target in (("ipv4", entry.ipv4), ("ipv6", entry.ipv6)):
            if target and entry.sources is not None and family not in entry.sources:
                problem = f"{entry.where}.{family}: none of its sources has an address of that family"
                raise OffloadError(problem, f"leave {family} out, or add such sources")
        _refuse_forwarded_service(firewall, entry, shadowing)


def _offered_services(firewall: Firewall, zone: Zone) -> Iterator[tuple[str, Sequence[Port], Hosts | None]]:
    """What the router itself offers to a zone over IPv4: the key that describes it, its ports, and to whom."""
    yield f"{zone.where}.services", zone.ports, None
    for rule in firewall.input:
        if zone.name in rule.zones and rule["action"] == "accept" and "ipv4" in rule.families:
            yield rule.where, rule.ports, rule.sources


def _refuse_forwarded_service(firewall: Firewall, entry: PortForward, shadowing: Shadowing) -> None:
    """What is forwarded never gets to the router itself. A hairpin leaves the addresses of that zone's side alone."""
    if not entry.ipv4 or entry.address:
        return
    for zone in (firewall.zones[name] for name in entry.zones):
        for where, ports, sources in _offered_services(firewall, zone):
            if shadowing.covers_hosts(entry.sources, sources, "ipv4") and shadowing.overlap(entry.ports, ports):
                problem = f"{entry.where}.port: the router itself offers this port to zone {zone.name} ({where})"
                raise OffloadError(problem, "forward another port, or set `address` to the address clients connect to")


def _refuse_shadowed_source_nat(firewall: Firewall) -> None:
    """An entry after one that takes all that leaves to the same zone."""

    def whole(hosts: Sequence[Hosts | None]) -> bool:
        return all(host is None for host in hosts)

    for number, entry in enumerate(firewall.source_nat):
        if not whole((entry.sources, entry.destinations)) or entry.map:
            continue
        later = firewall.source_nat[number + 1 :]
        for zone in entry.to:
            hidden = [other.where for other in later if zone in other.to and set(other.families) & set(entry.families)]
            if "ipv4" in entry.families and firewall.zones[zone]["masquerade"]:
                hidden.append(f"{firewall.zones[zone].where}.masquerade")
            if hidden:
                problem = f"{hidden[0]} is never reached: {entry.where} takes everything that leaves to {zone}"
                raise OffloadError(problem, "give that one sources or destinations, or take one of the two out")


def _refuse_lockout(firewall: Firewall, shadowing: Shadowing, logins: Sequence[str]) -> None:
    """Raise OffloadError for a firewall that lets nobody log in who could correct it."""
    wanted = services.read_services(logins, {"ssh": (Port("tcp", 22, 22),)}, "login")
    if wanted and not any(_lets_in(firewall, zone, wanted, shadowing) for zone in firewall.zones.values()):
        names = " or ".join(logins)
        raise OffloadError(
            f"{ROUTER}.zones: no zone offers {names}, so the router could not be reached any more",
            f"add ssh to the services of the zone that you come from, or a rule to {ROUTER}.input",
        )


def _lets_in(firewall: Firewall, zone: Zone, wanted: Sequence[Port], shadowing: Shadowing) -> bool:
    """Does the router take one of these from the zone, and not forward it?"""
    away = [entry for entry in firewall.port_forwards if zone.name in entry.zones and entry.ipv4]
    away = [entry for entry in away if not entry.address and entry.sources is None]
    left = [port for port in wanted if not any(shadowing.overlap(entry.ports, [port]) for entry in away)]
    if (zone["input"] == "accept" and left) or shadowing.overlap(zone.ports, left):
        return True
    for rule in firewall.input:
        if zone.name in rule.zones and rule["action"] == "accept":
            ports = left if "ipv4" in rule.families else wanted
            if shadowing.overlap(rule.ports or ports, ports):
                return True
    return False
