# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The errors of nft about a text that it refuses -> where and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..._core.text import iterate_lines, read_number

LOCATED = re.compile(
    r"^(?P<file>\S+?):(?P<line>[0-9]{1,9}):(?P<column>[0-9]{1,9})(?:-[0-9]{1,9})?: Error: (?P<message>.*)$"
)
BARE = re.compile(r"^(?:Error|nft): (?P<message>.*)$")


@dataclass(frozen=True)
class NftError:
    """One error; ``line`` and ``column`` count from 1, and are 0 where nft named no place."""

    message: str
    line: int = 0
    column: int = 0


def parse_errors(text: str) -> list[NftError]:
    """The output of ``nft -f`` -> its errors in their order, other lines left out.

    The kernel goes on after the first error, so later ones may only be echoes of it (it collects all errors of a batch:
    net/netfilter/nfnetlink.c).
    """
    found = []
    for line in iterate_lines(text):
        if located := LOCATED.match(line):
            found.append(NftError(located["message"], read_number(located["line"]), read_number(located["column"])))
        elif bare := BARE.match(line):
            found.append(NftError(bare["message"]))
    return found
