# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of `make safety` that takes some minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.rack import Rack
from tests.lab.router import Live
from tests.safety.bench import run_once
from tests.safety.faults import QUICK, Fault
from tests.safety.look import Known
from tests.safety.rack import prepare

KIND = ("trixie/offload", "bare")
pytestmark = pytest.mark.router(*KIND)


@pytest.fixture(scope="module")
def known(rack: Rack) -> Known:
    return prepare(rack.get(*KIND))


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_the_router_is_not_lost(router: Live, known: Known, fault: Fault, tmp_path: Path) -> None:
    ending = run_once(router, fault, known, tmp_path)
    assert not ending.lost and ending.reached, ending
