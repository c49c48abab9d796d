# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A line of ours in root's table of busybox's cron, beside those of others. Pure: no I/O."""

from __future__ import annotations

from .._core import paths
from .._core.text import iterate_lines


def set_line(table: str, command: str, minutes: int) -> str:
    """The table with one line that starts ``command``, a word of ours first, every so many minutes: 1 to 59, or 60."""
    when = "0 * * * *" if minutes == 60 else f"*/{minutes} * * * *"
    return f"{drop_line(table)}{when} nice -n 19 {command}\n"


def drop_line(table: str) -> str:
    """The table without our line."""
    return "".join(f"{line}\n" for line in iterate_lines(table) if f" {paths.WATCH_SCRIPT} " not in f"{line} ")
