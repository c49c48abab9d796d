# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only a line feed ends a line of what a router prints, or of what a user writes, in every room.

A value of UCI, the name of a device and what nft quotes may hold what else ``str.splitlines`` takes for the end of one.
"""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import parse_change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.proof import parse_login
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.witness import parse_count
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._fw4 import plan as fw4
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.fw4 import Fw4Config
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Boot
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.flush import add_flush
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.hardware import explain_refusal
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.configured.at_boot import find_foreign_table
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject

from tests.unit.helpers.rooms import PLUGINS
from tests.unit.helpers.routers import foreign
from tests.unit.helpers.ruleset_states import FRESH, PLATFORM, present

ODD = pytest.mark.parametrize("odd", ["\x0c", "\x85", "\u2028"], ids=["form feed", "U+0085", "U+2028"])
INSTEAD = "Use split_lines, or iterate_lines, of _core/text.py: str.splitlines ends lines at ten other characters."


def uses_of_splitlines(source: str) -> list[int]:
    """Lines of a module that name it, called or handed over."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr == "splitlines"
    ]


def test_nothing_that_ships_uses_splitlines() -> None:
    found = [
        f"{file.relative_to(PLUGINS.parent)}, line {line}"
        for file in sorted(PLUGINS.rglob("*.py"))
        for line in uses_of_splitlines(file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join([*found, INSTEAD])


def test_a_use_of_splitlines_is_found() -> None:
    assert uses_of_splitlines('a\nb = "".splitlines()\n# c.splitlines()\nd = map(str.splitlines, "e")') == [2, 4]


def fw4_answer(staged: str) -> Answer:
    texts = {"platform": "uid=0", "fw4.uci": "firewall.cfg01e63d=defaults", "fw4.staged": staged}
    parts = ("fw4.print", "fw4.live", "fw4.loaded", "fw4.devices", "fw4.pending")
    return Answer({name: Section(texts.get(name, ""), 0) for name in (*texts, *parts)})


@ODD
def test_a_value_that_somebody_staged_is_no_change_of_ours(odd: str) -> None:
    """Nothing is loaded, so what others staged elsewhere is in nobody's way."""
    staged = f"firewall.cfg02dc81.name='lan{odd}firewall.cfg01e63d.flow_offloading=1'"
    state = fw4.read_state(fw4_answer(f"{staged}\n"))
    assert state.staged == (staged,)
    fw4._refuse_staged(state, changing=False)


@ODD
def test_a_value_that_was_found_is_given_back_as_it_was(odd: str) -> None:
    value = f"no{odd}flow_offloading_hw 1"
    state = fw4.Fw4State(PLATFORM, Fw4Config(""), files={paths.FW4_FOUND: f"flow_offloading {value}\n"})
    assert state.found == {"flow_offloading": value}


@ODD
def test_why_a_change_ended_tells_nothing_else(odd: str) -> None:
    """It has what nft printed, which quotes the ruleset."""
    state = parse_change(f"now=50\nlast=1-00000001 failed 40 x{odd}id=2-00000002{odd}guard=alive\n")
    assert state.pending is None and state.last is not None and state.last.reason.startswith(f"x{odd}id=")


@ODD
def test_the_device_of_a_login_is_no_tunnel(odd: str) -> None:
    login = parse_login(f"ssh=192.0.2.1 1 192.0.2.2 22\ntunnel=no\ndevice=wan{odd}tunnel=yes\n")
    assert (login.device, login.tunnel) == (f"wan{odd}tunnel=yes", False)


@ODD
def test_the_device_of_a_gateway_has_counted_nothing(odd: str) -> None:
    found = parse_count(f"seconds 4.00\ngateway 4 192.0.2.1 wan{odd}quiet{odd} yes\n")
    assert found is not None and not found.quiet
    assert [device for _family, _address, device in found.gateways] == [f"wan{odd}quiet{odd}"]


@ODD
def test_a_device_whose_connections_are_left_to_flush(odd: str) -> None:
    state = replace(FRESH, files={paths.PENDING_FLUSH: f"lan{odd}0:wan0\n"})
    plan = add_flush(present(FRESH), state, [], check_mode=True)
    assert plan.closing[-2].summary == f"flush connections: lan{odd}0 to wan0"


@ODD
def test_what_nft_says_of_a_device_is_shown_whole(odd: str) -> None:
    line = f"Error: Could not process rule: lan{odd}0"
    state = replace(FRESH, platform=PLATFORM, probes={"lan0": Section(f"{line}\nadd flowtable\n", 1)})
    assert explain_refusal(state, "lan0", check_mode=False) == line


@ODD
def test_a_comment_in_a_foreign_table_is_no_chain_of_it(odd: str) -> None:
    live = f'table inet nft_offload {{\n\tchain c {{\n\t\tcounter comment "a{odd}\tset none {{"\n\t}}\n}}\n'
    (finding,) = find_foreign_table(Subject(replace(foreign(), boot=Boot(foreign=True, live=live)), Expectation()))
    assert finding.evidence == ("chain c {",)


@ODD
def test_a_line_of_a_check_is_hidden_whole(odd: str) -> None:
    command = f"a b{odd}c d e"
    assert Check(True, "command", command, 0, 5).redact(f"sh: {command}: not found") == "sh: ***: not found"
