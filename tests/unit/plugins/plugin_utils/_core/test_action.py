# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves an action: results, errors and lost connections, none of which can write to the user's terminal."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.action import OffloadAction, Options
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.router import Router
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.text import MARK
from hypothesis import example, given
from hypothesis import strategies as st

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


def ends_of_lines(text: str) -> list[str]:
    """The lines that a terminal, a pager or Python may make of it, without those that have the mark."""
    first, *others = text.splitlines()
    return [first, *(line for line in others if not line.startswith(MARK))]


@given(
    st.text(alphabet=st.one_of(st.sampled_from("\n\r\t \x0b\x0c\x1c\x85\u2028\u2029|:"), st.characters()), min_size=1)
)
@example("bad\n\nTASK [x] ***\nok: [r2] => hardware\n\nPLAY RECAP ***\nr2 : ok=9\n")
@example("\n\n")
@example("a\r\nok: [r2]\rok: [r2]\n  | \nb")
def test_a_router_cannot_write_a_line_that_may_be_taken_for_anothers(printed: str) -> None:
    failed = run(OffloadError(f"nft: {printed}", f"see {printed}"))["msg"]
    assert ends_of_lines(failed) == [failed.splitlines()[0]] and failed.startswith("r1: nft: ")
    header = {"before_header": f"x {printed}", "after_header": f"x {printed}", "before": "a\n", "after": "b\n"}
    result = run({"msg": f"x {printed}", "warnings": [f"x {printed}"], "diff": [header]})
    (diff,) = result["diff"]
    for text in (result["msg"], *result["warnings"], diff["before_header"], diff["after_header"]):
        assert len(ends_of_lines(text)) == 1 and text.startswith("x")
    for kind in (AnsibleConnectionFailure, AnsibleError):
        with pytest.raises(kind) as caught:
            run(kind(f"x {printed}"))
        assert len(ends_of_lines(str(caught.value))) == 1


@given(st.text(alphabet=st.one_of(st.sampled_from("\n\r\x0b\x1c\x85\u2028+- "), st.characters())))
def test_a_router_cannot_write_a_line_of_a_diff(printed: str) -> None:
    """Ansible puts a sign before each line."""
    result = run({"diff": [{"before_header": "live", "after_header": "live", "before": printed, "after": "x\n"}]})
    shown = CallbackBase()._get_diff(result["diff"]).replace("\n\\ No newline at end of file", "")
    signs = ("-", "+", " ", "@@", "\x1b[")
    assert [line for line in shown.splitlines() if line and not line.startswith(signs)] == []


def test_what_stands_below_each_other_still_does() -> None:
    message = run(OffloadError("nft: line 2: syntax error\nct stat new\n   ^^^^", "correct it"))["msg"]
    assert message.splitlines()[1:] == ["  | ct stat new", "  |    ^^^^. Remedy: correct it"]


def test_a_lost_connection_is_shown_without_what_acts_on_a_terminal() -> None:
    with pytest.raises(AnsibleConnectionFailure) as caught:
        run(AnsibleConnectionFailure(f"Connection closed: {HOSTILE}"))
    assert str(caught.value) == f"Connection closed: {SHOWN}"
    with pytest.raises(AnsibleConnectionFailure, match="timed out"):
        run(AnsibleConnectionFailure("timed out"))
