# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 6, bypassing: forwarded packets stay out of the forward chain. Not measured yet, so never proven."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.finding import (
    Expectation,
    Kind,
    RungResult,
    rung,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import RouterState

KINDS: tuple[Kind, ...] = ()
NOT_MEASURED = "not measured: this version does not compare forwarded packets with those that walk the forward chain"


def judge(_state: RouterState, _expectation: Expectation) -> RungResult:
    return rung("bypassing", False, [NOT_MEASURED])
