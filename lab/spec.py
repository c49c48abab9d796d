# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user requests: NAME=SUITE/NIC."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab import suites
from lab.host import LabError

NICS = ("offload", "plain")
NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Spec:
    """A requested router: its name, its suite and the kind of its NICs."""

    name: str
    suite: str
    nic: str

    def __str__(self) -> str:
        return f"{self.name}={self.suite}/{self.nic}"


def parse(text: str) -> Spec:
    """`edge`, `edge=forky` or `edge=forky/plain`; the defaults are trixie, and offload where there is such a NIC."""
    name, has_kind, kind = text.partition("=")
    check_name(name)
    suite, has_nic, nic = kind.partition("/")
    suite = suite if has_kind else suites.DEFAULT
    suites.check(suite)
    nics = suites.list_nics(suite)
    spec = Spec(name, suite, nic if has_nic else nics[0])
    if spec.nic not in NICS:
        raise LabError(f"unknown kind of NIC: {spec.nic}", f"known kinds: {', '.join(NICS)}")
    if spec.nic not in nics:
        raise LabError(f"a router of {suite} has no NIC of the kind {spec.nic}", f"{name}={suite}/{nics[0]}")
    return spec


def parse_all(texts: list[str]) -> list[Spec]:
    """Specs with distinct names, in the order given."""
    specs = [parse(text) for text in texts]
    names = [spec.name for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LabError(f"named twice: {', '.join(twice)}", "give each router one NAME=SUITE/NIC")
    return specs


def check_name(name: str) -> None:
    """A router's name becomes a host name and a directory."""
    if not NAME.fullmatch(name):
        raise LabError(
            f"not a name for a router: {name!r}",
            "start with a letter, then lower-case letters, digits and hyphens, 32 at most: edge-hw=trixie/offload",
        )
