# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Files on a router (sh/read/files.sh): as found, as wanted, and what lies between. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .plan import Diff
from .sections import Answer

Wanted = Mapping[str, tuple[str, str] | None]
"""path -> (mode such as '0644', text), or None where no file is wanted"""


def read_files(answer: Answer) -> dict[str, str]:
    """path -> text of each file that exists and can be read; the text ends in a newline."""
    return {
        name.removeprefix("file."): part.text + "\n" if part.text else ""
        for name, part in answer.items()
        if name.startswith("file.") and part.rc == 0
    }


@dataclass(frozen=True)
class FileChanges:
    """What a Plan takes: see Plan.files, Plan.removed and Plan.diffs."""

    written: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    diffs: tuple[Diff, ...] = ()


def file_changes(found: Mapping[str, str], wanted: Wanted) -> FileChanges:
    """From the files found to those wanted; a path that ``wanted`` does not name stays as it is."""
    written = {path: want for path, want in wanted.items() if want is not None and found.get(path) != want[1]}
    removed = tuple(path for path, want in wanted.items() if want is None and path in found)
    after = {path: text for path, (_mode, text) in written.items()} | dict.fromkeys(removed, "")
    diffs = tuple(Diff(path, found.get(path, ""), text) for path, text in sorted(after.items()))
    return FileChanges(written, removed, diffs)
