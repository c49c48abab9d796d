# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for other programs: each is read here by a library that such programs read it with."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.csv_file import COLUMNS, CsvFile
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import (
    FindingReport,
    FleetReport,
    compare_reports,
    report_not_verified,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.html_file import HtmlFile
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.json_file import JsonFile
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.junit_file import JunitFile
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.markdown_file import MarkdownFile
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.prometheus_file import PrometheusFile
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Severity
from junitparser import Error, Failure, JUnitXml, Skipped
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.helpers.reports import BEFORE, FLEET, HOSTILE, hostile

SCHEMA: dict[str, Any] = json.loads((Path(__file__).resolve().parents[5] / "docs/fleet_report.schema.json").read_text())
MADE = datetime(2026, 11, 30, 22, 30, 5, 123, tzinfo=UTC)


@pytest.mark.parametrize("made", [MADE, None])
def test_json_is_as_its_schema_says(made: datetime | None) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    check = jsonschema.Draft202012Validator(SCHEMA)
    for report in (FLEET, FleetReport(), FleetReport({"r": hostile(HOSTILE[0])})):
        check.validate(written := json.loads(JsonFile().render(replace(report, made=made))))
        assert written["made"] == (made and "2026-11-30T22:30:05+00:00")
    written["routers"]["r"]["rungs"][0]["status"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        check.validate(written)


def test_each_rung_is_a_case_of_junit() -> None:
    suites = list(JUnitXml.fromstring(JunitFile().render(replace(FLEET, made=MADE)).encode()))
    assert [(suite.name, suite.tests, suite.failures, suite.errors) for suite in suites] == [
        ("edge-hw", 7, 0, 0),
        ("edge-sw", 7, suites[1].failures, 0),
        ("gone", 1, 0, 1),
    ]
    for suite, router in zip(suites[:2], FLEET.routers.values(), strict=False):
        assert suite.timestamp == "2026-11-30T22:30:05"
        errors = {finding.id for finding in router.findings if finding.severity == "error"}
        for case, rung in zip(suite, router.rungs, strict=True):
            assert (case.classname, case.name) == (suite.name, f"{rung.number} {rung.name}")
            failed = rung.status == "failed" or errors & set(rung.findings)
            kinds = [Failure] if failed else [] if rung.status == "proven" else [Skipped]
            assert [type(result) for result in case.result] == kinds
    assert suites[1].failures and suites[1].skipped
    (failure,) = next(case.result for case in suites[1] if case.name == "3 configured")
    assert "configured.feature-off" in failure.text and "\nremedy: " in failure.text
    (error,) = next(iter(suites[2])).result
    assert isinstance(error, Error) and error.message == "the router could not be reached: timed out"


def test_what_stands_at_no_rung_is_a_case_of_its_own() -> None:
    found = FindingReport("fleet.odd", "warning", "what of it", "look at it")
    router = replace(FLEET.routers["edge-hw"], findings=(found,))
    outcomes: list[tuple[Severity, list[type]]] = [("warning", []), ("error", [Failure])]
    for severity, kinds in outcomes:
        report = FleetReport({"r": replace(router, findings=(replace(found, severity=severity),))})
        (suite,) = JUnitXml.fromstring(JunitFile().render(report).encode())
        last = list(suite)[-1]
        assert last.name == "beside the rungs" and [type(result) for result in last.result] == kinds
        assert "look at it" in (last.result[0].text if kinds else last.system_out)


@pytest.mark.parametrize("text", HOSTILE)
def test_junit_of_a_hostile_router(text: str) -> None:
    suites = list(JUnitXml.fromstring(JunitFile().render(FleetReport({f"r{text}": hostile(text)})).encode()))
    assert [suite.tests for suite in suites] == [1]
    assert len(list(suites[0])) == 1 and suites[0].failures == 1


def samples(report: FleetReport) -> dict[tuple[str, ...], float]:
    """(name, values of its labels) -> value."""
    families = list(text_string_to_metric_families(PrometheusFile().render(report)))
    assert all(family.documentation and family.type == "gauge" for family in families)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_prometheus_has_the_verdict_and_the_findings() -> None:
    found = samples(replace(FLEET, made=MADE))
    assert found["nft_offload_report_timestamp_seconds",] == 1796077805
    assert [found["nft_offload_verified", name] for name in FLEET.routers] == [1, 1, 0]
    assert [found["nft_offload_rung", name] for name in FLEET.routers] == [7, 2, 0]
    assert found["nft_offload_findings", "edge-sw", "configured.feature-off", "error"] == 1
    assert found["nft_offload_findings", "gone", "fleet.unreachable", "error"] == 1
    assert samples(FleetReport()) == {}


@pytest.mark.parametrize("text", HOSTILE)
def test_prometheus_of_a_hostile_name(text: str) -> None:
    report = FleetReport({f"r{text}": hostile(text), "other": report_not_verified("")})
    name = next(iter(report.routers))
    assert samples(report)["nft_offload_findings", name, "bound.device-missing", "error"] == 2
    assert samples(report)["nft_offload_rung", "other"] == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_has_a_row_for_each_router_and_no_formula(text: str) -> None:
    report = FleetReport({**FLEET.routers, "hostile": hostile(text)})
    head, *rows = csv.reader(io.StringIO(CsvFile().render(report)))
    assert tuple(head) == COLUMNS and {len(row) for row in rows} == {len(COLUMNS)}
    assert [row[0] for row in rows] == [*FLEET.routers, "hostile"]
    assert [row[4] for row in rows] == ["proven", "proven", "", "failed"]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@")) or "\n" in cell]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_has_nothing_but_code_of_a_router(text: str) -> None:
    report = FleetReport({**FLEET.routers, f"hostile {text}": hostile(text)})
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(MarkdownFile().render(report))
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2", "h2", "h2"]
    rows = [token for token in tokens if token.type == "tr_open"]
    cells = [token for token in tokens if token.type in ("td_open", "th_open")]
    assert (len(rows), len(cells)) == (5, 5 * 9)
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert kinds <= {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    plain = "".join(child.content for token in tokens for child in token.children or () if child.type == "text")
    assert "alert" not in plain and "@all" not in plain and "SUM" not in plain


def test_people_are_told_what_has_changed() -> None:
    report = compare_reports(FLEET, BEFORE)
    text = MarkdownFile().render(report)
    for line in ("Worse: `edge-sw`.", "Better: `edge-hw`.", "Not in this run: `lost`.", "New: `gone`."):
        assert f"\n{line}\n" in text
    _head, *rows = csv.reader(io.StringIO(CsvFile().render(report)))
    assert [row[COLUMNS.index("change")] for row in rows] == ["better", "worse", "new"]
    assert "**1 router, 1 with errors.**" in MarkdownFile().render(FleetReport({"gone": FLEET.routers["gone"]}))


def test_no_format_writes_what_is_no_number() -> None:
    """A browser would read none of the page's data."""
    router = FLEET.routers["edge-hw"]
    assert router.traffic
    odd = FleetReport({"r": replace(router, traffic=replace(router.traffic, slow_share=float("nan")))})
    for format in (JsonFile(), HtmlFile()):
        with pytest.raises(ValueError, match="not JSON compliant"):
            format.render(odd)
