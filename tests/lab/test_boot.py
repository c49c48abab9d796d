# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot and re-plug: the table is loaded early, devices join when they exist, and other services do not remove it."""

from __future__ import annotations

import time

import pytest

from lab import api
from tests.lab.router import Live

PLUG = """eval "$(sed '/^case "/,$d' /usr/lib/lab/net)"; plug"""
"""the lab's own function plug; replug would first pull the device out"""


NO_NICS = """
set -e
mkdir -p /etc/systemd/system/lab-net.service.d
cat >/etc/systemd/system/lab-net.service.d/none.conf <<'EOT'
[Service]
ExecStart=
ExecStart=/bin/sh -c 'ip address add 10.0.2.15/24 dev mgmt0 && ip link set mgmt0 up'
EOT
systemctl -q disable lab-sink
"""
"""the next boot has SSH on mgmt0, and no NIC that forwards"""
NICS = """
set -e
rm -r /etc/systemd/system/lab-net.service.d
systemctl daemon-reload
ip address flush dev mgmt0
systemctl restart lab-net
systemctl start lab-sink
"""


def wait_for_devices(router: Live, names: list[str]) -> None:
    """Wait until these are the devices in the flowtable: udev only has systemd start the units."""
    deadline = time.monotonic() + 30
    while router.flowtable_devices() != names and time.monotonic() < deadline:
        time.sleep(0.3)
    assert router.flowtable_devices() == names, router.sh("journalctl --no-pager -b -u 'nft-offload*' | tail -n 30")


@pytest.mark.parametrize("device", ["lan0", "wan0"])
def test_replug(router: Live, device: str) -> None:
    api.replug(router.name, device)
    wait_for_devices(router, ["lan0", "wan0"])
    assert router.feature(device) == "on"
    router.assert_flows_have("HW_OFFLOAD")
    assert router.role().worked().changed == []


def test_boot_without_the_devices(router: Live) -> None:
    """The table is loaded without them; when the devices appear, they join, with their features set first."""
    router.sh(NO_NICS)
    router.reboot()
    assert not router.succeeds("test -e /sys/class/net/lan0")
    assert router.sh("systemctl is-active nft-offload").strip() == "active"
    assert "flow add @ft" in router.nft("list table inet nft_offload")
    assert router.flowtable_devices() == []

    router.sh(NICS)
    wait_for_devices(router, ["lan0", "wan0"])
    assert (router.feature("lan0"), router.feature("wan0")) == ("on", "on")
    router.assert_flows_have("HW_OFFLOAD")
    assert router.role().worked().changed == []


def test_a_device_that_is_away_for_long(router: Live) -> None:
    """A run warns and changes nothing; the device joins when it is back."""
    router.sh("echo wan0 >/sys/module/labnic/parameters/remove")
    run = router.role(flow_offload_devices=["lan0", "wan0"])
    task = run.task("ruleset")
    assert task.status == "ok", task.msg
    assert not task.changed
    assert "wan0 is away" in str(task.result["warnings"])
    router.sh(f"{PLUG} wan")
    wait_for_devices(router, ["lan0", "wan0"])


@pytest.mark.parametrize("verb", ["start", "reload", "restart"])
def test_nftables_service(router: Live, verb: str) -> None:
    """Debian's nftables.service flushes every table when it starts and reloads; ours is loaded again."""
    if verb != "start":
        router.sh("systemctl start nftables")
    router.sh(f"systemctl {verb} nftables")
    wait_for_devices(router, ["lan0", "wan0"])
    router.assert_flows_have("HW_OFFLOAD")


def test_flushed_by_hand(router: Live) -> None:
    """Nothing on the router notices that; the next run does."""
    router.nft("flush ruleset")
    assert router.module("offload_verify").status == "failed"
    assert router.role(check=True).worked().task("ruleset").changed
    assert router.role().worked().task("ruleset").changed
    router.assert_flows_have("HW_OFFLOAD")
