# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The section protocol between a script on a router and the controller. Pure: no I/O.

A script prints every piece of what it reads as a section::

    @@<nonce> + <name>
    ...whatever the command printed...
    @@<nonce> - <name> <exit code>

and ``@@<nonce> end`` last. The nonce is random for each run and travels on standard input only, so nothing a router
prints (a device name, a comment in a ruleset) can open, close or fake a section, and an answer that was truncated in
transit (old dropbear versions do so near 14 KB, OpenWrt issue 4424) is recognised instead of being half read.

Markers that do not match are an error: what stands between them would be taken for something else, or for nothing. The
answer of a script that only reads is counted too (sh/tally.sh), so that a line that is lost, cut or there twice is an
error as well: a finding that is not made because its line is missing must never look like health.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import OffloadError
from .text import iterate_lines, read_number, split_lines

MOST_TERMINALS = 3
"""on the way, each of which may put a carriage return before a line feed"""
SCRIPTS = Path(__file__).parents[1] / "sh"
HUNG = 124
"""exit code of a section in which a tool hung (sh/hangs.sh)"""
_NEEDS = re.compile(r"^# needs (.+)$", re.MULTILINE)
LONGEST_ANSWER = 8 * 1024 * 1024
"""characters, carriage returns left out; sh/tally.sh ends an answer a little before that"""


@dataclass(frozen=True)
class Section:
    """What one command printed (standard output and errors) and its exit code."""

    text: str
    rc: int

    @property
    def complaint(self) -> str:
        """Why the command failed: what it printed, else its exit code."""
        return self.text.strip() or f"exit code {self.rc}"


Call = Sequence[str]
"""the name of a shell function, then its arguments"""


class Answer(Mapping[str, Section]):
    """What one exec printed: its sections by name. A section is missing where the script had no reason to print it."""

    def __init__(self, sections: Mapping[str, Section] | None = None) -> None:
        self._sections = dict(sections or {})

    def __getitem__(self, name: str) -> Section:
        return self._sections[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)

    def __repr__(self) -> str:
        return f"Answer({self._sections!r})"

    def require(self, name: str) -> Section:
        """A section that the script always prints; raises OffloadError where its markers did not arrive whole.

        Without it nothing is known, which must never look like nothing being there.
        """
        if name not in self._sections:
            if hung := self._list_hung():
                raise OffloadError(
                    f"{hung[-1]} on the router, and could not be ended, so that the rest was not read",
                    "look at what it waits for (ps, dmesg); a tool that hangs in the kernel goes with a reboot only",
                )
            raise OffloadError(
                f"the router's answer has no section {name!r}",
                "run the task again; if it happens again, look for what else writes to the output of the login shell",
            )
        return self._sections[name]

    def require_ended(self) -> None:
        """Raise OffloadError where a tool hung: nothing is to be changed by half of what a router shows."""
        if hung := self._list_hung():
            raise OffloadError(
                f"{hung[0]} on the router, so that not all was read that this task needs",
                "run it by hand on the router, and look at what it waits for (ps, dmesg, logread)",
            )

    def _list_hung(self) -> list[str]:
        """'TOOL did not end in time', once for each section that it is missing in."""
        return [part.text for part in self.values() if part.rc == HUNG]

    def ok(self, name: str) -> bool:
        """Whether the section exists and its command succeeded."""
        return name in self._sections and self._sections[name].rc == 0

    def text(self, name: str) -> str:
        """What the command printed, beside an error too; empty where the section is missing."""
        return self._sections[name].text if name in self._sections else ""

    def lines(self, name: str) -> list[str]:
        """The lines of ``text``, which end at line feeds only."""
        return split_lines(self.text(name))

    def each(self, prefix: str) -> dict[str, Section]:
        """Sections printed once for each device or the like: what follows ``prefix`` in the name -> section."""
        return {name.removeprefix(prefix): part for name, part in self.items() if name.startswith(prefix)}


@cache
def fragment(name: str) -> str:
    """Text of ``sh/<name>.sh`` without what only a reader needs: whole-line comments, blank lines, indentation."""
    lines = (line.strip() for line in iterate_lines((SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")))
    return "\n".join(line for line in lines if line and not line.startswith("#"))


@cache
def with_needed(name: str) -> tuple[str, ...]:
    """A fragment behind those that its own lines ``# needs NAME...`` name, and that these need."""
    text = (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")
    named = [needed for line in _NEEDS.findall(text) for needed in line.split()]
    return (*(part for needed in named for part in with_needed(needed)), name)


def compose(nonce: str, fragments: Sequence[str], calls: Sequence[Call], counted: bool = False) -> str:
    """One script for ``/bin/sh -s``; with ``counted`` its answer is, see ``parse``.

    What the fragments need comes before them, each once. Calls become quoted words, so what is in them never becomes
    code. The braces make the shell read the whole script before it runs any of it: an upload that is cut off runs
    nothing. A script that changes something is not counted: it would run in a subshell then.
    """
    names = dict.fromkeys(part for name in ("prelude", *fragments) for part in with_needed(name))
    body = [fragment(name) for name in names]
    called = [shlex.join(call) for call in calls]
    end = 'printf "@@%s end\\n" "$nonce"'
    if not counted:
        return "\n".join([f"nonce={shlex.quote(nonce)}", "{", *body, *called, end, "} </dev/null", ""])
    reading = ["begin_reading", *body, *called, "end_reading", end]
    lines = [
        fragment("tally"),
        fragment("hangs"),
        "{",
        "exec 6>&1 </dev/null",
        "watch_tools | {",
        *reading,
        "}",
        "} | tally",
    ]
    lines.append("}")
    return "\n".join([f"nonce={shlex.quote(nonce)}", "{", *lines, ""])


def parse(output: str, nonce: str, counted: bool = False) -> Answer:
    """Split a script's output into its sections.

    Raises OffloadError for an answer that is empty, incomplete or too long, or whose markers do not match; where it is
    ``counted``, also for one that is not what the router printed, line by line.
    """
    if len(output) > LONGEST_ANSWER and len(output) - output.count("\r") > LONGEST_ANSWER:
        raise _too_long(f"section {_longest_section(output, nonce)!r}")
    markers = list(_iterate_markers(output, nonce))
    kinds = [marker.kind for marker in markers]
    if "long" in kinds:
        raise _too_long(f"section {markers[kinds.index('long')].name!r}")
    if "end" not in kinds:
        raise _without_end(output, nonce)
    if kinds.index("end") != len(kinds) - 1:
        raise _damaged("it goes on after its end")
    found = _read_sections(output, markers[:-1], counted)
    if counted and markers[-1].name != str(len(found)):
        raise _damaged(f"it has {len(found)} sections of {markers[-1].name or 'an unknown number'}")
    return Answer(found)


@dataclass(frozen=True)
class _Marker:
    """One marker of an answer."""

    kind: str
    """+, -, end or long"""
    name: str
    """the rest of its line"""
    start: int
    """where its line begins in the answer"""
    end: int
    """where the next line begins"""


def _read_sections(output: str, markers: Sequence[_Marker], counted: bool) -> dict[str, Section]:
    """What stands between each two markers; raises OffloadError where they do not belong together."""
    found: dict[str, Section] = {}
    opened: _Marker | None = None
    for marker in markers:
        if marker.kind == "+":
            if opened is not None:
                raise _damaged(f"section {opened.name!r} has no end")
            opened = marker
            continue
        name, code, numbers = _read_end(marker.name, counted)
        if opened is None or opened.name != name:
            raise _damaged(f"section {name!r} has an end and no beginning")
        if name in found:
            raise _damaged(f"it has section {name!r} twice")
        text = output[opened.end : marker.start]
        if counted and not _is_tally(text, numbers):
            raise _damaged(f"section {name!r} is not what the router printed: lines were lost, cut or added")
        for _terminal in range(MOST_TERMINALS if "\r" in text else 0):
            text = text.replace("\r\n", "\n")
        text = text.removesuffix("\n").removesuffix("\n")
        # half of what a tool prints would look like all of it
        found[name] = Section(text.rpartition("\n")[2] if counted and code == HUNG else text, code)
        opened = None
    if opened is not None:
        raise _damaged(f"section {opened.name!r} has no end")
    return found


_ENDS = re.compile(r"(?s)(?P<name>.+) (?P<code>[0-9]{1,3})")
_COUNTED_ENDS = re.compile(r"(?s)(?P<name>.+) (?P<code>[0-9]{1,3}) (?P<lines>[0-9]{1,9}) (?P<sum>[0-9]{1,18})")


def _iterate_markers(output: str, nonce: str) -> Iterator[_Marker]:
    """Every marker of an answer in order; raises OffloadError for one that does not have a line to itself, or is none.

    A last one that was cut off is left out.
    """
    mark = f"@@{nonce} "
    at = output.find(mark)
    while at >= 0:
        if at and output[at - 1] != "\n":
            raise _damaged("something else was printed on the line of a marker")
        end = output.find("\n", at)
        line = output[at + len(mark) : end if end >= 0 else len(output)].rstrip("\r")
        kind, _space, name = line.partition(" ")
        if kind not in {"+", "-", "end", "long"} or (not name and kind in {"+", "-"}):
            if end >= 0:
                raise _damaged("one of its markers is none that a script prints")
            return
        if end < 0 and kind != "end":
            return
        yield _Marker(kind, name, at, end + 1 if end >= 0 else len(output))
        at = output.find(mark, end) if end >= 0 else -1


def _read_end(rest: str, counted: bool) -> tuple[str, int, tuple[int, int]]:
    """What follows the marker that ends a section -> name, exit code, (lines, sum)."""
    found = (_COUNTED_ENDS if counted else _ENDS).fullmatch(rest)
    if found is None:
        raise _damaged("one of its markers is none that a script prints")
    numbers = (read_number(found["lines"]), read_number(found["sum"])) if counted else (0, 0)
    return found["name"], read_number(found["code"]), numbers


def _is_tally(text: str, numbers: tuple[int, int]) -> bool:
    """Has the text between two markers the numbers that sh/tally.sh counted? An awk counts bytes or characters."""
    text = text.replace("\r", "")
    if numbers == _tally(io.StringIO(text, newline="\n")):
        return True
    try:
        encoded = b"" if text.isascii() else text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return bool(encoded) and numbers == _tally(io.BytesIO(encoded))


def _tally(lines: Iterable[str] | Iterable[bytes]) -> tuple[int, int]:
    """(lines, sum) as sh/tally.sh counts them; the lines have their ends."""
    number = total = 0
    for number, line in enumerate(lines, 1):
        total += number * len(line)
    return number, total


def _longest_section(output: str, nonce: str) -> str:
    """Name of the section that has most of an answer; empty where it has none."""
    longest, length, name, start = "", -1, "", 0
    for marker in _iterate_markers(output, nonce):
        if marker.start - start > length:
            longest, length = name, marker.start - start
        name, start = (marker.name, marker.end) if marker.kind == "+" else ("", marker.end)
    return longest if len(output) - start <= length else name


def _without_end(output: str, nonce: str) -> OffloadError:
    """The error for an answer without its last marker: none at all, or one that was cut off."""
    if f"@@{nonce} " not in output:
        return OffloadError(
            "the router's shell gave no answer" + (f"; it printed: {output.strip()[:300]!r}" if output.strip() else ""),
            "log in by hand and run '/bin/sh -c true': the login shell, its start-up files or become prevent it",
        )
    return OffloadError(
        f"the router's answer was cut off after {len(output)} characters",
        "run the task again; if it happens again, update the SSH server (old dropbear versions cut long answers)",
    )


def _damaged(what: str) -> OffloadError:
    """The error for an answer that cannot be trusted."""
    return OffloadError(
        f"the router's answer is damaged: {what}",
        "run the task again; if it happens again, look for what else writes to the output of the login shell",
    )


def _too_long(what: str) -> OffloadError:
    """The error for an answer over the limit; ``what`` names its longest part."""
    return OffloadError(
        f"the router's answer is longer than {LONGEST_ANSWER // 1024**2} MiB, most of it is {what}",
        "look at what that section is about on the router, and make it smaller",
    )
