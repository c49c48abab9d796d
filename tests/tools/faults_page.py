# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the documentation page of the faults and healthy routers from what `make faults` found.

usage: make faults-page
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

from tests.faults.matrix import Cell, Matrix, format_counts
from tests.faults.model import NONE
from tests.safety.matrix import REPOSITORY
from tests.tools import rst

PAGE: Final = REPOSITORY / "docs" / "docsite" / "rst" / "fault_matrix.rst"
SOURCE: Final = "Written by tests/tools/faults_page.py from build/faults/matrix.json: make faults faults-page."
INTRODUCTION: Final = """\
Faults built into routers in virtual machines, each with traffic, and healthy routers of many shapes, by
``make faults``. A fault is *found* when verify has the findings that it must have, and the rung that it proves is the
one that is still true. A router is *healthy* when verify proves the rung that it has, without an error or a warning.
What is *impossible* cannot be built on that kernel; that was tried.

"""


def page(cells: Sequence[Cell], made: date) -> str:
    """The whole text of the page. ``made``: the day of the last cell."""
    counts = "".join(f"- {rst.escape(line)}\n" for line in format_counts(cells).split("\n"))
    healthy = [cell for cell in cells if cell.fault == NONE]
    faults = [cell for cell in cells if cell.fault != NONE]
    return "".join(
        (
            rst.head("fault_matrix", "The fault matrix", SOURCE),
            INTRODUCTION,
            f"Made on {made}:\n\n{counts}\n",
            rst.underline("Faults", "-"),
            "\n",
            _table(faults, ["fault", "findings"]),
            "\n",
            rst.underline("Healthy routers", "-"),
            "\n",
            _table(healthy, ["router", "rung"]),
        )
    )


def _table(cells: Sequence[Cell], columns: list[str]) -> str:
    """A row for each fault or healthy router, a column for each kernel."""
    kernels = sorted({cell.version for cell in cells}, key=_sort_by_number)
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.topology if cell.fault == NONE else cell.fault, {})[cell.version] = cell
    lines = []
    for name, by_kernel in sorted(rows.items()):
        last = list(by_kernel.values())[-1]
        expected = str(last.rung_expected) if last.fault == NONE else ", ".join(last.expected_ids)
        outcomes = [by_kernel[kernel].outcome if kernel in by_kernel else "" for kernel in kernels]
        lines.append([name, expected, *outcomes])
    return rst.table([*columns, *kernels], [25, 30, *(12 for _kernel in kernels)], lines)


def _sort_by_number(version: str) -> list[int]:
    """6.1 before 6.12."""
    return [int(number) for number in version.split(".")]


if __name__ == "__main__":
    matrix = Matrix()
    made = datetime.fromtimestamp(matrix.place.stat().st_mtime, UTC).date()
    PAGE.write_text(page(list(matrix.cells.values()), made), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
