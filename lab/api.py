# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab for tests and Molecule: the same functions that the command line uses, by router name.

`api.up(["edge-hw=trixie/offload"])`, then `api.ssh("edge-hw", "uname -r").stdout`.
"""

from __future__ import annotations

import subprocess
from typing import Any

from lab import inventory as _inventory
from lab import labnic, routers, spec
from lab import traffic as _traffic
from lab.host import LabError
from lab.labnic import Entry
from lab.login import Command
from lab.routers import Router
from lab.traffic import Carried

__all__ = [
    "Carried", "Entry", "LabError", "Router", "down", "entries", "fault", "heal", "host", "inventory", "reboot",
    "replug", "ssh", "status", "traffic", "up",
]  # fmt: skip


def up(names: list[str], *, fresh: bool = False) -> list[Router]:
    """Bring up routers given as NAME or NAME=SUITE/NIC."""
    return routers.up(spec.parse_all(names), fresh=fresh)


def down(names: list[str] | None = None) -> list[str]:
    """Take down these routers, or all; returns the names that were there."""
    return routers.down(names or [])


def status() -> list[Router]:
    """The routers that are up."""
    return routers.running_routers()


def ssh(name: str, command: Command, *, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run as root on the router. A string is a shell command line, a list is taken word by word."""
    return routers.get(name).login.run(command, timeout=timeout)


def host(name: str, side: str, command: Command, *, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run in the `lan` or the `wan` host behind the router."""
    router = routers.get(name)
    return router.login.run(router.behind(side, command), timeout=timeout)


def inventory(names: list[str] | None = None, group: str = "routers") -> dict[str, Any]:
    """These routers, or all that are up, as an Ansible inventory."""
    chosen = [routers.get(name) for name in names] if names else status()
    return _inventory.inventory(chosen, group)


def traffic(name: str, seconds: float = 5, *, background: bool = False, rate: int = _traffic.RATE) -> list[Carried]:
    """Drive traffic from LAN to WAN; see `lab.traffic.drive`."""
    return _traffic.drive(routers.get(name), seconds, background=background, rate=rate)


def reboot(name: str) -> None:
    """Reboot and wait for a login to the new boot."""
    routers.reboot(routers.get(name))


def replug(name: str, device: str) -> None:
    """Re-plug lan0 or wan0."""
    routers.replug(routers.get(name), device)


def fault(name: str, device: str, *words: str) -> None:
    """All that is wrong with a NIC from now on, such as `"wan0", "refuse-flows"`; see nic/fault.c."""
    labnic.fault(routers.get(name), device, list(words))


def heal(name: str) -> None:
    """Nothing is wrong with any of the router's NICs any more."""
    labnic.fault(routers.get(name), labnic.EVERY, [])


def entries(name: str) -> list[Entry]:
    """The table of the router's NICs: every direction of a flow that they have taken."""
    return labnic.entries(routers.get(name))
