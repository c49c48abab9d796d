# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What may be done to a router through its init system and its package manager.

An init system has verbs of its own, in its fragment of sh/apply; those about packages are in that of each package
manager, by the same names.
"""

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


@dataclass(frozen=True)
class EnableService(Verb):
    """Have OpenRC start a service at boot, before the network."""

    name: str


@dataclass(frozen=True)
class DisableService(Verb):
    """Have OpenRC start a service no more."""

    name: str


@dataclass(frozen=True)
class RestartCron(Verb):
    """Have cron run, now and after a boot, and read its table."""


@dataclass(frozen=True)
class UpdatePackages(Verb):
    """Update the package lists."""


@dataclass(frozen=True)
class SimulateInstall(Verb):
    """Fail where ``InstallPackages`` would, and change nothing."""

    packages: tuple[str, ...]


@dataclass(frozen=True)
class InstallPackages(Verb):
    """Install packages, all or none."""

    packages: tuple[str, ...]


@dataclass(frozen=True)
class UninstallNew(Verb):
    """Uninstall what ``InstallPackages`` brought."""


@dataclass(frozen=True)
class UninstallPackages(Verb):
    """Uninstall packages, with what came for them alone.

    ``how`` is purge, or remove where their configuration stays.
    """

    how: str
    packages: tuple[str, ...]
