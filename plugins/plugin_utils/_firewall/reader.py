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
from .._core.text import read_number
from . import elements, services, spec
from .model import SUFFIX, Blocklist, Firewall, Hosts, Options, PortForward, Redirect, Rule, SourceNat
from .names import ROUTER, Names, refuse_empty, refuse_keyword, require_match, require_within
from .offload import read_exclude
from .services import Port
from .spec import WEEKDAYS

RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day|week)\Z")
DAY = 86400
"""seconds"""
MAC = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\Z")
HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])\Z")
ADDRESS_WITH_PORTS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9-]+)\Z")
"""``203.0.113.97:5136-5151`` or ``[2001:db8::1]:5136-5151``"""
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
        port_forwards=[
            _port_forward(names, where, item, number)
            for number, (where, item) in enumerate(names.items("port_forwards"))
        ],
        redirect=[_redirect(names, where, item) for where, item in names.items("redirect")],
        source_nat=[
            _source_nat(names, where, item, number) for number, (where, item) in enumerate(names.items("source_nat"))
        ],
        blocklists=[_blocklist(names, where, item) for where, item in names.items("blocklists")],
        log=log,
        extra=_extra(names),
        changing=frozenset(names.changing),
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
    refuse_empty(item, where, "services", "sources", "destinations", "source_mac", "weekdays")
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
        macs=tuple(sorted({_mac(text, f"{where}.source_mac") for text in item["source_mac"] or ()})),
        times=_times(item, where),
        options=item,
        where=where,
    )


def _mac(text: str, where: str) -> str:
    """The Ethernet address of a host, in small letters."""
    require_match(MAC, text, where, "an Ethernet address such as 02:00:00:00:00:05 was expected")
    if read_number(f"0x{text[1]}") & 1:
        raise OffloadError(f"{where}: {text} is the address of a group, which no packet comes from", "correct it")
    return text.lower()


def _times(item: Options, where: str) -> tuple[str, ...]:
    """The matches of weekdays and hours. Numbers: nft would take 21:00 for the time in the zone that it runs in."""
    found = []
    if item["weekdays"]:
        days = [f'"{day}"' for key, day in WEEKDAYS.items() if key in item["weekdays"]]
        found.append(f"meta day {services.braces(days)}")
    if item["hours"] is not None:
        match = HOURS.match(item["hours"])
        if not match:
            problem = f"{where}.hours: {item['hours']!r} is not a time of the day, from and to"
            raise OffloadError(problem, "write it as 08:00-17:30, in UTC, or over midnight as 21:00-06:00")
        first, last = (read_number(match[hour]) * 3600 + read_number(match[hour + 1]) * 60 for hour in (1, 3))
        if last > DAY or (last - first) % DAY == 0:
            raise OffloadError(f"{where}.hours: {item['hours']} is no part of a day", "leave it out for the whole day")
        found.append(f"meta hour {first}-{last - 1}" if first < last else f"meta hour != {last}-{first - 1}")
    return tuple(found)


def _address(names: Names, text: str, where: str, family: str) -> str:
    """One address of that family, as nft takes it."""
    other, span = elements.address_span(elements.Line(text, where))
    if other != family or span[0] != span[1]:
        raise OffloadError(f"{where}: {text!r} is not an {family} address", "write a single address")
    if family not in names.families:
        problem = f"{where}: it is for {family}, and {ROUTER}.family is {names.families[0]}"
        raise OffloadError(problem, "leave one of the two out")
    return elements.span_text(*span, family)


def _server6(names: Names, text: str, where: str) -> str:
    """An IPv6 address, or how it ends behind a prefix that changes, as what comes after ``daddr``."""
    line = elements.Line(text, where)
    if (masked := elements.read_masked(line)) is None or "ipv6" not in names.families:
        elements.refuse_bare_suffix(line)
        return _address(names, text, where, "ipv6")
    family, match = masked
    if family != "ipv6":
        raise OffloadError(f"{where}: {text!r} is not an ipv6 address", "write a single address")
    return match


def _forwarded_ports(item: Options, where: str) -> tuple[Port, ...]:
    """The protocols of a port forward with their ports; those without ports have none."""
    protocols = sorted(set(item["protocols"]))
    if not protocols:
        raise OffloadError(f"{where}.protocols is empty", f"leave it out for tcp, or name {', '.join(spec.FORWARDED)}")
    without = [protocol for protocol in protocols if protocol not in services.WITH_PORTS]
    given = [key for key in ("port", "target_port") if item[key] is not None]
    if without and (given or len(without) < len(protocols)):
        what = f"{where}.{given[0]}" if given else f"{where}.protocols"
        problem = f"{what}: {without[0]} has no ports"
        raise OffloadError(problem, "forward it in an entry of its own, without port and target_port")
    if without:
        return tuple(map(Port, protocols))
    if item["port"] is None:
        raise OffloadError(f"{where}.port is missing", "name the port that is dialled, or a range such as 8000-8010")
    low, high = services.read_span(item["port"], f"{where}.port")
    if (target := item["target_port"]) is not None:
        services.read_span(str(target), f"{where}.target_port")
        if target + high - low > services.LAST_PORT:
            problem = f"{where}.target_port: {high - low + 1} ports do not fit from {target} up to {services.LAST_PORT}"
            raise OffloadError(problem, "begin with a lower port, or forward fewer")
    return tuple(Port(protocol, low, high) for protocol in protocols)


def _port_forward(names: Names, where: str, item: Options, number: int) -> PortForward:
    if not item["ipv4"] and not item["ipv6"]:
        problem = f"{where}: port forward {item['name']} has neither ipv4 nor ipv6"
        raise OffloadError(problem, "name the address of the server")
    ports = _forwarded_ports(item, where)
    for key in ("target_port", "address", "hairpin"):
        if item[key] and not item["ipv4"]:
            problem = f"{where}.{key}: it is for IPv4, whose addresses are translated, and ipv4 is not given"
            raise OffloadError(problem, f"give ipv4, or leave {key} out")
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
        ports=ports,
        ipv4=_address(names, item["ipv4"], f"{where}.ipv4", "ipv4") if item["ipv4"] else "",
        ipv6=_server6(names, item["ipv6"], f"{where}.ipv6") if item["ipv6"] else "",
        target_port=item["target_port"],
        address=_address(names, item["address"], f"{where}.address", "ipv4") if item["address"] else "",
        sources=names.read_hosts(item["sources"], f"{where}.sources"),
        hairpin=hairpin,
        where=where,
        number=number,
    )


def _redirect(names: Names, where: str, item: Options) -> Redirect:
    refuse_empty(item, where, "services", "sources", "destinations")
    ports = names.read_ports(item["services"], f"{where}.services")
    if other := [port.protocol for port in ports if port.protocol not in services.WITH_PORTS]:
        problem = f"{where}.services: {other[0]} has no ports"
        raise OffloadError(problem, f"name services with ports, of {', '.join(services.WITH_PORTS)}")
    if item["target_port"] is not None:
        services.read_span(str(item["target_port"]), f"{where}.target_port")
    sources = names.read_hosts(item["sources"], f"{where}.sources")
    destinations = names.read_hosts(item["destinations"], f"{where}.destinations")
    return Redirect(
        zones=names.read_one_or_more_zones(item["from"], f"{where}.from"),
        ports=ports,
        sources=sources,
        destinations=destinations,
        families=families_of(names, item["family"], where, sources, destinations),
        target_port=item["target_port"],
        where=where,
    )


def _source_nat(names: Names, where: str, item: Options, number: int) -> SourceNat:
    refuse_empty(item, where, "sources", "destinations", "ports")
    sources = names.read_hosts(item["sources"], f"{where}.sources")
    destinations = names.read_hosts(item["destinations"], f"{where}.destinations")
    wanted, address = "both", ""
    text, ports = _ports_of_address(item, where)
    given = [key for key in ("address", "map") if item[key]]
    if len(given) != (1 if item["action"] == "snat" else 0):
        problem = f"{where}.action: {item['action']} with {' and '.join(given) or 'neither address nor map'}"
        raise OffloadError(problem, "give either address or map with snat, and neither with the other actions")
    if item["address"]:
        wanted, address = _new_source(text, f"{where}.address", sources)
    elif item["map"]:
        kinds = names.maps.get(item["map"])
        if kinds is None or kinds[0] != kinds[1] or kinds[0] not in SUFFIX:
            problem = f"{where}.map: there is no map from addresses to addresses {item['map']!r}"
            raise OffloadError(problem, f"declare it in {ROUTER}.maps, with the same family as key and value")
        wanted = kinds[0]
    elif item["action"] == "masquerade" and sources is None and destinations is None:
        if "ipv4" not in names.families:
            problem = f"{where}.action: IPv6 is masqueraded only where an entry names whose"
            raise OffloadError(problem, "name the sources, such as '::/0' for all")
        wanted = "ipv4"
    return SourceNat(
        to=names.read_one_or_more_zones(item["to"], f"{where}.to"),
        sources=sources,
        destinations=destinations,
        families=families_of(names, wanted, where, sources, destinations),
        action=item["action"],
        address=address,
        ports=ports,
        map=item["map"] or "",
        where=where,
        number=number,
    )


def _ports_of_address(item: Options, where: str) -> tuple[str, tuple[str, ...]]:
    """(address without ports, its ports as nft takes them) of an entry of source_nat, from both keys."""
    address, given = item["address"] or "", list(item["ports"] or ())
    key = f"{where}.ports"
    if with_ports := ADDRESS_WITH_PORTS.match(address):
        if given:
            raise OffloadError(f"{key}: {where}.address has ports too", "write all of them into ports")
        address, given, key = with_ports[1] or with_ports[2], [with_ports[3]], f"{where}.address"
    ports = tuple(elements.merge_ports(elements.Line(text, key) for text in given))
    what = "a map" if item["map"] else "a prefix" if "/" in address else ""
    if ports and (what or item["action"] == "none"):
        problem = f"{key}: {what} keeps the ports" if what else f"{key}: action none leaves the ports as they are"
        raise OffloadError(problem, "leave the ports out, or give an address or masquerade")
    return address, ports


def _new_source(text: str, where: str, sources: Hosts | None) -> tuple[str, str]:
    """Family and text of what source addresses become: an address, a range, or a prefix for a prefix."""
    line = elements.Line(text, where)
    elements.refuse_bare_suffix(line)
    family, span = elements.address_span(line)
    if "/" not in text:
        return family, elements.span_text(*span, family) if span[0] == span[1] else elements.range_text(*span, family)
    (own,) = (sources or {}).values() if len(sources or {}) == 1 else ([""],)
    length = text.partition("/")[2]
    if family not in (sources or {}) or len(own) != 1 or not re.match(rf"[0-9A-Fa-f:.]+/{length}\Z", own[0]):
        raise OffloadError(
            f"{where}: the prefix {text} takes the place of one of the same length, and sources is not a single one",
            f"name it in sources, such as a /{length}; or write an address, or two with -",
        )
    return family, elements.span_text(*span, family)


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
