# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets that nobody wrote, for the packet walk: each number makes one, always the same."""

from __future__ import annotations

import re
from random import Random

from tests.unit.helpers.crossing import feed, met_set

DEVICES = ("lan0", "wan0", "dmz0", "lo")
STATES = ("established", "related", "new", "invalid", "untracked")
OBJECTS = """
  set inside { type ifname; elements = { "lan0", "eth9" } }
  set protocols { type inet_proto; elements = { tcp, icmp } }
  set hosts { type ipv4_addr; elements = { 10.1.0.2 } }
"""
MAYBE = (
    "numgen inc mod 2 0",
    "tcp dport 40001",
    "udp sport != 40001",
    "limit rate 1/hour burst 1 packets",
    "ct mark 0x5",
    "th dport 1-40001",
    "ct direction original",
    "meta l4proto tcp ct original proto-dst 40002",
    "meta length > 60",
    "ct packets > 3",
)
"""conditions that hold for a part of the packets here, or for none"""


_GROUPS = (r"l4proto|protocol|tcp|udp|th |nexthdr", r"nfproto|meta protocol|ip6? ")


def _group(condition: str) -> set[int]:
    """Which protocols it is about: of layer 4, of layer 3."""
    return {number for number, pattern in enumerate(_GROUPS) if re.search(pattern, condition)}


class Generator:
    """One ruleset."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def ruleset(self) -> str:
        """The text, with ``feed`` where a flowtable is fed."""
        families = self.random.sample(["inet", "inet", "ip", "ip6"], self.random.randint(1, 3))
        return "\n".join(self._table(family, f"t{number}") for number, family in enumerate(families))

    def _table(self, family: str, name: str) -> str:
        self.family = family
        self.chains = [f"c{number}" for number in range(self.random.randint(1, 5))]
        base = [self._base("forward", number) for number in range(self.random.randint(1, 2))]
        if self.random.random() < 0.4:
            base.append(self._base("prerouting", 9))
        others = [self._chain(chain, number) for number, chain in enumerate(self.chains)]
        targets = self.chains[-1]
        ways = (
            f'map ways {{ type ifname : verdict; elements = {{ "lan0" : jump {targets}, "wan0" : goto {targets} }} }}\n'
        )
        return f"table {family} {name} {{\n{met_set(family)}{OBJECTS}{ways}{''.join([*reversed(others), *base])}}}\n"

    def _base(self, hook: str, number: int) -> str:
        priority = self.random.choice([-300, -150, 0] if hook == "prerouting" else [-20, -10, 0, 10, 20])
        policy = "drop" if self.random.random() < 0.15 else "accept"
        head = f"type filter hook {hook} priority {priority}; policy {policy};"
        self.early = hook == "prerouting" and priority < -200
        self.hook = hook
        return f"chain {hook}{number} {{\n{head}\n{self._rules(0)}}}\n"

    def _chain(self, name: str, number: int) -> str:
        self.early, self.hook = False, "forward"
        return f"chain {name} {{\n{self._rules(number + 1)}}}\n"

    def _rules(self, level: int) -> str:
        return "".join(f"{self._rule(level)}\n" for _rule in range(self.random.randint(1, 6)))

    def _rule(self, level: int) -> str:
        if self.random.random() < 0.12:
            return self._verdict_map(level)
        conditions: list[str] = []
        for _one in range(self.random.choice([0, 0, 1, 1, 1, 2, 3])):
            condition = self._condition()
            # nft refuses a rule with two protocols, or two families
            if not any(_group(condition) & _group(other) for other in conditions):
                conditions.append(condition)
        return " ".join([*conditions, self._action(level)])

    def _condition(self) -> str:
        choose = self.random.choice
        sign = choose(["", "", "!= "])
        several = self.random.sample(STATES, 2)
        pool = [
            f"ct state {sign}{choose(STATES)}",
            f"ct state {sign}{{ {several[0]}, {several[1]} }}",
            f"ct state {several[0]},{several[1]}",
            f"ct state & (established | {choose(STATES)}) {choose(['!=', '=='])} 0",
            f"meta l4proto {sign}{choose(['tcp', 'udp', 'icmp', '{ tcp, udp }', '{ udp, icmp }'])}",
            f"meta l4proto {sign}@protocols",
            f'{choose(["iifname", "oifname"])} {sign}"{choose([*DEVICES, "lan*", "w*"])}"',
            f"iifname {sign}@inside",
            f'iifname {sign}{{ "{choose(DEVICES)}", "eth*" }}',
            f'iifname . oifname {sign}{{ "lan0" . "wan0", "{choose(DEVICES)}" . "lan0" }}',
            f"meta nfproto {choose(['ipv4', 'ipv6'])}" if self.family == "inet" else "meta l4proto tcp",
            f"meta protocol {choose(['ip', 'ip6'])}" if self.family == "inet" else "meta l4proto udp",
            f"{choose(['tcp', 'udp'])} dport {sign}1-65535",
            f"meta mark {sign}{choose(['0x1', '0x2'])}",
            "meta mark & 0x3 == 0x1",
            "ct status confirmed",
            "meta pkttype host",
            *self.random.sample(MAYBE, 2),
        ]
        if self.family != "ip6":
            pool += [f"ip protocol {choose(['tcp', 'udp', '{ tcp, udp }'])}", f"ip saddr {sign}@hosts", "ip version 4"]
        if self.family != "ip":
            pool += [f"ip6 nexthdr {choose(['tcp', '{ tcp, udp }'])}", f"ip6 daddr {sign}fd00:1::/64"]
        if self.early:  # connections are not known yet
            pool = [text for text in pool if not text.startswith("ct ")]
        return choose(pool)

    def _action(self, level: int) -> str:
        choices = (
            [feed(self.family)] * 5
            + ["accept"] * 3
            + ["return", "drop", "counter", "meta mark set 0x1", "meta mark set 0x2"]
        )
        choices += ["meta mark set 0x1 accept", 'log prefix "x: " level debug accept', "continue"]
        if self.hook == "prerouting":
            choices = [
                *(text for text in choices if text != feed(self.family)),
                *(["notrack"] * 4 if self.early else []),
            ]
        later = self.chains[level:]
        if later and self.hook == "forward":
            choices += [f"jump {self.random.choice(later)}"] * 5 + [f"goto {self.random.choice(later)}"] * 3
            choices += [f"jump {{ {self._condition()} accept; {feed(self.family)}; }}"]
        return self.random.choice(choices)

    def _verdict_map(self, level: int) -> str:
        later = self.chains[level:] if self.hook == "forward" else []
        led = [f"jump {later[0]}", f"goto {later[-1]}"] if later else []

        def verdict() -> str:
            return self.random.choice(["accept", "drop", "return", "continue", *led, *led])

        maps = [
            f"meta l4proto vmap {{ tcp : {verdict()}, udp : {verdict()} }}",
            f'iifname vmap {{ "lan0" : {verdict()}, "dmz0" : {verdict()} }}',
            f'iifname . oifname vmap {{ "lan0" . "wan0" : {verdict()} }}',
        ]
        if not self.early:
            maps.append(f"ct state vmap {{ established : {verdict()}, invalid : drop, new : {verdict()} }}")
        if later and later[-1] == self.chains[-1]:
            maps.append("iifname vmap @ways")
        return self.random.choice(maps)
