# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A verb: one call of a shell function of sh/apply, as data. Those of sh/apply/steps.sh, which every change may use."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from .sections import Call


@dataclass(frozen=True)
class Verb:
    """One call of the shell function that is named like the class: ``LoadModules`` is ``load_modules``.

    The fields are its arguments, in order. A field that is a tuple of strings is as many arguments, and the last one.
    """

    @classmethod
    def function(cls) -> str:
        """The name of the shell function."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def call(self) -> Call:
        """The function's name and its arguments as words."""
        words = [self.function()]
        for field in fields(self):
            value = getattr(self, field.name)
            words += value if isinstance(value, tuple) else [str(value)]
        return tuple(words)


@dataclass(frozen=True)
class Stage(Verb):
    """Write a file beside its target; ``mode`` is an octal number such as 0644."""

    path: str
    mode: str
    text: str


@dataclass(frozen=True)
class Removable(Verb):
    """See whether a file can be removed, before anything changes."""

    path: str


@dataclass(frozen=True)
class Commit(Verb):
    """Rename every staged file into place."""


@dataclass(frozen=True)
class Remove(Verb):
    """Remove a file, and its directory where that is ours and empty then."""

    path: str
