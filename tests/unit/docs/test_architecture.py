# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages for developers name what there is: a file that moves takes its name on them with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.helpers.rooms import ARROWS, SCRIPTS

ROOT = Path(__file__).resolve().parents[3]
PLUGIN_UTILS = ROOT / "plugins/plugin_utils"
PAGES = {
    "architecture": ROOT / "docs/docsite/rst/architecture.rst",
    "contributing": ROOT / "CONTRIBUTING.md",
}
PATH = re.compile(r"(?<![\w./:<>-])((?:[\w.*-]+/)+[\w.*-]*)")
ANY = re.compile(r"(?<![A-Z])(?:NAME|ROOM|TOOL|RUNG|MANAGER|INIT)(?![A-Z])")
"""in a path: whatever is called so"""
CLASS = re.compile(r"^    (Answer|RouterState|Subject|Verdict|Plan)\b.*?(_\w+/\w+\.py)", re.MULTILINE)
PLACES = (ROOT, PLUGIN_UTILS, ROOT / "roles/flow_offload/tasks")


def named_paths(page: Path) -> set[str]:
    """What looks like a path of this tree on a page, as a pattern of glob."""
    found = (path.rstrip(".") for path in PATH.findall(page.read_text(encoding="utf-8")))
    return {ANY.sub("*", path) for path in found if not path.startswith(("build/", "github.com", "I/O"))}


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    paths = named_paths(PAGES[page])
    assert len(paths) > 15, "a check of nothing would pass"
    assert sorted(path for path in paths if not any(list(place.glob(path)) for place in PLACES)) == []


def test_every_class_of_the_picture_is_in_its_file() -> None:
    found = CLASS.findall(PAGES["architecture"].read_text(encoding="utf-8"))
    assert len(found) >= 4
    assert [name for name, file in found if f"class {name}" not in (PLUGIN_UTILS / file).read_text()] == []


def test_every_room_has_its_question() -> None:
    text = PAGES["architecture"].read_text(encoding="utf-8")
    assert sorted(re.findall(r"^``([\w/]+)`` +[A-Z]", text, re.MULTILINE)) == sorted([*ARROWS, SCRIPTS])
