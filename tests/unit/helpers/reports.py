# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on made-up routers, as offload_verify returns them and as the fleet report keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import (
    FindingReport,
    FleetReport,
    RouterReport,
    RungReport,
    parse_result,
    report_unreachable,
)

from tests.unit.helpers.ladder_cases_nic import FEATURES
from tests.unit.helpers.routers import router, verdict_on

HEALTHY: dict[str, Any] = verdict_on(router()).as_result()
BROKEN: dict[str, Any] = verdict_on(FEATURES["off"].state).as_result()


MEASURED: dict[str, Any] = {
    "kernel": "6.12.48+deb13-cloud-amd64",
    "firewall": "nftables",
    "expected": {"expect": "hardware", "require": "bound", "devices": ["lan0", "wan0"]},
    "offload": {"hardware": ["lan0", "wan0"], "software": ["wg0"]},
    "drivers": {"lan0": "labnic", "wan0": "labnic"},
    "flows": {"total": 6, "maximum": 65536, "hardware": 4, "software": 1, "slow": 0},
    "shortfall": "",
    "cost": {
        "seconds": 3.02,
        "slow": {"packets": 31.1, "bits": 83208.0},
        "software": {"packets": 26104.0, "bits": 309114010.0},
        "hardware": {"packets": None, "bits": 0.0},
        "bits": 309197218.0,
        "cores": 4,
        "softirq": 4.3,
        "softirq_error": 2.7,
        "busiest_core": 3.9,
        "nanoseconds": None,
        "nanoseconds_error": None,
        "dropped": 0,
        "squeezed": 0,
        "unproven": "too little for the kernel's clock to tell what a packet costs",
    },
    "cost_compared": "forwarding took 71 % of a core at 312 Mbit/s, now 4 % of a core at 309 Mbit/s",
    "traffic": {
        "seconds": 3.04,
        "slow_share": 0.2,
        "bypassed": 896,
        "directions": [
            {"family": "ipv4", "enters": enters, "leaves": leaves, "listed": listed, "slow": slow}
            for enters, leaves, listed, slow in (
                ("eth9", "wan0", "none", 2),
                ("br-lan", "wg0", "software", 0),
                ("br-lan", "wan0", "hardware", 0),
            )
        ],
    },
}
"""what offload_verify returns beside its verdict, as far as the report keeps it"""


def router_report(result: dict[str, Any]) -> RouterReport:
    """The report on one router, from a task's result that has a verdict."""
    found = parse_result(result)
    assert found is not None
    return found


FLEET = FleetReport(
    {
        "edge-hw": replace(router_report({**HEALTHY, **MEASURED}), groups=("berlin", "edge")),
        "edge-sw": router_report(BROKEN),
        "gone": report_unreachable("timed out"),
    }
)
BEFORE = FleetReport(
    {"edge-hw": FLEET.routers["edge-sw"], "edge-sw": FLEET.routers["edge-hw"], "lost": FLEET.routers["edge-hw"]},
    datetime(2026, 11, 1, 12, tzinfo=UTC),
)
"""an earlier one: edge-hw is better since, edge-sw worse, gone is new and lost is absent"""
HOSTILE = [
    "</system-out><testcase/>&amp;]]>\ufffe\x00",
    "| a | b |\n# head\n`code` ``` <script>alert(1)</script> ![x](http://a/) @all \\| x",
    'x"} 99\nnft_offload_rung{router="other"} 7\n\\',
    "=HYPERLINK(1)\n-2+3",
    "@SUM(1)",
    "``",
    "",
]


def hostile(text: str) -> RouterReport:
    """A router that wrote this wherever a router can."""
    finding = FindingReport("bound.device-missing", "error", text, text)
    return RouterReport(
        rungs=(RungReport(1, "supported", "failed", (text,), (finding.id,)),), findings=(finding, replace(finding))
    )
