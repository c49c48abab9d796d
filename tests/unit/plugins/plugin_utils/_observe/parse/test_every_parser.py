# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every parser: no text raises an error, or takes time by more than its length."""

from __future__ import annotations

import ast
import inspect
import json
import tracemalloc
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import LONGEST_ANSWER, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe import parse as room
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import read_state
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers import parsers
from tests.unit.helpers.answers import HEALTHY, to_answer, to_output
from tests.unit.helpers.parsers import BLANKS, ODD, PARSERS, hard_texts, is_linear, odd_texts
from tests.unit.helpers.shells import NONCE

NAMES = st.sampled_from(sorted(PARSERS))


@pytest.mark.parametrize("name", PARSERS)
def test_odd_characters_and_numbers_raise_nothing(name: str) -> None:
    function, text = PARSERS[name]
    for odd in ODD:
        for line in text.split("\n"):
            words = line.split(" ")
            for at in range(len(words)):
                function(" ".join([*words[:at], odd, *words[at + 1 :]]))
                function(" ".join([*words[:at], words[at] + odd, *words[at + 1 :]]))
        function(text.replace("\n", odd))
        function(text.replace("\n", odd + "\n"))


@given(NAMES.flatmap(lambda name: st.tuples(st.just(name), odd_texts(PARSERS[name][1]) | st.text())))
def test_no_text_raises_anything(drawn: tuple[str, str]) -> None:
    name, text = drawn
    PARSERS[name][0](text)


@pytest.mark.parametrize("name", PARSERS)
def test_blanks_and_brackets_take_time_by_their_number(name: str) -> None:
    function, text = PARSERS[name]
    for head in ("", text.split("\n")[0]):
        assert [unit for unit in BLANKS if not is_linear(function, head, unit, "")] == []


@given(NAMES.flatmap(lambda name: st.tuples(st.just(name), hard_texts(PARSERS[name][1]))))
def test_no_text_takes_time_by_more_than_its_length(drawn: tuple[str, tuple[str, str, str]]) -> None:
    name, (head, unit, tail) = drawn
    assert is_linear(PARSERS[name][0], head, unit, tail)


@pytest.mark.parametrize("ends", ["\r\n", "\r\r\n"])
@pytest.mark.parametrize(
    "name", sorted(PARSERS.keys() - {"sections", "nft listing", "nft differences", "driver entry", "tuples"})
)
def test_line_ends_of_a_terminal_change_nothing(name: str, ends: str) -> None:
    """The section protocol drops them where they come in (test_sections.py); here it is what a file may have."""
    function, text = PARSERS[name]
    if name.startswith(
        (
            "nft ",
            "rules",
            "whole ruleset",
            "exclusions",
            "first",
            "forward chains",
            "queues",
            "mss",
            "our table",
            "boot",
        )
    ):
        pytest.skip("nft itself refuses them")
    assert function(text.replace("\n", ends)) == function(text)


def test_every_parser_is_tried() -> None:
    tried = Path(inspect.getfile(parsers)).read_text(encoding="utf-8")
    files = [file for folder in room.__path__ for file in sorted(Path(folder).glob("*.py"))]
    missing = [
        f"{file.name}: {node.name}"
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("parse_")
        if [ast.unparse(argument) for argument in node.args.args[:1]] == ["text: str"]
        if f".{node.name}" not in tried and node.name not in INSIDE
    ]
    assert len(files) > 10
    assert missing == []


INSIDE = {
    "parse_includes": "a loop over parse_statements",
    "parse_module_facts": "what parse_modules calls",
}
"""functions that take a text, and why they are not in PARSERS"""


def test_memory_is_a_small_multiple_of_the_answer() -> None:
    size = LONGEST_ANSWER // 4
    for unit in ("\n", "a\n", "ä b\r\n", "x" * 200 + "\n"):
        output = to_output({**HEALTHY, "live": (unit * (size // len(unit)), 0)})
        tracemalloc.start()
        parse(output, NONCE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 * size, unit


def test_lines_that_nobody_understands_do_not_pile_up() -> None:
    sections = {name: (f"{text}{'x y z w v ' * 3}\n" * 200, rc) for name, (text, rc) in HEALTHY.items()}
    assert len(json.dumps(read_state(to_answer(sections)).as_result()["not_understood"])) < 10_000
