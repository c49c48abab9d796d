# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What may be the name of a table, a flowtable or a device. Pure: no I/O."""

from __future__ import annotations

import re

from .errors import OffloadError
from .nft_tokens import HIDDEN

NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]{0,30}\Z")
"""of a table or a flowtable"""
NAME_RULE = "up to 31 letters, digits, _, . and -, the first one a letter"
"""NAME in words"""
DEVICE = re.compile(rf"^[^\s/:\"\\{{}};,*$@#{HIDDEN}]{{1,15}}\Z")
"""what the kernel takes (dev_valid_name) less what means something to nft, or what nobody can see or write"""


def require_table_name(name: str) -> None:
    """Raise OffloadError for what is no name: nft parses its arguments as a script, so a name must be just that."""
    if not NAME.match(name):
        raise OffloadError(f"option table: must be {NAME_RULE}, got {name!r}", "choose another name")
