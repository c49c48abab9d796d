# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The package managers that are known: a row each. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .._core.sections import Call
from .apk_alpine import ApkAlpine
from .apk_openwrt import ApkOpenWrt
from .apt import Apt
from .dnf import Dnf
from .opkg import Opkg
from .package_manager import PackageManager
from .pacman import Pacman
from .zypper import Zypper

PACKAGE_MANAGERS: tuple[PackageManager, ...] = (Apt(), Dnf(), Zypper(), Pacman(), Opkg(), ApkOpenWrt(), ApkAlpine())
"""that of the router's distribution is used, else the first that it has"""


def find_package_manager(init: str, commands: Collection[str], systems: Collection[str]) -> PackageManager | None:
    """The package manager of a router with this init system and these commands; None: none is known.

    ``systems``: ID and ID_LIKE of its /etc/os-release. They decide where it has the managers of several distributions.
    """
    able = [one for one in list_package_managers(commands) if one.init in {"", init}]
    return next((one for one in able if not one.systems.isdisjoint(systems)), able[0] if able else None)


def list_package_managers(commands: Collection[str]) -> list[PackageManager]:
    """Those whose command the router has, whether or not they are supported on its distribution."""
    return [manager for manager in PACKAGE_MANAGERS if manager.command in commands]


def list_package_scripts() -> tuple[str, ...]:
    """The fragments of sh/read that ``list_package_calls`` and ``list_removal_calls`` need."""
    return tuple(dict.fromkeys(script for manager in PACKAGE_MANAGERS for script in manager.read_scripts))


def list_package_calls(packages: Sequence[str]) -> list[Call]:
    """Calls that read of these packages, whichever package manager the router has."""
    return list(dict.fromkeys(tuple(call) for manager in PACKAGE_MANAGERS for call in manager.list_calls(packages)))


def list_removal_calls(record_path: str) -> list[Call]:
    """Calls that read what removing the packages in the file ``record_path`` means, for any package manager."""
    return list(dict.fromkeys(tuple(call) for one in PACKAGE_MANAGERS for call in one.list_removal_calls(record_path)))


def name_package_managers() -> str:
    """The names of those that are known, for messages."""
    return ", ".join(dict.fromkeys(manager.name for manager in PACKAGE_MANAGERS))
