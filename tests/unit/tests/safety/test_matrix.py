# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of runs, and the matrix that is made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.safety.faults import Fault
from tests.safety.matrix import (
    FORGOTTEN,
    PLUGINS,
    Run,
    add_run,
    forget_runs,
    identify,
    list_sources,
    make_rows,
    read_lost,
    read_runs,
    write_matrix,
)

FAULT = Fault("nft hangs")
SOURCES = {"nft hangs": identify(FAULT, "abc")}
RUN = Run("nft hangs", "trixie", "6.12", 1, "", 4.0, "failed", True, 20.0, SOURCES["nft hangs"])


def test_what_is_read_again(tmp_path: Path) -> None:
    place = tmp_path / "safety/runs.jsonl"
    assert read_runs(SOURCES, place) == []
    add_run(RUN, place)
    add_run(replace(RUN, source=identify(FAULT, "other")), place)
    add_run(replace(RUN, source=identify(replace(FAULT, prepare="true"), "abc")), place)
    add_run(replace(RUN, number=2, reached=False), place)
    with place.open("a") as file:
        file.write('{"fault": "nft ha')
    assert read_runs(SOURCES, place) == [RUN]


def test_runs_that_are_made_again(tmp_path: Path) -> None:
    place = tmp_path / "runs.jsonl"
    runs = [RUN, replace(RUN, number=2, lost="not reachable")]
    for run in runs:
        add_run(run, place)
    forget_runs({("trixie", "nft hangs", 2)}, place)
    assert read_runs(SOURCES, place) == runs[:1]
    assert "not reachable" in place.with_suffix(FORGOTTEN).read_text()


def test_a_run_that_was_lost_is_not_forgotten(tmp_path: Path) -> None:
    """It may be made again as often as somebody likes; that it was lost stays in the matrix."""
    place = tmp_path / "runs.jsonl"
    lost = replace(RUN, lost="not reachable")
    for run in (lost, replace(lost, source="stale", lost="a mixture"), replace(RUN, number=2)):
        add_run(run, place)
    assert read_lost([lost], place) == [{"fault": "nft hangs", "kernel": "6.12", "lost": "a mixture"}]
    forget_runs({("trixie", "nft hangs", 1)}, place)
    add_run(RUN, place)
    write_matrix([RUN], [], tmp_path)
    found = json.loads((tmp_path / "matrix.json").read_text())["lost_before"]
    assert [one["lost"] for one in found] == ["not reachable", "a mixture"]


def test_a_row_for_each_fault_and_kernel(tmp_path: Path) -> None:
    lost = replace(RUN, number=2, lost="not reachable", outage=90.0)
    runs = [RUN, lost, replace(RUN, suite="forky", kernel="7.2", reached=False)]
    first, second = make_rows(runs)
    assert (first["runs"], first["lost"], first["longest_outage_s"], first["note"]) == (2, 1, 90.0, "not reachable")
    assert (second["kernel"], second["runs"], second["lost"], second["not_injected"]) == ("7.2", 0, 0, 1)


def test_a_matrix_tells_what_is_not_made(tmp_path: Path) -> None:
    planned = [("trixie", "nft hangs"), ("forky", "nft hangs"), ("trixie", "nft lies")]
    runs = [RUN, replace(RUN, suite="forky", kernel="7.2", reached=False)]
    write_matrix(runs, planned, tmp_path)
    matrix = json.loads((tmp_path / "matrix.json").read_text())
    missing = ["forky: nft hangs", "trixie: nft lies"]
    assert matrix == {"planned": 3, "missing": missing, "sources": 1, "lost_before": [], "rows": make_rows(runs)}


def test_a_run_is_of_what_it_runs() -> None:
    """The guard, what loads it, what boots; no judging, and no packages: a finding in new words makes no run stale."""
    names = {str(path.relative_to(PLUGINS)) for path in list_sources()}
    for own in ("action/ruleset.py", "plugin_utils/_confirm/change.py", "plugin_utils/_core/router.py"):
        assert own in names
    shell = {name.removeprefix("plugin_utils/sh/") for name in names if name.startswith("plugin_utils/sh/")}
    assert {
        "prelude.sh",
        "tally.sh",
        "installed/guard.sh",
        "installed/guard_others.sh",
        "installed/ruleset.service",
        "installed/flowtable.hotplug",
        "apply/change.sh",
        "read/platform.sh",
        "read/change.sh",
    } <= shell
    assert not shell & {"read/nftables.sh", "read/sample.sh", "read/conntrack.sh", "read/dnf.sh", "apply/apt.sh"}
    assert not [name for name in names if "/_verify/" in name]
