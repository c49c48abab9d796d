# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What must work before a change is confirmed, seen from the router or from the controller, each over a new flow."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from .._core.errors import OffloadError
from .._core.plan import Step
from .._core.text import iterate_lines, parse_count
from .._core.verbs import Verb
from .verbs import CheckCommand, CheckHere, Gateway, Reach, Resolve

EXPECTED = {
    "reach": "an address or a name",
    "resolve": "a name",
    "gateway": "ipv4 or ipv6",
    "command": "a shell command",
}
KINDS = tuple(EXPECTED)

SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "mutually_exclusive": [list(KINDS)],
    "required_one_of": [list(KINDS)],
    "options": {
        "name": {"type": "str"},
        "from": {"type": "str", "choices": ["router", "controller"], "default": "router"},
        "reach": {"type": "str"},
        "port": {"type": "int"},
        "resolve": {"type": "str"},
        "gateway": {"type": "str", "choices": ["ipv4", "ipv6"]},
        "command": {"type": "str", "no_log": True},
        "timeout": {"type": "int", "default": 5},
    },
}


_LOOPBACK = re.compile(r"[0-9]+|127(\.[0-9]+)+|(.+\.)?localhost(\.localdomain)?\.?|ip6-localhost")
OUTPUT = 300
"""characters of what a failed check printed that a message shows"""
LONGEST_NAME = 80
"""characters"""
HIDDEN = 6
"""characters from which on a line or a word of a command is replaced where a message shows what the command printed"""
KEPT = 16 * OUTPUT
"""bytes of what a check on the controller prints that are held"""
FROM_INPUT = 'nft_offload_check=$(cat) && eval "$nft_offload_check" </dev/null'
"""what a shell is given as an argument to run what it gets on standard input; apply/checks.sh has the same"""


@dataclass(frozen=True)
class Check:
    """What must work before a change is confirmed. ``port`` 0 is an echo request.

    A command may hold a password: it is in no text that is made of a check, nor in the arguments of a process.
    """

    on_router: bool
    kind: str
    """one of KINDS"""
    what: str = field(repr=False)
    port: int
    timeout: int
    """seconds"""
    name: str = ""
    """what messages call it"""
    silent: bool = False
    """whether messages leave out what it printed"""

    @property
    def proves(self) -> bool:
        """Whether it shows that packets get through: a name may stand in a file, and a gateway may answer ARP only."""
        return self.kind == "command" or (self.kind == "reach" and not _is_loopback(self.what))

    def __str__(self) -> str:
        side = "the router" if self.on_router else "the controller"
        port = f" port {self.port}" if self.port else ""
        described = self.kind if self.kind == "command" else f"{self.kind} {self.what}{port}"
        return f"check from {side}: {self.name or described}"

    def step(self) -> Step:
        """The step that carries it out on the router."""
        verb: Verb
        if self.kind == "command":
            # with -vvv Ansible shows what a router prints as it comes
            verb = CheckCommand(self.what, "no" if self.silent else "yes", tuple(_hidden(self.what)))
        else:
            verb = {"reach": Reach, "resolve": Resolve, "gateway": Gateway}[self.kind](self.what)
        return Step(str(self), CheckHere(self.timeout, verb), self.redact)

    def redact(self, output: str, cut: bool = False) -> str:
        """The end of what it printed, without the command's lines and words; see HIDDEN.

        ``cut``: the output has lost its beginning, as in show_check of sh/apply/checks.sh, which has the same rules.
        """
        if self.silent:
            return "it failed; what it printed is not shown, because of no_log"
        if cut:
            # a part of a word would not be found
            _part, _blank, output = _partition_blank(output)
        if self.kind == "command":
            for hidden in _hidden(self.what):
                output = (_hide_end(output, hidden) if cut else output).replace(hidden, "***")
        return output.strip()[-OUTPUT:]

    def fails_here(self) -> str:
        """Carry it out on the controller, over a new flow; why it failed, empty when it did not."""
        try:
            if self.kind == "reach" and self.port:
                socket.create_connection((self.what, self.port), self.timeout).close()
                return ""
            if self.kind == "resolve":
                code, output, cut = _run(["getent", "ahosts", self.what], "", self.timeout)
            elif self.kind == "reach":
                code, output, cut = _run(["ping", "-c", "1", self.what], "", self.timeout)
            else:
                code, output, cut = _run(["/bin/sh", "-c", FROM_INPUT], self.what, self.timeout)
        # ValueError: a name that cannot be encoded, such as one with an empty part
        except (OSError, ValueError) as error:
            return str(error)
        if code is None:
            return f"no answer within {self.timeout} s"
        return "" if code == 0 else self.redact(output, cut) or f"exit code {code}"


def _hidden(command: str) -> list[str]:
    """What a message must not show of a command: its lines and words, where they are long enough; the longest first."""
    parts = {line.strip() for line in iterate_lines(command)}
    parts |= set(re.split(r"""[\s"'`;|&()<>]+""", command))
    parts |= set(re.split(r"""[\s"'`;|&()<>:=@/,]+""", command))
    # by lines too: an apostrophe in a comment, or in a here document, is no quote
    texts = [command, *iterate_lines(command)]
    for word in {word for text in texts for word in (*_shell_words(text), *_QUOTED.findall(text))}:
        text = word.strip("\"'")
        values = {word, text, *text.split("=", 1), *text.split(":", 1)}
        parts |= values | {line.strip() for value in values for line in iterate_lines(value)}
    parts |= {piece for part in parts for piece in _ESCAPE.split(part)}
    parts |= {part.replace("\\$", "$").replace("\\`", "`") for part in parts}
    return sorted({part for part in parts if len(part) >= HIDDEN}, key=lambda part: (-len(part), part))


_ESCAPE = re.compile(r"\\(?:0?[0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


def _shell_words(command: str) -> Iterator[str]:
    """The words that a shell makes of a command, which may hold blanks and signs; those before one without an end."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    words.commenters = ""
    with contextlib.suppress(ValueError):
        yield from words


def _partition_blank(text: str) -> tuple[str, str, str]:
    """A text before its first white space, that, and what comes behind it."""
    before, *behind = re.split(r"(\s)", text, maxsplit=1)
    return (before, behind[0], behind[1]) if behind else (before, "", "")


def _hide_end(output: str, hidden: str) -> str:
    """An output that was cut within a text with white space, without the end of that."""
    while hidden:
        _part, _blank, hidden = _partition_blank(hidden)
        if hidden and output.startswith(hidden):
            return f"***{output.removeprefix(hidden)}"
    return output


def _run(command: Sequence[str], text: str, seconds: int) -> tuple[int | None, str, bool]:
    """(exit code, what it printed, whether that is only the end of it) of a command that gets a text on its input.

    None: it took longer, and was ended with all that it started, as far as ``_end_all`` finds it. What it left running
    in a session of its own is not waited for.
    """
    mark = f"NFT_OFFLOAD_CHECK={secrets.token_hex(16)}"
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, **dict([mark.split("=", 1)])},
    )
    kept = bytearray()
    threads = [
        threading.Thread(target=_give, args=(cast("IO[bytes]", process.stdin), text.encode()), daemon=True),
        threading.Thread(target=_keep_end, args=(cast("IO[bytes]", process.stdout), kept), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        code: int | None = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
        _end_all(process.pid, mark.encode())
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    threads[1].join(1)
    cut = len(kept) > KEPT
    return code, bytes(kept[-KEPT:]).decode(errors="replace"), cut


def _end_all(process: int, mark: bytes) -> None:
    """End a process, its children and theirs, and what has the mark in its environment, as sh/events.sh does.

    Nothing where the system has no /proc.
    """
    for _round in range(5):
        parents, found = {}, set()
        for directory in Path("/proc").glob("[0-9]*"):
            if (number := parse_count(directory.name)) is None:
                continue
            with contextlib.suppress(OSError):
                # the name of a process may hold blanks and brackets
                fields = (directory / "stat").read_bytes().rpartition(b")")[2].split()
                parents[number] = parse_count(fields[1].decode()) if fields[0] != b"Z" else None
                if mark in (directory / "environ").read_bytes().split(b"\0"):
                    found.add(number)
        family = {process}
        while more := {number for number, parent in parents.items() if parent in family} - family:
            family |= more
        found |= family & parents.keys() if _round == 0 else set()
        for number in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.05)


def _give(pipe: IO[bytes], text: bytes) -> None:
    with contextlib.suppress(OSError), pipe:
        pipe.write(text)


def _keep_end(pipe: IO[bytes], kept: bytearray) -> None:
    """However much comes, no more than its end is held."""
    with contextlib.suppress(OSError, ValueError), pipe:
        while part := os.read(pipe.fileno(), 65536):
            kept += part
            del kept[: -KEPT - 1]


def _read_name(name: str | None) -> str:
    """The option name; raises OffloadError for one that would not be one short line of a message."""
    if name is None:
        return ""
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise OffloadError(
            f"option checks: name must be one line of 1 to {LONGEST_NAME} characters, got {name[:LONGEST_NAME]!r}",
            "correct it, or leave it out",
        )
    return name.strip()


def _is_loopback(host: str) -> bool:
    """Also in the forms that only the C library takes for an address, such as 127.1 and 0."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _LOOPBACK.fullmatch(host.lower()) is not None
    return address.is_loopback or address.is_unspecified


def read_checks(items: Sequence[Mapping[str, Any]], confirm_timeout: int, *, silent: bool = False) -> list[Check]:
    """The option checks; raises OffloadError for what an argument spec cannot express.

    ``silent``: no message shows what they print, as for a task with no_log.
    """
    checks = []
    for item in items:
        kind = next(kind for kind in KINDS if item[kind] is not None)
        on_router = item["from"] == "router"
        if item["port"] is not None and (kind != "reach" or on_router):
            raise OffloadError(
                f"option checks: port {item['port']} goes with reach, from the controller",
                "a router may have nothing to open a connection with: use a command there",
            )
        if kind == "gateway" and not on_router:
            raise OffloadError("option checks: gateway is the router's, so from is router", "leave from out")
        what = item[kind].strip()
        if not what or (kind != "command" and (what.startswith("-") or len(what.split()) > 1)):
            raise OffloadError(
                f"option checks: {kind} must be {EXPECTED[kind]}, got {item[kind]!r}", "correct it, or leave it out"
            )
        if "\0" in what:
            raise OffloadError(f"option checks: {kind} has a NUL in it", "correct it")
        if item["port"] is not None and not 1 <= item["port"] <= 65535:
            raise OffloadError(f"option checks: port must be from 1 to 65535, got {item['port']}", "correct it")
        if item["timeout"] < 1:
            raise OffloadError(
                f"option checks: timeout must be 1 or more seconds, got {item['timeout']}", "give the check more time"
            )
        name = _read_name(item["name"])
        checks.append(Check(on_router, kind, what, item["port"] or 0, item["timeout"], name, silent))
    needed = sum(check.timeout for check in checks)
    if checks and confirm_timeout == 0:
        raise OffloadError(
            "option checks: confirm_timeout is 0, so nothing would be undone when one of them fails",
            "set confirm_timeout, or leave the checks out",
        )
    if needed and needed >= confirm_timeout:
        raise OffloadError(
            f"option checks: they may take {needed} s, but confirm_timeout undoes the change after {confirm_timeout} s",
            "raise confirm_timeout, or shorten the checks' timeouts",
        )
    return checks
