# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From the variables flow_offload_router and flow_offload_exclude to a Firewall. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._core.errors import OffloadError
from .._core.nft_tokens import HIDDEN, require_readable
from . import elements, services, spec
from .model import SUFFIX, Blocklist, Firewall, Hosts, Options, PortForward, Rule, SourceNat
from .names import ROUTER, Names, refuse_empty, refuse_keyword, require_match, require_within
from .offload import read_exclude
from .services import Port

RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day|week)\Z")
BURST = 1_000_000
"""at most: the kernel multiplies it by nanoseconds"""
COUNTER = re.compile(r"[a-z][a-z0-9_]{0,30}\Z")
COMMENT = re.compile(rf'[^"\\$\t\n{HIDDEN}]{{1,100}}\Z')
OURS = re.compile(r"(spoofed|bogons|invalid|over_limit|(blocklist|input_refused|forward_refused)_.*)\Z")
"""counters that the table has by itself"""
LOG_DEFAULTS = {key: option.get("default") for key, option in spec.ROUTER["log"]["options"].items()}


def read_router(
    description: Mapping[str, Any], exclude: list[Mapping[str, Any]], files: Mapping[str, str] | None = None
) -> Firewall:
    """The firewall that flow_offload_router (``description``) and flow_offload_exclude (``exclude``) describe.

    ``files`` is path -> text, of each file that it names. Raises OffloadError naming the key that is wrong.
    """
    options = spec.checked(ROUTER, description)
    names = Names(options, files or {})
    log = options["log"] or LOG_DEFAULTS
    require_match(RATE, log["rate"], f"{ROUTER}.log.rate", "a rate such as 10/second was expected")
    require_within(log["burst"], 1, BURST, f"{ROUTER}.log.burst")
    if log["group"] is not None:
        require_within(log["group"], 0, 65535, f"{ROUTER}.log.group")
    require_match(COMMENT, log["prefix"], f"{ROUTER}.log.prefix", "a prefix is a short text without quotes, \\ and $")
    return Firewall(
        families=names.families,
        zones=names.zones,
        declared=names.declared,
        input=[_rule(names, where, item) for where, item in names.items("input")],
        forward=[_rule(names, where, item) for where, item in names.items("forward")],
        port_forwards=[_port_forward(names, where, item) for where, item in names.items("port_forwards")],
        source_nat=[_source_nat(names, where, item) for where, item in names.items("source_nat")],
        blocklists=[_blocklist(names, where, item) for where, item in names.items("blocklists")],
        log=log,
        extra=_extra(names),
        exclusions=read_exclude(exclude, names),
    )


def families_of(names: Names, wanted: str, where: str, *hosts: Hosts | None) -> tuple[str, ...]:
    """The families that all of a rule is about; raises OffloadError when there is none."""
    left = [family for family in names.families if wanted in ("both", family)]
    left = [family for family in left if all(host is None or family in host for host in hosts)]
    if not left:
        raise OffloadError(
            f"{where}: its family, sources and destinations have no address family in common",
            "give it addresses of one family, or write a rule for each",
        )
    return tuple(left)


def _rule(names: Names, where: str, item: Options) -> Rule:
    refuse_empty(item, where, "services", "sources", "destinations")
    sources = names.read_hosts(item["sources"], f"{where}.sources")
    destinations = names.read_hosts(item["destinations"], f"{where}.destinations")
    if item["limit"]:
        require_match(RATE, item["limit"]["rate"], f"{where}.limit.rate", "a rate such as 10/minute was expected")
        require_within(item["limit"]["burst"], 1, BURST, f"{where}.limit.burst")
    if item["connections"]:
        require_within(item["connections"]["max"], 1, (1 << 32) - 1, f"{where}.connections.max")
    if item["action"] != "accept" and (item["limit"] or item["connections"]):
        key = "limit" if item["limit"] else "connections"
        problem = f"{where}.{key}: it limits what is let in, and action is {item['action']}"
        raise OffloadError(problem, "use action: accept; what is over the limit is dropped")
    if item["counter"]:
        require_match(COUNTER, item["counter"], f"{where}.counter", "a counter's name is a word in small letters")
        refuse_keyword(item["counter"], f"{where}.counter")
        if OURS.match(item["counter"]):
            raise OffloadError(
                f"{where}.counter: {item['counter']} is reserved for a counter of the table", "give it another name"
            )
    if item["comment"]:
        require_match(
            COMMENT, item["comment"], f"{where}.comment", "a comment is a short text without quotes, \\ and $"
        )
    ports = names.read_ports(item["services"], f"{where}.services")
    families = families_of(names, item["family"], where, sources, destinations)
    if ports and not any(services.matches(ports, family) for family in families):
        problem = f"{where}.services: there is no {' or '.join(item['services'])} in {families[0]}"
        raise OffloadError(problem, "take the rule out, or correct its family")
    return Rule(
        zones=names.read_one_or_more_zones(item["from"], f"{where}.from"),
        to=names.read_one_or_more_zones(item["to"], f"{where}.to") if "to" in item else (),
        ports=ports,
        sources=sources,
        destinations=destinations,
        families=families,
        options=item,
        where=where,
    )


def _address(names: Names, text: str, where: str, family: str) -> str:
    """One address of that family, as nft takes it."""
    other, span = elements.address_span(elements.Line(text, where))
    if other != family or span[0] != span[1]:
        raise OffloadError(f"{where}: {text!r} is not an {family} address", "write a single address")
    if family not in names.families:
        problem = f"{where}: it is for {family}, and {ROUTER}.family is {names.families[0]}"
        raise OffloadError(problem, "leave one of the two out")
    return elements.span_text(*span, family)


def _port_forward(names: Names, where: str, item: Options) -> PortForward:
    if not item["ipv4"] and not item["ipv6"]:
        problem = f"{where}: port forward {item['name']} has neither ipv4 nor ipv6"
        raise OffloadError(problem, "name the address of the server")
    if not item["protocols"]:
        raise OffloadError(f"{where}.protocols is empty", "leave it out for tcp, or name tcp, udp or both")
    low, high = services.read_span(item["port"], f"{where}.port")
    for key in ("target_port", "address", "hairpin"):
        if item[key] and not item["ipv4"]:
            problem = f"{where}.{key}: it is for IPv4, whose addresses are translated, and ipv4 is not given"
            raise OffloadError(problem, f"give ipv4, or leave {key} out")
    if item["target_port"] is not None:
        services.read_span(str(item["target_port"]), f"{where}.target_port")
        if low != high:
            problem = f"{where}.target_port: a range of ports ({item['port']}) keeps its numbers"
            raise OffloadError(problem, "leave target_port out, or forward a single port")
    refuse_empty(item, where, "sources")
    zones = names.read_one_or_more_zones(item["from"], f"{where}.from")
    hairpin = names.read_zones(item["hairpin"], f"{where}.hairpin")
    if again := [zone for zone in hairpin if zone in zones]:
        problem = f"{where}.hairpin names {again[0]}, which is in from already"
        raise OffloadError(problem, "hairpin is for the zones inside that use the outer address")
    if item["ipv4"] and item["to"] in zones:
        problem = f"{where}.from names {item['to']}, the zone of the server, which would answer past the translation"
        raise OffloadError(problem, f"use hairpin: [{item['to']}]")
    return PortForward(
        name=require_match(COMMENT, item["name"], f"{where}.name", "a name is a short text without quotes, \\ and $"),
        zones=zones,
        to=names.read_zones([item["to"]], f"{where}.to")[0],
        ports=tuple(Port(protocol, low, high) for protocol in sorted(set(item["protocols"]))),
        ipv4=_address(names, item["ipv4"], f"{where}.ipv4", "ipv4") if item["ipv4"] else "",
        ipv6=_address(names, item["ipv6"], f"{where}.ipv6", "ipv6") if item["ipv6"] else "",
        target_port=item["target_port"],
        address=_address(names, item["address"], f"{where}.address", "ipv4") if item["address"] else "",
        sources=names.read_hosts(item["sources"], f"{where}.sources"),
        hairpin=hairpin,
        where=where,
    )


def _source_nat(names: Names, where: str, item: Options) -> SourceNat:
    refuse_empty(item, where, "sources", "destinations")
    sources = names.read_hosts(item["sources"], f"{where}.sources")
    destinations = names.read_hosts(item["destinations"], f"{where}.destinations")
    wanted, address = "both", ""
    given = [key for key in ("address", "map") if item[key]]
    if len(given) != (1 if item["action"] == "snat" else 0):
        problem = f"{where}.action: {item['action']} with {' and '.join(given) or 'neither address nor map'}"
        raise OffloadError(problem, "give either address or map with snat, and neither with the other actions")
    if item["address"]:
        wanted, span = elements.address_span(elements.Line(item["address"], f"{where}.address"))
        if "/" in item["address"]:
            raise OffloadError(f"{where}.address: {item['address']!r} is a prefix", "write an address, or two with -")
        address = elements.span_text(*span, wanted) if span[0] == span[1] else elements.range_text(*span, wanted)
    elif item["map"]:
        kinds = names.maps.get(item["map"])
        if kinds is None or kinds[0] != kinds[1] or kinds[0] not in SUFFIX:
            problem = f"{where}.map: there is no map from addresses to addresses {item['map']!r}"
            raise OffloadError(problem, f"declare it in {ROUTER}.maps, with the same family as key and value")
        wanted = kinds[0]
    elif item["action"] == "masquerade":
        wanted = "ipv4"
    return SourceNat(
        to=names.read_one_or_more_zones(item["to"], f"{where}.to"),
        sources=sources,
        destinations=destinations,
        families=families_of(names, wanted, where, sources, destinations),
        action=item["action"],
        address=address,
        map=item["map"] or "",
        where=where,
    )


def _blocklist(names: Names, where: str, item: Options) -> Blocklist:
    if names.sets.get(item["set"]) != "addresses":
        raise OffloadError(
            f"{where}.set: there is no set of addresses {item['set']!r}", names.suggest_sets("addresses")
        )
    if not item["from"] and not item["to"]:
        raise OffloadError(f"{where}: it blocks nothing", "name zones in from, in to, or in both")
    zones = names.read_zones(item["from"], f"{where}.from")
    return Blocklist(item["set"], zones, names.read_zones(item["to"], f"{where}.to"), item["log"], where)


def _extra(names: Names) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for where, item in names.items("extra"):
        if bool(item["rules"]) == bool(item["file"]):
            raise OffloadError(f"{where}: it needs either rules or file", "give one of the two")
        if item["file"]:
            text, origin = names.file_text(item["file"], f"{where}.file"), f"{where}.file: {item['file']}"
            text = text.replace("\r\n", "\n")
        else:
            text, origin = "\n".join(item["rules"]), f"{where}.rules"
        _refuse_open_ends(text, origin)
        found.setdefault(item["place"], []).append((origin, text))
    return found


def _refuse_open_ends(text: str, where: str) -> None:
    """What a text opens must close within it, or what comes after would belong to it; raises OffloadError."""
    require_readable(text, where)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.rstrip().endswith("\\"):
            raise OffloadError(
                f"{where}, line {number}: a backslash at its end would swallow the lines after it", "take it out"
            )
