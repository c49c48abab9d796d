# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of `make safety`: a file that grows by a line with each, and the matrix that is made of it.

A matrix says how many runs there should be, and which are not made yet: one that was stopped half-way is no less true.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import with_needed

from tests.safety.faults import Fault

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = REPOSITORY / "plugins"
SCRIPTS = PLUGINS / "plugin_utils/sh"
PLACE = REPOSITORY / "build/safety"
RUNS = PLACE / "runs.jsonl"
MATRIX = PLACE / "matrix.json"
FORGOTTEN = ".forgotten"
"""suffix of the file beside it with the runs that were put aside"""
ACTIONS = ("ruleset", "fw4_offload")
"""those that runs change a router with; whether what prepares it did its work, a run sees"""
_NAME = re.compile(r"[a-z0-9_./]+")
_FILE_NAME = re.compile(r"[a-z0-9_]+\.[a-z]+")


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
    """Digest of everything that a run has on a router or talks to one with."""
    digest = hashlib.sha256()
    for path in list_sources():
        digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def list_sources() -> list[Path]:
    """The actions of a run with all that they import, and every file of sh/ that these name."""
    code = _list_imported([PLUGINS / "action" / f"{name}.py" for name in ACTIONS])
    words = {word for path in code for word in _list_words(path)}
    scripts = {part for word in words if (SCRIPTS / f"{word}.sh").is_file() for part in with_needed(word)}
    installed = (SCRIPTS / "installed" / word for word in words if _FILE_NAME.fullmatch(word))
    return sorted({*code, *(SCRIPTS / f"{name}.sh" for name in scripts), *filter(Path.is_file, installed)})


def _list_words(path: Path) -> Iterator[str]:
    """The strings of a file that may name a fragment or a file of sh/."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
            yield node.value


def _list_imported(pending: list[Path]) -> set[Path]:
    """These files, and those of the collection that they import, and so on."""
    found: set[Path] = set()
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending += _list_imports(path)
    return found


def _list_imports(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names = [place, *(place / alias.name for alias in node.names)]
            yield from (file for name in names if (file := name.with_suffix(".py")).exists())


def identify(fault: Fault, source: str) -> str:
    """Digest of that source and of all that the fault does: a run of another fault by this name proves nothing."""
    return f"{source}-{hashlib.sha256(repr(fault).encode()).hexdigest()[:8]}"


def read_runs(sources: Mapping[str, str], place: Path = RUNS) -> list[Run]:
    """The runs that were made already, by name and digest of the fault; none whose fault was not injected."""
    return [run for run in _iterate_runs(place) if run.reached and run.source == sources.get(run.fault)]


def _iterate_runs(place: Path) -> Iterator[Run]:
    for line in place.read_text().splitlines() if place.exists() else []:
        # the last line is half a line where the power went
        with contextlib.suppress(ValueError):
            yield Run(**json.loads(line))


def read_lost(runs: Sequence[Run], place: Path = RUNS) -> list[dict[str, str]]:
    """Every run that was lost and does not stand among ``runs``: it was made again, or waits for that."""
    standing = {(run.fault, run.suite, run.number, run.source) for run in runs if run.lost}
    return [
        {"fault": run.fault, "kernel": run.kernel, "lost": run.lost}
        for run in (*_iterate_runs(place.with_suffix(FORGOTTEN)), *_iterate_runs(place))
        if run.lost and (run.fault, run.suite, run.number, run.source) not in standing
    ]


def forget_runs(cells: Container[tuple[str, str, int]], place: Path = RUNS) -> None:
    """Put the runs of these suites, faults and numbers aside, so that they are made again."""
    if not place.exists():
        return
    kept = gone = ""
    for line in place.read_text().splitlines(keepends=True):
        with contextlib.suppress(ValueError):
            run = json.loads(line)
            if (run["suite"], run["fault"], run["number"]) in cells:
                gone += line
                continue
        kept += line
    with place.with_suffix(FORGOTTEN).open("a") as file:
        file.write(gone)
    fresh = place.with_suffix(".new")
    fresh.write_text(kept)
    fresh.replace(place)


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
            "runs": sum(run.reached for run in members),
            "lost": sum(bool(run.lost) for run in members),
            "not_injected": sum(not run.reached for run in members),
            "longest_outage_s": max(run.outage for run in members),
            "note": next((run.lost for run in members if run.lost), members[-1].note),
        }
        for (fault, kernel), members in cells.items()
    ]


def make_matrix(
    runs: Sequence[Run], planned: Sequence[tuple[str, str]], lost: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """The rows, of how many states of the source they are, and what read_lost found.

    And the pairs of suite and fault of the whole catalogue that no run was made of.
    """
    made = {(run.suite, run.fault) for run in runs if run.reached}
    missing = [f"{suite}: {fault}" for suite, fault in planned if (suite, fault) not in made]
    sources = len({run.source.partition("-")[0] for run in runs})
    return {
        "planned": len(planned),
        "missing": missing,
        "sources": sources,
        "lost_before": list(lost),
        "rows": make_rows(runs),
    }


def write_matrix(runs: Sequence[Run], planned: Sequence[tuple[str, str]], place: Path = PLACE) -> None:
    """Write matrix.json in that directory, which has runs.jsonl."""
    place.mkdir(parents=True, exist_ok=True)
    matrix = make_matrix(runs, planned, read_lost(runs, place / RUNS.name))
    fresh = place / f"{MATRIX.name}.new"
    fresh.write_text(json.dumps(matrix, indent=1) + "\n")
    fresh.replace(place / MATRIX.name)
