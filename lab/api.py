# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab for tests, Molecule and benchmarks: what the command line does, by router name.

`api.up(["edge-hw=trixie/offload"])`, then `api.ssh("edge-hw", "uname -r").stdout`.

`name` is a router's name. Every function raises LabError, with a remedy, where the router is not up or something fails.
Times are in seconds.
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
    "Carried", "Entry", "LabError", "Router", "clear_faults", "down", "drive_traffic", "list_routers", "make_inventory",
    "read_entries", "reboot", "replug", "run_in_host", "set_faults", "ssh", "up",
]  # fmt: skip


def up(names: list[str], *, fresh: bool = False) -> list[Router]:
    """Bring routers up, each given as NAME or NAME=SUITE/NIC, and return them in that order.

    One that is up already stays as it is. `fresh` boots from power-on; otherwise a router resumes from a saved state.
    """
    return routers.up(spec.parse_all(names), fresh=fresh)


def down(names: list[str] | None = None) -> list[str]:
    """Take down these routers, or all, and return the names of those that existed. Images stay in the cache."""
    return routers.down(names or [])


def list_routers() -> list[Router]:
    """The routers that are up."""
    return routers.running_routers()


def ssh(name: str, command: Command, *, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as root on the router and return its exit code (255 is SSH's own failure) and captured output.

    A string is a shell command line, a list is taken word by word. LabError after `timeout`.
    """
    return routers.get(name).login.run(command, timeout=timeout)


def run_in_host(
    name: str, side: str, command: Command, *, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the host behind the router on that side, `lan` or `wan`; the rest is as in `ssh`."""
    router = routers.get(name)
    return router.login.run(router.host_command(side, command), timeout=timeout)


def make_inventory(names: list[str] | None = None, group: str = "routers") -> dict[str, Any]:
    """These routers, or all that are up, as an Ansible inventory: {GROUP: {"hosts": {NAME: {VARIABLE: value}}}}."""
    chosen = [routers.get(name) for name in names] if names else list_routers()
    return _inventory.make_inventory(chosen, group)


def drive_traffic(
    name: str, seconds: float = 5, *, background: bool = False, rate: int = _traffic.RATE
) -> list[Carried]:
    """Send TCP and UDP, IPv4 and IPv6, from the LAN host to the WAN host, which sends every packet back.

    `rate` is packets a second for each flow. Returns what each of the four flows carried: after `seconds`, or with
    `background` as soon as each has carried packets both ways, while the traffic goes on for `seconds`.
    """
    return _traffic.drive(routers.get(name), seconds, background=background, rate=rate)


def reboot(name: str) -> None:
    """Reboot the router and wait until its next boot takes a login."""
    routers.reboot(routers.get(name))


def replug(name: str, device: str) -> None:
    """Pull a NIC (`lan0` or `wan0`) out and plug a new one of the same name in; its addresses and routes come back."""
    routers.replug(routers.get(name), device)


def set_faults(name: str, device: str, *faults: str) -> None:
    """Give a NIC exactly these faults, such as `"wan0", "refuse-flows"`; none heals it. lab/README.md lists them."""
    labnic.set_faults(routers.get(name), device, list(faults))


def clear_faults(name: str) -> None:
    """Take the faults of all the router's NICs away."""
    labnic.set_faults(routers.get(name), labnic.EVERY, [])


def read_entries(name: str) -> list[Entry]:
    """The flow table of the router's NICs: an entry for each direction of a flow that they have taken."""
    return labnic.read_entries(routers.get(name))
