# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of `make safety`: whole, and every text in it a shell can read."""

from __future__ import annotations

import subprocess

import pytest

from tests.safety.faults import EVERYWHERE, FAULTS, QUICK, REMOTE, Fault
from tests.safety.look import LOOK
from tests.safety.sabotage import PREPARE, when_reached

CELLS = [(fault, suite) for fault in FAULTS for suite in fault.suites]


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert len(QUICK) == 4


def test_the_targets() -> None:
    assert len(FAULTS) >= 70
    assert len(CELLS) >= 350
    assert {suite for _fault, suite in CELLS} == set(EVERYWHERE)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_whole(fault: Fault) -> None:
    assert set(fault.ends) <= {"old", "new", "none"} and fault.ends
    assert fault.start in ("old", "none", "ports")
    own = (
        ""
        if fault.inject in REMOTE or fault.inject.startswith("jump host")
        else when_reached(fault.after, fault.inject)
    )
    for text in (fault.prepare, own, fault.heal):
        done = subprocess.run(["sh", "-n"], input=PREPARE + text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_what_is_run_in_every_run_is_sh() -> None:
    done = subprocess.run(["sh", "-n"], input=LOOK.format(boot="/x"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
