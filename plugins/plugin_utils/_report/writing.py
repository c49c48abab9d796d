# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Writes a rendered report on the controller."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
"""before the umask: whatever that is, nobody but the owner may write"""


def replace_file(path: Path, text: str) -> None:
    """Put a text into place in one step, so that no reader ever sees half of it; raises OSError, UnicodeError.

    A link by that name is replaced, not followed, and so is a file that others may write to. The umask says who may
    read a new file; one that is there already is not made readable for more than could read it before.
    """
    _make_directory(path.parent)
    # by its handle, so that all of it happens in one directory, even if another one gets its name meanwhile
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _replace(directory, path.name, text)
    finally:
        os.close(directory)


def _replace(directory: int, name: str, text: str) -> None:
    """``directory`` is an open one, ``name`` that of a file in it."""
    staged = f".{name}.{secrets.token_hex(8)}"
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(staged, new, FILE_MODE, dir_fd=directory)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if (before := _permissions(directory, name)) is not None:
                os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & before)
            file.write(text)
        os.replace(staged, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        os.unlink(staged, dir_fd=directory)
        raise


def _permissions(directory: int, name: str) -> int | None:
    """The permissions of a regular file; None for a link or anything else, and where there is nothing."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found) if stat.S_ISREG(found) else None


def _make_directory(path: Path) -> None:
    """Make a directory and those above it, as far as they are missing; raises FileExistsError for anything else."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    try:
        path.mkdir(DIRECTORY_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
