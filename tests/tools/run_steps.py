# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs make targets one after the other until one fails, then counts the tests that ran.

usage: python -m tests.tools.run_steps RESULTS STEP...

A step is a target, or several joined with +, which start in that order, three at a time. The output of such a target
goes to RESULTS/TARGET.log, and is shown when the target has ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO

from tests.tools.summary import Step, count_step, table

TOGETHER = 3
"""targets that run at the same time; three routers with their playbooks keep two cores busy"""


def make(results: Path, target: str, output: IO[bytes] | None = None) -> Step:
    """Make one target; its output goes to ours, or to a file."""
    # A make of its own, not a part of the one that started this: neither its flags nor its job server.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    started = time.monotonic()
    command = ["make", "--no-print-directory", target]
    done = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False)
    seconds = time.monotonic() - started
    succeeded = done.returncode == 0
    return Step(target, succeeded, seconds, count_step(results, target, succeeded))


def make_logged(results: Path, target: str) -> Step:
    """Make one target with its output in its log, then show the log."""
    log = results / f"{target}.log"
    with log.open("wb") as output:
        step = make(results, target, output)
    print(f"\n=== make {target} ended\n{log.read_text(encoding='utf-8', errors='replace')}", flush=True)
    return step


def run(results: Path, step: str) -> list[Step]:
    """The steps that one argument names."""
    targets = step.split("+")
    print(f"\n=== make {' and '.join(targets)}", flush=True)
    if len(targets) == 1:
        return [make(results, step)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(partial(make_logged, results), targets))


def main(results: Path, wanted: list[str]) -> int:
    """0 where every target was made, else 1."""
    # Reports of an earlier run must not be counted as of this one.
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    steps: list[Step] = []
    left = list(wanted)
    while left and all(step.succeeded for step in steps):
        steps += run(results, left.pop(0))
    print("\n" + table(steps, not_run=[target for step in left for target in step.split("+")]), flush=True)
    return 0 if all(step.succeeded for step in steps) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
