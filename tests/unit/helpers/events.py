# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a pending change, and the guards that they name. ``pending`` is the directory of the change."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def read_events(pending: Path) -> list[list[str]]:
    """The words of each event; none where nothing is pending."""
    with contextlib.suppress(OSError):
        lines = (pending / "events").read_text(encoding="utf-8").splitlines()
        return [line.removesuffix(" .").split()[1:] for line in lines]
    return []


def has_event(pending: Path, word: str) -> bool:
    """Whether there is an event of that name."""
    return any(words[:1] == [word] for words in read_events(pending))


def add_event(pending: Path, event: str) -> None:
    """Append one, as everybody does."""
    change = (pending / "id").read_text(encoding="utf-8").strip()
    with (pending / "events").open("a", encoding="utf-8") as events:
        events.write(f"{change} {event} .\n")


def list_guards(pending: Path) -> list[int]:
    """The guards that are alive, in the order of their claims: the first one acts."""
    claims = [words[1:] for words in read_events(pending) if words[0] == "guard"]
    return [int(pid) for pid, start in claims if _started(pid) == start]


def end_guards(pending: Path) -> None:
    """Kill them all, and what would start them again."""
    with contextlib.suppress(OSError):
        for guard in list_guards(pending):
            parent = int(Path(f"/proc/{guard}/stat").read_text().rpartition(")")[2].split()[1])
            for pid in (parent, guard):
                if pid > 1:
                    os.kill(pid, signal.SIGKILL)


def _started(pid: str) -> str:
    """When the process was started, as the kernel counts; empty where there is none."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""
