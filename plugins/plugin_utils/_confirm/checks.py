# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What must work before a change is confirmed, seen from the router or from the controller, each over a new flow."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import OffloadError
from .._core.plan import Step
from .verbs import CheckHere

EXPECTED = {"reach": "an address or a name", "resolve": "a name", "command": "a shell command"}
KINDS = tuple(EXPECTED)

SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "mutually_exclusive": [list(KINDS)],
    "required_one_of": [list(KINDS)],
    "options": {
        "from": {"type": "str", "choices": ["router", "controller"], "default": "router"},
        "reach": {"type": "str"},
        "port": {"type": "int"},
        "resolve": {"type": "str"},
        "command": {"type": "str"},
        "timeout": {"type": "int", "default": 5},
    },
}


@dataclass(frozen=True)
class Check:
    """What must work before a change is confirmed. ``port`` 0 is an echo request."""

    on_router: bool
    kind: str
    """one of KINDS"""
    what: str
    port: int
    timeout: int
    """seconds"""

    def __str__(self) -> str:
        side = "the router" if self.on_router else "the controller"
        port = f" port {self.port}" if self.port else ""
        return f"check from {side}: {self.kind} {self.what}{port}"

    def step(self) -> Step:
        """The step that carries it out on the router."""
        call = ("sh", "-c", self.what) if self.kind == "command" else (self.kind, self.what)
        return Step(str(self), CheckHere(self.timeout, call))

    def fails_here(self) -> str:
        """Carry it out on the controller, over a new flow; why it failed, empty when it did not."""
        try:
            if self.kind == "reach" and self.port:
                socket.create_connection((self.what, self.port), self.timeout).close()
                return ""
            if self.kind == "resolve":
                command = ["getent", "ahosts", self.what]
            elif self.kind == "reach":
                command = ["ping", "-c", "1", self.what]
            else:
                command = ["/bin/sh", "-c", self.what]
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.timeout,
                check=False,
            )
        # ValueError: a name that cannot be encoded, such as one with an empty part
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return str(error)
        output = (done.stderr or done.stdout).strip()[-300:]
        return "" if done.returncode == 0 else output or f"exit code {done.returncode}"


def read_checks(items: Sequence[Mapping[str, Any]], confirm_timeout: int) -> list[Check]:
    """The option checks; raises OffloadError for what an argument spec cannot express."""
    checks = []
    for item in items:
        kind = next(kind for kind in KINDS if item[kind] is not None)
        on_router = item["from"] == "router"
        if item["port"] is not None and (kind != "reach" or on_router):
            raise OffloadError(
                f"option checks: port {item['port']} goes with reach, from the controller",
                "a router may have nothing to open a connection with: use a command there",
            )
        what = item[kind].strip()
        if not what or (kind != "command" and (what.startswith("-") or len(what.split()) > 1)):
            raise OffloadError(
                f"option checks: {kind} must be {EXPECTED[kind]}, got {item[kind]!r}", "correct it, or leave it out"
            )
        if item["port"] is not None and not 1 <= item["port"] <= 65535:
            raise OffloadError(f"option checks: port must be from 1 to 65535, got {item['port']}", "correct it")
        if item["timeout"] < 1:
            raise OffloadError(
                f"option checks: timeout must be 1 or more seconds, got {item['timeout']}", "give the check more time"
            )
        checks.append(Check(on_router, kind, what, item["port"] or 0, item["timeout"]))
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
