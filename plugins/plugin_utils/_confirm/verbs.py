# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a confirmed change is made of on the router: sh/apply/change.sh, commit.sh and checks.sh."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._core.verbs import Verb


@dataclass(frozen=True)
class Begin(Verb):
    """Take the lock and keep what the router runs."""

    run: str
    """directory of what is pending"""
    confirmed: str
    """path of the file that names the ruleset confirmed last"""
    confirmation: str
    """text of that file as it was read"""
    id: str
    timeout: int
    """seconds that it waits to be confirmed; 0: it does not"""
    limit: int
    """seconds that the load may take"""
    guard: str
    """text of the guard's script"""
    tables: tuple[str, ...]
    """family, name, path, family, ... of the tables that will be loaded; the path is of the text that made it, or -"""


@dataclass(frozen=True)
class NoteFiles(Verb):
    """List for the guard the files that are staged now or later."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class Queue(Verb):
    """Hand one transaction to the guard, which loads them in the order of their numbers."""

    number: int
    text: str


@dataclass(frozen=True)
class WatchBefore(Verb):
    """Count what the router forwards before the change (sh/apply/witness.sh); nothing that it meets is an error."""

    seconds: int


@dataclass(frozen=True)
class WatchAfter(Verb):
    """Count it again after the change, for as long as ``longest`` seconds while a direction has less than before."""

    seconds: int
    longest: int
    percent: str
    """less than so much of the packets before"""


@dataclass(frozen=True)
class LoadGuarded(Verb):
    """Have the guard load what is queued, and wait for what nft prints."""


@dataclass(frozen=True)
class Hold(Verb):
    """Go on with a change that an earlier exec began."""

    run: str
    id: str


@dataclass(frozen=True)
class Confirm(Verb):
    """Decide for the change; ``connection`` is new where it must not be the one that loaded it, else same."""

    connection: str


@dataclass(frozen=True)
class CommitChange(Verb):
    """Rename staged files into place; once ``journal`` lists them, the next boot would finish it."""

    journal: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class CheckHere(Verb):
    """Run a check on the router, ``timeout`` seconds at most."""

    timeout: int
    check: Verb


@dataclass(frozen=True)
class Reach(Verb):
    """See whether an address or a name answers an echo request."""

    address: str


@dataclass(frozen=True)
class Resolve(Verb):
    """See whether a name resolves."""

    name: str


@dataclass(frozen=True)
class Gateway(Verb):
    """See whether the gateway of a default route answers."""

    family: str
    """ipv4 or ipv6"""


@dataclass(frozen=True)
class CheckCommand(Verb):
    """See whether a shell command succeeds, which may hold a secret.

    ``shown`` is yes or no: whether the router prints the end of what it prints, and that without ``hidden``.
    """

    text: str = field(repr=False)
    shown: str
    hidden: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class StageListing(Verb):
    """Stage a file with how the kernel lists the table now."""

    path: str
    family: str
    table: str


@dataclass(frozen=True)
class ExpectGone(Verb):
    """Note tables that were dropped, and must still be gone at the confirmation."""

    tables: tuple[str, ...]
    """family, name, family, name, ..."""


@dataclass(frozen=True)
class GiveUp(Verb):
    """Undo the change at once; ``reason`` goes to the router's log."""

    run: str
    id: str
    reason: str


@dataclass(frozen=True)
class Abandon(Verb):
    """Give the change up as the section abandon, if a step failed before the files were put in place."""

    run: str
    id: str
    reason: str


@dataclass(frozen=True)
class Settle(Verb):
    """Release the lock of a change whose files are in place; clear away what is staged of one that failed."""

    run: str
    id: str
