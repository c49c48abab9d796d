# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""procd, OpenWrt's init system: init scripts, hotplug scripts, and what sysupgrade carries over. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .._core import paths
from .._core.plan import Step
from .init_system import FEATURES_SCRIPTS, RULESET_SCRIPTS, InitSystem, Service, ServiceState, Starter
from .verbs import EnableInit


def _init_script(name: str) -> tuple[str, str]:
    """sh/installed/<name> for OpenWrt's rc.common, which ansible-test lets no file of ours name in its first line."""
    return paths.PROGRAM, f"#!/bin/sh /etc/rc.common\n{paths.installed(name)}"


def _keep_list(kept: Iterable[str]) -> tuple[str, str]:
    """What sysupgrade carries over, one path per line."""
    return paths.READABLE, "".join(f"{path}\n" for path in kept)


class Procd(InitSystem):
    """``/etc/init.d/NAME enable`` makes a link in /etc/rc.d, which exists for as long as boot starts the script."""

    name = "procd"
    scripts = ("apply/procd", "apply/cron")
    crontab = paths.CRONTAB
    modules_list = paths.MODULES_D
    reports_features = True
    """netifd (ubus call network.device status); a stock image has no ethtool"""
    ruleset = Service(
        scripts=RULESET_SCRIPTS,
        files={
            paths.RULESET_INIT: _init_script("ruleset.init"),
            paths.DEVICE_HOTPLUG: (paths.READABLE, paths.installed("flowtable.hotplug")),
            paths.RULESET_KEEP: _keep_list(
                (
                    *(
                        paths.RULESET,
                        paths.LISTING,
                        paths.SOFTWARE_LISTING,
                        paths.DEVICES,
                        paths.CONFIRMED,
                        f"{paths.HISTORY}/",
                    ),
                    paths.EMERGENCY,
                    *RULESET_SCRIPTS,
                    *(paths.RULESET_INIT, paths.RULESET_RC, paths.DEVICE_HOTPLUG, paths.RULESET_KEEP),
                )
            ),
        },
        at_boot=Starter((paths.RULESET_INIT, paths.RULESET_RC, paths.RULESET_SCRIPT)),
        on_arrival=Starter((paths.DEVICE_HOTPLUG, paths.DEVICE_SCRIPT)),
        name=paths.RULESET_INIT.rpartition("/")[2],
        links=(paths.RULESET_RC,),
    )
    features = Service(
        scripts=FEATURES_SCRIPTS,
        files={
            paths.FEATURES_INIT: _init_script("features.init"),
            paths.FEATURES_HOTPLUG: (paths.READABLE, paths.installed("features.hotplug")),
            paths.FEATURES_KEEP: _keep_list(
                (
                    *(paths.FEATURES, *FEATURES_SCRIPTS, paths.FEATURES_INIT, paths.FEATURES_RC),
                    *(paths.FEATURES_HOTPLUG, paths.FEATURES_KEEP),
                )
            ),
        },
        at_boot=Starter((paths.FEATURES_INIT, paths.FEATURES_RC, paths.FEATURES_HOTPLUG, paths.FEATURES_SCRIPT)),
        name=paths.FEATURES_INIT.rpartition("/")[2],
        links=(paths.FEATURES_RC,),
    )

    def plan_after_writing(
        self, service: Service, found: Collection[str], changed: Collection[str], state: ServiceState
    ) -> list[Step]:
        enabled = all(link in found for link in service.links)
        return [] if enabled else [Step(f"enable {service.name}", EnableInit(service.name))]
