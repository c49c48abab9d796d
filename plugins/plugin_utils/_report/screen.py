# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report on the terminal: each router with its rungs, their evidence, and its findings with their remedies."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from .fleet import FleetReport, RouterReport
from .format import Format, Line

COLORS = {"proven": "green", "failed": "red", "unproven": "yellow", "error": "red", "warning": "bright purple"}
"""status of a rung or severity of a finding -> color"""
NARROWEST, USUAL = 60, 80
"""columns"""


class Screen(Format):
    """Lines with colours, wrapped at the terminal's width."""

    name = "screen"
    target = "screen"

    def render(self, report: FleetReport) -> str:
        """The lines of a terminal of USUAL columns, without colours."""
        return "".join(f"{line.text}\n" for line in self.lines(report, USUAL))

    def lines(self, report: FleetReport, width: int) -> Iterator[Line]:
        """A head, then each router behind an empty line; nothing for no router."""
        if not report.routers:
            return
        width = max(width, NARROWEST)
        yield Line("")
        yield Line(f"FLEET REPORT {'*' * (width - 13)}")
        for name, router in report.routers.items():
            yield Line("")
            yield from _router_lines(name, router, width)
        yield Line("")


def _router_lines(name: str, router: RouterReport, width: int) -> Iterator[Line]:
    """Its verdict, its rungs with their evidence, its findings with their remedies."""
    rung = f" (rung {router.rung} of 7)" if router.rung else ""
    yield Line(f"{name}: {router.verdict}{rung}", "red" if router.fails else "green" if router.rung else None)
    for result in router.rungs:
        head = f"  {result.number} {result.name:<12}{result.status.replace('_', ' '):<15}"
        color = COLORS.get(result.status)
        for number, line in enumerate(_wrap(result.evidence or result.findings or ("",), width, len(head))):
            yield Line(f"{'' if number else head:<{len(head)}}{line}".rstrip(), color)
    for finding in router.findings:
        color = COLORS.get(finding.severity)
        for line in _wrap([f"{finding.severity} {finding.id}: {finding.message}"], width, 2):
            yield Line(f"  {line}", color)
        for line in _wrap([f"remedy: {finding.remedy}"], width, 4):
            yield Line(f"    {line}", color)


def _wrap(texts: Iterable[str], width: int, indent: int) -> Iterator[str]:
    """Each text on lines of its own, with room for an indentation; an empty one is one empty line."""
    for text in texts:
        lines = textwrap.wrap(text, width - indent - 1, subsequent_indent="  ", break_on_hyphens=False)
        yield from lines or [""]
