# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From a Firewall to the text of its table. Pure: no I/O, and the same text for the same description.

Packets are sent to the chain of their zone, or of their pair of zones, by one look into a verdict map each, so the cost
does not grow with the number of zones; services are one look into a set.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from . import offload
from .addresses import address_chains
from .changing import changing_input, changing_pairs, slow_rules
from .model import SUFFIX, Declared, Firewall, Rule
from .services import PING, matches
from .shared import list_shared, part, zones_of_devices
from .text import IP, Text, base_chain, quote_devices, variants, vmap

# RFC 4890: errors that connections depend on, and what keeps a link going. Ping comes after the rules for it.
INPUT_ICMP = {
    "ipv4": ("icmp type { destination-unreachable, parameter-problem, time-exceeded } accept",),
    "ipv6": (
        "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
        "# RFC 4890: neighbour discovery never crosses a router, which the hop limit proves",
        "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } "
        "ip6 hoplimit 255 accept",
        "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } "
        "ip6 saddr { ::, fe80::/10 } accept",
    ),
}
# Connection tracking has no idea of these and takes them for invalid, so they come before that is looked at.
LINK_ICMP = {
    "ipv4": (),
    "ipv6": (
        "# RFC 4890, 4.4.1: inverse neighbour discovery, certificates of routers (SEND), multicast routers",
        "icmpv6 type { 141, 142, 148, 149 } ip6 hoplimit 255 accept",
        "icmpv6 type 151-153 ip6 saddr fe80::/10 ip6 hoplimit 1 accept",
    ),
}
DHCP = {
    "ipv4": 'meta nfproto ipv4 udp sport 67 udp dport 68 accept comment "DHCP client"',
    "ipv6": 'ip6 saddr fe80::/10 udp dport 546 accept comment "DHCPv6 client"',
}
OPEN = "ct status & expected == 0 ct state established ct direction original"
"""not what a helper expects, which no rule but that of the first connection allowed"""
CLAMP = "tcp flags & (syn | rst) == syn tcp option maxseg size set"
LOG_PREFIX = 120
"""bytes; the kernel takes 127 (NF_LOG_PREFIXLEN)"""
# What a rule may limit for each source: what still is within it, how a set keeps that, the set's flags and timeout.
# It asks for what is within, so that a source that a full set has no room for is dropped. An IPv6 host has a whole /64.
PER_SOURCE = {
    "limit": ("limit rate {rate} burst {burst} packets", "update", "dynamic,timeout", "1h"),
    "connections": ("ct count {max}", "add", "dynamic", ""),
}
SOURCE = {"ipv4": "ip saddr", "ipv6": "ip6 saddr & ffff:ffff:ffff:ffff::"}
OTHER = {"ipv4": "ipv6", "ipv6": "ipv4"}


class Table:
    """Renders one firewall."""

    def __init__(self, firewall: Firewall) -> None:
        self.firewall = firewall
        self.text = Text(sets=list(firewall.declared))
        self.shared: set[str] = set()
        """chains of rules that stand for several zones or pairs"""

    def rendered(self, table: str) -> str:
        """The text of the table, which is named like ``inet nft_offload``. Once only."""
        text, zones = self.text, self.firewall.zones.values()
        text.extra += self.extra("table")
        self.early()
        address_chains(self.firewall, text, self.extra)
        self.input()
        self.forward()
        for place in ("input_last", "forward_last"):
            if lines := self.extra(place):
                text.chain(f"extra_{place}", lines, later=True)
        if self.firewall.extra.get("output"):
            text.chain("output", self.extra("output"), "", base_chain("filter", "output", "filter", "accept"))
        if self.refuses():
            lines = [
                "# in the middle of a TCP connection nobody is told: the other end may be right",
                "meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn drop",
                "meta l4proto tcp reject with tcp reset",
                "reject with icmpx admin-prohibited",
            ]
            text.chain("refuse", lines, "action, input and forward: reject", later=True)
        comments = [f"zone {zone.name}: {', '.join((*zone.devices, *(zone['subnets'] or ())))}" for zone in zones]
        return text.rendered(table, ["flow_offload_router", *comments])

    def extra(self, place: str) -> list[str]:
        """The user's own lines for that place, with where they come from."""
        lines: list[str] = []
        for where, own in self.firewall.extra.get(place, ()):
            lines += [f"# {where}", *textwrap.dedent(own).strip("\n").split("\n")]
        return lines

    # --- what is refused

    def log_statement(self, event: str) -> str:
        """The whole statement that logs an event, at most as often as flow_offload_router.log allows."""
        log = self.firewall.log
        to = f"group {log['group']}" if log["group"] is not None else f"level {log['level']}"
        limit = f"limit rate {log['rate']} burst {log['burst']} packets"
        prefix = f"{log['prefix']}{event}".encode()[:LOG_PREFIX].decode(errors="ignore")
        return f'{limit} log prefix "{prefix}: " {to}'

    def refuses(self) -> bool:
        """Does anything of this firewall reject, and need the chain ``refuse``?"""
        policies = [zone[kind] for zone in self.firewall.zones.values() for kind in ("input", "forward")]
        actions = [rule["action"] for rule in (*self.firewall.input, *self.firewall.forward)]
        return "reject" in (*policies, *actions)

    def verdict(self, action: str) -> str:
        """The verdict of an action: the action itself, or for reject a jump to the chain ``refuse``."""
        return "goto refuse" if action == "reject" else action

    def end(self, kind: str, zone: str) -> Iterator[str]:
        """The last lines of a zone's chain: extra rules, and its policy."""
        if self.extra(f"{kind}_last"):
            yield f"jump extra_{kind}_last"
        policy = self.firewall.zones[zone][kind]
        if policy == "accept":
            yield "accept"
            return
        if kind == "forward" and "ipv6" in self.firewall.families:
            zoned = quote_devices(self.firewall.devices(*self.firewall.zones))
            yield f'oifname {zoned} {PING["ipv6"]} accept comment "RFC 4890, 4.3.1: must not be dropped"'
        if self.firewall.zones[zone]["log"]:
            yield self.log_statement(f"{kind} {zone}")
        yield f"{self.text.counter(f'{kind}_refused_{zone}')} {self.verdict(policy)}"

    # --- what every packet is asked

    def early(self) -> None:
        """Before connection tracking: what has no business here costs no entry."""
        zones = {name: list(self._early(name)) for name in self.firewall.zones}
        comment = "Before connection tracking: flow_offload_router.blocklists, zones.bogons, zones.antispoof"
        first = base_chain("filter", "prerouting", "raw", "accept")
        spoofed = (
            [f"fib saddr . iif oif missing {self.text.counter('spoofed')} drop"] if list_shared(self.firewall) else []
        )
        self.text.dispatch(
            "early", first, "iifname", self.firewall, zones, comment, self.extra("early"), of_shared=spoofed
        )

    def _early(self, name: str) -> Iterator[str]:
        zone, families = self.firewall.zones[name], self.firewall.families
        for blocklist in self.firewall.blocklists:
            if name in blocklist.zones:
                yield from self._blocked(blocklist.name, "saddr", blocklist.log)
        if zone["antispoof"] != "none":
            key = "saddr . iif" if zone["antispoof"] == "strict" else "saddr"
            yield f"fib {key} oif missing {self.text.counter('spoofed')} drop"
        if zone["bogons"]:
            for family in reversed(families):  # IPv4 is last: its DHCP is spared what comes after, and nothing else
                if family == "ipv4" and zone["dhcp_client"]:
                    comment = "a DHCP server may have a private address"
                    yield f'meta nfproto ipv4 udp sport 67 udp dport 68 return comment "{comment}"'
                yield f"{IP[family]} saddr @bogons{SUFFIX[family]} {self.text.counter('bogons')} drop"

    def _blocked(self, name: str, side: str, log: bool, match: str = "") -> Iterator[str]:
        for family in self.firewall.families:
            hit = f"{match}{IP[family]} {side} @{name}{SUFFIX[family]}"
            if log:
                yield f"{hit} {self.log_statement(f'blocklist {name}')}"
            yield f"{hit} {self.text.counter(f'blocklist_{name}')} drop"

    def families(self) -> list[str]:
        """What a firewall for one family does with the other."""
        if len(self.firewall.families) == 2:
            return []
        (family,) = self.firewall.families
        return [f'iifname != "lo" meta nfproto {OTHER[family]} drop comment "flow_offload_router.family"']

    # --- to the router

    def input(self) -> None:
        """Add the chain for what comes to the router, and one for each zone."""
        firewall = self.firewall
        lines = [
            *self.families(),
            *self._judge_input_again(),
            "ct state { established, related } accept",
            *(line for family in firewall.families for line in LINK_ICMP[family]),
            f"ct state invalid {self.text.counter('invalid')} drop",
            'iifname "lo" accept',
            *(line for family in firewall.families for line in INPUT_ICMP[family]),
            *self._dhcp(),
            *self.extra("input"),
        ]
        zones = {name: list(self._input(name)) for name in firewall.zones}
        comment = "What the router itself takes: flow_offload_router.zones.services and .input"
        first = base_chain("filter", "input", "filter", "drop")
        self.text.dispatch("input", first, "iifname", firewall, zones, comment, lines, "goto")

    def _input(self, name: str, again: bool = False) -> Iterator[str]:
        """A zone's services, the rules for it, its policy; ``again`` as in ``rule``."""
        zone, families = self.firewall.zones[name], self.firewall.families
        if zone.ports:
            yield f"# {zone.where}.services: {', '.join(dict.fromkeys(zone['services']))}"
            for match in matches(zone.ports, families[0] if len(families) == 1 else "both"):
                yield f"{match} accept"
        for entry in self.firewall.redirect:
            if name in entry.zones:
                yield f"# {entry.where}"
                as_sent = entry.target_port is None and entry.destinations is None
                end = "accept" if as_sent else "ct status dnat accept"
                for match in variants(families, entry.families, entry.taken, entry.sources):
                    yield f"{match} {end}"
        for number, rule in enumerate(self.firewall.input):
            if name in rule.zones:
                yield from self.rule(rule, f"input_{number}", again)
        if zone["input"] != "accept" and not any(port.protocol == "ping" for port in zone.ports):
            yield from (f"{PING[family]} accept" for family in families)
        yield from self.end("input", name)

    def _dhcp(self) -> list[str]:
        asking = [zone for zone in self.firewall.zones.values() if zone["dhcp_client"]]
        if not asking:
            return []
        everywhere = len(asking) == len(self.firewall.zones)
        match = "" if everywhere else f"iifname {quote_devices(self.firewall.devices(*(z.name for z in asking)))} "
        return [match + DHCP[family] for family in self.firewall.families]

    # --- through the router

    def forward(self) -> None:
        """Add the chain for what crosses the router, with the rule that feeds the flowtable, and one for each pair."""
        firewall, text = self.firewall, self.text
        lines = [*self.families(), f"ct state invalid {text.counter('invalid')} drop"]
        changing = changing_pairs(firewall)
        lines += self._judge_forward_again(changing)
        slow = slow_rules(firewall, changing)
        lines.append(offload.add_feeding_rule(text, firewall.exclusions, self.extra("fast_path"), slow))
        lines.append("ct state { established, related } accept")
        if "ipv6" in firewall.families:
            lines.append('icmpv6 type { 130-143, 148, 149, 151-153 } drop comment "RFC 4890: of one link only"')
        lines += [*self.extra("forward"), *self._blocked_ahead()]
        pairs = {pair: self._pair(*pair) for pair in self._pairs()}
        if pairs:
            lines += vmap("iifname . oifname", self._device_pairs(pairs))
        zones = {name: list(self.end("forward", name)) for name in firewall.zones}
        self._mss()
        comment = "What may cross this router: flow_offload_router.forward and .port_forwards; then each zone's policy"
        first = base_chain("filter", "forward", "filter", "drop")
        text.dispatch("forward", first, "iifname", firewall, zones, comment, lines, "goto")
        for (one, other), body in pairs.items():
            text.chain(f"{one}_to_{other}", body, f"{one} to {other}")

    def _pairs(self) -> list[tuple[str, str]]:
        """Pairs of zones that rules or port forwards are about, in the zones' own order."""
        rules, servers = self.firewall.forward, self.firewall.port_forwards
        pairs = {(one, other) for rule in rules for one in rule.zones for other in rule.to}
        pairs |= {(one, server.to) for server in servers for one in (*server.zones, *server.hairpin)}
        order = {name: number for number, name in enumerate(self.firewall.zones)}
        return sorted(pairs, key=lambda pair: (order[pair[0]], order[pair[1]]))

    def _device_pairs(self, pairs: Iterable[tuple[str, str]], before: str = "") -> Iterator[tuple[str, str]]:
        """From device to device, and the chain for it, whose name begins with ``before``."""
        pairs = list(pairs)
        zones = zones_of_devices(self.firewall)
        shared = {device: group for group in list_shared(self.firewall) for device in group.devices}
        parted: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
        seen: set[tuple[str, str]] = set()
        for one, other in pairs:
            for device, target in product(self.firewall.zones[one].devices, self.firewall.zones[other].devices):
                if device not in shared and target not in shared:
                    yield f'"{device}" . "{target}"', f"jump {before}{one}_to_{other}"
                elif (device, target) not in seen:
                    seen.add((device, target))
                    ends = zones[device], zones[target]
                    if ends not in parted:
                        parted[ends] = f"to_zones_{before}{len(parted)}"
                        comment = f"zones of what comes from {device} and goes to {target}"
                        self.text.chain(parted[ends], self._pair_parts(*ends, pairs, before), comment, later=True)
                    yield f'"{device}" . "{target}"', f"jump {parted[ends]}"

    def _pair_parts(
        self, sources: Sequence[str], targets: Sequence[str], pairs: Sequence[tuple[str, str]], before: str
    ) -> Iterator[str]:
        """The rules that tell the pairs of zones of two devices apart, by addresses."""
        for one, other, family in product(sources, targets, self.firewall.families):
            source, target = (part(self.firewall, one, sources, family), part(self.firewall, other, targets, family))
            if source is None or target is None:
                continue
            ip = IP[family]
            ends = [f"{ip} {side} {prefixes}" for side, prefixes in (("saddr", source), ("daddr", target)) if prefixes]
            verdict = f"goto {before}{one}_to_{other}" if (one, other) in pairs else "return"
            yield f"{' '.join(ends) or f'meta nfproto {family}'} {verdict}"

    def _blocked_ahead(self) -> Iterator[str]:
        """Connections to where nobody should go."""
        for zone in self.firewall.zones.values():
            match = f"oifname {quote_devices(zone.devices)} "
            if zone["bogons"]:
                for family in self.firewall.families:
                    yield f"{match}{IP[family]} daddr @bogons{SUFFIX[family]} {self.text.counter('bogons')} drop"
            for blocklist in self.firewall.blocklists:
                if zone.name in blocklist.to:
                    yield from self._blocked(blocklist.name, "daddr", blocklist.log, match)

    def _pair(self, one: str, other: str, again: bool = False) -> list[str]:
        lines: list[str] = []
        for number, rule in enumerate(self.firewall.forward):
            if one in rule.zones and other in rule.to:
                lines += self.rule(rule, f"forward_{number}", again)
        for entry in self.firewall.port_forwards:
            if other != entry.to or one not in (*entry.zones, *entry.hairpin):
                continue
            lines.append(f"# {entry.where}: {entry.name}")
            if entry.ipv4:
                ports = [port.moved(entry.target_port) for port in entry.ports]
                found = variants((), ("ipv4",), ports, entry.sources, {"ipv4": [entry.ipv4]})
                lines += [f"{match} ct status dnat accept" for match in found]
            if entry.ipv6 and one in entry.zones:
                found = variants((), ("ipv6",), entry.ports, entry.sources, {"ipv6": [entry.ipv6]})
                lines += [f"{match} accept" for match in found]
        return lines

    # --- connections that are open, and that a rule may decide about in another way now

    def _judge_input_again(self) -> list[str]:
        changing = changing_input(self.firewall)
        for zone, found in changing.items():
            self._judge_again(zone, found, list(self._input(zone, again=True)))
        chains = {zone: f"to_check_{zone}" for zone in changing}
        devices = self.text.by_zone("check", self.firewall, "saddr", chains, "jump")
        return vmap(f"{OPEN} iifname", devices) if devices else []

    def _judge_forward_again(self, changing: Mapping[tuple[str, str], list[str]]) -> list[str]:
        for (one, other), found in changing.items():
            lines = [*self._pair(one, other, again=True), f"goto forward_{one}"]
            self._judge_again(f"{one}_to_{other}", found, lines)
        return vmap(f"{OPEN} iifname . oifname", self._device_pairs(changing, "to_check_")) if changing else []

    def _judge_again(self, name: str, found: Iterable[str], lines: Sequence[str]) -> None:
        """Add the chain for the connections that ``found`` matches, and the one that judges them by ``lines``."""
        comment = "open connections that rules with hours, or with sets that change, may decide about"
        self.text.chain(
            f"to_check_{name}", [f"{match} goto to_again_{name}".strip() for match in found], comment, later=True
        )
        self.text.chain(f"to_again_{name}", lines, later=True)

    def _mss(self) -> None:
        lines: list[str] = []
        for zone in self.firewall.zones.values():
            if zone["mss"]:
                size = "rt mtu" if zone["mss"] == "pmtu" else zone["mss"]
                lines += [f"{side} {quote_devices(zone.devices)} {CLAMP} {size}" for side in ("iifname", "oifname")]
        extra = self.extra("mangle")
        if lines or extra:
            comment = "flow_offload_router.zones.mss: no TCP segment longer than the way out takes"
            self.text.chain("mangle", [*lines, *extra], comment, base_chain("filter", "forward", "mangle", "accept"))

    # --- a rule of flow_offload_router.input or .forward

    def rule(self, rule: Rule, name: str, again: bool = False) -> list[str]:
        """Its lines in the chain of a zone or of a pair; limits and logging are in a chain that all of them share.

        ``again`` is for connections that are open: limits are for new ones, and these have been logged.
        """
        found = variants(self.firewall.families, rule.families, rule.ports, rule.sources, rule.destinations)
        found = [f"{rule.conditions} {match}".strip() for match in found]
        comment = f"# {rule.where}{': ' if rule['comment'] else ''}{rule['comment'] or ''}"
        if (rule["limit"] or rule["connections"] or rule["log"]) and not again:
            self._shared(rule, f"rule_{name}", name)
            return [comment, *(f"{match} goto rule_{name}".strip() for match in found)]
        verdict = self._verdict(rule)
        return [comment, *(f"{match} {verdict}".strip() for match in found)]

    def _verdict(self, rule: Rule) -> str:
        count = f"{self.text.counter(rule['counter'])} " if rule["counter"] else ""
        return count + self.verdict(rule["action"])

    def _shared(self, rule: Rule, chain: str, name: str) -> None:
        if chain in self.shared:
            return
        self.shared.add(chain)
        lines: list[str] = []
        over = f"{self.text.counter('over_limit')} drop" if rule["limit"] or rule["connections"] else ""
        for key in PER_SOURCE:
            option = rule[key]
            if option and option["per"] == "all":
                match = self.text.limit(f"limit_{name}", option) if key == "limit" else f"ct count over {option['max']}"
                lines.append(f"{match} {over}")
            elif option:
                within = f"{chain}_within_{key}"
                lines += [*self._each(rule, key, f"{key}_{name}", f"goto {within}"), over]
                self.text.chain(chain, lines, rule.where, later=True)
                chain, lines = within, []
        if rule["log"]:
            lines.append(
                self.log_statement(f"{name.replace('_', ' ')}{' ' if rule['comment'] else ''}{rule['comment'] or ''}")
            )
        self.text.chain(chain, [*lines, self._verdict(rule)], rule.where, later=True)

    def _each(self, rule: Rule, key: str, name: str, verdict: str) -> Iterator[str]:
        """What is within a limit for each source address, in a set that fills itself."""
        within, verb, flags, timeout = PER_SOURCE[key]
        within = within.format_map(rule[key])
        # The module keeps what a set holds where its declaration stays (_ruleset.table), and an element goes on
        # with the limit that it came with, so the declaration names whose elements these are and with which limit.
        comment = f"{within}, rule {identity(rule)}"
        for family in rule.families:
            of_family = f"{name}_v{SUFFIX[family]}"
            self.text.sets.append(Declared("set", of_family, f"{family}_addr", (), rule.where, flags, timeout, comment))
            yield f"{verb} @{of_family} {{ {SOURCE[family]} {within} }} {verdict}"


def identity(rule: Rule) -> str:
    """Eight digits for what a rule is about, whatever its number: the same for the same connections."""
    about: tuple[object, ...] = (rule.zones, rule.to, rule.ports, rule.sources, rule.destinations, rule.families)
    about += (rule.conditions,) if rule.conditions else ()
    return hashlib.sha256(repr(about).encode()).hexdigest()[:8]


def render_software(firewall: Firewall) -> str:
    """The text of the second table beside that of ``render``, see ``offload.render_software_table``.

    Right before its chain for what crosses the router, which offloads what is established before all else. Empty where
    it would take more than exclusions to do the same: what the user adds there may use anything of the first table.
    """
    if firewall.extra.get("fast_path") or slow_rules(firewall, changing_pairs(firewall)):
        return ""
    return offload.render_software_table(firewall.exclusions, "filter - 1")


def render(firewall: Firewall, table: str = "inet nft_offload") -> str:
    """The text of the table. Deterministic: it follows the order of the description, and of nothing else."""
    return Table(firewall).rendered(table)
