# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The one error that a user is meant to read."""

from __future__ import annotations

from typing import Any


class OffloadError(Exception):
    """Something a user can act on: what is wrong, and the remedy.

    ``details`` are added to the task's result as they are.
    """

    def __init__(self, problem: str, remedy: str, **details: Any) -> None:
        super().__init__(f"{problem.rstrip('.')}. Remedy: {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.details = details
