# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Parts of a description that do not go together. Pure: no I/O. Each function raises OffloadError for the first one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall import services
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.model import (
    Firewall,
    Hosts,
    PortForward,
    Rule,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.names import ROUTER
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.services import Port


def refuse_conflicts(firewall: Firewall, logins: Iterable[str]) -> None:
    """``logins``: what the play itself comes in by, as services or as ports such as tcp/22."""
    _unreachable(firewall)
    _port_forwards(firewall)
    _source_nat(firewall)
    _login(firewall, tuple(logins))


def _unreachable(firewall: Firewall) -> None:
    """A rule after one that takes everything from the same zones."""
    for rules in (firewall.input, firewall.forward):
        for before, after in combinations(rules, 2):
            same = set(before.zones) >= set(after.zones) and set(before.to) >= set(after.to)
            if same and before.open:
                says = f"{after.where} is never reached: {before.where} takes everything from {', '.join(after.zones)}"
                raise OffloadError(says, "put it before that one, or take one of the two out")
    for rule in firewall.forward:
        if not rule.open or rule["action"] == "accept":
            continue
        for said in firewall.port_forwards:
            if said.to in rule.to and (zones := [zone for zone in said.zones if zone in rule.zones]):
                says = f"{said.where} is never reached: {rule.where} refuses everything from {zones[0]} to {said.to}"
                raise OffloadError(says, "take one of the two out")


def _overlap(one: Iterable[Port], other: Iterable[Port]) -> bool:
    return any(
        a.protocol == b.protocol and (a.named or b.named or (a.low <= b.high and b.low <= a.high))
        for a in one
        for b in other
    )


def _port_forwards(firewall: Firewall) -> None:
    for one, other in combinations(firewall.port_forwards, 2):
        zones = sorted({*one.zones, *one.hairpin} & {*other.zones, *other.hairpin})
        here = not (one.address and other.address) or one.address == other.address
        same = one.ipv4 and other.ipv4 and zones and here and one.sources == other.sources
        if same and _overlap(one.ports, other.ports):
            says = f"{other.where}.port: from {zones[0]} it is forwarded by {one.where} ({one.name}) already"
            raise OffloadError(says, "give one of the two another port, address or source")
    for said in firewall.port_forwards:
        for family, target in (("ipv4", said.ipv4), ("ipv6", said.ipv6)):
            if target and said.sources is not None and family not in said.sources:
                says = f"{said.where}.{family}: none of its sources has an address of that family"
                raise OffloadError(says, f"leave {family} out, or add such sources")
        _own_service(firewall, said)


def _own_service(firewall: Firewall, said: PortForward) -> None:
    """What is forwarded never gets to the router itself."""
    if not said.ipv4 or said.address or said.sources is not None:
        return
    for zone in (firewall.zones[name] for name in said.zones):
        if _overlap(said.ports, zone.ports):
            says = f"{said.where}.port: the router offers it to zone {zone.name} itself ({zone.where}.services)"
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


def _login(firewall: Firewall, logins: Sequence[str]) -> None:
    """A firewall that lets nobody in who could correct it."""
    if not logins:
        return
    wanted = services.read_services(logins, {"ssh": (Port("tcp", 22, 22),)}, "login")
    zones = firewall.zones.values()
    for zone in zones:
        if zone["input"] == "accept" or _overlap(zone.ports, wanted):
            return
    if not any(_lets_in(rule, wanted) for rule in firewall.input):
        names = " or ".join(logins)
        raise OffloadError(
            f"{ROUTER}.zones: no zone offers {names}, so the router could not be reached any more",
            f"add ssh to the services of the zone that you come from, or a rule to {ROUTER}.input",
        )


def _lets_in(rule: Rule, wanted: Iterable[Port]) -> bool:
    return rule["action"] == "accept" and (not rule.ports or _overlap(rule.ports, wanted))
