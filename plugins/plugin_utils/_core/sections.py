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
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import OffloadError

SCRIPTS = Path(__file__).parents[1] / "sh"


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
            raise OffloadError(
                f"the router's answer has no section {name!r}",
                "run the task again; if it happens again, look for what else writes to the output of the login shell",
            )
        return self._sections[name]

    def ok(self, name: str) -> bool:
        """Whether the section exists and its command succeeded."""
        return name in self._sections and self._sections[name].rc == 0

    def text(self, name: str) -> str:
        """What the command printed, beside an error too; empty where the section is missing."""
        return self._sections[name].text if name in self._sections else ""

    def lines(self, name: str) -> list[str]:
        """The lines of ``text``."""
        return self.text(name).splitlines()

    def each(self, prefix: str) -> dict[str, Section]:
        """Sections printed once for each device or the like: what follows ``prefix`` in the name -> section."""
        return {name.removeprefix(prefix): part for name, part in self.items() if name.startswith(prefix)}


@cache
def fragment(name: str) -> str:
    """Text of ``sh/<name>.sh`` without what only a reader needs: whole-line comments, blank lines, indentation."""
    lines = (line.strip() for line in (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def compose(nonce: str, fragments: Sequence[str], calls: Sequence[Call]) -> str:
    """One script for ``/bin/sh -s``.

    Calls become quoted words, so what is in them never becomes code. The braces make the shell read the whole script
    before it runs any of it: an upload that is cut off runs nothing.
    """
    body = [fragment(name) for name in ("prelude", *fragments)]
    called = [shlex.join(call) for call in calls]
    lines = [*body, *called, 'printf "@@%s end\\n" "$nonce"']
    return "\n".join([f"nonce={shlex.quote(nonce)}", "{", *lines, "} </dev/null", ""])


def parse(output: str, nonce: str) -> Answer:
    """Split a script's output into its sections; raises OffloadError for an answer that is empty or incomplete."""
    found: dict[str, Section] = {}
    name: str | None = None
    lines: list[str] = []
    marker = f"@@{nonce} "
    seen_marker = False
    for line in output.replace("\r\n", "\n").split("\n"):
        if not line.startswith(marker):
            lines.append(line)
            continue
        seen_marker = True
        kind, _space, rest = line.removeprefix(marker).partition(" ")
        if kind == "end":
            return Answer(found)
        if kind == "+":
            name, lines = rest, []
        elif kind == "-" and name is not None:
            ended, _space, code = rest.rpartition(" ")
            if ended == name and code.isdigit():
                found[name] = Section("\n".join(lines).removesuffix("\n"), int(code))
                name = None
    if not seen_marker:
        raise OffloadError(
            "the router's shell gave no answer" + (f"; it printed: {output.strip()[:300]!r}" if output.strip() else ""),
            "log in by hand and run '/bin/sh -c true': the login shell, its start-up files or become prevent it",
        )
    raise OffloadError(
        f"the router's answer was cut off after {len(output)} characters",
        "run the task again; if it happens again, update the SSH server (old dropbear versions cut long answers)",
    )
