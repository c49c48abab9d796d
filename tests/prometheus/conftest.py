# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Prometheus' for the tests."""

from __future__ import annotations

import pytest

from tests.prometheus.programs import find_promtool


@pytest.fixture(scope="session")
def promtool() -> str:
    return find_promtool()
