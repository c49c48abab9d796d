# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a router: its lines and numbers as it meant them, and shown in a way that acts on nothing."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.text import (
    parse_count,
    read_decimal,
    read_number,
    same_lines,
    show,
    show_text,
    split_lines,
    split_words,
)
from hypothesis import given
from hypothesis import strategies as st

ODD = "a\x1b[2Kb\x85c\u2028d\x1ce\x0cf"


def test_only_a_line_feed_ends_a_line() -> None:
    assert split_lines(f"{ODD}\r\n\nlast") == [ODD, "", "last"]
    assert split_lines("one\n") == ["one"]
    assert split_lines("") == []


@given(st.text(alphabet=st.sampled_from("ab \t\n")))
def test_of_plain_text_lines_and_words_are_as_python_has_them(text: str) -> None:
    assert split_lines(text) == text.splitlines()
    assert split_words(text.replace("\n", " ")) == text.split()


def test_words_end_at_blanks_and_tabs_only() -> None:
    assert split_words(f"  one\t {ODD}  three ") == ["one", ODD, "three"]
    assert split_words("one two  three", 2) == ["one", "two  three"]


@pytest.mark.parametrize(
    ("word", "number"),
    [("0", 0), ("0012", 12), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None)]
    + [(word, None) for word in ("", "-1", "+1", "1_0", "²", "٣", "१", "1.0", " 1", "1\n", "x")],
)
def test_a_number_has_ascii_digits_and_not_too_many(word: str, number: int | None) -> None:
    assert parse_count(word) == number


@pytest.mark.parametrize(
    ("word", "whole", "decimal"),
    [
        ("12", 12, 12.0),
        ("-12", -12, 0.0),
        ("+7", 7, 0.0),
        ("0x1F", 31, 0.0),
        ("1.5", 0, 1.5),
        (".25", 0, 0.25),
        *((word, 0, 0.0) for word in ("", "-", "²", "٣", "0x", "1_0", "nan", "inf", "1e9", "9" * 5000)),
    ],
)
def test_what_is_no_number_counts_as_none(word: str, whole: int, decimal: float) -> None:
    assert (read_number(word), read_decimal(word)) == (whole, decimal)


def test_carriage_returns_at_line_ends_are_no_difference() -> None:
    assert same_lines("a\r\nb\r\n", "a\nb\n")
    assert not same_lines("a\rb\n", "ab\n")
    assert not same_lines("a\n", "b\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lan0 ä 日本 😀\ttext\n", "lan0 ä 日本 😀\ttext\n"),
        ("\x1b[1A\x1b[2Kedge: hardware", r"\x1b[1A\x1b[2Kedge: hardware"),
        ("a\rb\x08\x00\x7f\x9b2K", r"a\x0db\x08\x00\x7f\x9b2K"),
        ("\u202egnp\u2066\u200f\u061c", r"\u202egnp\u2066\u200f\u061c"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\udc9b2K\ud800", r"\x9b2K\ud800"),
    ],
)
def test_what_acts_on_a_terminal_is_made_visible(text: str, shown: str) -> None:
    assert show_text(text) == shown


@dataclass(frozen=True)
class Row:
    name: str
    more: tuple[str, ...] = ()


def test_every_text_of_a_value_is_shown() -> None:
    value = {"a\x1b": [1, None, True, {"b": ("\x9b", 2.5)}], "row": Row("\x00", ("\u202e",)), "text": ["\x1b"]}
    assert show(value, kept=("text",)) == {
        "a\\x1b": [1, None, True, {"b": ("\\x9b", 2.5)}],
        "row": Row("\\x00", ("\\u202e",)),
        "text": ["\x1b"],
    }


@given(st.text(alphabet=st.characters()))
def test_no_control_no_mark_of_direction_and_no_surrogate_is_left(text: str) -> None:
    shown = show_text(text)
    shown.encode()
    kinds = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not [
        character
        for character in shown.replace("\t", "").replace("\n", "")
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in kinds
        or character in "\u200e\u200f\u061c"
    ]
    assert show_text(shown) == shown
