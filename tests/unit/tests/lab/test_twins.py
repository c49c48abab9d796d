# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of live tests that ``make test`` leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.twins import TWINS, is_twin

LAB = Path(__file__).resolve().parents[3] / "lab"


@pytest.mark.parametrize("module", sorted(TWINS))
def test_every_name_is_a_test(module: str) -> None:
    """One that was renamed would come back into ``make test``."""
    text = (LAB / f"{module}.py").read_text(encoding="utf-8")
    assert [name for name in TWINS[module] if f"def {name.partition('[')[0]}(" not in text] == []


def test_a_case_and_a_whole_test() -> None:
    assert is_twin("test_labnic", "test_vlan[trixie]")
    assert is_twin("test_boot", "test_nftables_service[start]")
    assert not is_twin("test_boot", "test_nftables_service[restart]")
    assert not is_twin("test_playbooks", "test_nftables_service[start]")
