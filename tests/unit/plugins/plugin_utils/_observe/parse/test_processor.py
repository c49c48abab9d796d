# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sh/read/processor.sh on this machine's processor, and what becomes of its lines."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.processor import parse_processor
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Core, Processor

from tests.unit.helpers.shells import NONCE, ROUTER_SHELLS

LINES = "seconds 3.02\ncore 0 302 41 36\ncore 1 301 9 0\n"


@pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=" ".join)
def test_what_this_machine_does(shell: list[str]) -> None:
    calls = [("remember_processor",), ("sleep", "1"), ("read_processor",)]
    script = compose(NONCE, ("read/processor",), calls)
    done = subprocess.run([*shell, "-s"], input=script, capture_output=True, text=True, check=True)
    unknown: list[str] = []
    found = parse_processor(parse(done.stdout, NONCE).text("processor"), unknown)
    assert found is not None and not unknown
    assert len(found.cores) == os.cpu_count()
    assert found.seconds >= 1
    for core in found.cores:
        assert core.ticks >= core.busy >= core.softirq >= 0
        # a hundred ticks a second, as long as the machine itself does not stand still
        assert core.ticks <= 110 * found.seconds


def test_queues_by_the_number_of_their_core() -> None:
    text = f"{LINES}before a 0 1 1\nbefore fffffff0 2 0 0\nafter 1a 0 1 1\nafter 10 5 3 0\n"
    assert parse_processor(text) == Processor(3.02, (Core(302, 41, 36, 32, 3, 3), Core(301, 9, 0, 16, 0, 0)))


def test_queues_without_numbers_are_in_order() -> None:
    text = f"{LINES}before 1 0 0\nbefore 2 0 0\nafter 3 0 0\nafter 9 1 0\n"
    found = parse_processor(text)
    assert found and [(core.packets, core.dropped) for core in found.cores] == [(2, 0), (7, 1)]


@pytest.mark.parametrize("text", ["", "seconds 3.02\n", "core 0 302 41 36\n", "seconds 0\ncore 0 302 41 36\n", "x"])
def test_nothing_is_no_measurement(text: str) -> None:
    assert parse_processor(text) is None


def test_what_is_not_understood_is_told() -> None:
    unknown: list[str] = []
    found = parse_processor(f"{LINES}core 2 x 1 1\nafter g 0 0 0\nthreaded wan0\n", unknown)
    assert found and found.threaded == ("wan0",) and len(found.cores) == 2
    assert unknown == ["processor: core 2 x 1 1", "processor: after g 0 0 0"]
