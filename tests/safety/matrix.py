# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of `make safety`: a file that grows by a line with each, and the matrix that is made of it."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PLACE = REPOSITORY / "build/safety"
RUNS = PLACE / "runs.jsonl"
MATRIX = PLACE / "matrix.json"


@dataclass(frozen=True)
class Run:
    """One run. ``lost`` is why the router counts as lost, or empty; ``reached``: the fault was injected."""

    fault: str
    suite: str
    kernel: str
    number: int
    lost: str
    outage: float
    note: str
    reached: bool
    seconds: float
    source: str


def digest_source() -> str:
    """Digest of everything that runs on a router or talks to one."""
    digest = hashlib.sha256()
    for path in sorted((REPOSITORY / "plugins").rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def read_runs(source: str, place: Path = RUNS) -> list[Run]:
    """The runs of this source that were made already."""
    lines = place.read_text().splitlines() if place.exists() else []
    return [run for line in lines if (run := Run(**json.loads(line))).source == source]


def add_run(run: Run, place: Path = RUNS) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(asdict(run)) + "\n")


def make_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each fault and kernel, in the order of the first runs."""
    cells: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        cells.setdefault((run.fault, run.kernel), []).append(run)
    return [
        {
            "fault": fault,
            "kernel": kernel,
            "runs": len(members),
            "lost": sum(bool(run.lost) for run in members),
            "not_injected": sum(not run.reached for run in members),
            "longest_outage_s": max(run.outage for run in members),
            "note": next((run.lost for run in members if run.lost), members[-1].note),
        }
        for (fault, kernel), members in cells.items()
    ]


def write_matrix(runs: Sequence[Run], place: Path = MATRIX) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_text(json.dumps(make_rows(runs), indent=1) + "\n")
    fresh.replace(place)
