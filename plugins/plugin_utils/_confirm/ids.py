# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The ids of changes. Pure: no I/O.

An id is NUMBER-TOKEN: the number grows with each ruleset, the token tells apart what two controllers made at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._core.text import read_number

ID = re.compile(r"^[0-9]{1,9}-[0-9a-f]{8}\Z")


def number(change: str) -> int:
    """An id's number; 0 for what is no id."""
    return read_number(change.split("-", 1)[0]) if ID.match(change) else 0


def next_id(known: Iterable[str], token: str) -> str:
    """An id with a number after all of the known ones; ``token`` is eight hexadecimal digits."""
    return f"{max((number(change) for change in known), default=0) + 1}-{token}"
