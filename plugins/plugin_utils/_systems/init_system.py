# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What is known of every init system: how boot and a device's arrival start what this collection installs.

One more init system is a file beside this one with a subclass of ``InitSystem``, a row in init_registry.py, and one in
sh/read/platform.sh, which recognises it. Where no path shows whether a service is enabled, there is also a fragment of
sh/read with what asks for it, which prints nothing on a router that has another init system. Pure: no I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from .._core import paths
from .._core.plan import Step
from .._core.sections import Answer, Call

Files = Mapping[str, tuple[str, str]]
"""path -> (mode such as '0644', text)"""

RULESET_SCRIPTS: Files = {
    paths.RULESET_SCRIPT: (paths.PROGRAM, paths.installed("ruleset.sh")),
    paths.DEVICE_SCRIPT: (paths.PROGRAM, paths.installed("flowtable.sh")),
}
"""load the ruleset; bring a device into its flowtable"""
WATCH_SCRIPTS: Files = {paths.WATCH_SCRIPT: (paths.PROGRAM, paths.installed("watch.sh"))}
"""measure what offload does"""
FEATURES_SCRIPTS: Files = {paths.FEATURES_SCRIPT: (paths.PROGRAM, paths.installed("features.sh"))}
"""set the features of a device"""


@dataclass(frozen=True)
class Starter:
    """What makes an init system run a script, at boot or when a device appears."""

    files: tuple[str, ...]
    """paths that must all exist, the script among them; first the one that the init system begins with"""
    must_be_enabled: bool = False
    """the init system has to report it as enabled, too"""

    def works(self, existing: Collection[str], enabled: bool) -> bool:
        """Will the script be run? ``existing`` are the paths that exist."""
        return all(path in existing for path in self.files) and (enabled or not self.must_be_enabled)


@dataclass(frozen=True)
class Service:
    """How an init system starts the ruleset, or the features of NICs."""

    scripts: Files
    """what is run: the same with every init system"""
    files: Files
    """what the init system reads"""
    at_boot: Starter
    on_arrival: Starter | None = None
    """where a device that appears is handled by other files than at boot"""
    name: str = ""
    """by which the init system enables it; empty: it works as soon as the files exist"""
    links: tuple[str, ...] = ()
    """paths that exist while it is enabled; removing them disables it"""

    @property
    def written(self) -> Files:
        """Every file that this collection writes for it."""
        return {**self.scripts, **self.files}

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that may exist because of it, and has to go with it."""
        return (*self.scripts, *self.links, *self.files)


@dataclass(frozen=True)
class ServiceState:
    """What an init system reports of a service; all False with one that is not asked.

    There, paths show whether a service is enabled: ``Service.links``.
    """

    enabled: bool = False
    """boot starts it"""
    active: bool = False
    outdated: bool = False
    """its files changed since the init system read them"""


class InitSystem(ABC):
    """One init system. All of it is data but for the steps that a change of files needs."""

    name: ClassVar[str]
    """what sh/read/platform.sh calls it"""
    scripts: ClassVar[tuple[str, ...]] = ()
    """fragments of sh/apply with its verbs"""
    read_scripts: ClassVar[tuple[str, ...]] = ()
    """fragments of sh/read with what ``list_state_calls`` calls"""
    modules_list: ClassVar[str] = paths.MODULES_LOAD
    """file with the names of modules to load at boot, one a line"""
    ruleset: Service
    features: Service
    timer: Service | None = None
    """what starts the watch again and again, with @DIRECTORY@ and @INTERVAL@ in its files; None: cron does"""
    crontab: ClassVar[str] = ""
    """root's table of cron, where cron starts the watch"""
    reports_features: ClassVar[bool] = False
    """the distribution's own network daemon reports hw-tc-offload, so it can be seen without ethtool"""

    def list_state_calls(self, service: Service) -> list[Call]:
        """Calls that print what the init system reports of ``service``; none where paths show all of it.

        They run on every router, whatever its init system: the sections have names that no other one's have.
        """
        return []

    def read_state(self, answer: Answer, service: Service) -> ServiceState:
        """The sections that these calls print -> ServiceState."""
        return ServiceState()

    @abstractmethod
    def plan_after_writing(
        self, service: Service, found: Collection[str], changed: Collection[str], state: ServiceState
    ) -> list[Step]:
        """What has to be done once files of ``service`` were written, for it to be started from the next boot on.

        ``found``: paths that were there before; ``changed``: paths that were written or removed. No steps: all is done.
        """

    def plan_before_removing(self, service: Service, state: ServiceState) -> list[Step]:
        """What has to be done while the files of ``service`` still exist."""
        return []

    def plan_after_removing(self, service: Service, removed: Collection[str], state: ServiceState) -> list[Step]:
        """What has to be done once files of ``service`` were removed."""
        return []
