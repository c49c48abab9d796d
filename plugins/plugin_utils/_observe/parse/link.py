# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""``ip link`` and ``tc`` as sh/read/conflicts.sh shortens them -> MTU, qdiscs and filters by device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from ..._core.text import iterate_lines, parse_count, split_words
from ..state import PacketFilter

Direction = Literal["ingress", "egress"]
Effect = Literal["redirect", "drop", "police", "ct", "program"]

SHAPING = frozenset({"cake", "cake_mq", "htb", "hfsc", "tbf", "cbq", "netem"})
"""qdiscs that hold packets back on purpose; fq_codel, fq, mq, noqueue and the like only queue what has to wait"""


CLASSIFIERS = frozenset({"basic", "bpf", "cgroup", "flow", "flower", "fw", "matchall", "route", "u32"})
EFFECTS: Mapping[str, Effect] = {"ct": "ct", "mirred": "redirect", "drop": "drop", "police": "police"}
"""what a filter's action is called -> what it does, the one that tells most first; mirred only where it redirects"""
MOST_FILTERS = 64

WHOLE_FAMILIES = frozenset({"all", "ip", "ipv6"})
"""protocols of a filter that are every packet, or all of an address family"""
CARRIERS = frozenset({"802.1Q", "802.1ad", "ppp_ses"})
"""those that may have IP inside, and need not be all that comes in; any other (ARP, EAPOL, LLDP) is never forwarded"""

_DIRECTIONS: Mapping[str, Direction] = {"ingress": "ingress", "egress": "egress"}
_NO_CONDITION = frozenset({"skip_sw", "skip_hw", "in_hw", "not_in_hw", "in_hw_count", "eth_type", "indev"})
"""lines of a filter that select nothing beside an address family, or nothing at all"""
_BY_FLOW = frozenset({"ip_proto", "src_ip", "dst_ip", "src_port", "dst_port"})
"""conditions of flower that packets of offloaded flows meet as others do"""
_NEVER_OFFLOADED = frozenset({"icmp", "icmpv6", "02", "sctp"})
"""protocols over IP, as flower names them, of which no flow gets into a flowtable; 02: IGMP"""
_U32_ICMP = {("ip", "00010000/00ff0000", "8"): "icmp", ("ipv6", "00003a00/0000ff00", "4"): "icmpv6"}
"""protocol of a filter, and what u32 matches at which place"""
_PROGRAM = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_HARMLESS_PROGRAMS = re.compile(r"bridger_input|qosify_\w+", re.ASCII)
"""those that take nothing which is routed: bridger takes what bridges pass on, qosify sets classes"""


@dataclass(frozen=True)
class Traffic:
    """What tc shows of the devices that flowtables list."""

    qdiscs: Mapping[str, tuple[str, ...]]
    """device -> kinds that the CPU works; not those that the NIC does (offloaded)"""
    redirected: Mapping[str, str]
    """device -> device that all its incoming packets are redirected to"""
    filters: tuple[PacketFilter, ...] = ()
    """those that take packets, or may"""


@dataclass
class _Filter:
    """A filter while its lines are read."""

    device: str
    direction: Direction
    classifier: str
    protocol: str = "all"
    program: str = ""
    conditions: dict[str, str] = field(default_factory=dict)
    """what it selects by -> its value"""
    nic_only: bool = False
    actions: dict[Effect, str] = field(default_factory=dict)
    """effect -> target"""
    acting: bool = False
    """its actions have begun"""

    def take(self, words: list[str]) -> None:
        """One more of its lines."""
        match words:
            case ["match", "00000000/00000000", *_]:
                pass
            case ["action", "order", _number, kind, *options]:
                self.acting = True
                self._take_action(kind, " ".join(options))
            case ["match", value, "at", place] if (self.protocol, value, place) in _U32_ICMP:
                self.conditions["ip_proto"] = _U32_ICMP[self.protocol, value, place]
            case [key, *values] if not self.acting:
                self.nic_only = self.nic_only or "skip_sw" in words
                if key not in _NO_CONDITION:
                    self.conditions[key] = values[0] if values else ""

    def _take_action(self, kind: str, options: str) -> None:
        if kind == "gact" and options.startswith("action drop"):
            kind = "drop"
        target = re.search(r"Redirect to device (\S+)\)", options)
        if kind in EFFECTS and (kind != "mirred" or target):
            self.actions[EFFECTS[kind]] = target[1] if target else ""

    def finish(self) -> PacketFilter | None:
        """What it does; None where it takes nothing that is forwarded.

        Nor does what has no IP, what no flowtable takes, or what a bridge passes on (both addresses of Ethernet).
        """
        ip_proto = self.conditions.get("ip_proto", "")
        if self.protocol not in WHOLE_FAMILIES | CARRIERS or ip_proto in _NEVER_OFFLOADED:
            return None
        if {"dst_mac", "src_mac"} <= self.conditions.keys() and self.nic_only:
            return None
        effect = next((effect for effect in EFFECTS.values() if effect in self.actions), None)
        target = self.actions.get(effect, "") if effect else self.program
        if effect is None and (not self.program or _HARMLESS_PROGRAMS.fullmatch(self.program)):
            return None
        whole = not self.conditions and self.classifier in {"flower", "matchall", "u32"}
        whole = whole and self.protocol in WHOLE_FAMILIES
        by_flow = self.classifier == "flower" and bool(self.conditions) and self.conditions.keys() <= _BY_FLOW
        return PacketFilter(
            self.device,
            self.direction,
            self.classifier,
            effect or "program",
            target,
            whole,
            self.nic_only,
            by_flow,
            ip_proto,
            self.conditions.get("dst_ip", ""),
        )


def parse_links(text: str, unknown: list[str] | None = None) -> dict[str, tuple[int, str]]:
    """Lines ``NAME MTU QDISC [XDP]``, - for what is missing -> device -> (MTU or 0, root qdisc or empty)."""
    unknown = unknown if unknown is not None else []
    found = {}
    for line in iterate_lines(text):
        match split_words(line):
            case [name, mtu, qdisc, *xdp] if len(xdp) < 2 and (mtu == "-" or parse_count(mtu) is not None):
                found[name] = (parse_count(mtu) or 0, "" if qdisc == "-" else qdisc)
            case [_, *_]:
                unknown.append(f"ip link: {line.strip()}")
    return found


def parse_xdp(text: str) -> dict[str, str]:
    """The same lines -> device -> how its XDP program runs: native, generic, offload, or multi for several."""
    words = [split_words(line) for line in iterate_lines(text)]
    return {w[0]: w[3].removeprefix("xdp") or "native" for w in words if len(w) == 4 and w[3].startswith("xdp")}


def parse_tc(text: str) -> Traffic:
    """Lines of ``tc qdisc show`` and ``tc filter show dev X ingress``, each behind the device's name -> Traffic.

    Behind the name and the word egress are those of ``tc filter show dev X egress``.
    """
    qdiscs: dict[str, list[str]] = {}
    filters: list[_Filter] = []
    for line in iterate_lines(text):
        device, _space, rest = line.partition(" ")
        direction: Direction = "egress" if rest.startswith("egress ") else "ingress"
        words = split_words(rest.removeprefix("egress "))
        match words:
            case ["qdisc", kind, *flags]:
                qdiscs.setdefault(device, []).extend([] if "offloaded" in flags else [kind])
            case ["filter", *_]:
                filters.append(_open_filter(device, direction, words))
            case [_, *_] if filters and (filters[-1].device, filters[-1].direction) == (device, direction):
                filters[-1].take(words)
    found = list(dict.fromkeys(one for read in filters if (one := read.finish()) is not None))
    return Traffic(
        {device: tuple(dict.fromkeys(kinds)) for device, kinds in qdiscs.items()},
        {
            one.device: one.target
            for one in found
            if (one.direction, one.effect, one.whole, one.nic_only) == ("ingress", "redirect", True, False)
        },
        tuple(found[:MOST_FILTERS]),
    )


def _open_filter(device: str, direction: Direction, words: list[str]) -> _Filter:
    """``filter protocol all pref 1 bpf chain 0 handle 0x1 NAME:[ID] direct-action not_in_hw id 7 name NAME``"""
    pairs = dict(pairwise(words))
    classifier = next((word for word in words if word in CLASSIFIERS), "")
    found = _Filter(device, direction, classifier, pairs.get("protocol", "all"))
    if pairs.get("chain", "0") != "0":
        found.conditions["chain"] = pairs["chain"]
    found.nic_only = "skip_sw" in words
    if found.classifier == "bpf" and "direct-action" in words:
        behind = pairs.get(pairs.get("handle", ""), "")
        name = pairs.get("name") or (behind if behind != "direct-action" else "")
        found.program = _name_program(name)
    return found


def _name_program(name: str) -> str:
    """As much of its name as may stand in a message."""
    known = _PROGRAM.match(name)
    return known[0] if known else "without a name"


def parse_tcx(text: str) -> tuple[PacketFilter, ...]:
    """Lines ``wan0 ingress PROGRAM`` -> the programs, but those that take nothing which is routed."""
    found = []
    for line in iterate_lines(text):
        match split_words(line):
            case [device, "ingress" | "egress" as direction, name] if not _HARMLESS_PROGRAMS.fullmatch(name):
                found.append(PacketFilter(device, _DIRECTIONS[direction], "bpf", "program", _name_program(name)))
    return tuple(dict.fromkeys(found))[:MOST_FILTERS]


def map_shapers(links: Mapping[str, tuple[int, str]], traffic: Traffic) -> dict[str, str]:
    """Device -> its shaping qdisc: at the root, or, where tc shows it, below it (mq has one for each queue)."""
    kinds = {device: (qdisc,) for device, (_mtu, qdisc) in links.items()} | dict(traffic.qdiscs)
    shaping = {device: [kind for kind in found if kind in SHAPING] for device, found in kinds.items()}
    return {device: found[0] for device, found in shaping.items() if found}
