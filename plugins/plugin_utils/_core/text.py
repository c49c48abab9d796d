# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a router printed, as text: its lines, its words, its numbers, and how people are shown it. Pure: no I/O.

Inside, a text stays as it came, because it is compared and written back. What is shown goes through ``show``, in two
places: ``OffloadAction.run`` (_core/action.py) for what a task returns, FleetReport (_report/fleet.py) for reports.
What Ansible writes to the terminal line by line goes through ``show_message`` besides, in the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f"  # direction of writing
    "\u2028\u2029"  # further ends of lines
    "\ud800-\udfff]"  # bytes that are not UTF-8
)
MARK = "  | "
"""what each line of a message but the first begins with"""
_BLANKS = re.compile("[ \t]+")
_DIGITS = re.compile(r"[0-9]{1,18}")
_WHOLE = re.compile(r"(?P<hexadecimal>0x[0-9a-fA-F]{1,16})|[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[0-9]{0,12}\.?[0-9]{1,12}")

ValueT = TypeVar("ValueT")


def iterate_lines(text: str) -> Iterator[str]:
    """The lines of a text, one at a time. Only a line feed ends a line, and carriage returns before it are dropped.

    ``str.splitlines`` ends lines at a dozen other characters, all of which may be in the name of a device. What comes
    behind the last line end is a line where it is not empty.
    """
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        if end < 0:
            end = len(text)
        yield text[start:end].rstrip("\r")
        start = end + 1


def split_lines(text: str) -> list[str]:
    """The lines of ``iterate_lines`` as a list."""
    return list(iterate_lines(text))


def split_words(line: str, most: int = 0) -> list[str]:
    """The words of a line, between blanks and tabs only: what else Unicode calls white space may be in a name.

    With ``most`` the last word has the rest of the line.
    """
    line = line.strip(" \t\r\n")
    return _BLANKS.split(line, maxsplit=max(most - 1, 0)) if line else []


def parse_count(word: str) -> int | None:
    """A decimal number of up to 18 ASCII digits; None for anything else, which ``int`` may take or raise at."""
    return int(word) if _DIGITS.fullmatch(word) else None


def read_number(word: str) -> int:
    """A whole number of up to 18 ASCII digits, maybe with a sign, or a hexadecimal one with 0x; 0 for what is none."""
    found = _WHOLE.fullmatch(word)
    return int(word, 16 if found["hexadecimal"] else 10) if found else 0


def read_decimal(word: str) -> float:
    """A number without a sign of ASCII digits, up to 12 before the point and behind it; 0 for what is none."""
    return float(word) if _DECIMAL.fullmatch(word) else 0.0


def same_lines(one: str, other: str) -> bool:
    """Are two texts the same but for carriage returns at the ends of lines, which a terminal adds?"""
    return one == other or (
        ("\r" in one or "\r" in other) and "\n".join(split_lines(one)) == "\n".join(split_lines(other))
    )


def show(value: ValueT, kept: Collection[str] = ()) -> ValueT:
    """A value as people and logs may see it, with every text in it, also in keys, as ``show_text`` shows it.

    Takes plain JSON types and dataclasses. What stands below a key of ``kept``, at any depth, stays as it is.
    """
    shown: Any = value
    if isinstance(value, str):
        shown = show_text(value)
    elif isinstance(value, Mapping):
        shown = {show(key): item if key in kept else show(item, kept) for key, item in value.items()}
    elif isinstance(value, list):
        shown = [show(item, kept) for item in value]
    elif isinstance(value, tuple):
        shown = tuple(show(item, kept) for item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        shown = replace(value, **{field.name: show(getattr(value, field.name), kept) for field in fields(value)})
    return shown


def show_text(text: str) -> str:
    r"""A text with what would act on a terminal, or hide something, made visible: ESC becomes ``\x1b``.

    That is the control characters C0 and C1 but tab and line feed, marks of the direction of writing, U+2028, U+2029,
    and bytes that are not UTF-8 (lone surrogates).
    """
    return _HIDDEN.sub(_escape, text) if _HIDDEN.search(text) else text


def show_message(text: str) -> str:
    """A message of one line or more as ``show_text`` shows it, each line after the first behind MARK.

    What a router printed is in it, whole outputs too, and Ansible writes its lines to the terminal as they are: without
    the mark one of them could be taken for a line of Ansible's, or of ours, about another router. All of them have it,
    so that what stands below each other, as nft's carets below its line, still does.
    """
    return show_text(text).rstrip("\n").replace("\n", f"\n{MARK}")


def _escape(found: re.Match[str]) -> str:
    """One character in the notation of Python and C; of a lone surrogate the byte that it stands for."""
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
