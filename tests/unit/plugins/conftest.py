# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the router ruleset share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .network import Network


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    """A router between hosts, one a zone, in namespaces of its own."""
    network = Network()
    yield network
    network.close()
