# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nft's language is split as nft splits it, in linear time; what can be read in two ways is refused by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.nft_tokens import (
    find_line,
    join_tokens,
    require_readable,
    tokenize,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import (
    normalise_listing,
    parse_filtered_families,
    parse_objects,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import require_own_table
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.helpers import nft_scanner
from tests.unit.helpers.firewalls import NFT, needs_namespaces, nft


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a b\tc", ["a", "b", "c"]),
        ("a\x0cb\x85c\u2028d\xa0e", ["a\x0cb\x85c\u2028d\xa0e"]),
        ('a "b\n#{" c', ["a", '"b\n#{"', "c"]),
        ('a"b\\"c', ["a", '"b\\"', "c"]),
        ('a "b\n{', ["a", '"b\n{']),
        ('a#b"\nc', ["a", "\n", "c"]),
        ("a # \x85 {\nb", ["a", "\n", "b"]),
        ("# a {\n \t# b\nc # d\ne", ["c", "\n", "e"]),
        ("a\\\nb \\\n c \\\n # d\ne", ["a", "b", "c", "e"]),
        ("a\\*\\b \\", ["a\\*\\b", "\\"]),
        ("a\\\r\nb", ["a\\\r", "\n", "b"]),
        ("a;b{c}d!=e,f", ["a", ";", "b", "{", "c", "}", "d!", "=", "e", ",", "f"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert [token.text for token in tokenize(text)] == tokens


def test_a_token_knows_its_line_and_place() -> None:
    text = '# one\na \\\n"two\nlines" b # c\n\nd'
    found = {token.text: (token.line, token.start) for token in tokenize(text)}
    assert (found["a"], found['"two\nlines"'], found["b"], found["d"]) == ((2, 6), (3, 10), (4, 22), (6, 29))
    assert all(text[token.start : token.end] == token.text for token in tokenize(text))


def test_tokens_on_one_line() -> None:
    tokens = list(tokenize('tcp dport {22,  80} # c\n \\\n comment "a\n b"'))
    assert join_tokens(tokens) == 'tcp dport {22, 80} comment "a b"'


@pytest.mark.parametrize("program", NFT)
@needs_namespaces
@given(text=nft_scanner.any_text)
@example(text='table inet x \\\n  # c "\n{ # "x\n chain c { accept comment "a\nb"; }\n}')
@example(text="# \x85 {\nflush ruleset\n# \x85 }\n")
def test_nft_splits_it_the_same_way(text: str, program: str) -> None:
    text += "\n"
    theirs, end = nft_scanner.scan(program, text)
    ours = nft_scanner.parts_of(text, list(tokenize(text)))
    if end < len(text.encode()) and not (theirs and theirs[-1][0] == "open string"):
        # nft gives up after some errors, or in the middle of a word
        theirs = [part for part in theirs if part[2] < end]
        ours = ours[: len(theirs)]
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a\nb\x00", "line 2: U+0000 (nul) hides"),
        ("a\x0c{", "line 1: U+000C (form feed) hides"),
        ("a\x1c", "line 1: U+001C (control character) hides"),
        ("a\x1b[2J", "line 1: U+001B (control character) hides"),
        ("a\r\nb", "line 1: U+000D (carriage return) hides"),
        ("a\n# \x85 {\n", "line 2: U+0085 (next line) hides"),
        ('"\u2028"', "line 1: U+2028 (line separator) hides"),
        ("# \u202e", "line 1: U+202E (right-to-left override) hides"),
        ("# \u2066", "line 1: U+2066 (left-to-right isolate) hides"),
        ("\ufefftable", "line 1: U+FEFF (zero width no-break space) hides"),
        ("a\n\nb\udce4", "line 3: a byte that is not UTF-8"),
        ('a\n"b\n', "line 2: a string without an end"),
        ('a\nb comment "ticket 17:\n\tchain x {\n"', "line 2: a string goes on in the next line"),
        ("a {\n b {\n}\n", "line 1: a brace that is never closed"),
        ("a {\n}\n}\n", "line 3: a closing brace that closes nothing"),
        ("}\n{\n", "line 1: a closing brace that closes nothing"),
        ('a {\ninclude "b"\n}', "line 2: include reads another file"),
        ('{include"b"\n}', "line 1: include reads another file"),
        ("a \\\n # b\nc", "line 2: a comment between lines that a backslash joins"),
        ("a\nb \\\n", "line 2: the text ends in a backslash"),
        ("a\nb \\\n  ", "line 2: the text ends in a backslash"),
    ],
)
def test_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(OffloadError) as caught:
        require_readable(text, "template edge.nft.j2")
    assert f"template edge.nft.j2, {complaint}" in str(caught.value)
    assert "Remedy: " in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\tb\n",
        'comment "ü, 日本, \U0001f525"',
        "# include 'x' {",
        '"include" { "}" } # }',
        "a \\\nb { \\\n }",
        "a # \\\n# b\nc",
    ],
)
def test_what_can_be_read_in_one_way_is_taken(text: str) -> None:
    assert require_readable(text, "here") == list(tokenize(text))


@given(st.one_of(nft_scanner.any_text, st.text()))
def test_no_text_is_too_odd(text: str) -> None:
    tokens = list(tokenize(text))
    assert [text[token.start : token.end] for token in tokens] == [token.text for token in tokens]
    assert [token.line for token in tokens] == [text.count("\n", 0, token.start) + 1 for token in tokens]
    try:
        assert require_readable(text, "here") == tokens
    except OffloadError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(("text", "line"), [("a\nb", 2), ('a "1\n2\n3"\nb', 4), ('a "1\n2"\nb "3\n4"\nc\nd', 6)])
def test_the_line_that_nft_means(text: str, line: int) -> None:
    """It does not count line feeds in strings."""
    of_nft = line - sum(token.text.count("\n") for token in tokenize(text) if token.kind == "string")
    assert find_line(text, of_nft) == line


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
def test_the_line_that_nft_names(program: str) -> None:
    text = 'table inet t {\n chain c {\n  accept comment "a\nb\nc"\n  oops\n }\n}\n'
    done = nft(text, program)
    assert "/dev/stdin:4:" in done.stderr
    assert find_line(text, 4) == 6


SHAPES: dict[str, Callable[[int], str]] = {
    "blank": lambda n: " " * n,
    "tabs before a comment": lambda n: "\t" * n + "# count x",
    "empty lines": lambda n: "\n" * n,
    "lines of blanks": lambda n: "  \t \n" * (n // 5),
    "open braces": lambda n: "{" * n,
    "closing braces": lambda n: "}" * n,
    "quotes": lambda n: '"' * n,
    "an open string": lambda n: '"' + "a" * n,
    "open strings": lambda n: 'a "\n' * (n // 4) + '"',
    "backslashes": lambda n: "\\" * n,
    "joined lines": lambda n: "\\\n" * (n // 2),
    "joined comments": lambda n: "\\\n#\n" * (n // 4),
    "hashes": lambda n: "#" * n,
    "a word": lambda n: "a" * n,
    "words": lambda n: "a " * (n // 2),
    "a list": lambda n: "table inet t { set s { elements = { " + "192.0.2.1, " * (n // 11) + "} } }",
    "devices": lambda n: "devices = {\n" * (n // 12),
    "devices with strings": lambda n: 'devices = { "a"\n' * (n // 16),
    "counts": lambda n: "\t# count 5 \t# count 5\n" * (n // 23),
    "rules": lambda n: "table inet t { chain c {\n" + 'tcp dport 22 accept comment "a # b"\n' * (n // 36) + "} }",
    "tables": lambda n: "table inet nft_offload { }\n" * (n // 27),
    "line separators": lambda n: "\u2028" * n,
}


def read(text: str) -> None:
    """By everything that reads nft's language."""
    list(tokenize(text))
    parse_objects(text)
    parse_filtered_families(text)
    normalise_listing(text)
    find_line(text, 10**9)
    try:
        require_own_table(text, "inet", "nft_offload", "here")
    except OffloadError as error:
        assert len(str(error)) < 500


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_times_the_text_takes_ten_times_as_long(shape: str) -> None:
    def duration(size: int) -> float:
        text = SHAPES[shape](size)
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            read(text)
            best = min(best, time.process_time() - start)
        return best

    small, large = duration(8_000), duration(80_000)
    assert large < 50 * max(small, 0.002), f"{small:.4f} s, then {large:.4f} s"


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[3].joinpath("helpers/golden").glob("*.nft")), ids=str)
def test_what_the_project_renders_is_readable(path: Path) -> None:
    require_own_table(path.read_text(encoding="utf-8"), "inet", "nft_offload", path.name)
