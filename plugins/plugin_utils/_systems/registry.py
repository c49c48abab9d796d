# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The systems that are known: a row each. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from .init_system import RULESET_SCRIPTS, InitSystem, Starter
from .procd import Procd
from .systemd import Systemd

INIT_SYSTEMS: tuple[InitSystem, ...] = (Systemd(), Procd())


def find_init_system(name: str) -> InitSystem | None:
    """The init system that ``Platform.init`` names; None for one that is not known."""
    return next((init for init in INIT_SYSTEMS if init.name == name), None)


def init_scripts(name: str) -> tuple[str, ...]:
    """The fragments of sh/apply with the verbs of that init system."""
    init = find_init_system(name)
    return init.scripts if init else ()


def reports_features(name: str) -> bool:
    """Can hw-tc-offload be seen without ethtool where that init system runs?"""
    init = find_init_system(name)
    return init is not None and init.reports_features


def ruleset_paths() -> tuple[str, ...]:
    """Every path that may exist because the ruleset is started, whatever the init system."""
    return _once((*RULESET_SCRIPTS, *(path for init in INIT_SYSTEMS for path in init.ruleset.paths)))


def features_paths() -> tuple[str, ...]:
    """Every path that may exist because features of NICs are set at boot, whatever the init system."""
    return _once(path for init in INIT_SYSTEMS for path in init.features.paths)


def starters(init: str) -> dict[str, Starter]:
    """What the next boot needs: ``ruleset``, ``devices`` (into their flowtables) and ``features`` -> its starter.

    For an init system that is not known they are those of the first row: nothing there will be started.
    """
    known = find_init_system(init) or INIT_SYSTEMS[0]
    found = {"ruleset": known.ruleset.at_boot, "devices": known.ruleset.on_arrival, "features": known.features.at_boot}
    return {what: starter for what, starter in found.items() if starter is not None}


def starter_paths() -> tuple[str, ...]:
    """The paths of every starter of every init system."""
    return _once(path for init in INIT_SYSTEMS for starter in starters(init.name).values() for path in starter.files)


def _once(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))
