# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from .._core.errors import OffloadError
from .._core.values import build
from .fleet import FleetReport
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
        written = {"version": VERSION, **asdict(report)}
        return json.dumps(written, indent=2, allow_nan=False, default=_write_time) + "\n"


def parse_report(text: str, name: str) -> FleetReport:
    """The report that a JSON file holds; raises OffloadError, with ``name`` for the file, where it is none of ours."""
    try:
        report: FleetReport = build(FleetReport, _read_object(text), "it")
    except (ValueError, RecursionError) as error:
        raise OffloadError(
            f"{name} is no JSON report of fleet_report: {error}",
            "name a file that the callback kmod.nft_offload.fleet_report of this version wrote as JSON",
        ) from None
    return report


def _read_object(text: str) -> dict[str, Any]:
    """The object of a file less its version; raises ValueError."""
    written = json.loads(text)
    if not isinstance(written, dict) or "version" not in written:
        raise ValueError("it is not an object with a version")
    version = written.pop("version")
    if version is True or version != VERSION:
        raise ValueError(f"its form has the version {version!r:.80}, and this collection reads {VERSION}")
    return written


def _write_time(value: datetime) -> str:
    return value.isoformat(timespec="seconds")
