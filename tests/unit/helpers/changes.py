# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the sandbox that go on beside each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import Change, raise_failed_change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer

from tests.unit.helpers.sandbox import NEW, Sandbox

THIRD = NEW.replace("policy drop", "policy accept").replace("priority 0", "priority 5")
PATIENCE = 120
"""seconds; a busy machine is slow"""


def await_true(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


@contextmanager
def beside(act: Callable[[], Answer]) -> Iterator[list[Answer]]:
    """Runs it in a thread, until its end behind the block; its answer is in the list then."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(act()))
    thread.start()
    yield answers
    thread.join(PATIENCE)
    assert answers


def load(router: Sandbox, change: Change) -> None:
    raise_failed_change(change, change.phases()[0], router.load(change))
