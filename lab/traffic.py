# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarded traffic: TCP and UDP, IPv4 and IPv6, from the LAN host to the WAN host and back."""

from __future__ import annotations

from dataclasses import dataclass

from lab.host import LabError
from lab.routers import Router

RATE = 25  # packets a second per flow, which emulation carries easily
LONGEST = 3600  # seconds


@dataclass(frozen=True)
class Carried:
    """What one flow carried: packets that the LAN host sent, packets and bytes that came back from the WAN host."""

    flow: str
    sent: int
    returned: int
    bytes: int
    error: str

    def __str__(self) -> str:
        error = f" ({self.error})" if self.error else ""
        return f"{self.flow}: {self.returned} of {self.sent} packets there and back, {self.bytes} bytes{error}"


def parse(text: str) -> list[Carried]:
    """Lines of `NAME SENT RETURNED BYTES [ERROR]`, as guest/root/usr/lib/lab/traffic.py prints them."""
    flows = []
    for line in text.splitlines():
        name, sent, returned, size, *error = line.split(maxsplit=4)
        flows.append(Carried(name, int(sent), int(returned), int(size), " ".join(error)))
    return flows


def drive(router: Router, seconds: float = 5, *, background: bool = False, rate: int = RATE) -> list[Carried]:
    """Send for `seconds` at `rate`; in the background, return as soon as every flow has carried packets both ways.

    `rate` is packets a second for each flow. A flow that carried nothing is in the result, with `returned` 0; the
    traffic then does not go on in the background.
    """
    if not 0 < seconds <= LONGEST:
        raise LabError(f"{seconds:g} seconds of traffic cannot be driven", f"more than 0 and at most {LONGEST} seconds")
    command = f"exec python3 /usr/lib/lab/traffic.py send --seconds {seconds} --rate {rate}"
    done = router.login.run(router.host_command("lan", command + " --background" * background), timeout=seconds + 90)
    flows = parse(done.stdout) if done.returncode in (0, 1) else []
    if not flows:
        raise LabError(f"the traffic generator of {router.name} failed: {done.stderr.strip() or done.returncode}")
    return flows
