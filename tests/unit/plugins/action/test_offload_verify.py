# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What offload_verify takes that an argument spec cannot express."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.offload_verify import _read_cost
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from tests.unit.helpers.reports import FLEET

COST = FLEET.routers["edge-hw"].cost


def test_a_cost_is_read_as_it_was_returned() -> None:
    assert COST is not None
    assert _read_cost(asdict(COST)) == COST


@pytest.mark.parametrize("wrong", [{}, {"softirq": "71"}, {"slow": 3}, {"cores": -1}])
def test_anything_else_is_refused_by_name(wrong: dict[str, Any]) -> None:
    assert COST is not None
    with pytest.raises(OffloadError, match=r"option cost_before.*give it what offload_info or offload_verify returned"):
        _read_cost({**asdict(COST), **wrong} if wrong else {})
