# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's kernel modules in OpenWrt's layout: one directory; packages kmod-NAME, each with a list for boot."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# package -> (its modules, the packages that it needs), as in OpenWrt's modules/netfilter.mk, as far as a ruleset of fw4
# needs them. OpenWrt spreads their other dependencies over many packages; here they are in one.
PREREQUISITES = "kmod-nf-prerequisites"
PACKAGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    PREREQUISITES: ((), ()),
    "kmod-nf-conntrack": (("nf_conntrack",), (PREREQUISITES,)),
    "kmod-nf-nat": (("nf_nat",), ("kmod-nf-conntrack",)),
    "kmod-nft-core": (
        ("nf_tables", "nft_ct", "nft_limit", "nft_log", "nft_reject_inet"),
        ("kmod-nf-conntrack",),
    ),
    "kmod-nft-nat": (("nft_nat", "nft_masq", "nft_redir", "nft_chain_nat"), ("kmod-nft-core", "kmod-nf-nat")),
    "kmod-nft-fib": (("nft_fib_inet",), ("kmod-nft-core",)),
    "kmod-nf-flow": (("nf_flow_table",), ("kmod-nf-conntrack",)),
    "kmod-nft-offload": (("nf_flow_table_inet", "nft_flow_offload"), ("kmod-nf-flow", "kmod-nft-nat")),
}
OFFERED = ("kmod-nf-flow", "kmod-nft-offload")
"""in the feed; the others are in the image"""


@dataclass(frozen=True)
class Tree:
    """A kernel's modules as Debian lays them out, in ``top``/``release``."""

    top: Path
    release: str

    @property
    def directory(self) -> Path:
        return self.top / self.release

    def needs(self) -> dict[str, tuple[Path, list[str]]]:
        """Module -> (its file, the names of all modules that it needs), from modules.dep."""
        found = {}
        for line in (self.directory / "modules.dep").read_text().splitlines():
            path, _colon, needed = line.partition(":")
            found[module_name(path)] = (self.directory / path, [module_name(other) for other in needed.split()])
        return found

    @property
    def kernel_version(self) -> str:
        """The version of the package `kernel` in such an image, with a hash in place of that of the configuration."""
        digest = hashlib.md5(self.release.encode(), usedforsecurity=False).hexdigest()
        return f"{self.release.partition('+')[0]}~{digest}-r1"


def module_name(path: str) -> str:
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def contents(tree: Tree) -> dict[str, list[str]]:
    """Package -> its modules; a shared dependency is in PREREQUISITES."""
    needs = tree.needs()
    named = {module for modules, _needed in PACKAGES.values() for module in modules}
    prerequisites = {other for module in named for other in needs[module][1]} - named
    return {
        package: sorted(prerequisites) if package == PREREQUISITES else list(modules)
        for package, (modules, _needed) in PACKAGES.items()
    }


def put(tree: Tree, root: Path, package: str, modules: Iterable[str]) -> None:
    """Write a package's modules below ``root``, and the list that boot loads."""
    needs = tree.needs()
    target = root / "lib/modules" / tree.release
    target.mkdir(parents=True, exist_ok=True)
    for module in modules:
        source = needs[module][0]
        text = source.read_bytes()
        (target / f"{module}.ko").write_bytes(lzma.decompress(text) if source.suffix == ".xz" else text)
    lists = root / "etc/modules.d"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / package.removeprefix("kmod-")).write_text("".join(f"{module}\n" for module in modules))
