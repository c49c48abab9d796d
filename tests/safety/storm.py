# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real guard and the real execs, on a router that is a directory, while processes of theirs are killed at random.

What the model says of the protocol, this tries on the scripts that follow it. usage: make storm STORM="[ROUNDS] [SEED]"
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import Change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths

from tests.unit.helpers.contained import contain
from tests.unit.helpers.events import list_guards, read_events
from tests.unit.helpers.sandbox import NEW, OLD, Sandbox
from tests.unit.helpers.shells import ROUTER_SHELLS

TIMEOUT = 2
PATIENCE = 130
"""seconds after which a change that a guard watches over must be over"""
THIRD = NEW.replace("drop", "accept").replace("priority 0", "priority 5")


@dataclass
class Round:
    """One change in a storm."""

    router: Sandbox
    random: random.Random
    told: str = ""
    """what the controller learnt: confirmed, undone"""
    log: list[str] = field(default_factory=list)

    def controller(self, change: Change) -> None:
        """Loads; then confirms, gives up, or is never heard of again."""
        self.random.random()
        act = self.random.choice(["confirm", "confirm", "confirm", "give up", "vanish"])
        with contextlib.suppress(Exception):
            self.router.load(change)
        time.sleep(self.random.choice([0, 0, 0.5, TIMEOUT]))
        for _attempt in range(3):
            if act == "vanish":
                return
            with contextlib.suppress(Exception):
                if act == "confirm":
                    self.router.confirm(change)
                else:
                    self.router.run(change.give_up("a storm"))
                last = self.router.state().last
                if last is not None and last.id == change.id:
                    self.told = {"confirmed": "confirmed", "rolled_back": "undone", "failed": "undone"}.get(
                        last.word, ""
                    )
                    return
            time.sleep(0.5)

    def processes(self) -> Iterator[tuple[int, str]]:
        """Those of the router, with their command lines."""
        mark = str(self.router.place).encode()
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(path.name) != os.getpid() and mark in (path / "environ").read_bytes():
                    yield int(path.name), (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")

    def strike(self) -> None:
        """Kill or stop one of them. A guard's supervisor is gone for good then, so that only one may be hit."""
        victims = list(self.processes())
        if not victims:
            return
        pid, words = self.random.choice(victims)
        supervisor = "supervise" in words
        stops = self.random.random() < 0.25
        if (supervisor or stops) and any("for good" in line for line in self.log):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP if stops else signal.SIGKILL)
        good = " for good" if supervisor or stops else ""
        self.log.append(f"{time.monotonic():.2f} {'stopped' if stops else 'killed'}{good}: {pid} {words[:160]}")


def weather(place: Path, shell: Sequence[str], seed: int) -> str:
    """One round; returns what is wrong, or nothing."""
    contain()
    paths.RUN = str(place / "run/nft-offload")
    paths.CONFIRMED = str(place / "etc/confirmed")
    paths.COMMITTING = str(place / "etc/committing")
    chance = random.Random(seed)
    router = Sandbox(place, shell)
    router.set_table(OLD)
    (place / "etc/ruleset.nft").write_text(OLD)
    one = Round(router, chance)
    change = router.change(timeout=TIMEOUT, limit=4)
    controller = threading.Thread(target=one.controller, args=(change,))
    controller.start()
    for _strike in range(chance.randint(1, 3)):
        time.sleep(chance.random() * 2.5)
        one.strike()
    controller.join()
    if not router.pending.exists() and not (router.home / "last").exists() and not one.log:
        return "nothing happened: is the place right?"
    guarded = bool(list_guards(router.pending))
    begun = time.monotonic()
    while router.pending.exists() and time.monotonic() < begun + PATIENCE and (guarded or list_guards(router.pending)):
        time.sleep(0.2)
    problem = ""
    stays = router.pending.exists()
    if stays and list_guards(router.pending):
        problem = f"a change stays pending: {read_events(router.pending)}"
    problem = problem or _judge(router, one, settled=not stays)
    if not problem and stays:
        problem = _take_over(router)
    for pid, _words in one.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return "\n".join([problem, *one.log]) if problem else ""


def _judge(router: Sandbox, one: Round, *, settled: bool) -> str:
    words = {OLD: "old", NEW: "new"}
    live, boot = words.get(router.table() or "", "?"), words.get(router.etc("ruleset.nft") or "", "?")
    if settled and live != boot:
        return f"live is {live}, boot is {boot}, told {one.told!r}, last {router.state().last}"
    if one.told == "confirmed" and "old" in (live, boot):
        return f"told confirmed, live is {live}, boot is {boot}"
    if one.told == "undone" and "new" in (live, boot):
        return f"told undone, live is {live}, boot is {boot}"
    return ""


def _take_over(router: Sandbox) -> str:
    """The next controller finds what everybody left behind, and has its own change in the end."""
    until = time.monotonic() + 150
    while time.monotonic() < until:
        change = router.change(router.plan(THIRD), timeout=20, name="2-00000002", limit=10)
        with contextlib.suppress(Exception):
            router.load(change)
            router.confirm(change)
        if (router.table(), router.etc("ruleset.nft")) == (THIRD, THIRD) and router.settled(5):
            return ""
        time.sleep(2)
    return f"the next controller cannot go on: {read_events(router.pending)}, live is {router.table()}"


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    wrong = 0
    for seed in range(first, first + rounds):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="nft-storm-", ignore_cleanup_errors=True) as place:
            problem = weather(Path(place), ROUTER_SHELLS[seed % len(ROUTER_SHELLS)], seed)
        wrong += bool(problem)
        print(f"seed {seed}, {time.monotonic() - began:.0f} s: {problem or 'nothing is wrong'}", flush=True)
    print(f"{rounds} storms, {wrong} of them with something wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
