# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts tests from the JUnit files that the steps of a run left behind."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Count:
    """Numbers of tests; an error counts as a failure, a skipped test as neither passed nor failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


@dataclass(frozen=True)
class Step:
    """One finished step of a run."""

    name: str
    succeeded: bool
    seconds: float
    count: Count


def count_report(report: Path) -> Count:
    """The tests of one JUnit file, counted case by case; a file that cannot be read is one failure."""
    try:
        cases = list(ET.parse(report).getroot().iter("testcase"))
    except (ET.ParseError, OSError):
        return Count(failed=1)
    total = Count()
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            total += Count(failed=1)
        elif case.find("skipped") is not None:
            total += Count(skipped=1)
        else:
            total += Count(passed=1)
    return total


def count_step(results: Path, name: str, succeeded: bool) -> Count:
    """The tests of a step: those of its reports NAME.xml and NAME-*.xml, or the step itself where it has none.

    A step that failed without a failing test in its reports counts as one more failure, so that it cannot hide.
    """
    reports = [*results.glob(f"{name}.xml"), *results.glob(f"{name}-*.xml")]
    total = sum(map(count_report, reports), Count())
    if succeeded and not reports:
        return Count(passed=1)
    if not succeeded and not total.failed:
        total += Count(failed=1)
    return total


def table(steps: Iterable[Step], not_run: Iterable[str] = ()) -> str:
    """What ran, how long it took, and last the line that counts: ``N passed, N failed``."""
    lines = [f"{'step':<18}{'seconds':>9}{'passed':>9}{'failed':>9}{'skipped':>9}"]
    total = Count()
    for step in steps:
        count = step.count
        total += count
        row = f"{step.name:<18}{step.seconds:>9.1f}{count.passed:>9}{count.failed:>9}{count.skipped:>9}"
        lines.append(row if step.succeeded else f"{row}  FAILED")
    lines += [f"{name:<18}{'not run':>9}" for name in not_run]
    return "\n".join([*lines, "", f"{total.passed} passed, {total.failed} failed"])
