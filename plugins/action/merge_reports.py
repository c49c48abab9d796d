# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON reports of several runs in, one report out, in any format. Asks no router anything."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..plugin_utils._core.action import OffloadAction, Options
from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._core.router import Router
from ..plugin_utils._report.fleet import STATES, FleetReport, compare_reports, merge_reports
from ..plugin_utils._report.json_file import parse_report
from ..plugin_utils._report.registry import choose_file_format
from ..plugin_utils._report.writing import replace_file

ARGUMENT_SPEC: dict[str, Any] = {
    "reports": {"type": "list", "elements": "path", "required": True},
    "path": {"type": "list", "elements": "path", "required": True},
    "before": {"type": "path"},
}


class ActionModule(OffloadAction):
    """The merge_reports action. It works on the controller, whichever host the task is for."""

    _requires_connection = False
    SPEC = ARGUMENT_SPEC

    def work(self, _router: Router, options: Options) -> dict[str, Any]:
        """Merge, compare, write; raises OffloadError before anything is written where a report cannot be read."""
        report = merge_reports([_read_report("reports", path) for path in _list_files(options["reports"])])
        if options["before"]:
            report = compare_reports(report, _read_report("before", options["before"]))
        texts = {path: choose_file_format(Path(path)).render(report) for path in options["path"]}
        differing = [path for path, text in texts.items() if _read_text(path) != text]
        for path in [] if self.check_mode else differing:
            _write(path, texts[path])
        found = Counter(router.state for router in report.routers.values())
        return {
            "changed": bool(differing),
            "routers": len(report.routers),
            "states": {state: found[state] for state in STATES},
            "changes": {name: change.kind for name, change in report.changes.items()},
        }


def _list_files(patterns: Sequence[str]) -> list[str]:
    """The files that the option ``reports`` names, each once."""
    found: list[str] = []
    for pattern in patterns:
        files = sorted(glob.glob(pattern, recursive=True))
        if not files:
            raise OffloadError(
                f"option reports: there is no file {pattern}",
                "name JSON reports that the callback kmod.nft_offload.fleet_report wrote",
            )
        found += files
    return list(dict.fromkeys(found))


def _read_report(option: str, path: str) -> FleetReport:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise OffloadError(
            f"option {option}: {path} cannot be read: {getattr(error, 'strerror', None) or error}",
            "name a JSON report that can be read here, on the controller",
        ) from None
    return parse_report(text, f"option {option}: {path}")


def _read_text(path: str) -> str | None:
    """None: there is none that could stay."""
    try:
        return None if Path(path).is_symlink() else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _write(path: str, text: str) -> None:
    try:
        replace_file(Path(path), text)
    except (OSError, UnicodeError) as error:
        raise OffloadError(
            f"option path: {path} cannot be written: {getattr(error, 'strerror', None) or error}",
            "name a file that can be written here, on the controller",
        ) from None
