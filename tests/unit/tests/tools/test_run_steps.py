# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``make test`` runs, in order, together, and up to the first failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.run_steps import main

# left waits for right, so it ends only where both run at the same time
MAKEFILE = """
good:
\t@echo well done
bad:
\t@false
left:
\t@for try in $$(seq 100); do test -e met && exit 0; sleep 0.1; done; exit 1
right:
\t@touch met
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def test_the_first_failure_ends_the_run(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(place, ["good", "bad", "left+right"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "1 passed, 1 failed"
    assert [line.split() for line in lines if line.endswith("not run")] == [
        ["left", "not", "run"],
        ["right", "not", "run"],
    ]


def test_joined_steps_run_at_the_same_time(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(place, ["left+right+good+good", "good"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "5 passed, 0 failed"


def test_a_failure_beside_a_success_is_one(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(place, ["good+bad"]) == 1
    output = capfd.readouterr().out
    assert "well done" in output
    assert output.splitlines()[-1] == "1 passed, 1 failed"
