# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report as JSON."""

from __future__ import annotations

import json

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import FleetReport, compare_reports
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.json_file import JsonFile, parse_report

from tests.unit.helpers.reports import BEFORE, FLEET, HEALTHY, MEASURED


def test_each_router_has_what_offload_verify_returned() -> None:
    routers = json.loads(JsonFile().render(FLEET))["routers"]
    assert list(routers) == ["edge-hw", "edge-sw", "gone"]
    router = routers["edge-hw"]
    assert list(router)[:5] == ["verdict", "rung", "unproven", "rungs", "findings"]
    for key in ("rungs", "unproven"):
        assert router[key] == HEALTHY[key]
    for key in ("kernel", "firewall", "expected", "offload", "drivers"):
        assert router[key] == MEASURED[key]
    assert router["groups"] == ["berlin", "edge"]
    assert router["flows"] == {"hardware": 4, "software": 1, "slow": 0}
    kept = {key: value for key, value in MEASURED["sample"]["directions"][0].items() if key != "slow_flows"}
    assert router["sample"]["directions"][0] == kept
    assert list(routers["gone"]["findings"][0]) == ["id", "severity", "message", "remedy"]
    assert routers["gone"]["sample"] is routers["gone"]["flows"] is routers["gone"]["expected"] is None


def test_no_router_is_an_empty_object() -> None:
    text = JsonFile().render(FleetReport())
    assert json.loads(text) == {"version": 1, "made": None, "routers": {}, "changes": {}, "compared": None}
    assert text.endswith("}\n")


@pytest.mark.parametrize("report", [FLEET, FleetReport(), compare_reports(FLEET, BEFORE)])
def test_what_was_written_is_read_again(report: FleetReport) -> None:
    assert parse_report(JsonFile().render(report), "it") == report


WRITTEN = json.loads(JsonFile().render(FLEET))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", ""),
        ("[" * 100_000, ""),
        ("{}", "'version' is missing"),
        (json.dumps({**WRITTEN, "version": 2}), "its form has the version 2, and this collection reads 1"),
        (json.dumps({**WRITTEN, "made": "yesterday"}), "yesterday"),
        (json.dumps({**WRITTEN, "made": 7}), ""),
        (json.dumps({**WRITTEN, "routers": {"a": {}}}), "'verdict' is missing"),
        (json.dumps({**WRITTEN, "routers": {"a": None}}), ""),
        (json.dumps({**WRITTEN, "routers": ["a"]}), ""),
        (json.dumps({**WRITTEN, "routers": {"a": {**WRITTEN["routers"]["gone"], "rung": "x"}}}), "x"),
        (json.dumps({**WRITTEN, "changes": {"a": {"kind": "odd", "verdict": "", "state": ""}}}), "'odd' is no change"),
    ],
)
def test_what_is_none_of_ours_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OffloadError) as raised:
        parse_report(text, "reports/a.json")
    assert str(raised.value).startswith("reports/a.json is no JSON report of fleet_report: ")
    assert reason in str(raised.value) and "name a file that the callback" in str(raised.value)
