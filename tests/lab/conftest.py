# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers for the live tests.

    @pytest.mark.router("forky/offload", "tools")
    def test_something(router): ...

gives a router of that kind, which is restored to that state before the test. Kinds are the lab's SUITE/NIC. States:
``bare`` as the lab starts it, without nft and ethtool; ``tools`` after kernel_support; ``offloading`` after the role.
The default is ``trixie/offload``, ``offloading``. A mark on a class or a module (``pytestmark``) holds for its tests.
LAB_SUITES, a list of suites, leaves the tests of other suites out; LAB_TWINS=no leaves the twins out.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.lab.plays import control_paths
from tests.lab.rack import Rack
from tests.lab.router import Live, sweep
from tests.lab.twins import is_twin

DEFAULT = ("trixie/offload", "offloading")


def _requested(item: pytest.Item) -> tuple[str, str]:
    """The kind and the state that a test's nearest mark requests."""
    mark = item.get_closest_marker("router")
    named: tuple[str, ...] = mark.args if mark else ()
    kind, state = (*named, *DEFAULT[len(named) :])
    return kind, state


def _suite(item: pytest.Item) -> str:
    return _requested(item)[0].partition("/")[0]


def _needs_router(item: pytest.Item) -> bool:
    return "rack" in getattr(item, "fixturenames", ())


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests on suites that LAB_SUITES does not name, and twins with LAB_TWINS=no."""
    suites = os.environ.get("LAB_SUITES", "").split()
    no_twins = os.environ.get("LAB_TWINS") == "no"
    others = [
        item
        for item in items
        if (no_twins and is_twin(item.path.stem, item.name))
        or (suites and _needs_router(item) and _suite(item) not in suites)
    ]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests without a router first, then one kind of router after the other; else in the order of the files."""
    _leave_out(config, items)
    kinds = [DEFAULT[0]]
    for item in items:
        if _requested(item)[0] not in kinds:
            kinds.append(_requested(item)[0])
    items.sort(key=lambda item: kinds.index(_requested(item)[0]) + 1 if _needs_router(item) else 0)


@pytest.fixture(scope="session")
def rack() -> Iterator[Rack]:
    sweep("test")
    rack = Rack()
    yield rack
    rack.clear()
    shutil.rmtree(control_paths(), ignore_errors=True)


@pytest.fixture
def router(request: pytest.FixtureRequest, rack: Rack) -> Live:
    """A router as the nearest mark requests it."""
    return rack.get(*_requested(request.node))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "router(kind, state): the lab router that a test needs")
