# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet report keeps of a task's result."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import (
    Change,
    FleetReport,
    compare_reports,
    merge_reports,
    parse_result,
    report_not_verified,
    report_unreachable,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import RUNGS

from tests.unit.helpers.reports import BEFORE, BROKEN, FLEET, HEALTHY, router_report


def test_findings_are_kept_as_the_file_has_them() -> None:
    found = router_report(BROKEN)
    assert (found.verdict, found.rung, found.unproven) == ("loaded", 2, ("bypassing",))
    assert [finding.id for finding in found.findings] == ["configured.feature-off", "hardware.switched-off"]
    assert all(list(asdict(finding)) == ["id", "severity", "message", "remedy"] for finding in found.findings)
    assert [rung.name for rung in found.rungs] == list(RUNGS)
    assert found.fails and not router_report(HEALTHY).fails


def test_the_last_result_of_a_loop_counts() -> None:
    assert router_report({"results": [BROKEN, HEALTHY]}).verdict == "hardware"


@pytest.mark.parametrize("data", [{}, {"msg": "no shell"}, {"results": []}, {"results": [{"msg": "no shell"}]}])
def test_a_result_without_a_verdict_is_none(data: dict[str, Any]) -> None:
    assert parse_result(data) is None


class Tagged(str):
    """As ansible-core 2.19 hands values over."""


def test_values_become_plain() -> None:
    rungs = [{**rung, "evidence": [Tagged(line) for line in rung["evidence"]]} for rung in HEALTHY["rungs"]]
    found = router_report({**HEALTHY, "verdict": Tagged("hardware"), "rungs": rungs})
    assert type(found.verdict) is str
    assert {type(line) for rung in found.rungs for line in rung.evidence} == {str}


def test_a_router_without_a_verdict_has_one_finding_that_says_why() -> None:
    for report, id, message in (
        (report_unreachable("timed out"), "fleet.unreachable", "the router could not be reached: timed out"),
        (report_not_verified("Load: no nft"), "fleet.not-verified", "the router was not verified (Load: no nft)"),
        (report_not_verified(""), "fleet.not-verified", "the router was not verified"),
    ):
        (finding,) = report.findings
        assert (finding.id, finding.severity, finding.message) == (id, "error", message)
        assert (report.verdict, report.rung, report.rungs, report.fails) == ("none", 0, (), True)


def test_what_became_of_a_router() -> None:
    found = compare_reports(FLEET, BEFORE)
    assert found.changes == {
        "edge-hw": Change("better", "loaded", "failed"),
        "edge-sw": Change("worse", "hardware", "well"),
        "gone": Change("new", "none", ""),
        "lost": Change("gone", "hardware", "well"),
    }
    assert (found.routers, found.compared) == (FLEET.routers, BEFORE.made)
    assert compare_reports(FLEET, FLEET).changes == {}


def test_on_the_same_rung_the_state_decides() -> None:
    well = FLEET.routers["edge-hw"]
    warned = replace(well, findings=(replace(FLEET.routers["edge-sw"].findings[0], severity="warning"),))
    assert warned.state == "warned"
    for now, then, kind in ((warned, well, "worse"), (well, warned, "better")):
        assert compare_reports(FleetReport({"r": now}), FleetReport({"r": then})).changes["r"].kind == kind


def test_of_a_router_in_several_reports_the_last_counts() -> None:
    gone = FLEET.routers["gone"]
    assert BEFORE.made
    later = FleetReport({"a": FLEET.routers["edge-hw"], "c": gone}, BEFORE.made)
    sooner = FleetReport({"b": gone, "a": gone}, BEFORE.made - timedelta(1))
    undated = FleetReport({"a": gone, "d": gone})
    for order in ([later, sooner, undated], [undated, sooner, later]):
        merged = merge_reports(order)
        assert list(merged.routers) == ["a", "b", "c", "d"]
        assert merged.routers["a"].rung == 7 and merged.made == BEFORE.made
    assert merge_reports([]) == FleetReport()
