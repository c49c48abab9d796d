# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the runs of `make safety` are shared out."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

import pytest

from tests.safety.faults import FAULTS, Fault
from tests.safety.matrix import Run
from tests.safety.run import CATALOGUE, Cell, Stock, choose, conclude, plan

RUN = Run("one", "trixie", "6.12", 0, "", 4.0, "failed", True, 20.0, "abc")


def cells(**suites: int) -> list[Cell]:
    return [(suite, Fault("one"), number) for suite, count in suites.items() for number in range(count)]


def test_a_worker_keeps_its_suite() -> None:
    left = cells(trixie=1, forky=9)
    assert [cell and cell[0] for cell in (choose(left, "trixie", []), choose(left, "trixie", []))] == [
        "trixie",
        "forky",
    ]
    assert len(left) == 8


def test_a_new_worker_goes_where_most_is_left_for_each() -> None:
    assert choose(cells(trixie=10, forky=7), "", ["trixie"]) == ("forky", Fault("one"), 0)
    assert choose(cells(trixie=30, forky=7), "", ["trixie"]) == ("forky", Fault("one"), 0)
    assert choose(cells(trixie=30, forky=7), "bookworm", ["trixie"]) == ("trixie", Fault("one"), 0)


def test_no_router_is_prepared_for_a_few_runs_that_another_will_make() -> None:
    assert choose(cells(forky=2), "trixie", ["forky"]) is None
    assert choose(cells(forky=2), "trixie", []) is not None
    assert choose([], "", []) is None


def test_a_run_whose_fault_was_not_injected_comes_back_once() -> None:
    stock = Stock(cells(trixie=1))
    by_key = {("trixie", "one", 0): stock.left[0]}
    void = replace(RUN, reached=False)
    for counts in (False, True):
        assert stock.take("trixie", []) == ("trixie", Fault("one"), 0)
        assert stock.note(void, by_key) is counts
    assert stock.take("trixie", []) is None
    assert (stock.done, stock.total) == (1, 1)


def test_no_run_begins_when_the_time_is_over() -> None:
    assert Stock(cells(trixie=1), until=0.0).take("", []) is None


@pytest.mark.parametrize(
    ("runs", "left", "code"),
    [
        ([RUN], 0, 0),
        ([RUN], 1, 2),
        ([RUN, replace(RUN, lost="not reachable")], 1, 1),
        ([RUN, replace(RUN, reached=False)], 0, 1),
        ([], 0, 1),
    ],
)
def test_what_it_ends_with(runs: list[Run], left: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    stock = Stock(cells(trixie=len(runs) + left))
    stock.done = len(runs)
    assert conclude(runs, stock) == code
    assert f"of the {len(CATALOGUE)} in the catalogue are not made" in capsys.readouterr().out


def test_every_fault_comes_once_before_any_comes_twice() -> None:
    made = plan(Namespace(suite=None, names=[], quick=False, runs=0))
    assert len({fault.name for _suite, fault, _number in made[: len(FAULTS)]}) == len(FAULTS)
    assert sorted((suite, fault.name) for suite, fault, _number in made) == sorted(CATALOGUE)
    assert len({suite for suite, _fault, _number in made[: len(FAULTS)]}) == 4
    assert [cell[0] for cell in plan(Namespace(suite=["forky"], names=["resets"], quick=False, runs=2))] == [
        "forky"
    ] * 2
