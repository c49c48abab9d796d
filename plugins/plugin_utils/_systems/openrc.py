# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""OpenRC, of Alpine and Gentoo: services of the runlevel boot, and what ifup runs for each device. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection

from .._core import paths
from .._core.plan import Step
from .._core.sections import Answer, Call
from .init_system import FEATURES_SCRIPTS, RULESET_SCRIPTS, InitSystem, Service, ServiceState, Starter
from .verbs import DisableService, EnableService


def _service(name: str) -> tuple[str, str]:
    """sh/installed/<name> for openrc-run, which ansible-test lets no file of ours name in its first line."""
    return paths.PROGRAM, f"#!/sbin/openrc-run\n{paths.installed(name)}"


_ON_IFUP = (paths.PROGRAM, paths.installed("flowtable.ifup"))


class OpenRC(InitSystem):
    """Nothing is told when a device appears: mdev has no place for rules of others. It is brought up by ifup."""

    name = "openrc"
    scripts = ("apply/openrc", "apply/cron")
    crontab = paths.CRONTAB
    read_scripts = ("read/openrc",)
    ruleset = Service(
        scripts=RULESET_SCRIPTS,
        files={
            paths.RULESET_INIT: _service("ruleset.openrc"),
            paths.NFTABLES_RC: (paths.READABLE, paths.installed("nftables.rc")),
            paths.DEVICE_IF_UP: _ON_IFUP,
            paths.DEVICE_IF_DOWN: _ON_IFUP,
        },
        at_boot=Starter((paths.RULESET_INIT, paths.RULESET_SCRIPT), must_be_enabled=True),
        on_arrival=Starter((paths.DEVICE_IF_UP, paths.DEVICE_SCRIPT)),
        name=paths.RULESET_INIT.rpartition("/")[2],
    )
    features = Service(
        scripts=FEATURES_SCRIPTS,
        files={
            paths.FEATURES_INIT: _service("features.openrc"),
            paths.FEATURES_IF_UP: (paths.PROGRAM, paths.installed("features.ifup")),
        },
        at_boot=Starter((paths.FEATURES_INIT, paths.FEATURES_IF_UP, paths.FEATURES_SCRIPT), must_be_enabled=True),
        name=paths.FEATURES_INIT.rpartition("/")[2],
    )

    def list_state_calls(self, service: Service) -> list[Call]:
        return [("read_openrc", service.name)]

    def read_state(self, answer: Answer, service: Service) -> ServiceState:
        """Lines ``enabled=RUNLEVEL`` and ``started=yes``; OpenRC itself sees when a file changed."""
        lines = answer.lines(f"openrc.{service.name}")
        return ServiceState(
            enabled=any(line.startswith("enabled=") for line in lines),
            active="started=yes" in lines,
        )

    def plan_after_writing(
        self, service: Service, found: Collection[str], changed: Collection[str], state: ServiceState
    ) -> list[Step]:
        return [] if state.enabled else [Step(f"enable {service.name}", EnableService(service.name))]

    def plan_before_removing(self, service: Service, state: ServiceState) -> list[Step]:
        return [Step(f"disable {service.name}", DisableService(service.name))] if state.enabled or state.active else []
