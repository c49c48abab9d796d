# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the fault matrix."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.faults.matrix import Cell
from tests.faults.model import NONE
from tests.tools.faults_page import page

FAULT = Cell("no-rule", "two-nics", "6.12.3-amd64", ["configured.no-rule"], ["configured.no-rule"], 2, 2)
MADE = date(2026, 11, 30)


def test_a_column_for_each_kernel_oldest_first() -> None:
    cells = [FAULT, replace(FAULT, kernel="6.1.9-amd64", found_ids=[])]
    text = page(cells, MADE)
    assert "   * - fault\n     - findings\n     - 6.1.9\n     - 6.12.3\n" in text
    assert "   * - no-rule\n     - configured.no-rule\n     - missed\n     - found\n" in text
    assert "Made on 2026-11-30:\n\n- 2 cells of faults: 1 found, 1 missed\n- 0 cells" in text


def test_a_kernel_without_a_cell_says_nothing() -> None:
    other = replace(FAULT, fault="no-flowtable", kernel="7.2-amd64")
    assert "   * - no-flowtable\n     - configured.no-rule\n     -\n     - found\n" in page([FAULT, other], MADE)


def test_healthy_routers_have_a_table_of_their_own() -> None:
    healthy = Cell(NONE, "bridge", "6.12.3-amd64", [], [], 7, 7)
    assert "Healthy routers\n---------------\n" in page([healthy], MADE)
    assert "   * - bridge\n     - 7\n     - healthy\n" in page([healthy], MADE)
