# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SECURITY.md: what it says of files is what the code does, and it sends nobody to an address."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import HIDDEN, OUTPUT
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths, sections
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report import writing
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_registry import INIT_SYSTEMS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
PLUGIN_UTILS = ROOT / "plugins/plugin_utils"
TABLE = dict(re.findall(r"^\| `(/[^`]+)` \| (0[0-7]{3}) \|", TEXT, re.MULTILINE))
"""path on a router -> its mode"""
NOT_OURS = {paths.FW4_CONFIG}
"""files whose mode stays as it is"""
LINKS = {paths.FEATURES_RC, paths.RULESET_RC}
"""links that init systems make"""
DIRECTORIES = {paths.HOME, paths.HISTORY, paths.RUN, f"{paths.RUN}/pending"}
MODES = {"PRIVATE": paths.PRIVATE, "READABLE": paths.READABLE, "PROGRAM": paths.PROGRAM}


def constants() -> dict[str, str]:
    """Name -> path, of each file and directory of _core/paths.py."""
    named = {name: value for name, value in vars(paths).items() if name.isupper() and isinstance(value, str)}
    return {name: value for name, value in named.items() if value.startswith("/") and name != "LIBRARY"}


def written_modes() -> dict[str, str]:
    """Path -> mode, of each file that an init system has written, and of those whose mode stands beside their name."""
    modes = {path: mode for init in INIT_SYSTEMS for part in (init.features, init.ruleset)
             for path, (mode, _text) in part.written.items()}  # fmt: skip
    for file in PLUGIN_UTILS.rglob("*.py"):
        for name, mode in re.findall(r"\bpaths\.([A-Z_0-9]+): \(paths\.([A-Z]+),", file.read_text()):
            modes[getattr(paths, name)] = MODES[mode]
    return modes


def test_every_path_is_in_the_table() -> None:
    missing = {path for name, path in constants().items() if path not in NOT_OURS | LINKS} - set(TABLE)
    assert missing == set(), "add a row to SECURITY.md"


def test_the_table_has_nothing_else() -> None:
    known = set(constants().values()) | set(written_modes())
    ours = (f"{paths.HOME}/", f"{paths.RUN}/")
    assert {path for path in TABLE if path not in known and not f"{path}/".startswith(ours)} == set()


def test_the_modes_are_those_of_the_code() -> None:
    modes = written_modes()
    assert len(modes) > 20
    assert {path: mode for path, mode in modes.items() if TABLE.get(path) != mode} == {}


def test_what_is_kept_is_for_root_only() -> None:
    kept = {path: mode for path, mode in TABLE.items() if f"{path}/".startswith((f"{paths.HOME}/", f"{paths.RUN}/"))}
    assert {path for path, mode in kept.items() if mode != ("0700" if path in DIRECTORIES else "0600")} == set()
    assert {path for path in DIRECTORIES if path not in kept} == set()


def test_no_mode_lets_others_write() -> None:
    assert [path for path, mode in TABLE.items() if int(mode, 8) & 0o022] == []


@pytest.mark.parametrize("source", sorted(PLUGIN_UTILS.rglob("*.py")), ids=lambda path: path.name)
def test_no_mode_stands_elsewhere(source: Path) -> None:
    """So that none is missed above."""
    if source.name != "paths.py":
        assert re.findall(r"\"0[0-7]{3}\"", source.read_text()) == []


@pytest.mark.parametrize(
    "sentence",
    [
        f"{sections.LONGEST_ANSWER // 1024**2} MiB is refused",
        f"{OUTPUT} characters of what it printed",
        f"at most {writing.FILE_MODE:04o} in\ndirectories of at most {writing.DIRECTORY_MODE:04o}",
        {6: "six characters and more"}[HIDDEN],
    ],
)
def test_the_numbers_are_those_of_the_code(sentence: str) -> None:
    assert sentence in TEXT


def test_it_names_no_address() -> None:
    """A form or a mailbox is somebody's; whoever publishes the collection has one."""
    assert re.findall(r"https?://\S+|\S+@\S+\.\w+", TEXT) == []


def test_its_links_lead_somewhere() -> None:
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.+)$", TEXT, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        file, _hash, anchor = target.partition("#")
        if not file:
            assert anchor in anchors
            continue
        heads = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(), re.MULTILINE)
        assert any(fnmatchcase(anchor, head.lower().replace(" ", "-")) for head in heads)
