# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on made-up routers, as offload_verify returns them and as the fleet report keeps them."""

from __future__ import annotations

from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import (
    FleetReport,
    RouterReport,
    parse_result,
    report_unreachable,
)

from tests.unit.helpers.ladder_cases_nic import FEATURES
from tests.unit.helpers.routers import router, verdict_on

HEALTHY: dict[str, Any] = verdict_on(router()).as_result()
BROKEN: dict[str, Any] = verdict_on(FEATURES["off"].state).as_result()


def router_report(result: dict[str, Any]) -> RouterReport:
    """The report on one router, from a task's result that has a verdict."""
    found = parse_result(result)
    assert found is not None
    return found


FLEET = FleetReport(
    {
        "edge-hw": router_report(HEALTHY),
        "edge-sw": router_report(BROKEN),
        "gone": report_unreachable("timed out"),
    }
)
