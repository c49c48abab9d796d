# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""How sure is a share of counted packets? Pure."""

from __future__ import annotations

import math


def estimate_share(part: int, rest: int) -> tuple[float | None, float | None]:
    """Percent that ``part`` is of both, and the percentage points that it may be off by (Wilson's interval, 95 %)."""
    whole = part + rest
    if whole <= 0:
        return None, None
    z = 1.96
    p = part / whole
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    return round(100 * p, 2), round(100 * (half + abs(middle - p)), 2)
