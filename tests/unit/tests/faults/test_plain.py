# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Topologies and faults as they are on a router that has no NIC that offloads."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.model import KERNELS
from tests.faults.plain import NO_NIC, fit_fault, fit_topology, has_nic
from tests.faults.topologies import ALL, TOPOLOGIES

ALPINE = "alpine-3.23"


def test_who_has_that_nic() -> None:
    assert [suite for suite in KERNELS if not has_nic(suite)] == [ALPINE]


@pytest.mark.parametrize("suite", [suite for suite in KERNELS if suite != ALPINE])
def test_elsewhere_all_stays(suite: str) -> None:
    assert [fit_topology(one, suite) for one in ALL] == list(ALL)
    assert [fit_fault(one, TOPOLOGIES[one.topology], suite) for one in FAULTS] == list(FAULTS)


def test_there_all_is_in_software() -> None:
    fitted = [fit_topology(one, ALPINE) for one in ALL]
    assert {one.expect for one in fitted if not one.impossible} == {"software"}
    assert all(one.rung <= 6 and one.nic == "plain" and "flags offload" not in one.setup for one in fitted)
    assert {one.name for one in fitted if one.impossible} == {one.name for one in ALL if one.kernel}


@pytest.mark.parametrize(
    ("name", "impossible"),
    [
        ("nic-refuses-flows", True),
        ("feature-off", True),
        ("cake", True),
        ("verdict-before-the-rule", False),
        ("nft-not-installed", False),
        ("software-instead-of-hardware", False),
    ],
)
def test_what_only_a_nic_has_is_impossible_there(name: str, impossible: bool) -> None:
    fault = next(one for one in FAULTS if one.name == name)
    fitted = fit_fault(fault, TOPOLOGIES[fault.topology], ALPINE)
    assert (fitted.impossible == NO_NIC) is impossible
    assert "flags offload" not in str(fitted.inject) or impossible
