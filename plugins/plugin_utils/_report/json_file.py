# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

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
        made = report.made and report.made.isoformat(timespec="seconds")
        return json.dumps({"version": VERSION, **asdict(report), "made": made}, indent=2) + "\n"
