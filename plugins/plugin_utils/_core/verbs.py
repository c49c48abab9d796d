# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A verb: one call of a shell function of sh/apply, as data. Those of sh/apply/steps.sh, which every change may use."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import ClassVar

from .sections import Call


@dataclass(frozen=True)
class Verb:
    """One call of the shell function that is named like the class: ``LoadModules`` is ``load_modules``.

    The fields are its arguments, in order. A field that is a tuple of strings, or a verb that the function calls in its
    turn, is as many arguments, and the last one.
    """

    FUNCTION: ClassVar[str] = ""
    """the function's name where the class has another one"""

    @classmethod
    def function(cls) -> str:
        """The name of the shell function."""
        return cls.FUNCTION or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def call(self) -> Call:
        """The function's name and its arguments as words."""
        words = [self.function()]
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Verb):
                words += value.call
            else:
                words += value if isinstance(value, tuple) else [str(value)]
        return tuple(words)


@dataclass(frozen=True)
class PrintSection(Verb):
    """Print what a verb prints as a section of the answer, whatever came before."""

    FUNCTION: ClassVar[str] = "section"
    name: str
    verb: Verb


@dataclass(frozen=True)
class RunStep(Verb):
    """Run a verb as the section step.NUMBER, unless an earlier step failed."""

    FUNCTION: ClassVar[str] = "step"
    number: int
    verb: Verb


@dataclass(frozen=True)
class UndoStep(Verb):
    """Run a verb as the section undo.NUMBER, if a step failed after something live was changed."""

    FUNCTION: ClassVar[str] = "undo"
    number: int
    verb: Verb


@dataclass(frozen=True)
class Finish(Verb):
    """Clear away what is still staged."""


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
