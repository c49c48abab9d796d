# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves an action: results, errors and lost connections, none of which can write to the user's terminal."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.action import OffloadAction, Options
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.router import Router

HOSTILE = "lan0\x1b[1A\x1b[2Kr2: hardware\u202e\udc9b\u2028!"
SHOWN = r"lan0\x1b[1A\x1b[2Kr2: hardware\u202e\x9b\u2028!"


class Action(OffloadAction):
    """An action whose router is hostile."""

    USER_TEXTS = ("text",)
    outcome: Any = None

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return dict(self.outcome)


def run(outcome: Any) -> dict[str, Any]:
    """The result of a task with this outcome."""
    task = MagicMock(args={}, async_val=0, check_mode=False, diff=True)
    action = Action(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    action.outcome = outcome
    return action.run(None, {"inventory_hostname": "r1"})


def test_a_result_is_shown_without_what_acts_on_a_terminal() -> None:
    diff = {"before": f"a\n\t{HOSTILE}\n", "after": ""}
    findings = [{"evidence": [HOSTILE]}]
    result = run({"findings": findings, "warnings": [HOSTILE], "diff": [diff], "devices": {HOSTILE: 1}})
    assert result["findings"] == [{"evidence": [SHOWN]}]
    assert result["warnings"] == [SHOWN]
    assert result["diff"] == [{"before": f"a\n\t{SHOWN}\n", "after": ""}]
    assert result["devices"] == {SHOWN: 1}


def test_the_users_own_text_stays_as_it_is() -> None:
    assert run({"ruleset": {"text": HOSTILE, "devices": [HOSTILE]}})["ruleset"] == {"text": HOSTILE, "devices": [SHOWN]}


def test_an_error_is_shown_without_what_acts_on_a_terminal() -> None:
    result = run(OffloadError(f"nft: {HOSTILE}", "correct it", before=[HOSTILE]))
    assert result["failed"] is True
    assert result["msg"] == f"r1: nft: {SHOWN}. Remedy: correct it"
    assert result["before"] == [SHOWN]


def test_a_lost_connection_is_shown_without_what_acts_on_a_terminal() -> None:
    with pytest.raises(AnsibleConnectionFailure) as caught:
        run(AnsibleConnectionFailure(f"Connection closed: {HOSTILE}"))
    assert str(caught.value) == f"Connection closed: {SHOWN}"
    with pytest.raises(AnsibleConnectionFailure, match="timed out"):
        run(AnsibleConnectionFailure("timed out"))
