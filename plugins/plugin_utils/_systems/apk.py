# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What apk prints, whichever distribution it serves. Pure: no I/O."""

from __future__ import annotations

import re


def parse_kept(output: str) -> frozenset[str]:
    """``apk del --simulate`` -> packages that need what would be removed.

    Those are in lines ``  PACKAGE: KEEPER KEEPER`` of 50 columns, up to an empty one. What apk would purge as well is
    not in the way: nobody needs that any more.
    """
    held = re.search(r"not removed due to:\n((?:  .+\n?)*)", output)
    words = held[1].split() if held else []
    return frozenset(word for word in words if not word.endswith(":"))
