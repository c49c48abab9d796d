# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Injects the faults on routers of the lab and writes build/safety/matrix.json.

usage: make safety SAFETY="[--suite SUITE]... [--runs N] [--jobs N] [--quick] [--again] [--list] [PART OF A NAME]..."

Each run is written to build/safety/runs.jsonl as soon as it has ended, and is not made again until the source changes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait

from lab import api, routers
from lab.host import LabError
from tests.lab.router import Live, sweep
from tests.safety.bench import Ending, Known, boot_router, prepare, run_once
from tests.safety.faults import EVERYWHERE, FAULTS, QUICK, Fault
from tests.safety.matrix import MATRIX, RUNS, Run, add_run, digest_source, read_runs, write_matrix

ATTEMPTS = 3
"""at preparing a router: a busy machine may be too slow for it"""
Cell = tuple[str, Fault, int]
"""suite, fault, number of the run"""


class Bench:
    """One router at a time, and what it is known to run."""

    def __init__(self) -> None:
        self.router: Live | None = None
        self.known = Known()
        self.kernel = ""

    def use(self, suite: str) -> Live:
        """A router of the suite, prepared; tried three times."""
        for attempt in range(ATTEMPTS):
            if self.router is not None and self.router.kind.startswith(f"{suite}/"):
                break
            self.clear()
            try:
                router = self.router = boot_router(suite)
                self.known = prepare(router)
                self.kernel = router.sh("uname -r").strip()
            except (LabError, AssertionError, OSError, subprocess.TimeoutExpired):
                self.clear()
                parent = multiprocessing.parent_process()
                if attempt == ATTEMPTS - 1 or (parent is not None and not parent.is_alive()):
                    raise
        assert self.router is not None
        return self.router

    def clear(self) -> None:
        if self.router is not None:
            api.down([self.router.name])
        self.router = None

    def run(self, cell: Cell, source: str) -> Run:
        suite, fault, number = cell
        router = self.use(suite)
        started = time.monotonic()
        try:
            ending = run_once(router, fault, self.known)
        except (LabError, AssertionError, OSError, subprocess.TimeoutExpired) as error:
            ending = Ending(f"did not come to its end: {error}"[:300], 0.0, "", reached=False)
            kernel = self.kernel
            if routers.find(router.name) is None or not _restores(router):
                self.clear()
            self.kernel = kernel
        seconds = round(time.monotonic() - started, 1)
        return Run(
            fault.name,
            suite,
            self.kernel,
            number,
            ending.lost,
            ending.outage,
            ending.note,
            ending.reached,
            seconds,
            source,
        )


def _restores(router: Live) -> bool:
    router.acts += 1
    try:
        router.restore("old")
    except LabError:
        return False
    return True


def work(pipe: Connection, source: str) -> None:
    """A worker: asks for a cell of the suite that its router has, and makes the run."""
    bench = Bench()
    suite = ""
    try:
        while True:
            pipe.send(suite)
            cell = pipe.recv()
            if cell is None:
                return
            suite = cell[0]
            pipe.send(bench.run(cell, source))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    finally:
        bench.clear()


def choose(cells: list[Cell], suite: str, used: Sequence[str]) -> Cell | None:
    """The next cell for a worker: of its own suite, else of the one with the most left for each worker on it."""
    left = Counter(cell[0] for cell in cells)
    if not left:
        return None
    if suite not in left:
        suite = max(left, key=lambda one: left[one] / (1 + used.count(one)))
        if left[suite] < 4 and suite in used:
            return None  # a router takes longer to prepare
    cell = next(cell for cell in cells if cell[0] == suite)
    cells.remove(cell)
    return cell


def run_all(cells: list[Cell], jobs: int, source: str, runs: list[Run]) -> None:
    """Make every run, by ``jobs`` workers; ``runs`` grows."""
    total = len(cells)
    context = multiprocessing.get_context("spawn")
    pipes = []
    workers = []
    for _number in range(min(jobs, total)):
        ours, theirs = context.Pipe()
        worker = context.Process(target=work, args=(theirs, source))
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)
    suites = dict.fromkeys(map(id, pipes), "")
    done = 0
    while pipes:
        for pipe in wait(pipes):
            assert isinstance(pipe, Connection)
            try:
                message = pipe.recv()
            except EOFError:
                pipes.remove(pipe)
                suites.pop(id(pipe))
                continue
            if isinstance(message, Run):
                done += 1
                runs.append(message)
                add_run(message)
                write_matrix(runs)
                show(message, done, total)
                continue
            cell = choose(cells, message, [suite for one, suite in suites.items() if one != id(pipe)])
            suites[id(pipe)] = cell[0] if cell else ""
            pipe.send(cell)
    for worker in workers:
        worker.join()


def show(run: Run, done: int, total: int) -> None:
    ended = f"LOST: {run.lost}" if run.lost else "safe" if run.reached else "NOT INJECTED"
    outage = f"{run.outage} s, of {run.seconds}"
    print(f"{done}/{total}  {run.kernel}  {run.fault}: {ended} ({outage})", flush=True)


def plan(given: argparse.Namespace) -> list[Cell]:
    """Every run to make, first each fault once, then once more, until there are as many as were requested."""
    pairs = [
        (suite, fault)
        for fault in (QUICK if given.quick else FAULTS)
        for suite in fault.suites
        if suite in (given.suite or (["trixie"] if given.quick else EVERYWHERE))
        and (not given.names or any(name in fault.name for name in given.names))
    ]
    cells = [(suite, fault, 1) for suite, fault in pairs]
    number = 2
    while pairs and len(cells) < given.runs:
        cells += [(suite, fault, number) for suite, fault in pairs][: given.runs - len(cells)]
        number += 1
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", help="default: each that the fault is for")
    parser.add_argument("--runs", type=int, default=0, help="runs in all, at least one of each")
    parser.add_argument("--jobs", type=int, default=2, help="routers at the same time")
    parser.add_argument("--quick", action="store_true", help="a few faults, once, on trixie")
    parser.add_argument("--again", action="store_true", help="make runs again that were made with this very source")
    parser.add_argument("--list", action="store_true", help="show what would be run")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    source = digest_source()
    if given.again:
        RUNS.unlink(missing_ok=True)
    runs = read_runs(source)
    known = {(run.suite, run.fault, run.number) for run in runs}
    cells = [cell for cell in plan(given) if (cell[0], cell[1].name, cell[2]) not in known]
    if given.list:
        for suite, fault, number in cells:
            print(f"{suite}  {number}  {fault.name}")
        print(f"{len(cells)} runs to make, {len(runs)} made")
        return 0
    sweep("safety")
    run_all(cells, given.jobs, source, runs)
    lost = sum(bool(run.lost) for run in runs)
    void = sum(not run.reached for run in runs)
    names = len({run.fault for run in runs})
    print(f"{len(runs)} runs of {names} faults, {lost} lost, {void} not injected; {MATRIX}")
    return 1 if lost or void or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
