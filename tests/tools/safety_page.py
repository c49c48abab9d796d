# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the documentation page of the safety matrix from what `make safety` found.

usage: make safety-page
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any, Final

from tests.safety.matrix import MATRIX, REPOSITORY
from tests.tools import rst

PAGE: Final = REPOSITORY / "docs" / "docsite" / "rst" / "safety_matrix.rst"
COLUMNS: Final = ("kind of fault", "kernel", "runs", "lost", "longest outage", "note")
WIDTHS: Final = (30, 12, 6, 6, 8, 38)
NOTE: Final = 160
"""characters of a note"""
SOURCE: Final = "Written by tests/tools/safety_page.py from build/safety/matrix.json: make safety safety-page."
INTRODUCTION: Final = """\
Faults injected into changes of the firewall, on routers in virtual machines, by ``make safety``. When a run counts as
lost is in :ref:`the guarantee <ansible_collections.kmod.nft_offload.docsite.guarantee>`. The outage is the longest time
without a new login, in seconds, as a client sees it that tries every two seconds, on emulated machines; a restart takes
about twenty seconds there, under load several times that, and some faults cut the power twice. The note is what the
task said in the last run.

"""


def page(matrix: Mapping[str, Any], made: date) -> str:
    """The whole text of the page, from matrix.json. ``made``: the day of its last run."""
    rows = [row for row in matrix["rows"] if row["runs"]]
    runs, lost = (sum(row[key] for row in rows) for key in ("runs", "lost"))
    kinds = len({row["fault"] for row in rows})
    kernels = ", ".join(sorted({row["kernel"] for row in rows}))
    parts = [rst.head("safety_matrix", "The safety matrix", SOURCE), INTRODUCTION]
    planned, made_of_them = matrix["planned"], matrix["planned"] - len(matrix["missing"])
    parts.append(
        f"**{runs} runs of {kinds} kinds of fault, {lost} lost.** Of the {planned} pairs of a fault and a system "
    )
    parts.append(f"that it is for, {made_of_them} are made. Kernels: {kernels}. Made on {made}.\n\n")
    if matrix["sources"] > 1:
        parts.append(f"They are of {matrix['sources']} states of the source: something was mended on the way.\n\n")
    if before := matrix["lost_before"]:
        parts.append(
            "Before that some were lost. They were made again once something had been mended, or to learn why, and "
            "what came of that is below:\n\n"
        )
        parts += [rst.escape(f"- {one['fault']}, {one['kernel']}: {shorten(one['lost'])}") + "\n" for one in before]
        parts.append("\n")
    parts.append(rst.table(COLUMNS, WIDTHS, map(_list_cells, sorted(rows, key=itemgetter("fault", "kernel")))))
    if missing := matrix["missing"]:
        parts.append(f"\n{len(missing)} are not made:\n\n")
        parts += [f"- {rst.escape(one)}\n" for one in missing]
    return "".join(parts)


def _list_cells(row: Mapping[str, Any]) -> list[object]:
    outage = f"{row['longest_outage_s']:.0f}"
    return [row["fault"], row["kernel"], row["runs"], row["lost"], outage, shorten(row["note"])]


def shorten(note: str) -> str:
    """One line, without ids and names that differ in each run, and not too long."""
    line = re.sub(r"\b\d{1,9}-[0-9a-f]{8}\b", "ID", note)
    line = re.sub(r"\bsafety-\d+-[\w-]+", "the router", line)
    return textwrap.shorten(line, NOTE, placeholder=" …")


if __name__ == "__main__":
    if not MATRIX.exists():
        sys.exit(f"{MATRIX} is missing: run make safety first")
    made = datetime.fromtimestamp(MATRIX.stat().st_mtime, UTC).date()
    matrix = json.loads(MATRIX.read_text(encoding="utf-8"))
    if matrix["missing"]:
        sys.exit(
            f"{len(matrix['missing'])} runs of {MATRIX} are not made: the page is of a whole matrix; run make safety"
        )
    PAGE.write_text(page(matrix, made), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
