# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The emergency ruleset: what boot loads where no text of our table loads, so that the router can be reached and is not
open. Pure: no I/O.

It is the same table, so that the next change replaces it. Its chains have the policy accept and a last rule that drops:
a chain that is flushed, as the text for boot does before it declares its own, lets everything through.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .._observe.parse.boot import MARK
from .._observe.parse.nft import parse_filtered_families, parse_statements
from .table import DesiredTable

SSH = 22
MOST_PORTS = 16

HEADER = "# Written by kmod.nft_offload.ruleset: what boot loads when no ruleset that was confirmed can be loaded."
_INPUT = {
    "inet": (
        "meta l4proto { icmp, icmpv6 } accept",
        "meta nfproto ipv4 udp sport 67 udp dport 68 accept",
        "ip6 saddr fe80::/10 udp dport 546 accept",
    ),
    "ip": ("ip protocol icmp accept", "udp sport 67 udp dport 68 accept"),
    "ip6": ("meta l4proto icmpv6 accept", "ip6 saddr fe80::/10 udp dport 546 accept"),
}
"""family -> ICMP, and what comes to the router's own DHCP clients. In words that nft itself knows: a small router has
neither /etc/protocols nor /etc/services."""


def render_emergency(desired: DesiredTable, ports: Collection[int]) -> str | None:
    """Text of paths.EMERGENCY; None where our table does not filter what comes to the router.

    ``ports`` are those that SSH servers listen on, beside 22, the most important one first. What is forwarded is
    dropped where our table may drop any of it, and else is none of its business.
    """
    text = replace(desired, software=None).boot_text()
    if not parse_filtered_families(text):
        return None
    first, others = list(ports)[:1], sorted({*ports})
    chosen = list(dict.fromkeys((*first, SSH, *others)))[:MOST_PORTS]
    listed = ", ".join(str(port) for port in sorted(chosen))
    rules = (
        "ct state established,related accept",
        'iifname "lo" accept',
        *_INPUT[desired.family],
        f"tcp dport {{ {listed} }} accept",
        "drop",
    )
    chains = [_render_chain("input", rules)]
    if _may_drop_forwarded(text):
        chains.append(_render_chain("forward", ("drop",)))
    path = desired.path
    made = f"table {path} {{ {MARK}; }}\n" if desired.marked else ""
    return f"{HEADER}\ntable {path}\ndelete table {path}\n{made}table {path} {{\n" + "".join(chains) + "}\n"


def _render_chain(hook: str, rules: Collection[str]) -> str:
    lines = (f"type filter hook {hook} priority filter; policy accept;", *rules)
    return f"\tchain emergency_{hook} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


def _may_drop_forwarded(text: str) -> bool:
    """Whether a chain at the hook forward has the policy drop, or any chain that may be reached from it drops."""
    hooks: dict[str, str] = {}
    dropping: set[str] = set()
    for statement in parse_statements(text):
        if statement.kind not in {"chain", "map"}:
            continue
        words = statement.words
        if words[:1] == ("type",) and "hook" in words[:-1]:
            hooks[statement.name] = words[words.index("hook") + 1]
        if {"drop", "reject"} & {word.strip(":") for word in words}:
            dropping.add(statement.name)
    if "forward" not in hooks.values():
        return False
    return any(hooks.get(name, "forward") == "forward" for name in dropping)
