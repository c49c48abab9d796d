# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as one HTML file to look at: it opens from a disk, from a CI job's artifacts, and in print."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Final

import jinja2

from .._verify.finding import RUNGS
from .fleet import CHANGES, STATES, FleetReport
from .format import Format

PAGE: Final = Path(__file__).with_name("page")
"""the page's template, its style and its script"""


class HtmlFile(Format):
    """A table of routers and rungs, with a filter and a page for each router.

    The table is in the file as it is shown; a router's page is drawn by the script, from the report as JSON. Whatever
    is in it is text: the template escapes it, the script sets it as text, and the page's own policy forbids every other
    script, every other style, and every connection.
    """

    name = "HTML"
    target = "file"
    suffix = ".html"

    def render(self, report: FleetReport) -> str:
        """A whole document."""
        style, script = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        template = environment.from_string((PAGE / "page.html.j2").read_text(encoding="utf-8"))
        found = Counter(router.state for router in report.routers.values())
        changes = Counter(change.kind for change in report.changes.values())
        text = template.render(
            report=report,
            rungs=RUNGS,
            states={words: found[state] for state, words in STATES.items()},
            changes={words: changes[kind] for kind, words in CHANGES.items()},
            change_words=CHANGES,
            order={state: number for number, state in enumerate(STATES)},
            style=style,
            script=script,
            policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src {_source(style)};"
            f" script-src {_source(script)}",
            data=_as_data(report),
        )
        return f"{text}\n"


def _source(text: str) -> str:
    """What the policy of a page calls an element with exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _as_data(report: FleetReport) -> str:
    """The routers as JSON that can stand in an element ``script``: nothing in it ends the element."""
    routers = {
        name: {
            **asdict(router),
            "state": router.state,
            "stands": router.stands,
            "change": asdict(change) if change else None,
        }
        for name, router in report.routers.items()
        for change in [report.changes.get(name)]
    }
    text = json.dumps(routers, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
