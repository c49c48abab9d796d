# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What an init system may do to a router: sh/apply/systemd.sh and sh/apply/procd.sh."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.verbs import Verb


@dataclass(frozen=True)
class ReloadManagers(Verb):
    """Have systemd and udev read their files again."""


@dataclass(frozen=True)
class ReloadUdev(Verb):
    """Have udev read its files again."""


@dataclass(frozen=True)
class EnableUnit(Verb):
    """Have systemd start a unit at boot, and count it as active now."""

    unit: str


@dataclass(frozen=True)
class DisableUnit(Verb):
    """Have systemd start a unit no more."""

    unit: str


@dataclass(frozen=True)
class EnableInit(Verb):
    """Have OpenWrt's boot start an init script."""

    name: str
