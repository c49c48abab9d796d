# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""``ip link`` and ``tc`` as sh/read/conflicts.sh shortens them -> MTU, qdiscs and redirections by device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..._core.text import iterate_lines, parse_count, split_words

SHAPING = frozenset({"cake", "cake_mq", "htb", "hfsc", "tbf", "cbq", "netem"})
"""qdiscs that hold packets back on purpose; fq_codel, fq, mq, noqueue and the like only queue what has to wait"""


@dataclass(frozen=True)
class Traffic:
    """What tc shows of the devices that flowtables list."""

    qdiscs: Mapping[str, tuple[str, ...]]
    """device -> kinds that the CPU works; not those that the NIC does (offloaded)"""
    redirected: Mapping[str, str]
    """device -> device that all its incoming packets are redirected to"""


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
    """Lines of ``tc qdisc show dev`` and ``tc filter show dev X ingress``, each behind the device's name -> Traffic."""
    qdiscs: dict[str, list[str]] = {}
    redirected: dict[str, str] = {}
    everything = False
    for line in iterate_lines(text):
        device, _space, rest = line.partition(" ")
        words = split_words(rest)
        match words:
            case ["qdisc", kind, *flags]:
                qdiscs.setdefault(device, []).extend([] if "offloaded" in flags else [kind])
            case ["filter", *_]:
                everything = "matchall" in words or "u32" in words
            case ["match", what, *_]:
                everything = everything and what == "00000000/00000000"
        if everything and (target := re.search(r"Redirect to device (\S+)\)", rest)):
            redirected[device] = target[1]
    return Traffic({device: tuple(dict.fromkeys(kinds)) for device, kinds in qdiscs.items()}, redirected)


def map_shapers(links: Mapping[str, tuple[int, str]], traffic: Traffic) -> dict[str, str]:
    """Device -> its shaping qdisc: at the root, or, where tc shows it, below it (mq has one for each queue)."""
    kinds = {device: (qdisc,) for device, (_mtu, qdisc) in links.items()} | dict(traffic.qdiscs)
    shaping = {device: [kind for kind in found if kind in SHAPING] for device, found in kinds.items()}
    return {device: found[0] for device, found in shaping.items() if found}
