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
    Expected,
    FleetReport,
    RouterReport,
    compare_reports,
    merge_reports,
    parse_result,
    report_not_verified,
    report_unreachable,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import RUNGS, Status

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
        "gone": Change("new"),
        "lost": Change("absent", "hardware", "well"),
    }
    assert found.comparison and found.comparison.made == BEFORE.made and found.routers == FLEET.routers
    assert compare_reports(FLEET, FLEET).changes == {}


WELL, FAILED, GONE = FLEET.routers.values()
WARNED = replace(WELL, findings=(replace(FAILED.findings[0], severity="warning"),))
WARNED_TWICE = replace(WARNED, findings=(*WARNED.findings, replace(FAILED.findings[1], severity="warning")))


def with_statuses(*statuses: Status) -> RouterReport:
    """The one that is well, with these statuses of its last rungs."""
    kept = WELL.rungs[: 7 - len(statuses)]
    rungs = (
        *kept,
        *(replace(rung, status=status) for rung, status in zip(WELL.rungs[len(kept) :], statuses, strict=True)),
    )
    return replace(WELL, rungs=rungs)


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        (WELL, WARNED, "worse"),
        (WARNED, WELL, "better"),
        (WARNED, WARNED_TWICE, "worse"),
        (WARNED_TWICE, WARNED, "better"),
        (FAILED, GONE, "worse"),
        (GONE, FAILED, "better"),
        (with_statuses("proven", "proven", "proven"), with_statuses("unproven", "unproven", "unproven"), None),
        (with_statuses("proven"), with_statuses("not_applicable"), "worse"),
        (with_statuses("not_applicable"), with_statuses("proven"), "better"),
        (WELL, replace(with_statuses("not_applicable"), expected=Expected("disabled", "bound", ())), None),
        (replace(FAILED, rung=5), WELL, "better"),
        (WELL, replace(FAILED, rung=7), "worse"),
    ],
)
def test_the_state_decides_then_what_was_found(then: RouterReport, now: RouterReport, kind: str | None) -> None:
    changes = compare_reports(FleetReport({"r": now}), FleetReport({"r": then})).changes
    assert (changes["r"].kind if changes else None) == kind


def test_what_was_demanded_and_not_shown_is_an_error() -> None:
    """The task fails without an error among its findings."""
    found = router_report({**HEALTHY, "shortfall": "rung bypassing must be shown, but is unproven"})
    assert (found.state, found.fails, found.verdict) == ("failed", True, "hardware")
    assert found.worst and found.worst.id == "fleet.falls-short" and "but is unproven" in found.worst.message


def test_a_router_that_is_to_be_off_and_is_has_no_rung_to_tell() -> None:
    off = replace(WELL, verdict="none", rung=0, expected=Expected("disabled", "bound", ()))
    assert (off.stands, off.state) == ("off", "well")
    assert replace(off, findings=FAILED.findings).stands == "none" and WELL.stands == "hardware"


@pytest.mark.parametrize("damage", [{"rung": None}, {"findings": None}, {"traffic": {"seconds": 3}}, {"rungs": ["x"]}])
def test_a_damaged_result_is_none(damage: dict[str, Any]) -> None:
    assert parse_result({**HEALTHY, **damage}) is None


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
