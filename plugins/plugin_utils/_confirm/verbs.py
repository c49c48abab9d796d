# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a confirmed change is made of on the router: sh/apply/change.sh."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.verbs import Verb


@dataclass(frozen=True)
class Begin(Verb):
    """Take the lock and keep what the router runs."""

    run: str
    """directory of what is pending"""
    confirmed_file: str
    """names the ruleset that was confirmed last"""
    confirmed: str
    """what was read of that file"""
    id: str
    timeout: int
    """seconds"""
    guard: str
    """text of the guard's script"""
    tables: tuple[str, ...]
    """family, name, family, name, ... of the tables that will be loaded"""


@dataclass(frozen=True)
class NoteFiles(Verb):
    """Tell the guard which files are staged now or later."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class Queue(Verb):
    """Hand one transaction to the guard, which loads them in the order of their numbers."""

    number: int
    text: str


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
    """Rename staged files into place; once ``mark`` is there, the next boot would finish it."""

    mark: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class CheckHere(Verb):
    """Run a check on the router, ``timeout`` seconds at most."""

    timeout: int
    command: tuple[str, ...]
