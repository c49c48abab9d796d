# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from .._core.errors import OffloadError
from .fleet import CHANGES, Change, FleetReport, parse_router
from .format import Format

VERSION: Final = 1
"""of the form, which docs/fleet_report.schema.json describes: another one where a reader of this one would go wrong"""


class JsonFile(Format):
    """``{"version": 1, "made": ..., "routers": {NAME: {"verdict": ..., "rung": ..., "findings": ..., ...}}}``"""

    name = "JSON"
    target = "file"
    suffix = ".json"

    def render(self, report: FleetReport) -> str:
        """One object with an indentation of two blanks."""
        times = {"made": report.made, "compared": report.compared}
        written = {name: time and time.isoformat(timespec="seconds") for name, time in times.items()}
        return json.dumps({"version": VERSION, **asdict(report), **written}, indent=2) + "\n"


def parse_report(text: str, name: str) -> FleetReport:
    """The report that a JSON file holds; raises OffloadError, with ``name`` for the file, where it is none of ours."""
    try:
        written = json.loads(text)
        if written["version"] != VERSION:
            raise ValueError(f"its form has the version {written['version']!r}, and this collection reads {VERSION}")
        made, compared = (written[key] and datetime.fromisoformat(written[key]) for key in ("made", "compared"))
        routers = {str(router): parse_router(found) for router, found in written["routers"].items()}
        changes = {str(router): _parse_change(found) for router, found in written["changes"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{error} is missing in it" if isinstance(error, KeyError) else error
        raise OffloadError(
            f"{name} is no JSON report of fleet_report: {reason}",
            "name a file that the callback kmod.nft_offload.fleet_report of this version wrote as JSON",
        ) from None
    return FleetReport(routers, made, changes, compared)


def _parse_change(change: Mapping[str, Any]) -> Change:
    """One of ``changes``."""
    if change["kind"] not in CHANGES:
        raise ValueError(f"{change['kind']!r} is no change")
    return Change(*(str(change[key]) for key in ("kind", "verdict", "state")))
