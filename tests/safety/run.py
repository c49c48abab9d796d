# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Injects the faults on routers of the lab and writes build/safety/matrix.json.

usage: make safety SAFETY="[--suite SUITE]... [--runs N] [--jobs N] [--minutes N] [--quick] [--again] [--list]
                           [PART OF A NAME]..."

Each run is written to build/safety/runs.jsonl as soon as it has ended, and is not made again until the source or the
fault changes: stop it at any time, and the same command goes on. A run whose fault was not injected does not count.
It ends with 0 when all runs are made and none is lost, with 1 when one is lost or was not injected, and with 2 when it
was stopped before all were made.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait

from lab import api, routers
from lab.host import LabError
from tests.lab.router import Live, sweep
from tests.safety.bench import NOTE, Ending, NotInjectedError, run_once
from tests.safety.evidence import keep_evidence, place_of
from tests.safety.faults import EVERYWHERE, FAULTS, QUICK, Fault
from tests.safety.look import Known
from tests.safety.matrix import MATRIX, Run, add_run, digest_source, forget_runs, identify, read_runs, write_matrix
from tests.safety.rack import boot_router

ATTEMPTS = 3
"""at preparing a router: a busy machine may be too slow for it"""
STOPS = (signal.SIGINT, signal.SIGTERM)
Cell = tuple[str, Fault, int]
"""suite, fault, number of the run"""
CATALOGUE = [(suite, fault.name) for fault in FAULTS for suite in fault.suites]


class Bench:
    """One router at a time, and what it is known to run."""

    def __init__(self) -> None:
        self.router: Live | None = None
        self.known = Known()
        self.kernel = ""

    def use(self, suite: str, source: str) -> Live:
        """A router of the suite, prepared; tried three times."""
        for attempt in range(ATTEMPTS):
            if self.router is not None and self.router.kind.startswith(f"{suite}/"):
                break
            self.clear()
            try:
                self.router, self.known = boot_router(suite, source)
                self.kernel = routers.get(self.router.name).kernel
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
        router = self.use(suite, source)
        started = time.monotonic()
        place = place_of(suite, fault.name, number)
        try:
            ending = run_once(router, fault, self.known, place)
        except (NotInjectedError, LabError, AssertionError, OSError, subprocess.TimeoutExpired) as error:
            # once it is injected, a router that does not answer is one that was lost
            void = isinstance(error, NotInjectedError)
            note = f"did not come to its end: {error}"[:NOTE]
            ending = Ending("" if void else note, 0.0, note, reached=not void)
            keep_evidence(router, place, note)
            kernel = self.kernel
            if routers.find(router.name) is None or not _restores(router):
                self.clear()
            self.kernel = kernel
        else:
            if ending.lost or not ending.reached:
                keep_evidence(router, place, ending.lost or f"not injected: {ending.note}")
            else:
                shutil.rmtree(place)
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
            identify(fault, source),
        )


def _restores(router: Live) -> bool:
    router.acts += 1
    try:
        router.restore("old")
    except LabError:
        return False
    return True


def stop_when_asked() -> None:
    """Where it runs in the background, SIGINT may be ignored at first."""
    for number in STOPS:
        signal.signal(number, signal.default_int_handler)


def work(pipe: Connection, source: str) -> None:
    """A worker: asks for a cell of the suite that its router has, and makes the run."""
    bench = Bench()
    suite = ""
    stop_when_asked()
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
        # once is enough: a router is taken down
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)
        bench.clear()


def choose(cells: list[Cell], suite: str, used: Sequence[str]) -> Cell | None:
    """The next cell for a worker: of its own suite, else of the one with the most left for each worker on it.

    A new worker has one prepared that nobody else is at.
    """
    left = Counter(cell[0] for cell in cells)
    if not left:
        return None
    if suite not in left:
        suite = max(left, key=lambda one: (not suite and one not in used, left[one] / (1 + used.count(one))))
        if left[suite] < 4 and suite in used:
            return None  # a router takes longer to prepare
    cell = next(cell for cell in cells if cell[0] == suite)
    cells.remove(cell)
    return cell


class Stock:
    """The cells that are left to run. ``until``: when no more are given out, as time.monotonic() tells it."""

    def __init__(self, cells: list[Cell], until: float = math.inf) -> None:
        self.left = cells
        self.total = len(cells)
        self.done = 0
        self._until = until
        self._tried: set[tuple[str, str, int]] = set()

    def take(self, suite: str, used: Sequence[str]) -> Cell | None:
        return choose(self.left, suite, used) if time.monotonic() < self._until else None

    def note(self, run: Run, cells: Mapping[tuple[str, str, int], Cell]) -> bool:
        """Whether it counts; one whose fault was not injected comes back once."""
        key = (run.suite, run.fault, run.number)
        if not run.reached and key not in self._tried:
            self._tried.add(key)
            self.left.append(cells[key])
            return False
        self.done += 1
        return True


def run_all(stock: Stock, jobs: int, source: str, runs: list[Run]) -> None:
    """Make every run, by ``jobs`` workers; ``runs`` grows."""
    cells = {(suite, fault.name, number): (suite, fault, number) for suite, fault, number in stock.left}
    context = multiprocessing.get_context("spawn")
    pipes = []
    workers = []
    for _number in range(min(jobs, stock.total)):
        ours, theirs = context.Pipe()
        worker = context.Process(target=work, args=(theirs, source))
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)
    try:
        _share_out(stock, pipes, runs, cells)
    except KeyboardInterrupt:
        for worker in workers:
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, signal.SIGTERM)
        raise
    finally:
        for worker in workers:
            worker.join()


def _share_out(
    stock: Stock, pipes: list[Connection], runs: list[Run], cells: Mapping[tuple[str, str, int], Cell]
) -> None:
    """Give each worker a cell whenever it asks, until no worker is left."""
    suites = dict.fromkeys(map(id, pipes), "")
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
                add_run(message)
                if stock.note(message, cells):
                    runs.append(message)
                    write_matrix(runs, CATALOGUE)
                show(message, stock.done, stock.total)
                continue
            cell = stock.take(message, [suite for one, suite in suites.items() if one != id(pipe)])
            suites[id(pipe)] = cell[0] if cell else ""
            pipe.send(cell)


def show(run: Run, done: int, total: int) -> None:
    ended = f"LOST: {run.lost}" if run.lost else "safe" if run.reached else "NOT INJECTED"
    outage = f"{run.outage} s, of {run.seconds}"
    why = f": {run.note}" if not run.reached else ""
    print(f"{done}/{total}  {run.kernel}  {run.fault}: {ended} ({outage}){why}", flush=True)


def plan(given: argparse.Namespace) -> list[Cell]:
    """Every run to make, then once more, until there are as many as were requested.

    First each fault on one suite, in turn on all of them, then each on a second one: half of it has seen every fault.
    """
    suites = given.suite or (["trixie"] if given.quick else EVERYWHERE)
    ranked = []
    for number, fault in enumerate(QUICK if given.quick else FAULTS):
        if given.names and not any(name in fault.name for name in given.names):
            continue
        here = [suite for suite in fault.suites if suite in suites]
        ranked += [(rank, here[(rank + number) % len(here)], fault) for rank in range(len(here))]
    pairs = [(suite, fault) for _rank, suite, fault in sorted(ranked, key=lambda one: one[0])]
    cells = [(suite, fault, 1) for suite, fault in pairs]
    number = 2
    while pairs and len(cells) < given.runs:
        cells += [(suite, fault, number) for suite, fault in pairs][: given.runs - len(cells)]
        number += 1
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=EVERYWHERE, help="default: each that the fault is for")
    parser.add_argument("--runs", type=int, default=0, help="runs in all, at least one of each")
    parser.add_argument("--jobs", type=int, default=2, help="routers at the same time")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run after that")
    parser.add_argument("--quick", action="store_true", help="a few faults, once, on trixie")
    parser.add_argument("--again", action="store_true", help="make these runs again, though they were made already")
    parser.add_argument("--list", action="store_true", help="show what would be run")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    for name in given.names:
        if not any(name in fault.name for fault in FAULTS):
            parser.error(f"no fault has {name!r} in its name; --list names them all")
    source = digest_source()
    cells = plan(given)
    if given.again:
        forget_runs({(suite, fault.name, number) for suite, fault, number in cells})
    runs = read_runs({fault.name: identify(fault, source) for fault in FAULTS})
    known = {(run.suite, run.fault, run.number) for run in runs}
    cells = [cell for cell in cells if (cell[0], cell[1].name, cell[2]) not in known]
    if given.list:
        for suite, fault, number in cells:
            print(f"{suite}  {number}  {fault.name}")
        print(f"{len(cells)} runs to make, {len(runs)} made")
        return 0
    sweep("safety")
    write_matrix(runs, CATALOGUE)
    stock = Stock(cells, time.monotonic() + 60 * given.minutes)
    stop_when_asked()
    try:
        run_all(stock, given.jobs, source, runs)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is left", flush=True)
    return conclude(runs, stock)


def conclude(runs: Sequence[Run], stock: Stock) -> int:
    """Tell what came of it; returns the exit code."""
    lost = sum(bool(run.lost) for run in runs)
    void = sum(not run.reached for run in runs)
    names = len({run.fault for run in runs})
    missing = len(set(CATALOGUE) - {(run.suite, run.fault) for run in runs if run.reached})
    print(f"{len(runs)} runs of {names} faults, {lost} lost, {void} not injected; {MATRIX}")
    if missing:
        print(f"{missing} of the {len(CATALOGUE)} in the catalogue are not made: the matrix names them")
    if lost or void or not runs:
        return 1
    return 2 if stock.done < stock.total else 0


if __name__ == "__main__":
    sys.exit(main())
