# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What kernel_support may do to a router: sh/apply/kernel.sh (modules, apt) and sh/apply/feeds.sh (opkg, apk)."""

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


@dataclass(frozen=True)
class UpdatePackages(Verb):
    """Update the package lists of apt."""


@dataclass(frozen=True)
class SimulateInstall(Verb):
    """Ask apt what it would install."""

    packages: tuple[str, ...]


@dataclass(frozen=True)
class InstallPackages(Verb):
    """Install with apt, all or none."""

    packages: tuple[str, ...]


@dataclass(frozen=True)
class UninstallNew(Verb):
    """Purge what ``InstallPackages`` brought."""


@dataclass(frozen=True)
class Uninstall(Verb):
    """Uninstall with apt; ``how`` is remove or purge."""

    how: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class UpdateFeeds(Verb):
    """Update the package lists of opkg or apk."""


@dataclass(frozen=True)
class SimulateFromFeeds(Verb):
    """Ask opkg or apk what they would install."""

    packages: tuple[str, ...]


@dataclass(frozen=True)
class InstallFromFeeds(Verb):
    """Install with opkg or apk, all or none."""

    packages: tuple[str, ...]


@dataclass(frozen=True)
class UninstallFeedNew(Verb):
    """Uninstall what ``InstallFromFeeds`` brought."""


@dataclass(frozen=True)
class UninstallFromFeeds(Verb):
    """Uninstall with opkg or apk, with what came for these packages alone."""

    packages: tuple[str, ...]
