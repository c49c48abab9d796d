# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as Markdown, for a merge request or a chat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from .._verify.finding import RUNGS
from .fleet import CHANGES, FleetReport, RouterReport
from .format import Format

SIGNS = {"proven": "✓", "unproven": "?", "failed": "✗", "not_applicable": "·"}
"""status of a rung -> its sign in the table"""


class MarkdownFile(Format):
    """A table of routers and rungs, then what is not well.

    All that a router or an inventory had a part in stands in spans of code, where nothing is a link, HTML or the
    mention of a person.
    """

    name = "Markdown"
    target = "file"
    suffix = ".md"

    def render(self, report: FleetReport) -> str:
        """In GitHub's flavour, for the table."""
        return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: FleetReport) -> Iterator[str]:
    yield "# Fleet report"
    yield ""
    verdicts = Counter(router.stands for router in report.routers.values())
    failing = sum(router.fails for router in report.routers.values())
    number = len(report.routers)
    yield (
        f"**{number} router{'s' * (number != 1)}, {failing} with errors.** "
        f"Verdicts: {', '.join(f'{_span(name)} {number}' for name, number in verdicts.most_common()) or 'none'}."
    )
    for kind, words in CHANGES.items():
        if names := [name for name, change in report.changes.items() if change.kind == kind]:
            yield ""
            yield f"{words[0].upper()}{words[1:]}: {', '.join(map(_span, names))}."
    yield ""
    yield f"| router | verdict | {' | '.join(f'{number} {name}' for number, name in enumerate(RUNGS, start=1))} |"
    yield f"|---|---|{':-:|' * len(RUNGS)}"
    yield from (
        f"| {_cell(name)} | {_cell(router.stands)} |{_signs(router)}" for name, router in report.routers.items()
    )
    yield ""
    yield ", ".join(f"{sign} {status.replace('_', ' ')}" for status, sign in SIGNS.items())
    for name, router in report.routers.items():
        found = [finding for finding in router.findings if finding.severity != "info"]
        if found:
            yield ""
            yield f"## {_span(name)}"
            yield ""
        for finding in found:
            yield f"- **{_span(finding.severity)}** {_span(finding.id)}: {_span(finding.message)}"
            yield f"  - remedy: {_span(finding.remedy)}"


def _signs(router: RouterReport) -> str:
    return "".join(f" {SIGNS.get(router.statuses.get(rung, ''), '')} |" for rung in RUNGS)


def _span(text: str) -> str:
    """A span of code, on one line; in a fence that is longer than any within it."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}" if line else ""


def _cell(text: str) -> str:
    """A span in a table, where a bar ends a cell even within code; one behind a backslash cannot be written there."""
    return _span(text.replace("|", "¦"))
