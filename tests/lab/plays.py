# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs Ansible against a lab router, and has the result for a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
ROLE = "kmod.nft_offload.flow_offload"
EXEC = re.compile(r"kmod\.nft_offload: exec \d+, (\d+) bytes up, (\d+) down")
TASK = re.compile(r"^TASK \[", re.MULTILINE)


@dataclass(frozen=True)
class Task:
    """One task's result. ``execs`` are (bytes up, bytes down) of each SSH exec that the collection made for it."""

    name: str
    action: str
    status: str
    """ok, failed, skipped or unreachable"""
    result: Mapping[str, Any]
    execs: Sequence[tuple[int, int]] = ()

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))

    @property
    def msg(self) -> str:
        return str(self.result.get("msg", ""))

    @property
    def actions(self) -> list[str]:
        return list(self.result.get("actions", ()))

    @property
    def diff(self) -> list[Mapping[str, str]]:
        return list(self.result.get("diff", ()))


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook."""

    code: int
    output: str
    tasks: Sequence[Task] = field(default_factory=tuple)

    @property
    def ours(self) -> list[Task]:
        """The collection's own tasks that ran, in order."""
        return [task for task in self.tasks if task.action.startswith("kmod.nft_offload.") and task.status != "skipped"]

    def task(self, module: str, number: int = 0) -> Task:
        """The run's task of that module, by its short name; the last one is number -1."""
        found = [task for task in self.ours if task.action == f"kmod.nft_offload.{module}"]
        assert found, f"no task of {module} ran:\n{self.output}"
        return found[number]

    @property
    def changed(self) -> list[str]:
        """Names of the tasks that changed something."""
        return [task.name for task in self.tasks if task.changed]

    @property
    def execs(self) -> int:
        return sum(len(task.execs) for task in self.tasks)

    @property
    def failure(self) -> Task:
        """The task that ended the run."""
        failed = [task for task in self.tasks if task.status in ("failed", "unreachable")]
        assert failed, f"nothing failed:\n{self.output}"
        return failed[-1]

    def worked(self) -> Run:
        """This run if it succeeded; else the test fails with its output."""
        assert self.code == 0, self.output
        return self


def predicted(checked: Run, real: Run) -> None:
    """Assert that the check run predicted, task for task, what the real run did."""
    for run in (checked, real):
        run.worked()
    changes = [task for task in real.ours if "actions" in task.result]
    announced = [task for task in checked.ours if "actions" in task.result]
    assert [task.name for task in announced] == [task.name for task in changes]
    for before, after in zip(announced, changes, strict=True):
        assert before.actions == after.actions, after.name
        assert before.diff == after.diff, after.name
        assert before.changed == after.changed, after.name


def run_playbook(
    playbook: str | Sequence[Mapping[str, Any]],
    inventory: Mapping[str, Any],
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float = 900,
) -> Run:
    """Run a playbook, given as plays or by its name in the collection."""
    with tempfile.TemporaryDirectory(prefix="nft-play-") as name:
        place = Path(name)
        (place / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        if not isinstance(playbook, str):
            (place / "play.yml").write_text(yaml.safe_dump(list(playbook), sort_keys=False), encoding="utf-8")
            playbook = "play.yml"
        record = place / "record"
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")), playbook,
                "-i", "inventory.yml", "-vvv", *arguments,
            ],
            cwd=place,
            env={**os.environ, **settings(), "RECORD_FILE": str(record), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )  # fmt: skip
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    return Run(done.returncode, done.stdout, tuple(_tasks(done.stdout, [json.loads(line) for line in lines])))


def settings() -> dict[str, str]:
    """Environment variables with which Ansible finds the working tree as the collection, and records its tasks."""
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "build" / "collections"),
        "ANSIBLE_HOME": str(REPOSITORY / "build" / "ansible"),
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "record",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control_paths()),
    }


def control_paths() -> Path:
    """Directory of Ansible's shared connections in this test run; the path of a socket must be short."""
    path = Path(tempfile.gettempdir()) / f"nft-cp-{os.getpid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _tasks(output: str, records: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Records joined with the execs that the verbose output has below each task's heading.

    A play has one host, so headings and records are in the same order; a heading without a record is a task that never
    ended.
    """
    execs = [
        [(int(up), int(down)) for up, down in EXEC.findall(part)] for part in TASK.split(output)[1 : len(records) + 1]
    ]
    return [Task(**record, execs=tuple(made)) for record, made in zip(records, execs, strict=True)]
