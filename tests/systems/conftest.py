# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers of other distributions, for the tests beside this file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.systems.root import DISTRIBUTIONS, System, ensure, why_not


@pytest.fixture(scope="session")
def base() -> Path:
    """The root directory that they have in common."""
    if why_not():
        pytest.skip(why_not())
    return ensure()


@pytest.fixture(params=DISTRIBUTIONS)
def system(request: pytest.FixtureRequest, base: Path, tmp_path: Path) -> System:
    """A router with each of the package managers, and nothing installed of what this collection installs."""
    return System(base, tmp_path, DISTRIBUTIONS[request.param])
