# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an nft of this machine splits a text, as its own scanner says; and pieces to make such texts of."""

from __future__ import annotations

import functools
import re
import subprocess

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.nft_tokens import (
    NEWLINE,
    OPEN_STRING,
    STRING,
    Token,
)
from hypothesis import strategies as st

Part = tuple[str, int, int]
"""what it is, and the bytes from which to which it stands"""
_LEXEME = re.compile(
    rb'^--accepting rule at line (\d+) \("(.*?)"\)\n(?=--|/dev/stdin:|Error|internal|\Z)', re.DOTALL | re.MULTILINE
)

SIGNS = [
    "{",
    "}",
    '"',
    "#",
    "\\",
    "\\\n",
    ";",
    "\n",
    " ",
    "\t",
    ",",
    "=",
    "*",
    "\\*",
    "$",
    "@",
    "'",
    "/",
    "!=",
    "[",
    "(",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1b",
    "\x7f",
    "\x85",
    "\xa0",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\ufeff",
    "ü",
    "\U0001f525",
]
WORDS = [
    "table",
    "inet",
    "ip",
    "nft_offload",
    "other",
    "chain",
    "c",
    "set",
    "s",
    "type",
    "accept",
    "counter",
    "comment",
    "log",
    "prefix",
    "flush",
    "ruleset",
    "delete",
    "destroy",
    "add",
    "define",
    "redefine",
    "x",
    "include",
    "flowtable",
    "elements",
    "limit rate 1/second",
    "tcp dport 22",
    "8021q",
    "0x1f",
    "10.0.0.1",
    "::1",
    "jump",
]
# Whole pieces that nft takes, in the table
INSIDE = [
    "chain c { }",
    "chain c { counter; }",
    'chain c { accept comment "a"; }',
    "chain c {\n\tcounter\n}",
    "set s { type ipv4_addr; }",
    "set s { type ipv4_addr\nelements = { 10.0.0.1,\n10.0.0.2 } }",
    "chain d { jump { accept; }; }",
    'chain d { log prefix "} flush ruleset" accept; }',
    'chain e { accept comment "two lines # {"; }',
    "define y = { 1, 2 }",
    "chain f { type filter hook input priority 0; policy accept; tcp dport != 22 accept; }",
    'counter k { comment "{" }',
    "map m { type ipv4_addr : verdict; }",
    "chain \\\n g { }",
    "# } flush ruleset",
    '# "',
    "chain h { # {\n\t# }\n}",
    "chain i { meta l4proto { tcp, # in the middle }\n udp } accept; }",
]
OWN = [
    *[f"table inet nft_offload {{ {inside}\n}}" for inside in INSIDE],
    "table inet nft_offload",
    "table inet nft_offload{ }",
    "table\tinet \\\n nft_offload { }",
    "define x = 1",
    "define x = { 1, 2 }",
    'define x = "}"',
    "redefine x = 2",
    "undefine x",
    "# a comment",
    "",
]
# What must never be loaded, whatever stands around it
FOREIGN = [
    "flush ruleset",
    "flush ruleset inet",
    "delete table inet other",
    "table inet other { chain evil { } }",
    "table ip nft_offload { chain evil { } }",
    "table nft_offload { chain evil { } }",
    "add chain inet other evil",
    "chain inet other evil { }",
    "flush chain inet other c",
    "inet other c accept",
    "delete table ip nft_offload",
    "reset counters",
    "add element inet other s { 10.9.9.9 }",
    "rename chain inet other c evil",
    'table inet "other" { }',
]
SEPARATORS = ["\n", ";", " ", "\\\n", "", "\n\n", " # c\n", " ; ", "\x0c", "\r\n", "\u2028", "\x85"]
WRAPS = [
    "{}",
    "{}",
    "{}",
    "# \x85 {{\n{}\n# \x85 }}",
    "# \x0c }}\n{}\n# \x1c {{",
    "# {{\n{}\n# }}",
    '# "\n{}\n# "',
    '"\n{}\n"',
    "define z = {{ 1 }}; {}",
    "define z = 1 \\\n# c\n{}",
    "define z = 1 # \\\n{}",
    "table inet nft_offload {{ }}; {}",
    "table inet nft_offload {{ }} {}",
    "table inet nft_offload {{\n{}\n}}",
    'table inet nft_offload {{ chain w {{ counter comment "}}\n{}\n" ; }}\n}}',
    "table inet nft_offload {{ chain w {{ counter; }}\n}} }}\n{}\n{{",
    "{} \\",
    "\\\n{}",
]

pieces = st.one_of(st.sampled_from(SIGNS), st.sampled_from(WORDS), st.sampled_from(OWN), st.sampled_from(FOREIGN))
any_text = st.one_of(
    st.lists(pieces, max_size=25).map("".join),
    st.lists(pieces, max_size=25).map(" ".join),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
)


@st.composite
def rulesets(draw: st.DrawFn) -> str:
    """Texts of our table among which something else may hide; a sign or two may stand anywhere."""
    hidden = st.tuples(st.sampled_from(WRAPS), st.sampled_from(FOREIGN)).map(lambda pair: pair[0].format(pair[1]))
    text = ""
    for statement in draw(st.lists(st.one_of(st.sampled_from(OWN), hidden), min_size=1, max_size=4)):
        text += statement + draw(st.one_of(st.just("\n"), st.sampled_from(SEPARATORS)))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(SIGNS)) + text[place:]
    return text


@st.composite
def own_rulesets(draw: st.DrawFn) -> str:
    """Texts of our table and of definitions."""
    text = ""
    for statement in draw(st.lists(st.sampled_from(OWN), min_size=1, max_size=4)):
        text += statement + draw(st.sampled_from(["\n", "\n\n", ";", " # c\n", "\n# {\n"]))
    return text


def _run_scanner(program: str, text: bytes) -> list[tuple[int, bytes]]:
    """(line of the rule in nft's scanner, what it took) in their order; nft may give up early."""
    command = ["unshare", "-n", program, "--debug=scanner", "--check", "--file", "-"]
    done = subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)
    return [(int(rule), lexeme) for rule, lexeme in _LEXEME.findall(done.stderr)]


@functools.cache
def _comment_rules(program: str) -> tuple[int, int]:
    """The rules for a line with nothing but a comment, and for any other comment."""
    taken = _run_scanner(program, b"#1\ntable #2\n")
    whole_line, comment = (next(rule for rule, lexeme in taken if word in lexeme) for word in (b"1", b"2"))
    return whole_line, comment


def scan(program: str, text: str) -> tuple[list[Part], int]:
    """What nft splits a text into, and up to which byte it read it.

    Signs, line ends and strings each by themselves, what else stands together as one word. A string without an end is
    the last one.
    """
    whole_line, comment = _comment_rules(program)
    data = text.encode()
    found: list[Part] = []
    at = 0
    for rule, lexeme in _run_scanner(program, data):
        size = len(lexeme) - (rule == comment and lexeme.endswith(b"\n"))  # it is only looked at
        assert data.startswith(lexeme, at), (data, at, lexeme)
        start, at = at, at + size
        if rule in (whole_line, comment) or lexeme == b"\\\n" or not lexeme.strip(b" \t"):
            continue
        if lexeme == b'"':
            found.append((OPEN_STRING, start, len(data)))
            return found, at
        if lexeme == b"\r\n":  # 1.1.4 on; an error as "\r" is
            return found, start
        kind = STRING if lexeme.startswith(b'"') else {b"\n": NEWLINE}.get(lexeme, "word")
        _add(found, (lexeme.decode() if lexeme in (b"{", b"}", b";") else kind, start, at))
    return found, at


def _add(parts: list[Part], part: Part) -> None:
    """Words that touch are one."""
    if parts and part[0] == parts[-1][0] == "word" and part[1] == parts[-1][2]:
        parts[-1] = ("word", parts[-1][1], part[2])
    else:
        parts.append(part)


def parts_of(text: str, tokens: list[Token]) -> list[Part]:
    """Our tokens in the same form."""
    found: list[Part] = []
    for token in tokens:
        start = len(text[: token.start].encode())
        kind = token.text if token.text in ("{", "}", ";") else token.kind if token.kind != "sign" else "word"
        _add(found, (kind, start, start + len(token.text.encode())))
    return found
