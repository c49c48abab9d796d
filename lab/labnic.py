# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NIC that offloads (nic/): its faults, and the table of the flows that it forwards.

nic/fault.c explains what each fault does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab import suites
from lab.host import LabError
from lab.login import command_line
from lab.routers import Router

FAULT = "/sys/module/labnic/parameters/fault"
TABLE = "/sys/kernel/debug/ppe0"
EVERY = "all"
"""instead of a device's name"""
FAULTS = (
    "refuse-bind", "refuse-flows", "one-way", "max-flows", "share-block", "fake", "unbound", "no-counters", "fixed-off",
    "fixed-on", "keep-on", "flush", "reset",
)  # fmt: skip
UDP = 1 << 30  # in ib1

LINE = re.compile(
    r"(?P<index>[0-9a-f]{5}) (?P<state>UNB|BND) IPv(?P<version>[46]) 5T orig=(?P<orig>\S+)(?: new=(?P<new>\S+))? "
    r"eth=\S+ etype=\S+ vlan=(?P<vlan>\d+),\d+ ib1=(?P<ib1>[0-9a-f]{8}) ib2=\S+ packets=(?P<packets>\d+) "
    r"bytes=(?P<bytes>\d+)"
)


@dataclass(frozen=True)
class Entry:
    """One direction of a connection in the NIC's table.

    `orig` and `new` are SRC:PORT->DST:PORT as packets arrive and as they leave.
    """

    bound: bool
    """the NIC forwards it, instead of the kernel"""
    protocol: str
    """tcp or udp"""
    version: int
    """4 or 6, of IP"""
    orig: str
    new: str | None
    """None for IPv6"""
    vlan: int
    """VLAN id that packets leave with, 0 for none"""
    packets: int
    bytes: int


def parse(text: str) -> list[Entry]:
    """Entries from the text of the files `bind` or `entries`; LabError when a line is not understood."""
    found = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if not match:
            raise LabError(f"not a line of {TABLE}: {line}")
        protocol = "udp" if int(match["ib1"], 16) & UDP else "tcp"
        found.append(
            Entry(
                match["state"] == "BND", protocol, int(match["version"]), match["orig"], match["new"],
                int(match["vlan"]), int(match["packets"]), int(match["bytes"]),
            )
        )  # fmt: skip
    return found


def read_entries(router: Router) -> list[Entry]:
    """The NIC's whole table."""
    done = router.login.run(f"cat {TABLE}/entries")
    if done.returncode:
        raise LabError(
            f"{router.name} has no NIC with a table: {done.stderr.strip()}", "bring it up as NAME=SUITE/offload"
        )
    return parse(done.stdout)


def set_faults(router: Router, device: str, faults: list[str]) -> None:
    """Give a device, or with EVERY all of them, exactly these faults; an empty list heals it."""
    if unknown := [fault for fault in faults if fault.partition("=")[0] not in FAULTS]:
        raise LabError(f"unknown fault: {', '.join(unknown)}", f"known faults: {', '.join(FAULTS)}")
    # drivers of OpenWrt's routers share the block, and fw4 relies on it
    own = ["share-block"] if suites.is_openwrt(router.suite) else []
    done = router.login.run(f"echo {command_line([device, *own, *faults])} >{FAULT}")
    if done.returncode:
        raise LabError(f"{router.name} does not take {' '.join(faults)} for {device}: {done.stderr.strip()}")
