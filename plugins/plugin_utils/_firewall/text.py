# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The pieces of a table's text: chains, counters, sets, and the matches that rules are made of. Pure: no I/O."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .model import Declared, Firewall, Hosts, Options
from .services import Port, braces, matches
from .shared import list_shared, part

WIDTH = 100
IP = {"ipv4": "ip", "ipv6": "ip6"}


def quote_devices(devices: Iterable[str]) -> str:
    """Devices as an nft value."""
    return braces([f'"{device}"' for device in devices])


def variants(
    every: Sequence[str],
    families: Sequence[str],
    ports: Iterable[Port] = (),
    sources: Hosts | None = None,
    destinations: Hosts | None = None,
) -> list[str]:
    """The matches that together mean: these families out of ``every`` one, ports, sources and destinations."""
    ports = tuple(ports)
    if sources is None and destinations is None and set(families) == set(every):
        return matches(ports, every[0] if len(every) == 1 else "both") if ports else [""]
    found = []
    for family in families:
        for source in (sources or {}).get(family, [""]):
            for destination in (destinations or {}).get(family, [""]):
                ends = [f"{IP[family]} saddr {source}"] if source else []
                ends += [f"{IP[family]} daddr {destination}"] if destination else []
                ends = ends or [f"meta nfproto {family}"]
                found += [" ".join([*ends, match]).strip() for match in (matches(ports, family) if ports else [""])]
    return found


def base_chain(kind: str, hook: str, priority: str, policy: str) -> str:
    """The first line of a chain that packets come to by themselves."""
    return f"type {kind} hook {hook} priority {priority}; policy {policy};"


def vmap(match: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A verdict map: one look, however many there are."""
    return [f"{match} vmap {{", *(f"\t{key} : {verdict}," for key, verdict in pairs), "}"]


@dataclass
class Text:
    """A table as it grows: what rules need is declared before the chains."""

    counters: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    sets: list[Declared] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    """chains that others jump to: below all of those"""
    named: set[str] = field(default_factory=set)
    """the names of all chains"""

    def counter(self, name: str) -> str:
        """The statement; the counter is there from then on."""
        if name not in self.counters:
            self.counters.append(name)
        return f'counter name "{name}"'

    def limit(self, name: str, options: Options) -> str:
        """A limit that several rules share; matches what is over it."""
        self.limits.append(f"limit {name} {{\n\trate over {options['rate']} burst {options['burst']} packets\n}}")
        return f'limit name "{name}"'

    def chain(self, name: str, lines: Iterable[str], comment: str = "", hook: str = "", later: bool = False) -> None:
        """Add a chain, with ``hook`` as the first line of a base chain; ``later`` puts it below all base chains."""
        self.named.add(name)
        body = [hook] if hook else []
        body += lines
        head = [f"# {line}" for line in textwrap.wrap(comment, WIDTH)] if comment else []
        chains = self.later if later else self.chains
        chains.append("\n".join([*head, f"chain {name} {{", *(f"\t{line}" if line else "" for line in body), "}"]))

    def dispatch(
        self,
        name: str,
        hook: str,
        device: str,
        firewall: Firewall,
        zones: Mapping[str, Sequence[str]],
        comment: str,
        lines: Sequence[str] = (),
        verdict: str = "jump",
        of_shared: Sequence[str] = (),
    ) -> None:
        """A chain at a hook, which sends packets on to the chain of their zone; zones without lines have none.

        ``device`` is iifname or oifname, ``lines`` come first, ``verdict`` is jump or goto, ``of_shared`` are the first
        lines for devices that zones share.
        """
        zones = {zone: body for zone, body in zones.items() if body}
        chains = {zone: f"{name}_{zone}" for zone in zones}
        pairs = self.by_zone(name, firewall, "saddr" if device == "iifname" else "daddr", chains, verdict, of_shared)
        if not pairs and not lines:
            return
        self.chain(name, [*lines, *(vmap(device, pairs) if pairs else [])], comment, hook)
        for zone, body in zones.items():
            self.chain(f"{name}_{zone}", body, f"zone {zone}")

    def by_zone(
        self,
        name: str,
        firewall: Firewall,
        side: str,
        chains: Mapping[str, str],
        verdict: str,
        of_shared: Sequence[str] = (),
    ) -> list[tuple[str, str]]:
        """(device, verdict) for each device whose zone is in ``chains``.

        Those that zones share get a chain that looks at the address of that ``side``, saddr or daddr.
        """
        shared = list_shared(firewall)
        parted = {device for group in shared for device in group.devices}
        pairs = [
            (f'"{device}"', f"{verdict} {chain}")
            for zone, chain in chains.items()
            for device in firewall.devices(zone)
            if device not in parted
        ]
        for number, group in enumerate(shared):
            lines = list(of_shared)
            for zone in group.zones:
                end = f"goto {chains[zone]}" if zone in chains else "return"
                for family in firewall.families:
                    if (own := part(firewall, zone, group.zones, family)) is not None:
                        lines.append(f"{f'{IP[family]} {side} {own}' if own else f'meta nfproto {family}'} {end}")
            if of_shared or any(zone in chains for zone in group.zones):
                chain = f"to_zone_{name}_{number}"
                self.chain(chain, lines, f"zones of {', '.join(group.devices)}: {', '.join(group.zones)}", later=True)
                pairs += [(f'"{device}"', f"{verdict} {chain}") for device in group.devices]
        return pairs

    def rendered(self, table: str, comments: Sequence[str]) -> str:
        """The text of the whole table, below its comments."""
        parts = []
        if self.counters:
            parts.append("\n".join(f"counter {name} {{ }}" for name in self.counters))
        parts += (
            self.limits + [_render_declared(declared) for declared in self.sets] + self.extra + self.chains + self.later
        )
        body = "\n".join(f"\t{line}" if line.strip() else line for line in "\n\n".join(parts).split("\n"))
        head = "".join(f"# {line}\n" for line in comments)
        return f"{head}table {table} {{\n{body}\n}}\n"


def _render_declared(declared: Declared) -> str:
    lines = [f"type {declared.type}", *([f"flags {declared.flags}"] if declared.flags else [])]
    if "dynamic" in declared.flags:
        lines.append("size 65535")
    if declared.timeout:
        lines.append(f"timeout {declared.timeout}")
    if declared.comment:
        lines.append(f'comment "{declared.comment}"')
    inline = f"elements = {{ {', '.join(declared.elements)} }}"
    if declared.elements and len(inline) <= WIDTH:
        lines.append(inline)
    elif declared.elements:
        lines += ["elements = {", *(f"\t{element}," for element in declared.elements), "}"]
    body = "".join(f"\t{line}\n" for line in lines)
    return f"# {declared.where}\n{declared.kind} {declared.name} {{\n{body}}}"
