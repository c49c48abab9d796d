# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rulesets that were confirmed before, kept on the router with their ids. Pure: no I/O.

The file that names the one confirmed last has a digest of the files for boot beside it, so that a ruleset that was
changed by hand is not taken for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import takewhile

from .._confirm.ids import ID, number
from .._core import paths
from .._core.errors import OffloadError

MOST_KEPT = 3
DEVICE_HEAD = "# device "


def confirmation(change: str, ruleset: str, devices: str) -> str:
    """The line of paths.CONFIRMED for these texts: the id of the change that made them, and a digest of them."""
    digest = hashlib.sha256("\0".join((ruleset, devices)).encode()).hexdigest()
    return f"{change} {digest[:16]}"


def path(change: str) -> str:
    """Path of the kept ruleset of that id."""
    return f"{paths.HISTORY}/{change}.nft"


def kept_text(change: str, ruleset: str, devices: str) -> str:
    """The kept file: the text for boot as it was, after a head with the devices' commands."""
    head = "".join(f"{DEVICE_HEAD}{line}\n" for line in devices.split("\n") if line)
    return f"# Ruleset {change} of kmod.nft_offload, confirmed on this router.\n{head}{ruleset}"


def read_kept_text(text: str) -> tuple[str, str]:
    """(text for boot, devices file) of a kept file."""
    lines = text.split("\n")[1:]
    devices = list(takewhile(lambda line: line.startswith(DEVICE_HEAD), lines))
    return "\n".join(lines[len(devices) :]), "".join(f"{line.removeprefix(DEVICE_HEAD)}\n" for line in devices)


def kept_ids(names: Iterable[str]) -> tuple[str, ...]:
    """Ids of the files in the history, oldest first; other files are not ours."""
    return tuple(
        sorted((name.removesuffix(".nft") for name in names if ID.match(name.removesuffix(".nft"))), key=number)
    )


def ids_to_forget(kept: Sequence[str], current: str, added: str = "") -> list[str]:
    """Ids to delete once ``current`` is confirmed and ``added`` is kept: all but the newest, and the current one."""
    others = [change for change in sorted(kept, key=number) if change not in (current, added)]
    room = MOST_KEPT - bool(added)
    return sorted({*others[: max(0, len(others) - room)], *({current} & set(kept))}, key=number)


def choose_id(which: str, current: str, kept: Sequence[str]) -> str | None:
    """The id for ``which``: ``last``, ``previous`` or an id. Empty is no ruleset, None the one confirmed now.

    ``previous`` is the one before the newest, none where the newest is the first. It counts as reached on a router that
    runs an older one than the newest, so that a second run, as a fleet with one lost router needs it, changes nothing.
    """
    if which == "previous":
        older = [change for change in kept if number(change) < number(current)]
        if not current or any(number(change) > number(current) for change in kept):
            return None
        return older[-1] if older else ""
    if which in ("last", current):
        if not current:
            raise OffloadError("no ruleset was ever confirmed on this router", "load one, or use state: absent")
        return None
    if which not in kept:
        known = ", ".join([*kept, *([current] if current else [])]) or "none"
        raise OffloadError(
            f"option id: ruleset {which} is not kept on this router", f"choose one that is kept: {known}"
        )
    return which
