# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/kernel.sh (read_modules) -> Kernel, and the facts that loading or unloading modules needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..._core.text import iterate_lines, parse_count
from ..state import FLOWTABLE_MODULES, Kernel, ModuleState


@dataclass(frozen=True)
class LoadedModule:
    """One line of /proc/modules."""

    references: int
    """holders of any kind: modules and, for example, rules"""
    users: frozenset[str] = frozenset()
    """modules among the holders"""


@dataclass(frozen=True)
class ModuleFacts:
    """What read_modules printed, sorted by kind; module names with ``_``."""

    tree: bool = False
    """/lib/modules/<release> exists"""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """module on disk -> every module it needs, in the order in which they must be unloaded after it"""
    builtin: frozenset[str] = frozenset()
    live: Mapping[str, LoadedModule] = field(default_factory=dict)
    kernel: Kernel = field(default_factory=lambda: Kernel(modules={}))


CONNTRACK_SYSCTL: Final = "nf_conntrack_max"
FLOWTABLE_SYSCTL: Final = "nf_flowtable_tcp_timeout"


def _module_name(path: str) -> str:
    """kernel/net/netfilter/nf-flow-table.ko.xz -> nf_flow_table"""
    return path.strip().rsplit("/", 1)[-1].partition(".ko")[0].replace("-", "_")


def _parse_loaded(line: str) -> tuple[str, LoadedModule]:
    """NAME SIZE REFERENCES USERS: ``nf_flow_table 57344 2 nft_flow_offload,nf_flow_table_inet,`` (- for no users)"""
    name, _size, references, users = [*line.split(), "", "", "-"][:4]
    held_by = frozenset(user for user in users.split(",") if user not in ("", "-"))
    return name, LoadedModule(parse_count(references) or 0, held_by)


def _parse_neighbours(lines: Iterable[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """FAMILY KNOWN KEPT: ``ipv4 12 128``; other lines are left out."""
    for line in lines:
        family, known, kept = [*line.split(), "", "", ""][:3]
        numbers = parse_count(known), parse_count(kept)
        if family in ("ipv4", "ipv6") and numbers[0] is not None and numbers[1] is not None:
            yield family, (numbers[0], numbers[1])


def parse_module_facts(text: str, wanted: Iterable[str] = FLOWTABLE_MODULES) -> ModuleFacts:
    """Key=value lines of read_modules -> ModuleFacts; ``wanted``: the modules whose state ``kernel`` has."""
    lines: dict[str, list[str]] = {}
    for line in iterate_lines(text):
        key, _equals, value = line.partition("=")
        lines.setdefault(key, []).append(value)
    needs = {}
    for line in lines.get("file", []):
        path, _colon, rest = line.partition(":")
        needs[_module_name(path)] = tuple(_module_name(need) for need in rest.split())
    live = dict(_parse_loaded(line) for line in lines.get("live", []) if line.strip())
    # a module in /sys/module that /proc/modules does not list is part of the kernel
    builtin = {_module_name(path) for path in lines.get("builtin", [])} | set(lines.get("sys", [])) - set(live)
    sysctls = lines.get("sysctl", [])

    def state(name: str) -> ModuleState:
        """Where the running kernel has a module."""
        if name in live:
            return "loaded"
        if name in builtin:
            return "builtin"
        return "available" if name in needs else "missing"

    return ModuleFacts(
        tree="tree" in lines,
        needs=needs,
        builtin=frozenset(builtin),
        live=live,
        kernel=Kernel(
            modules={name: state(name) for name in wanted},
            boot_modules=frozenset(_module_name(line.split()[0]) for line in lines.get("boot", []) if line.strip()),
            modules_disabled="modules_disabled" in lines,
            other_kernels=tuple(release for release in lines.get("other", []) if release),
            accounting={"0": False, "1": True}.get(lines.get("acct", [""])[-1]),
            neighbours=dict(_parse_neighbours(lines.get("neighbours", []))),
            flowtable_sysctl=FLOWTABLE_SYSCTL in sysctls if CONNTRACK_SYSCTL in sysctls else None,
        ),
    )


def parse_modules(text: str) -> Kernel:
    """Key=value lines of read_modules -> Kernel, without what loading and unloading modules needs."""
    return parse_module_facts(text).kernel
