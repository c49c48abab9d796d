# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of faults: complete and without misspelt names; and how a matrix shows its cells."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.configured import openwrt
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import RUNGS, Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import list_kinds

from tests.faults.catalogue import FAULTS
from tests.faults.matrix import Cell, Matrix, format_counts, format_matrix
from tests.faults.model import EVERYWHERE, KERNELS, NONE, Fault, value_for
from tests.faults.topologies import ALL, TOPOLOGIES

# The faults of OpenWrt's firewall are in unit tests, on stand-ins.
OF_ROUTERS = {kind.id for kind in list_kinds()} - {kind.id for kind in openwrt.KINDS}


def expected(fault: Fault) -> set[str]:
    sets = fault.ids.values() if isinstance(fault.ids, Mapping) else [fault.ids]
    return {name for names in sets for name in names}


def test_every_finding_has_a_fault() -> None:
    # known faults of others are told by drivers and kernels that the lab has not: test_advisories.py
    found = {name for name in OF_ROUTERS if not name.startswith("known.")}
    assert {name for fault in FAULTS for name in expected(fault)} == found


def test_names_exist_and_are_unique() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert NONE not in names
    assert len(TOPOLOGIES) == len(ALL)
    assert {fault.topology for fault in FAULTS} <= set(TOPOLOGIES)


def test_the_targets() -> None:
    possible = [fault for fault in FAULTS if not isinstance(fault.impossible, str) or not fault.impossible]
    assert len(possible) >= 45
    assert len(ALL) >= 12


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_whole(fault: Fault) -> None:
    for value in (fault.ids, fault.rung, fault.inject, fault.impossible):
        assert not isinstance(value, Mapping) or set(value) <= {*KERNELS.values(), EVERYWHERE}
    for suite in KERNELS:
        assert value_for(fault.ids, suite, ())
        assert value_for(fault.rung, suite, -1) in range(len(RUNGS) + 1)
    Expectation(**{"expect": TOPOLOGIES[fault.topology].expect, **fault.options})


def test_scripts_are_sh() -> None:
    scripts = [value_for(fault.inject, suite, "") + fault.during for fault in FAULTS for suite in KERNELS]
    scripts += [topology.setup for topology in ALL]
    done = subprocess.run(["sh", "-n"], input="\n".join(scripts), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_holds_on_a_kernel() -> None:
    assert value_for({EVERYWHERE: 2, "7.2": 3}, "forky", 0) == 3
    assert value_for({EVERYWHERE: 2, "7.2": 3}, "trixie", 0) == 2
    assert value_for({"6.1": "why"}, "forky", "") == ""
    assert value_for("why", "bookworm", "") == "why"


@pytest.mark.parametrize(
    ("found", "rung", "impossible", "outcome"),
    [
        (["a", "b"], 2, None, "found"),
        (["b"], 2, None, "missed"),
        (["a"], 3, None, "wrong rung"),
        ([], None, None, "error"),
        ([], None, "why", "impossible"),
    ],
)
def test_outcomes(found: list[str], rung: int | None, impossible: str | None, outcome: str) -> None:
    cell = Cell("fault", "two-nics", "6.12", ["a"], found, 2, rung, impossible)
    assert cell.outcome == outcome


def test_a_finding_on_a_healthy_router_is_a_false_alarm() -> None:
    assert Cell(NONE, "two-nics", "6.12", [], ["a"], 7, 7).outcome == "false alarm"
    assert Cell(NONE, "two-nics", "6.12", [], [], 7, 7).outcome == "healthy"


def test_the_file_keeps_the_cells_of_earlier_runs(tmp_path: Path) -> None:
    place = tmp_path / "faults" / "matrix.json"
    Matrix(place).add(Cell("one", "two-nics", "6.12", ["a"], ["a"], 2, 2, None, ["a (error): message"]))
    matrix = Matrix(place)
    matrix.add(Cell(NONE, "two-nics", "7.2", [], [], 7, 7))
    written = json.loads(place.read_text(encoding="utf-8"))
    assert [set(entry) for entry in written] == 2 * [
        {"fault", "topology", "kernel", "expected_ids", "found_ids", "rung_expected", "rung_found", "impossible"}
    ]
    cells = list(matrix.cells.values())
    assert format_matrix(cells).splitlines()[1:] == [
        "one                found         -",
        "healthy: two-nics  -             healthy",
    ]
    assert format_counts(cells) == "1 cells of faults: 1 found\n1 cells of healthy topologies: 1 healthy"
