# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report as JSON."""

from __future__ import annotations

import json
from typing import Any

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
    assert router["traffic"] == MEASURED["traffic"]
    assert list(routers["gone"]["findings"][0]) == ["id", "severity", "message", "remedy"]
    assert routers["gone"]["traffic"] is routers["gone"]["flows"] is routers["gone"]["expected"] is None


def test_no_router_is_an_empty_object() -> None:
    text = JsonFile().render(FleetReport())
    assert json.loads(text) == {"version": 1, "routers": {}, "made": None, "comparison": None}
    assert text.endswith("}\n")


@pytest.mark.parametrize("report", [FLEET, FleetReport(), compare_reports(FLEET, BEFORE)])
def test_what_was_written_is_read_again(report: FleetReport) -> None:
    assert parse_report(JsonFile().render(report), "it") == report


WRITTEN = json.loads(JsonFile().render(FLEET))


GONE = WRITTEN["routers"]["gone"]


def with_router(**fields: Any) -> str:
    """The report with one router, of which these fields are other ones."""
    return json.dumps({**WRITTEN, "routers": {"a": {**WRITTEN["routers"]["edge-hw"], **fields}}})


def with_traffic(**fields: Any) -> str:
    return with_router(traffic={**WRITTEN["routers"]["edge-hw"]["traffic"], **fields})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "it is not an object with a version"),
        ("[" * 100_000, ""),
        ("{}", "it is not an object with a version"),
        ('{"version": 1, "rung": ' + "1" * 5000 + "}", ""),
        (json.dumps({**WRITTEN, "version": 2}), "its form has the version 2, and this collection reads 1"),
        (json.dumps({**WRITTEN, "version": True}), "its form has the version True"),
        (json.dumps({**WRITTEN, "made": "yesterday"}), "it.made must be a time with its zone"),
        (json.dumps({**WRITTEN, "made": "2026-01-01"}), "it.made must be a time with its zone"),
        (json.dumps({**WRITTEN, "made": "0001-01-01T00:00:00+00:00"}), "it.made must be a time with its zone"),
        (json.dumps({**WRITTEN, "made": 7}), "it.made must be a time with its zone"),
        (json.dumps({**WRITTEN, "routers": {"a": None}}), "it.routers.a must be an object, got None"),
        (
            json.dumps({**WRITTEN, "routers": {"": GONE}}),
            "it.routers must be an object with a name for each of its parts",
        ),
        (json.dumps({**WRITTEN, "routers": ["a"]}), "it.routers must be an object, got ['a']"),
        (json.dumps({**WRITTEN, "more": 1}), "it has 'more', which is not of this form"),
        (with_router(rung="x"), "it.routers.a.rung must be a whole number, got 'x'"),
        (with_router(rung=True), "it.routers.a.rung must be a whole number"),
        (with_router(rung=-1), "it.routers.a.rung must be a whole number"),
        (with_router(rung=2**64), "it.routers.a.rung must be a whole number"),
        (with_router(verdict={"a": 1}), "it.routers.a.verdict must be a text"),
        (with_router(groups="berlin"), "it.routers.a.groups must be a list"),
        (with_router(rungs=[{"number": 1}]), "it.routers.a.rungs[0] lacks 'name'"),
        (
            with_router(findings=[{**GONE["findings"][0], "severity": "fatal"}]),
            "severity must be one of info, warning, error",
        ),
        (with_traffic(slow_share=float("nan")), "it.routers.a.traffic.slow_share must be a number, got nan"),
        (with_traffic(slow_share=float("inf")), "it.routers.a.traffic.slow_share must be a number, got inf"),
        (with_traffic(slow_share=1e300), "it.routers.a.traffic.slow_share must be a number"),
        (with_traffic(slow_share=10**400), "it.routers.a.traffic.slow_share must be a number"),
        (
            json.dumps({**WRITTEN, "comparison": {"made": None, "changes": {"a": {"kind": "odd"}}}}),
            "must be one of worse",
        ),
    ],
)
def test_what_is_none_of_ours_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OffloadError) as raised:
        parse_report(text, "reports/a.json")
    assert str(raised.value).startswith("reports/a.json is no JSON report of fleet_report: ")
    assert reason in str(raised.value) and "name a file that the callback" in str(raised.value)
    assert len(str(raised.value)) < 500
