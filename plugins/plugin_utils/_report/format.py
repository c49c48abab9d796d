# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The interface of a report format. A further one is a file like screen.py or json_file.py and a row in registry.py."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

from .._core.text import iterate_lines
from .fleet import FleetReport


class Line(NamedTuple):
    """One line for a terminal."""

    text: str
    color: str | None = None
    """as Ansible's display names it, such as red or bright purple; None: the terminal's own"""


class Format(ABC):
    """One form of the report. Pure: it renders text, and the callback shows or writes it."""

    name: ClassVar[str]
    """for messages, such as JSON"""
    target: ClassVar[Literal["screen", "full screen", "file"]]
    """what it writes: lines on the terminal at the end of a run, these where details are wanted (-v), or a file"""
    suffix: ClassVar[str] = ""
    """ending of the names of its files, such as .json; empty for the screen"""

    @abstractmethod
    def render(self, report: FleetReport) -> str:
        """The whole report as text, with a line end behind its last line; empty where there is nothing to show."""

    def lines(self, report: FleetReport, width: int) -> Iterator[Line]:
        """The report for a terminal ``width`` columns wide; a format with colours, or one that wraps, overrides it."""
        yield from map(Line, iterate_lines(self.render(report)))
