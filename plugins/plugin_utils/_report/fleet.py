# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What the fleet report says of routers that were not verified."""

from __future__ import annotations

from .._verify.finding import Kind

UNREACHABLE = Kind(
    "fleet.unreachable",
    "error",
    "The router could not be reached",
    "The connection to the router failed, so nothing is known of it.",
    "check that the router is up, and its address and login in the inventory",
)
NOT_VERIFIED = Kind(
    "fleet.not-verified",
    "error",
    "The router was not verified",
    "The play had this router among its hosts, but no kmod.nft_offload.offload_verify gave a verdict on it: the task"
    " did not come up, or failed before it could look.",
    "see why the play stopped for this router, then run kmod.nft_offload.offload_verify on it",
)
KINDS = (UNREACHABLE, NOT_VERIFIED)
