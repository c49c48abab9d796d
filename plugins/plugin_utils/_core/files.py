# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Files on a router (sh/read/files.sh): as found, as desired, and the difference. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .plan import Diff
from .sections import Answer
from .text import same_lines

DesiredFiles = Mapping[str, tuple[str, str] | None]
"""path -> (mode such as '0644', text), or None for a file that must not be there"""


def read_files(answer: Answer) -> dict[str, str]:
    """path -> text of each file that exists and can be read; the text ends in a newline."""
    return {
        path: section.text + "\n" if section.text else ""
        for path, section in answer.each("file.").items()
        if section.rc == 0
    }


def _has_text(found: str | None, desired: str) -> bool:
    """Is the file as desired? An answer has no carriage returns at line ends: what they are is not seen."""
    return found is not None and same_lines(found, desired)


@dataclass(frozen=True)
class FileChanges:
    """What a Plan takes: see Plan.files, Plan.removed and Plan.diffs."""

    written: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    diffs: tuple[Diff, ...] = ()


def file_changes(found: Mapping[str, str], desired: DesiredFiles) -> FileChanges:
    """From the files found to those desired; a path that ``desired`` does not name stays as it is."""
    written = {
        path: file for path, file in desired.items() if file is not None and not _has_text(found.get(path), file[1])
    }
    removed = tuple(path for path, file in desired.items() if file is None and path in found)
    after = {path: text for path, (_mode, text) in written.items()} | dict.fromkeys(removed, "")
    diffs = tuple(Diff(path, found.get(path, ""), text) for path, text in sorted(after.items()))
    return FileChanges(written, removed, diffs)
