# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of routers that have very many of one thing: devices, flowtables, hooks, rules, flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.unit.helpers.answers import HEALTHY

Sections = dict[str, tuple[str, int]]
_OPEN = "table inet nft_offload {\n"
_PRE = "chain p {\ntype filter hook prerouting priority raw; policy accept;\n"
_CHAIN = "chain forward {\ntype filter hook forward priority filter + 10; policy accept;\n"


def _devices(number: int, links: Iterable[str] = (), kinds: Iterable[str] = ()) -> Sections:
    """A router with devices d1, d2, ..., each of which forwards and has an address."""
    names = [f"d{n}" for n in range(1, number + 1)]
    values = [
        f"./{name}/uevent:IFINDEX={n}\n./{name}/iflink:{n}\n./{name}/flags:0x1003\n./{name}/type:1\n"
        for n, name in enumerate(names, 1)
    ]
    return {
        **HEALTHY,
        "devices": ("".join([*values, *kinds]), 0),
        "links": ("".join(links) or "".join(f"x ./{name}/device -> ../a\n" for name in names), 0),
        "addresses": ("".join(f"{name} inet 10.{n // 250}.{n % 250}.1/24\n" for n, name in enumerate(names)), 0),
        "forwarding": ("ipv4/conf/all/forwarding:1\n" + "".join(f"ipv4/conf/{d}/forwarding:1\n" for d in names), 0),
        "link": ("".join(f"{name} {1400 + n % 2} htb\n" for n, name in enumerate(names)), 0),
    }


def _flowtable(name: str, devices: Iterable[str]) -> str:
    listed = ", ".join(devices)
    hook = "hook ingress priority filter"
    return f"\tflowtable {name} {{\n\t\t{hook}\n\t\tdevices = {{ {listed} }}\n\t\tflags offload\n\t}}\n"


def _listing(devices: Iterable[str]) -> Sections:
    """One flowtable with these devices."""
    return {"flowtables": (_OPEN + _flowtable("ft", devices) + "}\n", 0)}


def _names(number: int) -> list[str]:
    return [f"d{n}" for n in range(1, number + 1)]


def _hooks(number: int) -> Sections:
    hook = "family netdev {{\n\thook ingress device {} {{\n\t\t 0000000000 nf_flow_offload_inet_hook [x]\n\t}}\n}}\n"
    return {f"hooks {name}": (hook.format(name), 0) for name in _names(number)}


def _features(number: int, value: str) -> Sections:
    features = {f"features {name}": (f"hw-tc-offload: {value}\n", 0) for name in _names(number)}
    return features | {f"driver {name}": ("driver: x\n", 0) for name in _names(number)}


def _below(pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Links for (upper, lower) numbers of devices."""
    return [f"x ./d{upper}/lower_d{lower} -> ../d{lower}\n" for upper, lower in pairs]


def _kinds(kind: str, numbers: Iterable[int]) -> list[str]:
    return [f"./d{number}/uevent:DEVTYPE={kind}\n" for number in numbers]


CROWDS: dict[str, Callable[[int], Sections]] = {
    "devices, all listed and hooked": lambda n: {
        **_devices(n),
        **_listing(_names(n)),
        **_hooks(n),
        **_features(n, "on"),
    },
    "devices without their feature": lambda n: {**_devices(n), **_listing(_names(n)), **_features(n, "off")},
    "names that stand for many": lambda n: {**_devices(n), **_listing(f"d{k}*" for k in range(n))},
    "names of no device": lambda n: {**_devices(n), **_listing(f"q{k}" for k in range(n))},
    "flowtables": lambda n: {
        **_devices(n),
        "flowtables": (
            _OPEN + "".join(_flowtable(f"f{k}", [f"d{k}"]) for k in range(n)) + "}\n",
            0,
        ),
        "ruleset": (
            f"{_OPEN}{_CHAIN}" + "".join(f"flow add @f{k}\n" for k in range(n)) + "}\n}\n",
            0,
        ),
    },
    "flowtables of one device": lambda n: {
        **_devices(n),
        "flowtables": ("".join(f"table inet t{k} {{\n{_flowtable('ft', ['d1'])}}}\n" for k in range(n)), 0),
        "ruleset": ("".join(f"table inet t{k} {{\n{_CHAIN}flow add @ft\n}}\n}}\n" for k in range(n)), 0),
        "live": ("", 1),
        "boot.ruleset": ("", 0),
    },
    "rules": lambda n: {
        **HEALTHY,
        "ruleset": (
            f"{_OPEN}{_CHAIN}ct state established,related accept\n" + "flow add @ft\n" * n + "}\n}\n",
            0,
        ),
    },
    "chains": lambda n: {
        **HEALTHY,
        "ruleset": (
            f"{_OPEN}{_CHAIN}jump c0\n}}\n"
            + "".join(f"chain c{k} {{\njump c{k + 1}\njump c{k + 2}\nflow add @ft\n}}\n" for k in range(n))
            + "}\n",
            0,
        ),
    },
    "exclusions": lambda n: {
        **HEALTHY,
        "ruleset": (
            "".join(f"table ip t{k} {{\n{_PRE}notrack\n}}\n}}\n" for k in range(n)),
            0,
        ),
    },
    "ports of a bridge": lambda n: _devices(n, _below((1, k) for k in range(2, n)), _kinds("bridge", [1])),
    "VLANs on a bridge with many ports": lambda n: _devices(
        n,
        [*_below((1, k) for k in range(2, n // 2)), *_below((k, 1) for k in range(n // 2, n))],
        [*_kinds("bridge", [1]), *_kinds("vlan", range(n // 2, n))],
    ),
    "devices on each other": lambda n: _devices(
        n, _below((k, k - 1) for k in range(2, n)), _kinds("vlan", range(2, n))
    ),
    "ports of a switch": lambda n: {
        **_devices(n, _below((k, 1) for k in range(2, n)), _kinds("dsa", range(2, n))),
        **_listing(_names(n)),
        **_features(1, "off"),
    },
    "members of a bond": lambda n: {
        **_devices(
            n,
            [*_below((1, k) for k in range(2, n)), *(f"x ./d{k}/master -> ../d1\n" for k in range(2, n))],
            _kinds("bond", [1]),
        ),
        **_listing(_names(n)),
    },
    "devices at boot": lambda n: {
        **HEALTHY,
        **_listing(_names(n)),
        "file./etc/nft-offload/devices": ("".join(f"x{k} c\n" for k in range(n)), 0),
    },
    "kinds of flows": lambda n: {
        **HEALTHY,
        "conntrack": (
            HEALTHY["conntrack"][0] + "".join(f"count a{k} b slow 0\nrecent a{k} b 3\n" for k in range(n)),
            0,
        ),
    },
    "directions": lambda n: {
        **HEALTHY,
        "sample": (
            HEALTHY["sample"][0]
            + "".join(f"late4 d{k} e{k} 900 9000\ntraversed4 d{k} e{k} 1000 10000\n" for k in range(n)),
            0,
        ),
    },
}
"""what there is so much of -> the answer of a router with so many"""
