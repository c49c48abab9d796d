# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report as a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict

from .fleet import FleetReport
from .format import Format


class JsonFile(Format):
    """``{"routers": {NAME: {"verdict": ..., "rung": ..., "unproven": ..., "rungs": ..., "findings": ...}}}``"""

    name = "JSON"
    target = "file"
    suffix = ".json"

    def render(self, report: FleetReport) -> str:
        """One object with an indentation of two blanks."""
        return json.dumps(asdict(report), indent=2) + "\n"
