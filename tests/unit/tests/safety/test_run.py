# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the runs of `make safety` are shared out."""

from __future__ import annotations

from tests.safety.faults import Fault
from tests.safety.run import Cell, choose


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


def test_no_router_is_prepared_for_a_few_runs_that_another_will_make() -> None:
    assert choose(cells(forky=2), "trixie", ["forky"]) is None
    assert choose(cells(forky=2), "trixie", []) is not None
    assert choose([], "", []) is None
