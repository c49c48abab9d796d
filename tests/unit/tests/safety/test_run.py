# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runs of `make safety` take for a lie."""

from __future__ import annotations

from typing import Any

import pytest

from tests.safety.faults import FAULTS, QUICK, Fault
from tests.safety.run import lie

PLAIN, CUT, REMOVAL = Fault("plain"), Fault("cut", blow="power"), Fault("gone", options={"state": "absent"})


def said(status: str, **change: bool) -> dict[str, Any]:
    return {"status": status, "result": {"change": change}}


@pytest.mark.parametrize(
    ("fault", "runs", "result", "lies"),
    [
        (PLAIN, "new", said("ok", confirmed=True), ""),
        (PLAIN, "old", said("failed", rolled_back=True), ""),
        (PLAIN, "old", said("ok", confirmed=True), "said ok"),
        (PLAIN, "new", said("failed"), "said failed"),
        (REMOVAL, "none", said("ok", confirmed=True), ""),
        (REMOVAL, "old", said("ok"), "said ok"),
        (CUT, "new", said("failed"), ""),
        (CUT, "old", said("unreachable"), ""),
        (CUT, "old", said("ok"), "it did not"),
        (CUT, "new", said("failed", rolled_back=True), "rolled back"),
        (CUT, "old", said("failed", confirmed=True), "confirmed"),
    ],
)
def test_one_task(fault: Fault, runs: str, result: dict[str, Any], lies: str) -> None:
    assert lies in lie(fault, runs, [result]) and bool(lies) == bool(lie(fault, runs, [result]))


def test_two_controllers() -> None:
    fault = Fault("two", blow="second")
    assert not lie(fault, "new", [said("ok"), said("failed")])
    assert "two controllers" in lie(fault, "new", [said("ok"), said("ok")])


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names) > 30
    assert len(QUICK) == 4
