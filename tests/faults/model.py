# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the table of faults is made of. Data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

KERNELS = {"bookworm": "6.1", "trixie": "6.12", "alpine-3.23": "6.18", "forky": "7.2"}
"""suite -> its kernel, oldest first"""
NONE = "none"
"""the fault of a healthy router"""
EVERYWHERE = "*"
"""in place of a kernel: all that have no entry of their own"""

T = TypeVar("T")


@dataclass(frozen=True)
class Traffic:
    """Flows from the hosts behind the router: each of ``senders`` has ``count`` flows of each kind."""

    kinds: Sequence[str] = ("tcp4", "udp4", "tcp6", "udp6")
    count: int = 1
    senders: Sequence[tuple[str, str, str]] = (("lan", "203.0.113.2", "2001:db8:203::2"),)
    """network namespace that sends, IPv4 address and IPv6 address that it sends to"""
    rate: float = 15.0
    """packets a second for each flow; every one is sent back"""
    arrives: bool = True
    """packets must come back; False where the fault itself stops them"""


QUIET = Traffic(kinds=())


@dataclass(frozen=True)
class Topology:
    """A healthy router: made from a saved state by ``setup``, then by the role with variables ``role`` unless None."""

    name: str
    base: str = "offloading"
    """the state that it is made from: ``tools`` (nft, ethtool and the modules), ``offloading`` (after the role)"""
    setup: str = ""
    """sh, run as root on the router"""
    role: Mapping[str, Any] | None = None
    nic: str = "offload"
    kernel: str = ""
    """``generic``: Debian's ordinary kernel, for what the lab's usual one, of the cloud, does not have"""
    expect: str = "hardware"
    rung: int = 7
    traffic: Traffic = field(default_factory=Traffic)
    impossible: str = ""

    def kind_of_router(self, suite: str) -> str:
        """That it is on: SUITE/NIC."""
        return f"{suite}{self.kernel and '-'}{self.kernel}/{self.nic}"


@dataclass(frozen=True)
class Fault:
    """One fault. ``ids``, ``rung``, ``inject`` and ``impossible`` may differ by kernel, see ``value_for``."""

    name: str
    ids: Sequence[str] | Mapping[str, Sequence[str]]
    """findings that must be among those found"""
    rung: int | Mapping[str, int]
    inject: str | Mapping[str, str] = ""
    """sh, run as root on the router before traffic starts"""
    during: str = ""
    """sh, run while traffic flows"""
    topology: str = "two-nics"
    traffic: Traffic | None = None
    """None: the topology's"""
    options: Mapping[str, Any] = field(default_factory=dict)
    """of the expectation (expect, devices, table, slow_share), where they differ from the topology's"""
    login: Sequence[str] = ()
    """command in front of the shell that verifies, such as one that drops privileges"""
    impossible: str | Mapping[str, str] = ""
    """Why it cannot be built. If there is something to inject, it is tried and must fail."""


def value_for(value: T | Mapping[str, T], suite: str, nothing: T) -> T:
    """The value for the kernel of this suite, or ``nothing`` where there is none."""
    if isinstance(value, Mapping):
        return value.get(KERNELS[suite], value.get(EVERYWHERE, nothing))
    return value
