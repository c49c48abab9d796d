# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""systemd and udev: units that boot starts, and a template unit for each device that appears. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection

from .._core import paths
from .._core.plan import Step
from .._core.sections import Answer, Call
from .init_system import FEATURES_SCRIPTS, RULESET_SCRIPTS, WATCH_SCRIPTS, InitSystem, Service, ServiceState, Starter
from .verbs import DisableUnit, EnableUnit, ReloadManagers, ReloadUdev


class Systemd(InitSystem):
    """The features of NICs need no unit to be enabled: udev pulls their template unit in."""

    name = "systemd"
    scripts = ("apply/systemd",)
    read_scripts = ("read/systemd",)
    ruleset = Service(
        scripts=RULESET_SCRIPTS,
        files={
            paths.RULESET_UNIT: (paths.READABLE, paths.installed("ruleset.service")),
            paths.NFTABLES_DROP_IN: (paths.READABLE, paths.installed("nftables.conf")),
            paths.DEVICE_UNIT: (paths.READABLE, paths.installed("flowtable.service")),
            paths.DEVICE_RULES: (paths.READABLE, paths.installed("flowtable.rules")),
        },
        at_boot=Starter((paths.RULESET_UNIT, paths.RULESET_SCRIPT), must_be_enabled=True),
        on_arrival=Starter((paths.DEVICE_RULES, paths.DEVICE_UNIT, paths.DEVICE_SCRIPT)),
        name=paths.RULESET_UNIT.rpartition("/")[2],
    )
    features = Service(
        scripts=FEATURES_SCRIPTS,
        files={
            paths.FEATURES_UNIT: (paths.READABLE, paths.installed("features.service")),
            paths.FEATURES_RULES: (paths.READABLE, paths.installed("features.rules")),
        },
        at_boot=Starter((paths.FEATURES_RULES, paths.FEATURES_UNIT, paths.FEATURES_SCRIPT)),
    )
    timer = Service(
        scripts=WATCH_SCRIPTS,
        files={
            paths.WATCH_UNIT: (paths.READABLE, paths.installed("watch.service")),
            paths.WATCH_TIMER: (paths.READABLE, paths.installed("watch.timer")),
        },
        at_boot=Starter((paths.WATCH_TIMER, paths.WATCH_UNIT, paths.WATCH_SCRIPT), must_be_enabled=True),
        name=paths.WATCH_TIMER.rpartition("/")[2],
    )

    def list_state_calls(self, service: Service) -> list[Call]:
        return [("read_unit", service.name)] if service.name else []

    def read_state(self, answer: Answer, service: Service) -> ServiceState:
        """From the properties of the unit, one a line."""
        lines = answer.lines("unit") if service.name else []
        return ServiceState(
            enabled="UnitFileState=enabled" in lines,
            active="ActiveState=active" in lines,
            outdated="NeedDaemonReload=yes" in lines,
        )

    def plan_after_writing(
        self, service: Service, found: Collection[str], changed: Collection[str], state: ServiceState
    ) -> list[Step]:
        """Enabling a unit has systemd, but not udev, read its files again."""
        outdated = state.outdated or not service.files.keys().isdisjoint(changed)
        if service.name and not (state.enabled and state.active):
            udev = [Step("make udev read its files again", ReloadUdev())] if outdated else []
            return [*udev, Step(f"enable {service.name}", EnableUnit(service.name))]
        return _reload() if outdated else []

    def plan_before_removing(self, service: Service, state: ServiceState) -> list[Step]:
        return [Step(f"disable {service.name}", DisableUnit(service.name))] if state.enabled or state.active else []

    def plan_after_removing(self, service: Service, removed: Collection[str], state: ServiceState) -> list[Step]:
        return _reload() if state.outdated or not service.files.keys().isdisjoint(removed) else []


def _reload() -> list[Step]:
    return [Step("make systemd and udev read their files again", ReloadManagers())]
