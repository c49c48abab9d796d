# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of `make faults` that takes some minutes; and the module finds what the bench finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.bench import Bench
from tests.faults.catalogue import FAULTS
from tests.faults.topologies import TOPOLOGIES
from tests.lab.router import Live

pytestmark = pytest.mark.router("trixie/offload", "offloading")

CHOSEN = (
    "login-without-root",
    "nft-not-installed",
    "modules-not-at-boot",
    "table-flushed",
    "rule-after-accept",
    "notrack-everything",
    "rule-added-by-hand",
    "wan-dropped-out",
    "cake",
    "feature-switched-off",
    "nic-refuses-flows",
    "one-side-refuses",
)
HEALTHY = ("two-nics", "vlan-filtering-bridge")
THROUGH_THE_MODULE = ("rule-after-accept", "wan-dropped-out", "nic-refuses-flows")


@pytest.fixture
def bench(router: Live) -> Iterator[Bench]:
    yield Bench(router)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_fault_is_found(bench: Bench, name: str) -> None:
    cell = bench.check_fault(next(fault for fault in FAULTS if fault.name == name))
    assert cell.good, (cell, cell.messages)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_router_has_no_findings(bench: Bench, name: str) -> None:
    cell = bench.check_healthy(TOPOLOGIES[name])
    assert cell.good, (cell, cell.messages)


@pytest.mark.parametrize("name", THROUGH_THE_MODULE)
def test_the_module_finds_the_same(bench: Bench, name: str) -> None:
    """On the same router, right after the bench; the traffic goes on."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    cell = bench.check_fault(fault)
    task = bench.live.module("offload_verify", expect="hardware", require="supported", sample=3)
    assert {finding["id"] for finding in task.result["findings"]} == set(cell.found_ids)
    assert task.result["rung"] == cell.rung_found
