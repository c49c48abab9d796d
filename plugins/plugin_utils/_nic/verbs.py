# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What nic_features may change on a router: sh/apply/nic.sh."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.verbs import Verb


@dataclass(frozen=True)
class SetFeature(Verb):
    """Turn a feature on or off (``value``).

    ``requested`` is the value that was requested before; it is requested again where the driver refuses.
    """

    device: str
    feature: str
    value: str
    requested: str
