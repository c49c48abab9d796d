# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model of a guarded change: nothing is wrong with it, and each of its rules is needed."""

from __future__ import annotations

import pytest

from tests.safety.model import RULES, explore


def test_nothing_is_wrong() -> None:
    """With one actor killed or stopped, and a power cut; `make model` kills two."""
    found = explore(kills=1)
    print(f"{found.states} states")
    assert not found.wrong, "\n".join([found.wrong, *found.trace])
    assert found.states > 200_000


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_needed(rule: str) -> None:
    """A search that finds nothing wrong proves nothing unless it finds what is."""
    rules = frozenset(RULES) - {rule}
    assert explore(rules, kills=0).wrong or explore(rules, kills=1).wrong


def test_a_state_that_is_wrong_comes_with_the_steps_that_lead_there() -> None:
    found = explore(frozenset(RULES) - {"undo ends the load"}, kills=0)
    assert found.wrong == "the lock is free; live is new, boot is old"
    assert found.trace[0] == "loader: takes the lock"
    assert "guard 0: restores" in found.trace
