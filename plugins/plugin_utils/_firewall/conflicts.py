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
from .shadowing import Covers


def refuse_conflicts(firewall: Firewall, logins: Iterable[str]) -> None:
    """``logins``: what the play itself comes in by, as services or as ports such as tcp/22."""
    covers = Covers(firewall.declared)
    _unreachable(firewall, covers)
    _port_forwards(firewall, covers)
    _source_nat(firewall)
    _login(firewall, covers, tuple(logins))


def _unreachable(firewall: Firewall, covers: Covers) -> None:
    """A rule after one that takes all of it from the same zones, or after a zone's own services."""
    for rules in (firewall.input, firewall.forward):
        for before, after in combinations(rules, 2):
            if _takes(before, after, covers):
                what = "everything" if before.open else "all of that"
                says = f"{after.where} is never reached: {before.where} takes {what} from {', '.join(after.zones)}"
                raise OffloadError(says, "put it before that one, or take one of the two out")
    for rule in firewall.input:
        for zone in (firewall.zones[name] for name in rule.zones):
            if zone.ports and rule.ports and covers.ports(zone.ports, rule.ports):
                says = (
                    f"{rule.where} is never reached: the router offers that to zone {zone.name} ({zone.where}.services)"
                )
                raise OffloadError(says, f"take it out of these services, or {zone.name} out of {rule.where}.from")
    for rule in firewall.forward:
        if not rule.open or rule["action"] == "accept":
            continue
        for said in firewall.port_forwards:
            if said.to in rule.to and (zones := [zone for zone in said.zones if zone in rule.zones]):
                says = f"{said.where} is never reached: {rule.where} refuses everything from {zones[0]} to {said.to}"
                raise OffloadError(says, "take one of the two out")


def _takes(before: Rule, after: Rule, covers: Covers) -> bool:
    """Also with a limit: what is over it is dropped, and goes no further."""
    wider = ((before.zones, after.zones), (before.to, after.to), (before.families, after.families))
    return (
        all(set(wide) >= set(narrow) for wide, narrow in wider)
        and covers.ports(before.ports, after.ports)
        and all(
            covers.hosts(before.sources, after.sources, family)
            and covers.hosts(before.destinations, after.destinations, family)
            for family in after.families
        )
    )


def _port_forwards(firewall: Firewall, covers: Covers) -> None:
    for one, other in combinations(firewall.port_forwards, 2):
        zones = sorted({*one.zones, *one.hairpin} & {*other.zones, *other.hairpin})
        here = not (one.address and other.address) or one.address == other.address
        same = one.ipv4 and other.ipv4 and zones and here and covers.hosts(one.sources, other.sources, "ipv4")
        if same and covers.overlap(one.ports, other.ports):
            says = f"{other.where}.port: from {zones[0]} it is forwarded by {one.where} ({one.name}) already"
            raise OffloadError(says, "give one of the two another port or address, or put the one with sources first")
    for said in firewall.port_forwards:
        for family, target in (("ipv4", said.ipv4), ("ipv6", said.ipv6)):
            if target and said.sources is not None and family not in said.sources:
                says = f"{said.where}.{family}: none of its sources has an address of that family"
                raise OffloadError(says, f"leave {family} out, or add such sources")
        _own_service(firewall, said, covers)


def _offered(firewall: Firewall, zone: Zone) -> Iterator[tuple[str, Sequence[Port], Hosts | None]]:
    """What the router itself offers to a zone over IPv4: where that is said, its ports, and to whom."""
    yield f"{zone.where}.services", zone.ports, None
    for rule in firewall.input:
        if zone.name in rule.zones and rule["action"] == "accept" and "ipv4" in rule.families:
            yield rule.where, rule.ports, rule.sources


def _own_service(firewall: Firewall, said: PortForward, covers: Covers) -> None:
    """What is forwarded never gets to the router itself. A hairpin leaves the addresses of that zone's side alone."""
    if not said.ipv4 or said.address:
        return
    for zone in (firewall.zones[name] for name in said.zones):
        for where, ports, sources in _offered(firewall, zone):
            if covers.hosts(said.sources, sources, "ipv4") and covers.overlap(said.ports, ports):
                says = f"{said.where}.port: the router offers it to zone {zone.name} itself ({where})"
                raise OffloadError(says, "forward another port, or name the address that is dialled in address")


def _source_nat(firewall: Firewall) -> None:
    def whole(hosts: Sequence[Hosts | None]) -> bool:
        return all(host is None for host in hosts)

    for number, said in enumerate(firewall.source_nat):
        if not whole((said.sources, said.destinations)) or said.map:
            continue
        later = firewall.source_nat[number + 1 :]
        for zone in said.to:
            hidden = [other.where for other in later if zone in other.to and set(other.families) & set(said.families)]
            if "ipv4" in said.families and firewall.zones[zone]["masquerade"]:
                hidden.append(f"{firewall.zones[zone].where}.masquerade")
            if hidden:
                says = f"{hidden[0]} is never reached: {said.where} takes everything that leaves to {zone}"
                raise OffloadError(says, "give that one sources or destinations, or take one of the two out")


def _login(firewall: Firewall, covers: Covers, logins: Sequence[str]) -> None:
    """A firewall that lets nobody in who could correct it."""
    wanted = services.read_services(logins, {"ssh": (Port("tcp", 22, 22),)}, "login")
    if wanted and not any(_way_in(firewall, zone, wanted, covers) for zone in firewall.zones.values()):
        names = " or ".join(logins)
        raise OffloadError(
            f"{ROUTER}.zones: no zone offers {names}, so the router could not be reached any more",
            f"add ssh to the services of the zone that you come from, or a rule to {ROUTER}.input",
        )


def _way_in(firewall: Firewall, zone: Zone, wanted: Sequence[Port], covers: Covers) -> bool:
    """Does the router take one of these from the zone, and not forward it?"""
    away = [said for said in firewall.port_forwards if zone.name in said.zones and said.ipv4]
    away = [said for said in away if not said.address and said.sources is None]
    left = [port for port in wanted if not any(covers.overlap(said.ports, [port]) for said in away)]
    if (zone["input"] == "accept" and left) or covers.overlap(zone.ports, left):
        return True
    for rule in firewall.input:
        if zone.name in rule.zones and rule["action"] == "accept":
            ports = left if "ipv4" in rule.families else wanted
            if covers.overlap(rule.ports or ports, ports):
                return True
    return False
