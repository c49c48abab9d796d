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
from .changing import changing_input, changing_pairs
from .model import (
    Firewall,
    Hosts,
    PortForward,
    Redirect,
    Rule,
    Zone,
)
from .names import ROUTER
from .services import Port
from .shadowing import Shadowing
from .shared import list_shared


def refuse_conflicts(firewall: Firewall, logins: Iterable[str]) -> None:
    """Raise OffloadError for the first parts that do not go together.

    ``logins`` is what the play itself logs in by, as services or as ports such as tcp/22.
    """
    shadowing = Shadowing(firewall.declared)
    _refuse_parted_bogons(firewall)
    _refuse_lines_beside_changing_rules(firewall)
    _refuse_shadowed_rules(firewall, shadowing)
    _refuse_shadowed_redirects(firewall, shadowing)
    _refuse_clashing_port_forwards(firewall, shadowing)
    _refuse_shadowed_source_nat(firewall)
    _refuse_lockout(firewall, shadowing, tuple(logins))


def _refuse_lines_beside_changing_rules(firewall: Firewall) -> None:
    """Lines of nft that decide about new connections, where rules judge open ones again.

    Nobody knows whether such a line holds of a packet in the middle of a connection, so that one which it let in may be
    cut off, and one which it refused go on.
    """
    for kind, changing in (("forward", changing_pairs(firewall)), ("input", changing_input(firewall))):
        for place in (kind, f"{kind}_last") if changing else ():
            for where, _line in firewall.extra.get(place, ()):
                raise OffloadError(
                    f"{where}: lines at {place} do not go together with rules that have hours or weekdays, or sets with"
                    " a timeout, by which connections are judged again while they are open",
                    f"write it as a rule of {ROUTER}.{kind}, or put it at early or mangle",
                )


def _refuse_parted_bogons(firewall: Firewall) -> None:
    """Bogons where a device has several zones, whose own addresses may be among them."""
    for group in list_shared(firewall):
        for zone in (firewall.zones[name] for name in group.zones):
            if zone["bogons"]:
                problem = f"{zone.where}.bogons: {zone.name} has only a part of {group.devices[0]}"
                raise OffloadError(
                    problem, "leave it out: what has no route back through that device is dropped anyway"
                )


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
        for forwarded in firewall.port_forwards:
            if forwarded.to in rule.to and (zones := [zone for zone in forwarded.zones if zone in rule.zones]):
                what = f"everything from {zones[0]} to {forwarded.to}"
                problem = f"{forwarded.where} is never reached: {rule.where} refuses {what}"
                raise OffloadError(problem, "take one of the two out")


def _refuse_shadowed_redirects(firewall: Firewall, shadowing: Shadowing) -> None:
    """A redirect after one that takes all of it, and a rule for what a redirect lets in."""
    for before, after in combinations(firewall.redirect, 2):
        if _shadows(before, after, shadowing):
            problem = f"{after.where} is never reached: {before.where} takes all of that from {', '.join(after.zones)}"
            raise OffloadError(problem, "put it before that one, or take one of the two out")
    for entry in firewall.redirect:
        for rule in firewall.input:
            wider = set(entry.zones) >= set(rule.zones) and set(entry.families) >= set(rule.families)
            if wider and entry.offers and rule.ports and shadowing.covers_ports(entry.ports, rule.ports):
                problem = f"{rule.where} is never reached: {entry.where} lets all of that in"
                raise OffloadError(problem, "give the redirect sources, or take one of the two out")


def _shadows(before: Rule | Redirect, after: Rule | Redirect, shadowing: Shadowing) -> bool:
    """Does the first one leave nothing to the other one? Also with a limit: what is over it is dropped."""
    wider = ((before.zones, after.zones), (before.to, after.to), (before.families, after.families))
    return (
        all(set(wide) >= set(narrow) for wide, narrow in wider)
        and shadowing.covers_ports(before.ports, after.ports)
        and (isinstance(before, Redirect) or isinstance(after, Redirect) or _holds_longer(before, after))
        and all(
            shadowing.covers_hosts(before.sources, after.sources, family)
            and shadowing.covers_hosts(before.destinations, after.destinations, family)
            for family in after.families
        )
    )


def _holds_longer(before: Rule, after: Rule) -> bool:
    """Does the first rule hold whenever the other one does, and for all its Ethernet addresses?"""
    macs = not before.macs or set(before.macs) >= set(after.macs) > set()
    return macs and (not before.times or before.times == after.times)


def _dialled_key(entry: PortForward) -> str:
    """The key that says what is dialled: some protocols have no ports."""
    return f"{entry.where}.{'port' if entry.ports[0].high else 'protocols'}"


def _refuse_clashing_port_forwards(firewall: Firewall, shadowing: Shadowing) -> None:
    for one, other in combinations(firewall.port_forwards, 2):
        zones = sorted({*one.zones, *one.hairpin} & {*other.zones, *other.hairpin})
        here = not (one.address and other.address) or one.address == other.address
        same = one.ipv4 and other.ipv4 and zones and here and shadowing.covers_hosts(one.sources, other.sources, "ipv4")
        if same and shadowing.overlap(one.ports, other.ports):
            problem = f"{_dialled_key(other)}: from {zones[0]} it is forwarded by {one.where} ({one.name}) already"
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
    for entry in firewall.redirect:
        if zone.name in entry.zones and "ipv4" in entry.families:
            yield entry.where, entry.ports, entry.sources


def _refuse_forwarded_service(firewall: Firewall, entry: PortForward, shadowing: Shadowing) -> None:
    """What is forwarded never gets to the router itself. A hairpin leaves the addresses of that zone's side alone."""
    if not entry.ipv4 or entry.address:
        return
    for zone in (firewall.zones[name] for name in entry.zones):
        for where, ports, sources in _offered_services(firewall, zone):
            if shadowing.covers_hosts(entry.sources, sources, "ipv4") and shadowing.overlap(entry.ports, ports):
                problem = f"{_dialled_key(entry)}: the router itself offers this to zone {zone.name} ({where})"
                raise OffloadError(problem, "forward another port, or set `address` to the address clients connect to")


def _refuse_shadowed_source_nat(firewall: Firewall) -> None:
    """An entry after one that takes all that leaves to the same zone."""

    def whole(hosts: Sequence[Hosts | None]) -> bool:
        return all(host is None for host in hosts)

    for number, entry in enumerate(firewall.source_nat):
        if not whole((entry.sources, entry.destinations)) or entry.map:
            continue
        later = [other for other in firewall.source_nat[number + 1 :] if other.ports or not entry.ports]
        for zone in entry.to:
            hidden = [other.where for other in later if zone in other.to and set(other.families) & set(entry.families)]
            if "ipv4" in entry.families and firewall.zones[zone]["masquerade"] and not entry.ports:
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
    gone = [port for entry in away for port in entry.ports]
    for entry in firewall.redirect:
        if zone.name in entry.zones and entry.target_port is not None and entry.sources is None:
            gone += entry.ports
    left = [port for port in wanted if not shadowing.overlap(gone, [port])]
    offering = [entry for entry in firewall.redirect if zone.name in entry.zones and entry.offers]
    if any(shadowing.overlap(entry.ports, left) for entry in offering):
        return True
    if (zone["input"] == "accept" and left) or shadowing.overlap(zone.ports, left):
        return True
    for rule in firewall.input:
        if zone.name in rule.zones and rule["action"] == "accept" and not rule.times:
            ports = left if "ipv4" in rule.families else wanted
            if shadowing.overlap(rule.ports or ports, ports):
                return True
    return False
