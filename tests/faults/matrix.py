# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix: a cell for each fault, topology and kernel, saved after every cell so that a run can be interrupted."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.model import NONE

PLACE = Path(__file__).parents[2] / "build" / "faults" / "matrix.json"


@dataclass(frozen=True)
class Cell:
    """What was expected and what was found."""

    fault: str
    topology: str
    kernel: str
    expected_ids: list[str]
    found_ids: list[str]
    """every finding; for a healthy router only those above information"""
    rung_expected: int
    rung_found: int | None
    """None where the verification failed"""
    impossible: str | None = None
    messages: list[str] = field(default_factory=list, compare=False)
    """findings and evidence as text; not in the file"""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.fault, self.topology, self.kernel

    @property
    def version(self) -> str:
        """Of the kernel, without what Debian makes of it."""
        return self.kernel.partition("+")[0].partition("-")[0]

    @property
    def series(self) -> str:
        """Of that kernel: 6.12 of 6.12.118."""
        return ".".join(self.version.split(".")[:2])

    @property
    def outcome(self) -> str:
        """found, missed, wrong rung, healthy, false alarm, impossible or error"""
        if self.impossible:
            return "impossible"
        if self.rung_found is None:
            return "error"
        if self.fault == NONE and self.found_ids:
            return "false alarm"
        if not set(self.expected_ids) <= set(self.found_ids):
            return "missed"
        if self.rung_found != self.rung_expected:
            return "wrong rung"
        return "healthy" if self.fault == NONE else "found"

    @property
    def good(self) -> bool:
        return self.outcome in {"found", "healthy", "impossible"}

    def as_result(self) -> dict[str, Any]:
        result = asdict(self)
        del result["messages"]
        return result


class Matrix:
    """Cells by fault, topology and kernel; those of earlier runs, and of one beside it, stay until made again."""

    def __init__(self, place: Path = PLACE) -> None:
        self.place = place
        self.cells: dict[tuple[str, str, str], Cell] = {}
        self._read()

    def _read(self) -> None:
        known = json.loads(self.place.read_text(encoding="utf-8")) if self.place.exists() else []
        self.cells = {cell.key: cell for cell in (Cell(**entry) for entry in known)}

    def add(self, cell: Cell) -> None:
        self.place.parent.mkdir(parents=True, exist_ok=True)
        with self.place.with_suffix(".lock").open("w") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)
            self._read()
            self.cells[cell.key] = cell
            fresh = self.place.with_suffix(".new")
            fresh.write_text(json.dumps([cell.as_result() for cell in self.cells.values()], indent=1) + "\n", "utf-8")
            fresh.replace(self.place)


def format_matrix(cells: Sequence[Cell]) -> str:
    """A row for each fault or healthy topology, a column for each kernel."""
    kernels = list(dict.fromkeys(cell.version for cell in cells))
    rows: dict[str, dict[str, str]] = {}
    for cell in cells:
        name = f"healthy: {cell.topology}" if cell.fault == NONE else cell.fault
        rows.setdefault(name, {})[cell.version] = cell.outcome
    wide = max(map(len, rows), default=0)
    column = max([*map(len, kernels), 12])
    lines = [" " * wide + "".join(f"  {kernel:<{column}}" for kernel in kernels)]
    lines += [
        f"{name:<{wide}}" + "".join(f"  {row.get(kernel, '-'):<{column}}" for kernel in kernels)
        for name, row in rows.items()
    ]
    return "\n".join(line.rstrip() for line in lines)


def format_counts(cells: Sequence[Cell]) -> str:
    """The number of cells by outcome, for faults and for healthy topologies."""
    parts = []
    for what, chosen in (
        ("faults", [cell for cell in cells if cell.fault != NONE]),
        ("healthy topologies", [cell for cell in cells if cell.fault == NONE]),
    ):
        outcomes = [cell.outcome for cell in chosen]
        listed = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
        parts.append(f"{len(chosen)} cells of {what}: {listed or 'none'}")
    return "\n".join(parts)
