# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What may be the name of a table, a flowtable or a device. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from .errors import OffloadError
from .nft_tokens import HIDDEN

NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]{0,30}\Z")
"""of a table or a flowtable"""
NAME_RULE = "up to 31 letters, digits, _, . and -, the first one a letter"
"""NAME in words"""
DEVICE = re.compile(rf"^[^\s/:\"\\{{}};,*$@#{HIDDEN}]{{1,15}}\Z")
"""what the kernel takes (dev_valid_name) less what means something to nft, or what nobody can see or write"""
PATTERN = re.compile(rf"^[^\s/:\"\\{{}};,*$@#{HIDDEN}]{{1,14}}\*\Z")
"""every device whose name begins so, such as ``ppp*``"""


def is_pattern(listed: str) -> bool:
    """Does it stand for devices by how their names begin? No device has a * in its name as it is listed here."""
    return listed.endswith("*")


def stands_for(listed: str, name: str) -> bool:
    """Is a name, or a pattern, one of this device?"""
    return name.startswith(listed[:-1]) if is_pattern(listed) else name == listed


def expand(listed: Iterable[str], existing: Collection[str]) -> list[str]:
    """The existing devices that names and patterns stand for, each once, in the order listed.

    A pattern stands for none whose name means something else to nft.
    """
    found: dict[str, None] = {}
    for one in listed:
        if is_pattern(one):
            found |= dict.fromkeys(sorted(name for name in existing if stands_for(one, name) and DEVICE.match(name)))
        elif one in existing:
            found[one] = None
    return list(found)


def find_overlap(listed: Iterable[str]) -> tuple[str, str] | None:
    """The first pattern that also stands for another name or pattern of these, and that one; None where none does."""
    names = list(listed)
    for pattern in filter(is_pattern, names):
        for other in names:
            if other is not pattern and stands_for(pattern, other.removesuffix("*")):
                return pattern, other
    return None


SOFTWARE = "_software"
"""how the name of the second table ends, which has the name of ours before that: for what hardware does not take"""
SOFTWARE_DEVICES = "$software_devices"
"""stands in the user's text of that table for the devices that hardware does not take, as rules see them"""


def require_table_name(name: str) -> None:
    """Raise OffloadError for what is no name: nft parses its arguments as a script, so a name must be just that."""
    if not NAME.match(name):
        raise OffloadError(f"option table: must be {NAME_RULE}, got {name!r}", "choose another name")
