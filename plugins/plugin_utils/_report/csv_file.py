# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from .._verify.finding import RUNGS
from .fleet import FleetReport, RouterReport
from .format import Format

COLUMNS = (
    "router",
    "state",
    "verdict",
    "rung",
    *RUNGS,
    "errors",
    "warnings",
    "softirq_percent",
    "megabits_per_second",
    "change",
    "findings",
    "messages",
    "remedies",
)
_FORMULA = ("=", "+", "-", "@")


class CsvFile(Format):
    """A row for each router, with a column for each rung's status; several findings stand in one cell."""

    name = "CSV"
    target = "file"
    suffix = ".csv"

    def render(self, report: FleetReport) -> str:
        """A row of headings, then the rows."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, router in report.routers.items():
            change = report.changes.get(name)
            writer.writerow(map(_guard_cell, _list_cells(name, router, change.kind if change else "")))
        return text.getvalue()


def _list_cells(name: str, router: RouterReport, change: str) -> Iterator[str]:
    severities = [finding.severity for finding in router.findings]
    yield from (name, router.state, router.stands, str(router.rung))
    yield from (router.statuses.get(rung, "").replace("_", " ") for rung in RUNGS)
    yield from (str(severities.count(severity)) for severity in ("error", "warning"))
    cost = router.cost
    yield "" if cost is None or cost.softirq is None else f"{cost.softirq:.1f}"
    yield "" if cost is None else f"{cost.bits / 1e6:.1f}"
    yield change
    yield " ".join(dict.fromkeys(finding.id for finding in router.findings))
    yield "; ".join(finding.message for finding in router.findings)
    yield "; ".join(dict.fromkeys(finding.remedy for finding in router.findings))


def _guard_cell(cell: str) -> str:
    """On one line, and never a formula: a spreadsheet computes what begins like one, wherever it came from."""
    line = " ".join(cell.split())
    return f"'{line}" if line.startswith(_FORMULA) else line
