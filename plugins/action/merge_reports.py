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
_REMEDY = "name JSON reports that the callback kmod.nft_offload.fleet_report wrote"


class ActionModule(OffloadAction):
    """The merge_reports action. It works on the controller, once for all hosts of the task."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    SPEC = ARGUMENT_SPEC

    def work(self, _router: Router, options: Options) -> dict[str, Any]:
        """Merge, compare, write; raises OffloadError before anything is written where a report cannot be read."""
        files = _list_files(options["reports"], options["path"])
        report = merge_reports([_read_report("reports", path) for path in files])
        if options["before"] is not None:
            report = compare_reports(report, _read_report("before", options["before"]))
        texts = {path: choose_file_format(Path(path)).render(report) for path in options["path"]}
        differing = [path for path, text in texts.items() if _read_text(path) != text]
        for number, path in enumerate([] if self.check_mode else differing):
            _write(path, texts[path], changed=number > 0)
        found = Counter(router.state for router in report.routers.values())
        return {
            "changed": bool(differing),
            "routers": len(report.routers),
            "states": {state: found[state] for state in STATES},
            "changes": {name: change.kind for name, change in report.changes.items()},
        }


def _list_files(names: Sequence[str], written: Sequence[str]) -> list[str]:
    """The files that the option ``reports`` names, each once; by a wildcard none of those that are ``written``."""
    found: list[str] = []
    outputs = {Path(path).absolute() for path in written}
    for name in names:
        if Path(name).exists():
            found.append(name)
            continue
        files = sorted(file for file in glob.glob(name, recursive=True) if Path(file).absolute() not in outputs)
        if not files:
            raise OffloadError(f"option reports: there is no file {name}", _REMEDY)
        found += files
    if not found:
        raise OffloadError("option reports names no file", _REMEDY)
    return list(dict.fromkeys(found))


def _read_report(option: str, path: str) -> FleetReport:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise OffloadError(
            f"option {option}: {path} cannot be read: {_explain(error)}",
            "name a JSON report that can be read here, on the controller",
        ) from None
    return parse_report(text, f"option {option}: {path}")


def _read_text(path: str) -> str | None:
    """None: there is none that could stay. Raises OffloadError for what can be no file."""
    try:
        return None if Path(path).is_symlink() else Path(path).read_text(encoding="utf-8")
    except UnicodeError:
        return None
    except (FileNotFoundError, PermissionError):
        return None
    except (OSError, ValueError) as error:
        raise _unwritable(path, error, changed=False) from None


def _write(path: str, text: str, *, changed: bool) -> None:
    """``changed``: whether another one was written already."""
    try:
        replace_file(Path(path), text)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error, changed=changed) from None


def _unwritable(path: str, error: Exception, *, changed: bool) -> OffloadError:
    return OffloadError(
        f"option path: {path} cannot be written: {_explain(error)}",
        "name a file that can be written here, on the controller",
        changed=changed,
    )


def _explain(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
