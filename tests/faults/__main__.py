# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the faults and the healthy topologies on routers of the lab: `make faults FAULTS=--help`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import partial

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from lab import api
from lab.host import LabError
from tests.faults.bench import Bench
from tests.faults.catalogue import FAULTS
from tests.faults.matrix import Cell, Matrix, format_counts, format_matrix
from tests.faults.model import KERNELS, NONE, Topology, value_for
from tests.faults.plain import fit_fault, fit_topology
from tests.faults.topologies import ALL, TOPOLOGIES
from tests.lab.plays import control_paths
from tests.lab.rack import make_router
from tests.lab.router import sweep

Job = tuple[str, Topology, Callable[[Bench], Cell]]
"""fault, topology, and the function that makes the cell"""


def select_jobs(only: list[str], suite: str) -> Iterator[Job]:
    """The jobs whose names match; none given: all. One topology after the other, because their states are saved."""
    jobs: list[Job] = []
    for topology in (fit_topology(one, suite) for one in ALL):
        jobs.append((NONE, topology, partial(Bench.check_healthy, topology=topology)))
        jobs += [
            (fault.name, topology, partial(Bench.check_fault, fault=fault))
            for fault in FAULTS
            if fault.topology == topology.name
        ]
    for job in jobs:
        names = (job[0], f"healthy:{job[1].name}") if job[0] == NONE else (job[0],)
        if not only or any(fnmatch(name, pattern) for name in names for pattern in only):
            yield job


def attempt(bench: Bench, job: Job) -> Cell:
    """Make the cell of a job; where the bench itself fails, one with the error."""
    fault, topology, work = job
    try:
        return work(bench)
    except (AssertionError, LabError, OffloadError, OSError, subprocess.TimeoutExpired) as error:
        whole = TOPOLOGIES[topology.name]
        known = next((fit_fault(one, whole, bench.suite) for one in FAULTS if one.name == fault), None)
        expected = list(value_for(known.ids, bench.suite, ())) if known else []
        rung = value_for(known.rung, bench.suite, 0) if known else topology.rung
        kernel = next(router.kernel for router in api.list_routers() if router.name == bench.live.name)
        return Cell(fault, topology.name, kernel, expected, [], rung, None, None, [str(error)])


def print_cell(cell: Cell, seconds: float, verbose: bool) -> None:
    """Its outcome, and where that is not good, or with ``verbose``, everything that was found."""
    name = f"healthy: {cell.topology}" if cell.fault == NONE else cell.fault
    print(f"{cell.outcome:<11} {name} ({cell.kernel}, {seconds:.0f} s)", flush=True)
    if cell.impossible:
        print(f"            {cell.impossible}")
    if not cell.good or verbose:
        print(f"            expected {cell.expected_ids} at rung {cell.rung_expected},")
        print(f"            found {cell.found_ids} at rung {cell.rung_found}")
        for line in cell.messages:
            print(f"            {line}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults FAULTS=", description=__doc__)
    parser.add_argument(
        "--kernel", action="append", choices=list(KERNELS), help="the suite that it is of; all by default"
    )
    parser.add_argument("--only", action="append", default=[], help="a fault's name, or healthy:TOPOLOGY; * is any")
    parser.add_argument("--router", help="a router that is up already, and stays up; for one --kernel")
    parser.add_argument(
        "--missing", action="store_true", help="leave out the cells whose outcome in the matrix is good"
    )
    parser.add_argument("--verbose", action="store_true", help="show for every cell what was found")
    args = parser.parse_args()
    sweep("faults")
    matrix = Matrix()
    made: list[Cell] = []
    began = time.monotonic()
    try:
        for suite in args.kernel or KERNELS:
            known = {cell.key[:2] for cell in matrix.cells.values() if cell.good and cell.series == KERNELS[suite]}
            todo = [
                job for job in select_jobs(args.only, suite) if not (args.missing and (job[0], job[1].name) in known)
            ]
            for number, kind in enumerate(dict.fromkeys(job[1].kind_of_router(suite) for job in todo)):
                name = args.router or f"faults-{os.getpid()}-{suite.replace('.', '')}-{number}"
                bench = Bench(make_router(name, kind))
                try:
                    for job in todo:
                        if job[1].kind_of_router(suite) == kind:
                            start = time.monotonic()
                            cell = attempt(bench, job)
                            matrix.add(cell)
                            made.append(cell)
                            print_cell(cell, time.monotonic() - start, args.verbose)
                finally:
                    if not args.router:
                        api.down([name])
    except KeyboardInterrupt:
        print("interrupted; the matrix has the cells made so far", file=sys.stderr)
    finally:
        shutil.rmtree(control_paths(), ignore_errors=True)
    print(f"\n{format_matrix(list(matrix.cells.values()))}\n\n{format_counts(list(matrix.cells.values()))}")
    print(f"{len(made)} of them made by this run in {(time.monotonic() - began) / 60:.1f} minutes: {matrix.place}")
    return 0 if made and all(cell.good for cell in made) else 1


if __name__ == "__main__":
    sys.exit(main())
