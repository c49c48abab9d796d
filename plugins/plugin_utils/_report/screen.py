# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report on the terminal: totals, a line for each router, and what is not well in full."""

from __future__ import annotations

import textwrap
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator

from .._verify.finding import RUNGS
from .fleet import CHANGES, STATES, FleetReport, RouterReport
from .format import Format, Line

COLORS = {
    "proven": "green",
    "failed": "red",
    "unproven": "yellow",
    "error": "red",
    "warning": "bright purple",
    "unknown": "red",
    "warned": "bright purple",
    "well": "green",
    "worse": "red",
    "better": "green",
}
"""status of a rung, severity of a finding, state of a router, or what became of it -> color"""
SIGNS = {"proven": "+", "unproven": "?", "failed": "x", "not_applicable": "."}
"""status of a rung -> its sign in a router's line, which any terminal can show"""
NARROWEST, USUAL = 60, 80
"""columns"""
_VERDICT = max(map(len, RUNGS))
_BESIDE_NAME = 50
"""columns at least for what stands beside a router's name, with room for a device"""
_MOST_NAMES = 20
"""of routers on a line that lists them"""


class _Terminal(Format):
    """Lines with colours, wrapped at the terminal's width."""

    def render(self, report: FleetReport) -> str:
        """The lines of a terminal of USUAL columns, without colours."""
        return "".join(f"{line.text}\n" for line in self.lines(report, USUAL))

    def lines(self, report: FleetReport, width: int) -> Iterator[Line]:
        """A head, totals, routers, then details; nothing for no router."""
        if not report.routers and not report.changes:
            return
        width = max(width, NARROWEST)
        yield Line("")
        yield Line(f"FLEET REPORT {'*' * (width - 13)}")
        yield from _total_lines(report, width)
        yield Line("")
        yield from _table_lines(report, width)
        for name, router in report.routers.items():
            yield from self.details(name, router, width)
        yield Line("")

    @abstractmethod
    def details(self, name: str, router: RouterReport, width: int) -> Iterator[Line]:
        """What there is on one router behind the table, with an empty line before it."""


class Screen(_Terminal):
    """The findings of routers that are not well."""

    name = "screen"
    target = "screen"

    def details(self, name: str, router: RouterReport, width: int) -> Iterator[Line]:
        """Its errors and warnings with their remedies; nothing for one that is well."""
        if router.state != "well":
            yield Line("")
            yield from _headlines(name, router, width)
            yield from _finding_lines(router, width, ("error", "warning"))


class FullScreen(_Terminal):
    """Every router in full."""

    name = "screen in full"
    target = "full screen"

    def details(self, name: str, router: RouterReport, width: int) -> Iterator[Line]:
        """Its rungs with their evidence, its findings with their remedies."""
        yield Line("")
        yield from _headlines(name, router, width)
        for result in router.rungs:
            head = f"  {result.number} {result.name:<12}{result.status.replace('_', ' '):<15}"
            color = COLORS.get(result.status)
            for number, line in enumerate(_wrap(result.evidence or result.findings or ("",), width, len(head))):
                yield Line(f"{'' if number else head:<{len(head)}}{line}".rstrip(), color)
        yield from _finding_lines(router, width, ("error", "warning", "info"))


def _total_lines(report: FleetReport, width: int) -> Iterator[Line]:
    """How many routers there are of each state: of all, and of each group where there are several."""
    yield from _total_line("all", report.routers.values(), width)
    groups: dict[str, list[RouterReport]] = {}
    for router in report.routers.values():
        for group in router.groups:
            groups.setdefault(group, []).append(router)
    for group, routers in sorted(groups.items()) if len(groups) > 1 else ():
        yield from _total_line(group, routers, width)
    before = report.comparison and report.comparison.made
    since = f" since {before:%Y-%m-%d %H:%M} {before.tzname()}" if before else ""
    for kind, words in CHANGES.items():
        if names := [name for name, change in report.changes.items() if change.kind == kind]:
            more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            for line in _wrap([f"{words}{since}: {', '.join(names[:_MOST_NAMES])}{more}"], width, 0):
                yield Line(line, COLORS.get(kind))


def _total_line(group: str, routers: Iterable[RouterReport], width: int) -> Iterator[Line]:
    found = Counter(router.state for router in routers)
    states = [state for state in STATES if found[state]]
    parts = ", ".join(f"{found[state]} {STATES[state]}" for state in states)
    number = found.total()
    for line in _wrap([f"{group}: {number} router{'s' * (number != 1)}: {parts or 'none'}"], width, 0):
        yield Line(line, COLORS.get(states[0]) if states else None)


def _table_lines(report: FleetReport, width: int) -> Iterator[Line]:
    """A line for each router, those that are worst off first."""
    order = list(STATES)
    routers = sorted(report.routers.items(), key=lambda one: order.index(one[1].state))
    room = min(max([len("router"), *map(_count_columns, report.routers)]), width - _BESIDE_NAME)
    numbers = "".join(str(number) for number in range(1, len(RUNGS) + 1))
    yield Line(f"{'router':<{room}}  {'verdict':<{_VERDICT}}  {numbers}   slow  in flowtables")
    for name, router in routers:
        signs = "".join(SIGNS.get(router.statuses.get(rung, ""), " ") for rung in RUNGS)
        share = router.traffic.slow_share if router.traffic else None
        slow = "" if share is None else f"{share:.0f} %" if not 0 < share < 1 else "<1 %"
        cells = f"  {router.stands:<{_VERDICT}}  {signs}  {slow:>5}  "
        *before, last = _wrap([name], room + 1, 0)
        first, *after = _wrap([router.describe_listed()], width, room + len(cells))
        indent = " " * (room + len(cells))
        row = f"{last}{' ' * (room - _count_columns(last))}{cells}{first}".rstrip()
        for line in (*before, row, *(f"{indent}{line}" for line in after)):
            yield Line(line, COLORS.get(router.state))
    yield Line(", ".join(f"{sign} {status.replace('_', ' ')}" for status, sign in SIGNS.items()))


def _headlines(name: str, router: RouterReport, width: int) -> Iterator[Line]:
    rung = f" (rung {router.rung} of 7)" if router.rung else ""
    for line in _wrap([f"{name}: {router.stands}{rung}"], width, 0):
        yield Line(line, COLORS.get(router.state))
    if router.cost_compared:
        for line in _wrap([router.cost_compared], width, 2):
            yield Line(f"  {line}")


def _finding_lines(router: RouterReport, width: int, severities: Iterable[str]) -> Iterator[Line]:
    for finding in router.findings:
        if finding.severity not in severities:
            continue
        color = COLORS.get(finding.severity)
        for line in _wrap([f"{finding.severity} {finding.id}: {finding.message}"], width, 2):
            yield Line(f"  {line}", color)
        for line in _wrap([f"remedy: {finding.remedy}"], width, 4):
            yield Line(f"    {line}", color)


def _wrap(texts: Iterable[str], width: int, indent: int) -> Iterator[str]:
    """Each text on lines of its own, with room for an indentation; an empty one is one empty line."""
    for text in texts:
        room = width - indent - 1
        if _count_columns(text) > len(text):
            room //= 2  # a line may be of wide characters alone
        yield from textwrap.wrap(text, room, subsequent_indent="  ", break_on_hyphens=False) or [""]


def _count_columns(text: str) -> int:
    """Columns of a terminal: ideographs take two, marks on a letter none."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )
