# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of runs, and the matrix that is made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.safety.matrix import Run, add_run, make_rows, read_runs, write_matrix

RUN = Run("nft hangs", "trixie", "6.12", 1, "", 4.0, "failed", True, 20.0, "abc")


def test_runs_of_another_source_are_not_read(tmp_path: Path) -> None:
    place = tmp_path / "safety/runs.jsonl"
    assert read_runs("abc", place) == []
    add_run(RUN, place)
    add_run(replace(RUN, source="other"), place)
    assert read_runs("abc", place) == [RUN]


def test_a_row_for_each_fault_and_kernel(tmp_path: Path) -> None:
    lost = replace(RUN, number=2, lost="not reachable", outage=90.0)
    runs = [RUN, lost, replace(RUN, suite="forky", kernel="7.2", reached=False)]
    first, second = make_rows(runs)
    assert (first["runs"], first["lost"], first["longest_outage_s"], first["note"]) == (2, 1, 90.0, "not reachable")
    assert (second["kernel"], second["lost"], second["not_injected"]) == ("7.2", 0, 1)
    write_matrix(runs, tmp_path / "matrix.json")
    assert json.loads((tmp_path / "matrix.json").read_text()) == [first, second]
