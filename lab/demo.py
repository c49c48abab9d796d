# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: three routers, flow offload rolled out to all, traffic through all, and a verdict on each.

The exit code is 0 only when edge-hw and edge-owrt, which is like an OpenWrt router, verify as `hardware`, and edge-sw
as `offloading` or better.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import api
from lab.host import LabError, say
from lab.inventory import as_yaml

REQUIRED = {"edge-hw": 7, "edge-sw": 5, "edge-owrt": 7}
"""router -> the rung that it must reach at least"""
ROUTERS = ["edge-hw=trixie/offload", "edge-sw=trixie/plain", "edge-owrt=openwrt-25.12/offload"]
OUT = Path("build/demo")
REPORTS = ("json", "html", "xml", "md", "prom", "csv")
"""endings of the names of its files, the first for this program"""
TRAFFIC_SECONDS = 90
TRAFFIC_RATE = 10  # packets a second per flow, so that three routers on two cores are quick to answer


def play(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> int:
    """Run one of the collection's playbooks against the demo's routers, as a user would."""
    here = Path(sys.executable).with_name("ansible-playbook")
    command = [str(here), f"kmod.nft_offload.{name}", "-i", str(OUT / "inventory.yml"), *arguments]
    say(f"$ ansible-playbook {' '.join(command[1:])}")
    return subprocess.run(command, env={**os.environ, **(environment or {})}, check=False).returncode


def shortfalls(fleet: Mapping[str, Any]) -> list[str]:
    """One line for each router that stands below its rung in the report."""
    routers = fleet.get("routers", {})
    rungs = {name: routers.get(name, {}).get("rung", 0) for name in REQUIRED}
    return [
        f"{name} stands on rung {rungs[name]}, not {least}" for name, least in REQUIRED.items() if rungs[name] < least
    ]


def demo() -> int:
    """Run the demo from start to end; returns the exit code."""
    began = time.monotonic()
    OUT.mkdir(parents=True, exist_ok=True)
    reports = [OUT / f"fleet.{ending}" for ending in REPORTS]
    for report in reports:
        report.unlink(missing_ok=True)
    running = api.up(ROUTERS)
    (OUT / "inventory.yml").write_text(as_yaml(running, "routers"), encoding="utf-8")

    # All at once: a fleet needs a canary first, a demo does not. There is no traffic to measure yet.
    if play("rollout", "-e", "flow_offload_serial=100%", "-e", "flow_offload_sample=0"):
        raise LabError("the rollout failed", "read the play's output above")
    with ThreadPoolExecutor() as pool:
        carried = pool.map(
            lambda router: api.drive_traffic(router.name, TRAFFIC_SECONDS, background=True, rate=TRAFFIC_RATE), running
        )
        for router, flows in zip(running, carried, strict=True):
            for flow in flows:
                say(f"{router.name}: {flow}")
    enabled = {
        "ANSIBLE_CALLBACKS_ENABLED": "kmod.nft_offload.fleet_report",
        "KMOD_NFT_OFFLOAD_REPORT": ",".join(map(str, reports)),
    }
    say("with " + " ".join(f"{name}={value}" for name, value in enabled.items()))
    verified = play("verify", "-e", "flow_offload_require=offloading", environment=enabled)
    short = shortfalls(json.loads(reports[0].read_text(encoding="utf-8")))
    for line in short:
        say(f"NOT PROVEN: {line}")
    say(f"reports: {', '.join(map(str, reports))}; {time.monotonic() - began:.0f} s")
    say(f"the routers stay up: {Path(sys.executable)} -m lab ssh edge-hw; make down")
    return 1 if short or verified else 0


if __name__ == "__main__":
    try:
        sys.exit(demo())
    except LabError as error:
        sys.exit(f"error: {error}; {error.remedy}")
