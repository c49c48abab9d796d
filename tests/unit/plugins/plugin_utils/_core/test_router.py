# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One exec, as Ansible is asked for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.loader import become_loader
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.router import Router

SECRET = "hunter22-4711"


class Action:
    """Notes what it is asked to execute, and answers with a result of a command."""

    def __init__(self, become: str, **result: Any) -> None:
        self._connection = SimpleNamespace(become=become_loader.get(become) if become else None)
        self.result = {"rc": 1, "stdout": "", "stderr": "", **result}
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def _low_level_execute_command(self, command: str, **options: Any) -> dict[str, Any]:
        self.seen.append((command, options))
        return self.result


@pytest.mark.parametrize("become", ["", "sudo", "su"])
def test_a_script_is_never_an_argument(become: str) -> None:
    action = Action(become)
    with pytest.raises(OffloadError):
        Router(action, "edge").run((), [("queue", "1", SECRET)])
    ((command, options),) = action.seen
    assert command == "/bin/sh -s"
    assert SECRET.encode() in options["in_data"]


@pytest.mark.parametrize(
    ("printed", "remedy"),
    [
        ("su: must be run from a terminal", "standard input"),
        ("sudo: sorry, you must have a tty to run sudo", "standard input"),
        ("Login incorrect", "check the login"),
    ],
)
def test_who_wants_a_terminal_is_refused_with_the_reason(printed: str, remedy: str) -> None:
    with pytest.raises(OffloadError) as caught:
        Router(Action("su", stderr=printed), "edge").run((), [])
    assert printed in caught.value.problem
    assert remedy in caught.value.remedy
