# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that is a directory: the real verbs and the real guard under a router's shells, with a stand-in for nft."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import (
    Change,
    ChangeState,
    ConfirmedPlan,
    Transaction,
    parse_change,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.verbs import StageListing
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import HEADER

from tests.unit.helpers.events import add_event, end_guards, list_guards
from tests.unit.helpers.shells import NONCE

FRAGMENTS = (
    *("events", "apply/steps", "apply/ruleset", "read/ruleset", "read/change", "read/login"),
    *("apply/change", "apply/commit", "apply/checks", "apply/witness"),
)

OLD = "table inet t {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n\t}\n}\n"
NEW = "table inet t {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\t}\n}\n"


class Sandbox:
    """``place`` is the directory, ``shell`` the words that start the router's shell."""

    def __init__(self, place: Path, shell: Sequence[str]) -> None:
        self.place = place
        self.shell = list(shell)
        for name in ("bin", "tables", "etc", "run"):
            (place / name).mkdir()
        self.log = place / "nft.log"
        nft = place / "bin/nft"
        program = Path(__file__).with_name("fake_nft.py")
        nft.write_text(f'#!/bin/sh\nexec {sys.executable} -ISs {program} {place} "$@"\n', encoding="utf-8")
        nft.chmod(0o755)
        # the guard is started with /bin/sh; here it is the shell under test
        self.sh = place / "bin/sh"
        words = " ".join([shutil.which(shell[0]) or shell[0], *shell[1:]])
        self.sh.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        self.sh.chmod(0o755)
        self.home = place / "run/nft-offload"

    @property
    def pending(self) -> Path:
        """The directory of the change that waits; one that does not exist where none does."""
        return next((self.home / "pending").glob("*"), self.home / "pending" / "none")

    def table(self, name: str = "t") -> str | None:
        """What is live."""
        path = self.place / f"tables/inet-{name}"
        return path.read_text(encoding="utf-8") if path.exists() else None

    def set_table(self, text: str, name: str = "t") -> None:
        (self.place / f"tables/inet-{name}").write_text(text, encoding="utf-8")

    def etc(self, name: str) -> str | None:
        path = self.place / "etc" / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    def plan(self, text: str = NEW, *more: str, tables: Sequence[tuple[str, str]] = (("inet", "t"),)) -> ConfirmedPlan:
        """Load the texts, and replace one file for boot."""
        path = str(self.place / "etc/ruleset.nft")
        # as each text for a table of ours begins on a router
        first = text if text.startswith("#!") else f"{HEADER}\n{text}"
        return ConfirmedPlan(
            texts=[Transaction("load table inet t", part) for part in (first, *more)],
            tables=list(tables),
            files={path: ("0644", text)},
            listings=[StageListing(str(self.place / "etc/listing"), "inet", "t")],
        )

    def change(
        self, plan: ConfirmedPlan | None = None, timeout: int = 30, name: str = "1-00000001", limit: int = 60
    ) -> Change:
        """``limit`` is how many seconds the load may take."""
        return Change(replace(plan or self.plan(), id=name), timeout, limit=limit)

    def before(self, tool: str, script: str) -> Path:
        """Put lines of sh before a tool of the router, with its arguments; returns the file, to take it away again."""
        file = self.place / "bin" / tool
        real = file.with_name(f"{tool}.real")
        if file.exists():
            file.rename(real)
        goes_on = real if real.exists() else shutil.which(tool)
        file.write_text(f'#!/bin/sh\n{script}\nexec {goes_on} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
        return file

    def run(self, calls: Sequence[Call], connection: str = "192.0.2.1 1 192.0.2.2 22") -> Answer:
        """One exec, over the connection that sshd would describe so in SSH_CONNECTION."""
        # what the guard is started with on a router must be the shell under test
        script = compose(NONCE, FRAGMENTS, calls).replace("/bin/sh ", f"{self.sh} ").replace(" sh ", f" {self.sh} ")
        environment = {
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "SSH_CONNECTION": connection,
        }
        done = subprocess.run(
            [str(self.sh), "-s"],
            input=script.encode(),
            env=environment,
            cwd=self.place,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return parse(done.stdout.decode(), NONCE)

    def load(self, change: Change, wanted: str = "") -> Answer:
        """``wanted`` is how nft lists what shall be loaded, as rehearse would have found."""
        return self.run([("eval", f"wanted={shlex.quote(wanted)}"), *change.calls(change.phases()[0])])

    def confirm(self, change: Change, connection: str = "192.0.2.1 2 192.0.2.2 22") -> Answer:
        return self.run(change.calls(change.phases()[1]), connection)

    def state(self) -> ChangeState:
        return parse_change(self.run([("read_change", paths.RUN)])["change"].text)

    def guard(self) -> int:
        """The one that acts."""
        return list_guards(self.pending)[0]

    def end(self) -> None:
        """End all guards that are still there, and what would start them again."""
        end_guards(self.pending)

    def settled(self, seconds: float = 60) -> bool:
        """Wait until nothing is pending, and what was is removed."""
        until = time.monotonic() + seconds
        while (self.pending.exists() or list(self.home.glob("gone.*"))) and time.monotonic() < until:
            time.sleep(0.1)
        return not self.pending.exists()

    def end_window(self) -> None:
        """The deadline is over."""
        add_event(self.pending, "deadline 0")


def outcome(router: Sandbox) -> tuple[str, str]:
    """How the last change ended, and why."""
    last = router.state().last
    assert last is not None
    return last.word, last.reason
