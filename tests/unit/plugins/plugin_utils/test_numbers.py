# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A number in what a router prints is read by one parser, whatever the router prints for it.

``int`` takes digits of every script and raises at a superscript two and at 5,000 digits.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import (
    Pending,
    deadline,
    parse_change,
    raise_failed_change,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.ids import number
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.verbs import LoadGuarded
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import StepError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_manager import parse_upstream_version

from tests.unit.helpers.rooms import PLUGINS
from tests.unit.helpers.sandbox import Sandbox

INSTEAD = "Use parse_count, read_number or read_decimal of _core/text.py."
ALLOWED = {
    "plugin_utils/_core/text.py": "the parser",
    "plugin_utils/_core/arguments.py": "what the user writes, a number already",
    "plugin_utils/_core/values.py": "a number already, which was tested",
    "plugin_utils/_firewall/names.py": "what the user writes, as an argument spec has read it",
    "plugin_utils/_firewall/services.py": "what the user writes, of a form that was tested",
    "plugin_utils/_firewall/elements.py": "what the user writes, of a form that was tested",
}
ODD = pytest.mark.parametrize("odd", ["\u00b2", "\u0663", "9" * 5000, "-1", "", "1e9"], ids=ascii)


def uses_of_int(source: str) -> Iterator[int]:
    """Lines of a module that call int or float, or hand them over."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id == "isinstance"):
            used = [node.func, *node.args, *(keyword.value for keyword in node.keywords)]
            yield from (name.lineno for name in used if isinstance(name, ast.Name) and name.id in {"int", "float"})


def test_nothing_that_ships_makes_a_number_of_text_in_another_way() -> None:
    found = [
        f"{file.relative_to(PLUGINS)}, line {line}"
        for file in sorted(PLUGINS.rglob("*.py"))
        if str(file.relative_to(PLUGINS)) not in ALLOWED
        for line in uses_of_int(file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join([*found, INSTEAD])


def test_a_use_of_int_is_found() -> None:
    source = "a: int = 1\nb = int(c)\nd = map(int, e)\nf = sorted(g, key=float)\nisinstance(h, int)\n"
    assert list(uses_of_int(source)) == [2, 3, 4]
    assert set(ALLOWED) <= {str(file.relative_to(PLUGINS)) for file in PLUGINS.rglob("*.py")}


@ODD
@pytest.mark.parametrize("key", ["now", "began", "deadline", "last=1-00000001 confirmed"])
def test_a_change_with_an_odd_number(odd: str, key: str) -> None:
    line = f"{key} {odd}" if " " in key else f"{key}={odd}"
    state = parse_change(f"now=50\nbegan=40\ndeadline=70\nid=1-00000001\n{line}\n")
    assert isinstance(state.pending, Pending) and state.last is None


@ODD
@pytest.mark.parametrize("form", ["load.{}:1:1-2: Error: x", "load.99: Error {}", "{} load.²: Error"])
def test_nft_complains_of_an_odd_load(router: Sandbox, odd: str, form: str) -> None:
    """Of one that was never queued, too."""
    change = router.change()
    steps = change.phases()[0]
    load = next(place for place, step in enumerate(steps) if isinstance(step.verb, LoadGuarded))
    sections = {f"step.{place}": Section("", 0) for place in range(load)}
    with pytest.raises(StepError):
        raise_failed_change(change, steps, Answer({**sections, f"step.{load}": Section(form.format(odd), 1)}))
    assert deadline(steps, Answer({**sections, f"step.{load}": Section(f"deadline={odd}", 0)})) is None


@ODD
def test_other_odd_numbers(odd: str) -> None:
    assert number(f"{odd}-00000001") == 0
    assert parse_upstream_version(f"1.{odd}.2")[0] == 1
