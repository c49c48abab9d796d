# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From rungs to a verdict, and what the required rung demands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import (
    LONGEST_EVIDENCE,
    RUNGS,
    Expectation,
    Finding,
    RungResult,
    Status,
    conclude_rung,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import Verdict

from tests.unit.helpers.ladder_case import GONE, HARD, NOT_THERE, SOFT
from tests.unit.helpers.routers import flows, verdict_on


def ladder(text: str) -> Verdict:
    """One letter a rung: proven, unproven, failed, not applicable."""
    statuses: dict[str, Status] = {"p": "proven", "u": "unproven", "f": "failed", "n": "not_applicable"}
    return Verdict(tuple(RungResult(name, statuses[letter]) for name, letter in zip(RUNGS, text, strict=True)))


@pytest.mark.parametrize(
    ("text", "number", "name", "unproven"),
    [
        ("ppppppp", 7, "hardware", []),
        ("pppppup", 7, "hardware", ["bypassing"]),
        ("pppppun", 5, "offloading", ["bypassing"]),
        ("ppppuuu", 4, "bound", ["offloading", "bypassing", "hardware"]),
        ("pppupup", 7, "hardware", ["bound", "bypassing"]),
        ("ppfpppp", 2, "loaded", []),
        ("pppppuf", 5, "offloading", ["bypassing"]),
        ("fpppppp", 0, "none", []),
        ("uuuuuuu", 0, "none", list(RUNGS)),
        ("nnnnnnn", 0, "none", []),
        ("uuufppp", 0, "none", ["supported", "loaded", "configured"]),
    ],
)
def test_the_highest_rung_proven_with_none_below_it_failed(
    text: str, number: int, name: str, unproven: list[str]
) -> None:
    verdict = ladder(text)
    assert (verdict.rung, verdict.name, verdict.unproven) == (number, name, unproven)


def test_an_unproven_rung_falls_short_and_says_why() -> None:
    idle = verdict_on(replace(HARD, flows=flows()))
    assert idle.shortfall(Expectation(require="bound")) == ""
    reason = idle.shortfall(Expectation(require="offloading"))
    assert "rung offloading must be shown, but is unproven: connection tracking shows no forwarded flow" in reason
    assert "Remedy: send TCP or UDP traffic" in reason


def test_a_rung_that_does_not_apply_falls_short() -> None:
    reason = verdict_on(SOFT).shortfall(Expectation(require="hardware"))
    assert reason.startswith("rung hardware must be shown, but is not applicable: the flowtable offloads in software. ")
    assert reason.endswith("Remedy: require a rung that can be shown on this router")


def test_bypassing_falls_short_where_it_is_not_measured() -> None:
    verdict = verdict_on(HARD)
    assert verdict.shortfall(Expectation(require="offloading")) == ""
    assert "not measured" in verdict.shortfall(Expectation(require="bypassing"))


@pytest.mark.parametrize(
    ("text", "require", "why"),
    [
        ("ppppppp", "hardware", []),
        ("pppppnp", "hardware", []),
        ("pppppup", "hardware", ["rung hardware rests on rung bypassing, which is unproven"]),
        ("ppupuup", "bound", ["rung bound rests on rung configured, which is unproven"]),
        (
            "upppuuu",
            "offloading",
            ["rung offloading must be shown, but is unproven", "offloading rests on rung supported, which is unproven"],
        ),
        ("ppppuuu", "bound", []),
    ],
)
def test_a_pass_rests_on_rungs_that_are_proven_or_do_not_apply(text: str, require: str, why: list[str]) -> None:
    reason = ladder(text).shortfall(Expectation(require=require))
    assert bool(reason) == bool(why)
    assert [part for part in why if part not in reason] == []
    assert reason.count("Remedy: ") == len(why)


def test_a_failed_rung_is_explained_by_its_errors_alone() -> None:
    verdict = verdict_on(replace(HARD, hooks=()))
    assert verdict.shortfall(Expectation(require="bound")) == ""
    assert len(verdict.errors()) == 2
    assert all(line.startswith("bound.hook-missing: ") and ". Remedy: " in line for line in verdict.errors())


def test_without_a_requirement_nothing_falls_short() -> None:
    assert verdict_on(NOT_THERE).shortfall(Expectation()) == ""


def test_off_must_be_seen_to_be_off() -> None:
    off = Expectation("disabled", require="hardware")
    assert verdict_on(GONE, off).shortfall(off) == ""
    assert "rung configured must be shown" in verdict_on(NOT_THERE, off).shortfall(off)


def test_warnings_and_hints_fail_nothing() -> None:
    noted = [Finding(f"bound.{severity}", severity, "", (), "") for severity in ("info", "warning")]
    assert conclude_rung("bound", True, findings=noted).status == "proven"
    assert conclude_rung("bound", False, findings=noted).status == "unproven"
    assert conclude_rung("bound", None, findings=noted).status == "not_applicable"


def test_long_lines_of_a_router_are_shortened() -> None:
    (line,) = conclude_rung("bound", True, ["x" * 1000]).evidence
    assert len(line) == LONGEST_EVIDENCE and line.endswith("...")
