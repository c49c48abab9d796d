# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Convergence: a check run predicts the real one, a second run changes nothing, and both take few SSH execs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.plays import Run, predicted
from tests.lab.router import Live

MOST_EXECS = 6
MOST_LINES = 10

Record = Callable[[str, object], None]


def check_execs(run: Run, record: Record, title: str) -> None:
    """At most one exec to read, two to change, three with a confirmation; records them with their bytes."""
    for task in run.ours:
        most = 3 if "change" in task.result else 2 if task.changed else 1
        assert 1 <= len(task.execs) <= most, task.name
        record(
            f"{title}: {task.action.rsplit('.', 1)[-1]}", "; ".join(f"{up} up, {down} down" for up, down in task.execs)
        )


@pytest.mark.router("trixie/offload", "bare")
def test_fresh_router(router: Live, record_property: Record) -> None:
    checked = router.role(check=True)
    router.is_untouched()

    first = router.role()
    predicted(checked, first)
    assert len(first.changed) == 3
    check_execs(first, record_property, "first run")

    before = router.sessions()
    second = router.role().worked()
    opened = router.sessions() - before - 1
    assert second.changed == []
    assert second.execs <= MOST_EXECS
    assert [task.name for task in second.tasks if task.status != "ok"] == []
    assert len(second.tasks) <= MOST_LINES
    assert opened <= MOST_EXECS, "by the count of the router's SSH server"
    check_execs(second, record_property, "second run")


# Every other configuration for a router that offloads to hardware.
CHANGES: dict[str, dict[str, Any]] = {
    "software": {"flow_offload_mode": "software"},
    "disabled": {"flow_offload_mode": "disabled"},
    "counter": {"flow_offload_counter": True},
    "other devices": {"flow_offload_devices": ["lan0", "mgmt0"]},
    "firewall": {
        "flow_offload_ruleset": "router",
        "flow_offload_router": {
            "zones": [
                {"name": "inside", "devices": ["lan0", "mgmt0"], "services": ["ssh"]},
                {"name": "outside", "devices": ["wan0"], "masquerade": True},
            ],
            "forward": [{"from": "inside", "to": ["outside"]}],
        },
    },
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_mind(router: Live, change: str) -> None:
    checked = router.role(check=True, **CHANGES[change])
    router.is_untouched()
    real = router.role(**CHANGES[change])
    predicted(checked, real)
    assert real.changed
    assert router.role(**CHANGES[change]).worked().changed == []


def test_a_device_leaves_before_its_feature_does(router: Live) -> None:
    """mlx5 refuses to turn hw-tc-offload off while it has flows (en_main.c, set_feature_hw_tc)."""
    router.sh(
        "/bin/echo 'dmz0 dmz0p' >/sys/module/labnic/parameters/add && udevadm settle && "
        "ip link set dmz0p up && ip link set dmz0 up && ip address add 10.30.0.1/24 dev dmz0"
    )
    router.role(flow_offload_devices=["lan0", "wan0", "dmz0"]).worked()
    assert router.feature("dmz0") == "on"

    fewer: dict[str, Any] = {"flow_offload_devices": ["lan0", "wan0"]}
    checked, run = router.role(check=True, **fewer), router.role(**fewer)
    predicted(checked, run)
    changing = [task.action.rsplit(".", 1)[-1] for task in run.ours if task.changed]
    assert changing == ["ruleset", "nic_features"]
    assert [router.feature(device) for device in ("lan0", "wan0", "dmz0")] == ["on", "on", "off"]
    assert router.role(**fewer).worked().changed == []


@pytest.mark.router("trixie/plain", "bare")
def test_fresh_router_with_plain_nics(router: Live) -> None:
    checked = router.role(check=True)
    router.is_untouched()
    real = router.role()
    predicted(checked, real)
    (flowtable,) = real.task("ruleset").result["flowtables"]
    assert flowtable["offload"] == "software"
    assert set(flowtable["refused"]) == {"lan0", "wan0"}
    assert "veth" in flowtable["reason"]
    assert router.role().worked().changed == []
