# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a report gets into its file."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.writing import replace_file


def test_the_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "fleet.json"
    replace_file(path, "one\n")
    assert path.read_text() == "one\n"
    with pytest.raises(UnicodeError):
        replace_file(path, "a text that cannot be encoded: \ud800")
    assert path.read_text() == "one\n"
    replace_file(path, "two\n")
    assert path.read_text() == "two\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["fleet.json"]


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("mask", "directory", "file"),
    [
        (0o000, 0o755, 0o644),
        (0o002, 0o755, 0o644),
        (0o022, 0o755, 0o644),
        (0o027, 0o750, 0o640),
        (0o077, 0o700, 0o600),
        (0o277, 0o500, 0o400),
    ],
)
def test_the_umask_is_honoured(tmp_path: Path, mask: int, directory: int, file: int) -> None:
    """And nobody else may write, whatever it is."""
    path = tmp_path / "deep" / "fleet.json"
    with umask(mask):
        if os.getuid() != 0 and mask & 0o200:
            path.parent.mkdir(mode=0o700)
        replace_file(path, "one\n")
    assert stat.S_IMODE(path.stat().st_mode) == file
    if path.parent.stat().st_mode & 0o200 or os.getuid() == 0:
        assert stat.S_IMODE(path.parent.stat().st_mode) == directory


def test_it_is_never_writable_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even before it is in place."""
    modes: list[int] = []
    replace = os.replace

    def look(staged: str, name: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        modes.extend(stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.rglob("*"))
        replace(staged, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", look)
    monkeypatch.setattr(os, "chmod", lambda *_args, **_more: pytest.fail("a name may be another file by then"))
    with umask(0):
        replace_file(tmp_path / "deep/er/fleet.json", "one\n")
    assert len(modes) == 3
    assert [mode for mode in modes if mode & 0o022] == []


def test_a_private_report_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    path.touch(0o600)
    replace_file(path, "one\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o666)
    replace_file(path, "two\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("where", ["to a file", "to nothing", "to a directory"])
def test_a_link_that_somebody_placed_is_replaced_and_not_followed(tmp_path: Path, where: str) -> None:
    precious = tmp_path / "precious"
    if where == "to a file":
        precious.write_text("mine\n")
        precious.chmod(0o600)
    elif where == "to a directory":
        precious.mkdir()
    (tmp_path / "shared").mkdir()
    path = tmp_path / "shared/fleet.json"
    path.symlink_to(precious)
    replace_file(path, "one\n")
    assert not path.is_symlink()
    assert path.read_text() == "one\n"
    if where == "to a file":
        assert precious.read_text() == "mine\n"
        assert stat.S_IMODE(precious.stat().st_mode) == 0o600
    else:
        assert precious.exists() == (where == "to a directory")


def test_the_name_before_it_is_in_place_cannot_be_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    replace = os.replace

    def note(staged: str, name: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        names.append(staged)
        replace(staged, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", note)
    for _turn in range(3):
        replace_file(tmp_path / "fleet.json", "one\n")
    assert len(set(names)) == 3


def test_a_directory_that_is_swapped_meanwhile_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    replace = os.replace

    def swap(staged: str, name: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        ours.rename(tmp_path / "moved")
        ours.symlink_to(theirs)
        replace(staged, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", swap)
    replace_file(ours / "fleet.json", "one\n")
    assert list(theirs.iterdir()) == []
    assert (tmp_path / "moved/fleet.json").read_text() == "one\n"
