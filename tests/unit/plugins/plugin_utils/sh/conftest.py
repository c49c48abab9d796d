# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shells of routers, for tests of what runs there."""

from __future__ import annotations

import shutil

import pytest

from tests.unit.helpers.shells import ROUTER_SHELLS


@pytest.fixture(params=ROUTER_SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """The words that start one."""
    words: list[str] = request.param
    if not shutil.which(words[0]):
        pytest.skip(f"no {words[0]} here")
    return words
