# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a description names before its rules use it: families, services, sets and maps, zones. Pure: no I/O.

Every error names the key that is wrong, such as ``flow_offload_router.zones[1].devices``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .._core.errors import OffloadError
from .._core.names import DEVICE, PATTERN, find_overlap
from . import elements, services
from .model import FAMILIES, SUFFIX, Declared, Hosts, Options, Zone
from .services import Port
from .spec import VALUES

ROUTER = "flow_offload_router"
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}\Z")
SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,30}\Z")
DURATION = re.compile(r"(?=[0-9]*[1-9])(?:[1-9][0-9]{0,3}d)?(?:[0-9]{1,4}h)?(?:[0-9]{1,4}m)?(?:[0-9]{1,6}s)?\Z")
"""days, hours, minutes and seconds, in this order and not all zero"""
SIZE = re.compile(r"[1-9][0-9]{2,3}\Z")
SMALLEST = 536
"""bytes; no host of the Internet asks for smaller segments (RFC 9293)"""
RESERVED = ("bogons", "limit_", "connections_", "moved_ports_")
# Words that not every nft from 1.0.6 to 1.1.7 takes for the name of a set, a map or a counter (tried, one by one)
KEYWORD = re.compile(
    r"""(
        accept|add|ah|all|and|arp|bridge|bytes|cgroup|chain|comment|comp|constant|continue|counter|cpu|create|ct|day|
        dccp|define|delete|describe|destroy|device|devices|dnat|drop|dst|dup|dynamic|ecn|element|elements|esp|
        ether|exists|expires|export|exthdr|fib|flags|flow|flowtable|flush|frag|fwd|geneve|get|goto|gre|gretap|
        handle|hbh|hook|hour|ibriport|ibrname|icmp|icmpv6|igmp|iif|iifgroup|iifname|iiftype|import|include|
        index|inet|insert|interval|ip|ip6|ipsec|jhash|jump|limit|list|ll|log|map|mark|masquerade|meta|meter|mh|
        missing|monitor|name|netdev|nftrace|nh|not|notrack|numgen|obriport|obrname|offload|oif|oifgroup|oifname|
        oiftype|or|osf|packets|pkttype|policy|position|priority|queue|quota|random|redefine|
        redirect|reject|rename|replace|reset|return|rt|rt0|rt2|rtclassid|rule|ruleset|sctp|secmark|set|size|
        skgid|skuid|snat|socket|srh|symhash|synproxy|table|tcp|th|time|timeout|tproxy|tunnel|type|typeof|udp|
        udplite|undefine|update|vlan|vmap|vxlan|xor|xt
    )\Z""",
    re.VERBOSE,
)
# What an Internet router never sees for real (RFC 6890 and the IANA registries). Link-local addresses are not here:
# neighbours and DHCPv6 need them.
BOGONS = {
    "ipv4": (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
    ),
    "ipv6": (
        "::1 ::ffff:0:0/96 64:ff9b:1::/48 100::/64 2001:2::/48 2001:10::/28 2001:db8::/32 3fff::/20 5f00::/16 "
        "fc00::/7 fec0::/10 ff00::/8"
    ),
}


def require_match(pattern: re.Pattern[str], text: str, where: str, expected: str) -> str:
    """The text, where it matches; else raises OffloadError, naming what was expected."""
    if not pattern.match(text):
        raise OffloadError(f"{where}: {expected}, not {text!r}", "correct it")
    return text


def device_name(text: str, where: str) -> str:
    """The name of a device, or a pattern such as ``ppp*``; raises OffloadError, also for a pattern of iptables."""
    if text.endswith("+"):
        raise OffloadError(f"{where}: {text!r} looks like a pattern of iptables", f"write {text[:-1]}*")
    return text if PATTERN.match(text) else require_match(DEVICE, text, where, "a device's name was expected")


def require_within(number: int, low: int, high: int, where: str) -> None:
    """Raise OffloadError for a number that nft or the kernel would refuse, or take for another one."""
    if not low <= number <= high:
        raise OffloadError(f"{where}: {number} is not between {low} and {high}", "use a number in that range")


def refuse_empty(options: Options, where: str, *keys: str) -> None:
    """Raise OffloadError for a list that is there and empty: it would take everything instead of nothing."""
    for key in keys:
        if options[key] is not None and not options[key]:
            raise OffloadError(f"{where}.{key} is empty", "leave it out for all, or name which")


def refuse_keyword(name: str, where: str) -> None:
    """Raise OffloadError for an nft keyword."""
    if KEYWORD.match(name):
        raise OffloadError(f"{where}: {name} is an nft keyword", f"use another name, such as my_{name}")


def _refuse_overlap(device: str, other: Zone, name: str, subnets: Hosts, where: str) -> None:
    """Raise OffloadError for two zones on one device that no address tells apart."""
    if not subnets and not other.subnets:
        problem = f"{where}.devices: a device is in two zones ({device} in {other.name} and in {name})"
        raise OffloadError(problem, "leave it in one of them, or give one its subnets there")
    for family in subnets.keys() & other.subnets.keys():
        spans = [
            [elements.address_span(elements.Line(text, where))[1] for text in values[0].strip("{ }").split(", ")]
            for values in (subnets[family], other.subnets[family])
        ]
        if len(elements.merge([*spans[0], *spans[1]])) < len(spans[0]) + len(spans[1]):
            problem = f"{where}.subnets: some of it is in zone {other.name} too, which has {device} as well"
            raise OffloadError(problem, "have each address in one zone")


class Names:
    """Everything that a description gives a name to. ``files`` are the texts of the files that it names."""

    def __init__(self, options: Options, files: Mapping[str, str]) -> None:
        self.options = options
        self.files = files
        self.families = FAMILIES if options["family"] == "both" else (options["family"],)
        self.services = {name: services.read_services(ports, {}, name) for name, ports in services.SERVICES.items()}
        self.sets: dict[str, str] = {}
        """name -> addresses or ports"""
        self.changing: set[str] = set()
        """sets whose elements come and go by themselves, as a match names them: ``@name4``"""
        self.maps: dict[str, tuple[str, str]] = {}
        """name -> key and value"""
        self.declared: list[Declared] = []
        for where, item in self.items("sets"):
            self._add_set(where, item)
        for where, item in self.items("maps"):
            self._add_map(where, item)
        # after the sets, which their ports may name
        for where, item in self.items("services"):
            self._add_service(where, item)
        self.zones: dict[str, Zone] = {}
        held: dict[str, str] = {}
        for where, item in self.items("zones"):
            self._add_zone(where, item, held)
        if not self.zones:
            problem = f"{ROUTER}.zones is empty: a firewall without zones would lock everyone out"
            raise OffloadError(problem, "describe the zones")
        self._add_bogons()

    def items(self, key: str) -> list[tuple[str, Options]]:
        """(Key with its number, item) of each item of a list."""
        return [(f"{ROUTER}.{key}[{number}]", item) for number, item in enumerate(self.options[key])]

    def _add_service(self, where: str, item: Options) -> None:
        name = require_match(SERVICE, item["name"], f"{where}.name", "a service's name is a word in small letters")
        if name in self.services or name in services.PROTOCOLS:
            raise OffloadError(f"{where}.name: there is a service {name} already", "give it another name")
        if not item["ports"]:
            raise OffloadError(f"{where}.ports: service {name} has no ports", "name one, or leave the service out")
        self.services[name] = self.read_ports(item["ports"], f"{where}.ports")

    def file_text(self, path: str, where: str) -> str:
        """The text of a file that the description names; raises OffloadError where it was not handed over."""
        if path not in self.files:
            raise OffloadError(f"{where}: the text of {path} was not supplied", "pass it in the option files")
        return self.files[path].removeprefix("\ufeff")  # editors of Windows begin UTF-8 with it

    def _lines(self, item: Options, where: str) -> list[elements.Line]:
        """The elements that stand in the variable, then those of the file."""
        lines = []
        for number, element in enumerate(item["elements"]):
            text = element if isinstance(element, str) else f"{element['key']} {element['value']}"
            lines.append(elements.Line(text, f"{where}.elements[{number}]"))
        if item["file"]:
            lines += elements.read_lines(self.file_text(item["file"], f"{where}.file"), f"{where}.file: {item['file']}")
        return lines

    def _new_name(self, item: Options, where: str) -> str:
        """The name of a set or a map; nft keeps both in one place."""
        name = require_match(NAME, item["name"], f"{where}.name", "a name is a word in small letters")
        wanted = {name} if item.get("type") != "addresses" else {name + suffix for suffix in SUFFIX.values()}
        for each in sorted(wanted):
            refuse_keyword(each, f"{where}.name")
        if name.startswith(RESERVED):
            raise OffloadError(f"{where}.name: {name} is reserved", f"do not begin it with {' or '.join(RESERVED)}")
        taken = {declared.name: declared.where for declared in self.declared}
        for clash in sorted(wanted & taken.keys()):
            raise OffloadError(f"{where}.name: {name} and {taken[clash]} would both be {clash}", "rename one of them")
        return name

    def _add_set(self, where: str, item: Options) -> None:
        name = self._new_name(item, where)
        lines = self._lines(item, where)
        timeout = self._timeout(item, where)
        flags = "interval,timeout" if timeout else "interval"
        self.sets[name] = item["type"]
        if timeout:
            self.changing |= {f"@{name}{end}" for end in ("", *SUFFIX.values())}
        if item["type"] == "ports":
            ports = tuple(elements.merge_ports(lines))
            self.declared.append(Declared("set", name, "inet_service", ports, where, flags, timeout))
            return
        for line in lines[: len(item["elements"])]:  # lists that others publish may hold what no packet has
            elements.refuse_bare_suffix(line, "write the whole address, or the suffix into a rule, as '::1:2/-64'")
        found = elements.merge_addresses(lines)
        for family in self.families:
            values = tuple(found.get(family, ()))
            self.declared.append(
                Declared("set", name + SUFFIX[family], f"{family}_addr", values, where, flags, timeout)
            )

    def _timeout(self, item: Options, where: str) -> str:
        """How long an element stays that a program on the router adds, as nft takes it; empty for ever."""
        if item["timeout"] is None:
            return ""
        where = f"{where}.timeout"
        require_match(DURATION, item["timeout"], where, "a time such as 90s, 1h or 1d12h was expected")
        if item["elements"] or item["file"]:
            key = "elements" if item["elements"] else "file"
            problem = f"{where}: the elements in {key} would be gone after that time"
            raise OffloadError(problem, "leave one of the two out; elements of such a set come while the router runs")
        return str(item["timeout"])

    def _add_map(self, where: str, item: Options) -> None:
        name = self._new_name(item, where)
        key, value = item["key"], item["value"]
        pairs = elements.map_elements(self._lines(item, where), key, value)
        self.maps[name] = (key, value)
        flags = "interval" if any(re.search("[-/]", pair.split(" : ")[0]) for pair in pairs) else ""
        self.declared.append(Declared("map", name, f"{VALUES[key]} : {VALUES[value]}", tuple(pairs), where, flags))

    def _add_zone(self, where: str, item: Options, held: dict[str, str]) -> None:
        name = require_match(NAME, item["name"], f"{where}.name", "a zone's name is a word in small letters")
        if name in self.zones:
            raise OffloadError(f"{where}.name: two zones have the same name ({name})", "give each its own name")
        if "_to_" in name or name.startswith("to_"):
            raise OffloadError(f"{where}.name: {name} could be taken for a pair of zones", "leave 'to_' out of it")
        if not item["devices"]:
            raise OffloadError(f"{where}.devices: zone {name} has no device", "name one, or leave the zone out")
        subnets = self._subnets(item, where)
        for device in item["devices"]:
            device_name(device, f"{where}.devices")
            if held.get(device) == name:
                raise OffloadError(
                    f"{where}.devices: {device} is listed twice in zone {name}", "take one of the two out"
                )
            for sharing in self.zones.values():
                if device in sharing.devices:
                    _refuse_overlap(device, sharing, name, subnets, where)
            held[device] = name
        if overlap := find_overlap(held):
            pattern, other = overlap
            raise OffloadError(
                f"{where}.devices: {pattern} in zone {held[pattern]} also stands for {other} in zone {held[other]}",
                "have each device in one zone, and there once",
            )
        if item["masquerade"] and "ipv4" not in self.families:
            problem = f"{where}.masquerade: it is for IPv4, and {ROUTER}.family is ipv6"
            raise OffloadError(problem, "leave one of the two out")
        if item["mss"] not in (None, "pmtu"):
            require_match(SIZE, item["mss"], f"{where}.mss", "a segment size such as 1360, or pmtu, was expected")
            require_within(int(item["mss"]), SMALLEST, 9999, f"{where}.mss")
        ports = self.read_ports(item["services"], f"{where}.services")
        self.zones[name] = Zone(name, tuple(item["devices"]), ports, subnets, item, where)

    def _subnets(self, item: Options, where: str) -> Hosts:
        """Family -> the prefixes of a zone that has only a part of its devices, as one value."""
        refuse_empty(item, where, "subnets")
        lines = [elements.Line(text, f"{where}.subnets") for text in item["subnets"] or ()]
        found = {
            family: values for family, values in elements.merge_addresses(lines).items() if family in self.families
        }
        if lines and not found:
            problem = (
                f"{where}.subnets has addresses of the other family only, and {ROUTER}.family is {self.families[0]}"
            )
            raise OffloadError(problem, "leave one of the two out")
        return {family: [services.braces(values)] for family, values in found.items()}

    def read_ports(self, texts: Sequence[str] | None, where: str) -> tuple[Port, ...]:
        """Services by name or as ports; sets of ports must exist."""
        found = services.read_services(texts or (), self.services, where)
        for port in found:
            if port.named and self.sets.get(port.named) != "ports":
                raise OffloadError(f"{where}: there is no set of ports {port.named!r}", self.suggest_sets("ports"))
        return found

    def suggest_sets(self, kind: str) -> str:
        """The remedy for a name that no set of that kind has."""
        names = ", ".join(sorted(name for name, other in self.sets.items() if other == kind))
        return f"the sets of {kind} are: {names}" if names else f"declare it in {ROUTER}.sets"

    def read_zones(self, texts: Sequence[str], where: str) -> tuple[str, ...]:
        """Each once; raises OffloadError for one that does not exist."""
        if unknown := [name for name in texts if name not in self.zones]:
            problem = f"{where} names {', '.join(unknown)}, but the zones are {', '.join(self.zones)}"
            raise OffloadError(problem, "correct the name")
        return tuple(dict.fromkeys(texts))

    def read_one_or_more_zones(self, texts: Sequence[str], where: str) -> tuple[str, ...]:
        """At least one."""
        if not texts:
            raise OffloadError(f"{where} is empty", f"name a zone; the zones are {', '.join(self.zones)}")
        return self.read_zones(texts, where)

    def read_hosts(self, texts: Sequence[str] | None, where: str) -> Hosts | None:
        """Addresses and ``@sets`` by family; None where there are none, which is everyone."""
        if not texts:
            return None
        literal = elements.host_matches(elements.Line(item, where) for item in texts if not item.startswith("@"))
        found = {family: values for family, values in literal.items() if family in self.families}
        for item in dict.fromkeys(texts):
            if item.startswith("@"):
                if self.sets.get(item[1:]) != "addresses":
                    raise OffloadError(
                        f"{where}: there is no set of addresses {item[1:]!r}", self.suggest_sets("addresses")
                    )
                for family in self.families:
                    found.setdefault(family, []).append(item + SUFFIX[family])
        if not found:
            problem = f"{where} has addresses of the other family only, and {ROUTER}.family is {self.families[0]}"
            raise OffloadError(problem, "leave one of the two out")
        return found

    def _add_bogons(self) -> None:
        """Our own sets, where a zone asks for them: the addresses less the exceptions."""
        where = f"{ROUTER}.bogon_exceptions"
        except_for = [elements.address_span(elements.Line(item, where)) for item in self.options["bogon_exceptions"]]
        if not any(zone["bogons"] for zone in self.zones.values()):
            if except_for:
                raise OffloadError(f"{where}: no zone filters bogons", "set bogons: true in a zone, or leave it out")
            return
        origin = f"{ROUTER}.zones.bogons, less {where}" if except_for else f"{ROUTER}.zones.bogons"
        for family in self.families:
            spans = [elements.address_span(elements.Line(text, where))[1] for text in BOGONS[family].split()]
            left = elements.subtract(spans, [span for other, span in except_for if other == family])
            values = tuple(elements.span_text(*span, family) for span in left)
            self.declared.append(Declared("set", f"bogons{SUFFIX[family]}", f"{family}_addr", values, origin))
