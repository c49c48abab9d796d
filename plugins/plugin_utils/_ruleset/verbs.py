# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What the ruleset module may do to a router besides a confirmed change: sh/apply/ruleset.sh."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.verbs import Verb


@dataclass(frozen=True)
class DryLoad(Verb):
    """Have nft check a text; a module that the kernel loads for it is unloaded again."""

    text: str


@dataclass(frozen=True)
class FlushConnections(Verb):
    """Flush connections between pairs of ends, each of them devices separated by blanks.

    With a ! before each of them an end is all other devices; an empty one is any device.
    """

    ends: tuple[str, ...]
    """from, to, from, to, ..."""


@dataclass(frozen=True)
class Rehearse(Verb):
    """Load the text for boot where nothing is but what boot will find, and keep how nft lists it in ``$wanted``."""

    mode: str
    """check: load no module; load: as boot would"""
    family: str
    table: str
    text: str
    scratch: str
    """name of a table for it where there is no network namespace"""
    edits: str
    """lines "NUMBER LINE", to be put in place of lines of the text, which makes it one for that table, which gets no
    packet"""
    named: str
    """what boot would not find by what the text looks like, as nft would print it; it counts where there is no network
    namespace, where nft itself tells"""
    host_names: tuple[str, ...]
    """line, name, line, name, ...: hosts that the text names"""
