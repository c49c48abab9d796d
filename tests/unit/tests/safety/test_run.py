# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runs of `make safety` count as a false claim of a task."""

from __future__ import annotations

from typing import Any

import pytest

from tests.safety.faults import FAULTS, QUICK, Fault
from tests.safety.run import find_false_claim

PLAIN, CUT, REMOVAL = Fault("plain"), Fault("cut", inject="power"), Fault("gone", options={"state": "absent"})


def result_of(status: str, **change: bool) -> dict[str, Any]:
    return {"status": status, "result": {"change": change}}


@pytest.mark.parametrize(
    ("fault", "runs", "result", "claim"),
    [
        (PLAIN, "new", result_of("ok", confirmed=True), ""),
        (PLAIN, "old", result_of("failed", rolled_back=True), ""),
        (PLAIN, "old", result_of("ok", confirmed=True), "ended ok"),
        (PLAIN, "new", result_of("failed"), "ended failed"),
        (REMOVAL, "none", result_of("ok", confirmed=True), ""),
        (REMOVAL, "old", result_of("ok"), "ended ok"),
        (CUT, "new", result_of("failed"), ""),
        (CUT, "old", result_of("unreachable"), ""),
        (CUT, "old", result_of("ok"), "does not run it"),
        (CUT, "new", result_of("failed", rolled_back=True), "a rollback"),
        (CUT, "old", result_of("failed", confirmed=True), "a confirmation"),
    ],
)
def test_one_task(fault: Fault, runs: str, result: dict[str, Any], claim: str) -> None:
    found = find_false_claim(fault, runs, [result])
    assert claim in found and bool(claim) == bool(found)


def test_two_controllers() -> None:
    fault = Fault("two", inject="second")
    assert not find_false_claim(fault, "new", [result_of("ok"), result_of("failed")])
    assert "two controllers" in find_false_claim(fault, "new", [result_of("ok"), result_of("ok")])


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names) > 30
    assert len(QUICK) == 4
