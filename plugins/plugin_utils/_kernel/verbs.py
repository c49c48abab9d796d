# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What kernel_support may change on a router: sh/apply/kernel.sh; for packages see _systems/verbs.py."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.verbs import Verb


@dataclass(frozen=True)
class LoadModules(Verb):
    """Load modules, all or none."""

    modules: tuple[str, ...]


@dataclass(frozen=True)
class UnloadNew(Verb):
    """Unload what ``LoadModules`` loaded."""


@dataclass(frozen=True)
class UnloadModules(Verb):
    """Unload modules in this order, all or none."""

    modules: tuple[str, ...]
