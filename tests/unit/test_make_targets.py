# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a commit and a public host check is what make checks: every command of theirs is a target of the Makefile."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def hooks() -> dict[str, str]:
    """Id of each hook of pre-commit -> its command."""
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"], "a hook of another repository has a version of its own"
    return {hook["id"]: hook["entry"] for hook in repos[0]["hooks"]}


def workflow_commands() -> Iterator[str]:
    """What jobs run, once for each value of their matrix."""
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            targets = job.get("strategy", {}).get("matrix", {}).get("target", [""])
            for step in job["steps"]:
                for target in targets if "run" in step else ():
                    yield step["run"].replace("${{ matrix.target }}", target)


@pytest.mark.parametrize(("hook", "command"), hooks().items())
def test_a_hook_is_a_target_of_its_name(hook: str, command: str) -> None:
    assert command == f"make {hook}"
    assert hook in TARGETS


@pytest.mark.parametrize("command", list(workflow_commands()))
def test_a_job_makes_targets(command: str) -> None:
    make, *targets = command.split()
    assert make == "make"
    assert targets
    assert set(targets) <= TARGETS


def test_what_make_test_runs_is_phony() -> None:
    """A file or a directory by the name of a target would keep make from running it."""
    done = subprocess.run(["make", "-np", "help"], cwd=ROOT, capture_output=True, text=True, check=False)
    phony = re.findall(r"^\.PHONY: (.*)", done.stdout, re.MULTILINE)
    assert set(" ".join(phony).split()) >= TARGETS
