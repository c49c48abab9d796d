# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The count at the end of ``make test`` is only worth something if it cannot hide a failure."""

from __future__ import annotations

from pathlib import Path

from tests.tools.summary import Count, Step, count_step, table

REPORT = """<testsuites><testsuite>
  <testcase name="a"/><testcase name="b"/>
  <testcase name="c"><failure message="no"/></testcase>
  <testcase name="d"><error message="no"/></testcase>
  <testcase name="e"><skipped/></testcase>
</testsuite></testsuites>"""


def test_reports_of_a_step_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(REPORT)
    (tmp_path / "molecule-default.xml").write_text(REPORT)
    (tmp_path / "molecule-software.xml").write_text(REPORT)
    assert count_step(tmp_path, "molecule", succeeded=False) == Count(passed=4, failed=4, skipped=2)


def test_a_step_without_reports_is_one_test(tmp_path: Path) -> None:
    assert count_step(tmp_path, "ruff", succeeded=True) == Count(passed=1)
    assert count_step(tmp_path, "ruff", succeeded=False) == Count(failed=1)


def test_a_step_that_fails_beside_its_tests_still_shows(tmp_path: Path) -> None:
    (tmp_path / "molecule-default.xml").write_text("<testsuites><testcase name='a'/></testsuites>")
    assert count_step(tmp_path, "molecule", succeeded=False) == Count(passed=1, failed=1)


def test_a_cut_off_report_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(REPORT[:60])
    assert count_step(tmp_path, "unit", succeeded=True) == Count(failed=1)


def test_the_last_line_counts_everything() -> None:
    steps = [Step("ruff", True, 0.5, Count(1)), Step("unit", False, 12.0, Count(7, 2, 1))]
    lines = table(steps, not_run=["molecule"]).splitlines()
    assert lines[-1] == "8 passed, 2 failed"
    assert any(line.startswith("molecule") and "not run" in line for line in lines)
