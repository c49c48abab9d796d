# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The init systems that are known: a row each. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from .._core import paths
from .._core.errors import OffloadError
from .._core.sections import Answer, Call
from .init_system import RULESET_SCRIPTS, InitSystem, Service, ServiceState, Starter
from .openrc import OpenRC
from .procd import Procd
from .systemd import Systemd

INIT_SYSTEMS: tuple[InitSystem, ...] = (Systemd(), Procd(), OpenRC())

ServiceName = Literal["ruleset", "features"]
"""a service that every init system starts: the ruleset, or the features of NICs"""

NOT_STARTED: Mapping[str, Starter] = {
    "ruleset": Starter((paths.RULESET_SCRIPT,), must_be_enabled=True),
    "devices": Starter((paths.DEVICE_SCRIPT,), must_be_enabled=True),
    "features": Starter((paths.FEATURES_SCRIPT,), must_be_enabled=True),
}
"""with an init system that is not known: our scripts, which nothing there reports as enabled"""


def name_init_systems() -> str:
    """The names of those that are known, for messages."""
    return ", ".join(init.name for init in INIT_SYSTEMS)


def find_init_system(name: str) -> InitSystem | None:
    """The init system that ``Platform.init`` names; None for one that is not known."""
    return next((init for init in INIT_SYSTEMS if init.name == name), None)


def require_init_system(name: str) -> InitSystem:
    """The init system that ``Platform.init`` names; OffloadError for one by which nothing of ours would be started."""
    init = find_init_system(name)
    if init is None:
        raise OffloadError(
            f"this router is started by {name or 'an init system that is not known'}, and this collection only by "
            f"{name_init_systems()}: nothing would be there after a reboot; nothing was changed",
            "use a router with one of these; offload_verify judges the others too",
        )
    return init


def find_init_scripts(name: str) -> tuple[str, ...]:
    """The fragments of sh/apply with the verbs of that init system."""
    init = find_init_system(name)
    return init.scripts if init else ()


def list_state_scripts(*services: ServiceName) -> tuple[str, ...]:
    """The fragments of sh/read that ``list_state_calls`` of these services need."""
    return _drop_repeats(
        script
        for init in INIT_SYSTEMS
        if any(init.list_state_calls(_find_service(init, name)) for name in services)
        for script in init.read_scripts
    )


def list_state_calls(*services: ServiceName) -> list[Call]:
    """Calls that read what the router's init system reports of these services, whichever it is."""
    calls = (
        call for init in INIT_SYSTEMS for name in services for call in init.list_state_calls(_find_service(init, name))
    )
    return list(dict.fromkeys(tuple(call) for call in calls))


def read_service_state(name: str, answer: Answer, service: ServiceName) -> ServiceState:
    """What the init system that ``Platform.init`` names reports of a service; all False for one that is not known."""
    init = find_init_system(name)
    return init.read_state(answer, _find_service(init, service)) if init else ServiceState()


def _find_service(init: InitSystem, name: ServiceName) -> Service:
    return init.ruleset if name == "ruleset" else init.features


def list_modules_files() -> tuple[str, ...]:
    """The files with the modules that boot loads, of every init system."""
    return _drop_repeats(init.modules_list for init in INIT_SYSTEMS)


def reports_features(name: str) -> bool:
    """Can hw-tc-offload be seen without ethtool where that init system runs?"""
    init = find_init_system(name)
    return init is not None and init.reports_features


def list_ruleset_paths() -> tuple[str, ...]:
    """Every path that may exist because the ruleset is started, whatever the init system."""
    return _drop_repeats((*RULESET_SCRIPTS, *(path for init in INIT_SYSTEMS for path in init.ruleset.paths)))


def list_features_paths() -> tuple[str, ...]:
    """Every path that may exist because features of NICs are set at boot, whatever the init system."""
    return _drop_repeats(path for init in INIT_SYSTEMS for path in init.features.paths)


def find_starters(init: str) -> dict[str, Starter]:
    """What the next boot needs: ``ruleset``, ``devices`` (into their flowtables) and ``features`` -> its starter.

    For an init system that is not known they are NOT_STARTED.
    """
    known = find_init_system(init)
    if known is None:
        return dict(NOT_STARTED)
    found = {"ruleset": known.ruleset.at_boot, "devices": known.ruleset.on_arrival, "features": known.features.at_boot}
    return {what: starter for what, starter in found.items() if starter is not None}


def list_starter_paths() -> tuple[str, ...]:
    """The paths of every starter of every init system."""
    return _drop_repeats(
        path for init in INIT_SYSTEMS for starter in find_starters(init.name).values() for path in starter.files
    )


def _drop_repeats(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))
