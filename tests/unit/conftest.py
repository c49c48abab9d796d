# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers that several files of tests share; some have their own by the same name. How often properties are tried."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from hypothesis import settings

from tests.unit.helpers.contained import contain
from tests.unit.helpers.network import Network
from tests.unit.helpers.sandbox import OLD, Sandbox
from tests.unit.helpers.shells import ROUTER_SHELLS

contain()

# A hundred times each, or with ``make fuzz`` very often.
# How fast is not what they are about, and other processes take their share of the machine.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", max_examples=5_000, deadline=None)


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    """A router between hosts, one a zone, in namespaces of its own."""
    network = Network()
    yield network
    network.close()


@pytest.fixture(params=ROUTER_SHELLS, ids=lambda shell: shell[0])
def router(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A router that is a directory and runs the table OLD, under each shell that routers have."""
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"no {request.param[0]} here")
    monkeypatch.setattr(paths, "RUN", str(tmp_path / "run/nft-offload"))
    monkeypatch.setattr(paths, "CONFIRMED", str(tmp_path / "etc/confirmed"))
    monkeypatch.setattr(paths, "COMMITTING", str(tmp_path / "etc/committing"))
    sandbox = Sandbox(tmp_path, request.param)
    sandbox.set_table(OLD)
    yield sandbox
    sandbox.end()
