# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What fw4_offload may do to a router besides a confirmed change: sh/apply/fw4.sh."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.verbs import Verb


@dataclass(frozen=True)
class QueuedScript(Verb):
    """Run the script that was queued as the first transaction; ``action`` is stage or commit."""

    action: str
