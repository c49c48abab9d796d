# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs make targets one after the other up to the first that fails, then counts the tests that ran.

usage: python -m tests.tools.run_steps RESULTS TARGET...
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.tools.summary import Step, count_step, table


def run_step(results: Path, target: str) -> Step:
    """Make one target; its output goes where ours goes."""
    print(f"\n=== make {target}", flush=True)
    # A make of its own, not a part of the one that started this: neither its flags nor its job server.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    started = time.monotonic()
    done = subprocess.run(["make", "--no-print-directory", target], env=environment, check=False)
    seconds = time.monotonic() - started
    succeeded = done.returncode == 0
    return Step(target, succeeded, seconds, count_step(results, target, succeeded))


def main(results: Path, targets: list[str]) -> int:
    """0 where every target was made, else 1."""
    # Reports of an earlier run must not be counted as of this one.
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    steps: list[Step] = []
    for target in targets:
        steps.append(run_step(results, target))
        if not steps[-1].succeeded:
            break
    print("\n" + table(steps, not_run=targets[len(steps) :]), flush=True)
    return 0 if all(step.succeeded for step in steps) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
