# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""How nft reads a text, as far as it decides where statements, blocks and strings begin and end. Pure: no I/O.

The one reader of nft's language here, of what users write and of what nft lists. It agrees with nft's scanner
(src/scanner.l, 0.9.6 to 1.1.6):

- A line feed ends a line, and nothing else does. Blanks are the space and the tab.
- A string goes to the next ", over line feeds too. Nothing in it is escaped.
- A comment goes from # to the end of its line.
- A backslash right before a line feed joins the two lines.
- A line with nothing but a comment goes together with its line feed, so it ends no statement (since 1.0.6).

A word is what stands between blanks and the signs { } ; , = here, where nft splits further. nft refuses a text as a
whole when there is anything in it that it cannot read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .errors import OffloadError

WORD, STRING, OPEN_STRING, SIGN, NEWLINE = "word", "string", "open string", "sign", "newline"
"""kinds of tokens; a string has its quotes, an open one goes on to the end of the text"""

HIDDEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
"""for a class of a regular expression: controls but tab and line feed, line ends of Unicode, marks of direction, the
byte order mark, and what stands for bytes that are not UTF-8"""

_SCAN = re.compile(
    r"""
      (?P<comment_line> ^[ \t]*\#[^\n]*(?:\n|\Z) )
    | (?P<word>         (?:[^ \t\n{};,="\#\\]+|\\(?!\n))+ )
    | (?P<blank>        [ \t]+ )
    | (?P<newline>      \n )
    | (?P<sign>         [{};,=] )
    | (?P<string>       "[^"]*" )
    | (?P<open_string>  "[^"]*\Z )
    | (?P<comment>      \#[^\n]* )
    | (?P<joined>       \\\n )
    """,
    re.MULTILINE | re.VERBOSE,
)
_KINDS = {"word": WORD, "newline": NEWLINE, "sign": SIGN, "string": STRING, "open_string": OPEN_STRING}
_ONE_LINE = frozenset({"word", "blank", "sign", "comment"})
_HIDDEN = re.compile(f"[{HIDDEN}]")
_CONTROLS = {"\x00": "NUL", "\x0b": "vertical tab", "\x0c": "form feed", "\r": "carriage return", "\x85": "next line"}
_MOST_SHOWN = 100
"""characters of a user's text in an error"""


class Token(NamedTuple):
    """One token: where it stands in the text, and in which of its lines, counted from 1."""

    kind: str
    text: str
    line: int
    start: int
    end: int


def _scan(text: str) -> Iterator[tuple[str, re.Match[str], int]]:
    """(name of a group of _SCAN, match, line), without a gap from the beginning of the text to its end."""
    line = 1
    for match in _SCAN.finditer(text):
        name = match.lastgroup or ""
        yield name, match, line
        if name not in _ONE_LINE:
            line += text.count("\n", match.start(), match.end())


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of a text, whatever it is, in linear time; comments, blanks and joined line ends are left out."""
    for name, match, line in _scan(text):
        if name in _KINDS:
            yield Token(_KINDS[name], match[0], line, match.start(), match.end())


def join_tokens(tokens: Sequence[Token]) -> str:
    """Tokens as one line, with a single blank wherever there was something between two of them."""
    pieces: list[str] = []
    end = 0
    for token in tokens:
        pieces += [token.text] if token.start == end else [" ", token.text]
        end = token.end
    return re.sub(r"[ \t\n]+", " ", "".join(pieces)).strip(" ")


def require_readable(text: str, where: str) -> list[Token]:
    """The tokens of a user's text; raises OffloadError for what nft, or a person, could read in another way.

    ``where`` names the text in errors, which name the line too. Refused are characters of HIDDEN, strings and braces
    without an end, braces that close nothing, ``include``, a comment between joined lines, and a backslash that would
    join what comes next. What opens in the text closes in it, so that it can be put before others and into a block.
    Refused is also a line end in a string: nft lists it as it is, and what reads a listing by lines would take the
    comment of a rule for a table or a chain.
    """
    _refuse_hidden(text, where)
    tokens: list[Token] = []
    opened: list[int] = []
    joined = 0  # the line that is joined to what comes now
    for name, match, line in _scan(text):
        place = f"{where}, line {line}"
        if name == "comment_line" and joined:
            raise OffloadError(
                f"{place}: a comment between lines that a backslash joins, which versions of nft read differently",
                "move the comment above the statement",
            )
        if name == "open_string":
            raise OffloadError(f"{place}: a string without an end: {match[0][:_MOST_SHOWN]!r}", 'close it with "')
        if name == "string" and "\n" in match[0]:
            raise OffloadError(
                f"{place}: a string goes on in the next line, which hides from a reader what nft makes of the text",
                "close it in its own line",
            )
        if name == "word" and match[0] == "include":
            raise OffloadError(
                f"{place}: include reads another file when the ruleset is loaded, which nobody has checked",
                "put the file's lines into the text with Jinja2's include or lookup('ansible.builtin.file', ...)",
            )
        if match[0] == "{":
            opened.append(line)
        elif match[0] == "}" and not opened:
            raise OffloadError(f"{place}: a closing brace that closes nothing", "take it out")
        elif match[0] == "}":
            opened.pop()
        if name != "blank":
            joined = line if name == "joined" else 0
        if name in _KINDS:
            tokens.append(Token(_KINDS[name], match[0], line, match.start(), match.end()))
    if opened:
        raise OffloadError(f"{where}, line {opened[-1]}: a brace that is never closed", "close it with }")
    if joined:
        raise OffloadError(
            f"{where}, line {joined}: the text ends in a backslash, which joins what comes after it to the line",
            "take it out",
        )
    return tokens


def _refuse_hidden(text: str, where: str) -> None:
    hidden = _HIDDEN.search(text)
    if hidden is None:
        return
    character = hidden[0]
    place = f"{where}, line {text.count(chr(10), 0, hidden.start()) + 1}"
    if "\ud800" <= character <= "\udfff":
        raise OffloadError(f"{place}: a byte that is not UTF-8", "save the text as UTF-8")
    name = unicodedata.name(character, _CONTROLS.get(character, "control character")).lower()
    remedy = "save the text with line ends of Unix" if character == "\r" else "take it out"
    raise OffloadError(
        f"{place}: U+{ord(character):04X} ({name}) hides from a reader what nft makes of the text", remedy
    )


def find_line(text: str, nft_line: int) -> int:
    """The line of a text that nft means with a number: it does not count line feeds in strings."""
    uncounted = 0
    for token in tokenize(text):
        if token.line - uncounted >= nft_line:
            break
        uncounted += token.text.count("\n") if token.kind == STRING else 0
    return nft_line + uncounted
