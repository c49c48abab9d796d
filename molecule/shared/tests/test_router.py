# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The router after two runs of the role, a reboot and a re-plug of the NIC on its WAN side.

The state comes from its own boot and hotplug, the traffic is new.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import testinfra.host
import yaml

from lab import api
from tests.lab.plays import run_playbook

PLACE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "build", "molecule", os.environ["MOLECULE_SCENARIO_NAME"])
TRAFFIC_SECONDS = 120
MOST_SESSIONS = 6

Host = testinfra.host.Host


@pytest.fixture
def known(host: Host) -> Mapping[str, Any]:
    """The router's variables in the inventory."""
    return dict(host.ansible.get_variables())


@pytest.fixture
def hardware(known: Mapping[str, Any]) -> bool:
    return bool(known["lab_nic"] == "offload")


@pytest.fixture
def openwrt(known: Mapping[str, Any]) -> bool:
    return str(known["lab_suite"]).startswith("openwrt-")


@pytest.fixture(scope="module")
def traffic() -> Iterator[None]:
    """Flows that start after all that and go on during the tests."""
    (name,) = yaml.safe_load((PLACE / "inventory.yml").read_text(encoding="utf-8"))["routers"]["hosts"]
    carried = api.drive_traffic(name, TRAFFIC_SECONDS, background=True)
    assert all(flow.returned for flow in carried), [str(flow) for flow in carried]
    return


def test_second_run_opened_few_sessions() -> None:
    sessions = int((PLACE / "sessions").read_text(encoding="utf-8"))
    assert 1 <= sessions <= MOST_SESSIONS


def test_flowtable_has_both_devices(host: Host, hardware: bool, openwrt: bool) -> None:
    """fw4 puts a bridge into a software flowtable, and its ports into a hardware one."""
    listing = host.check_output("nft list flowtables")
    found = re.search(r"flowtable ft \{(.*?)\}", listing, re.DOTALL)
    assert found, listing
    devices = re.search(r"devices = \{ (.*?) *$", found[1] + "", re.MULTILINE)
    lan = "br-lan" if openwrt and not hardware else "lan0"
    assert devices and sorted(devices[1].replace('"', "").split(", ")) == [lan, "wan0"], listing
    assert ("flags offload" in listing) is hardware


def test_boot_loads_it(host: Host, openwrt: bool, hardware: bool) -> None:
    if openwrt:
        host.check_output("/etc/init.d/firewall enabled")
        assert host.check_output("uci get firewall.@defaults[0].flow_offloading") == "1"
        option = host.run("uci get firewall.@defaults[0].flow_offloading_hw")
        assert (option.stdout.strip() == "1") is hardware
        return
    unit = host.service("nft-offload")
    assert unit.is_enabled
    assert unit.is_running


@pytest.mark.parametrize("device", ["lan0", "wan0"])
def test_feature_is_on_again(host: Host, hardware: bool, openwrt: bool, device: str) -> None:
    ethtool = "/usr/lib/stand-in/ethtool" if openwrt else "ethtool"
    line = host.check_output(f"{ethtool} -k {device} | grep ^hw-tc-offload")
    assert line == ("hw-tc-offload: on" if hardware else "hw-tc-offload: off [fixed]")


@pytest.mark.usefixtures("traffic")
def test_conntrack_has_the_bit(host: Host, hardware: bool) -> None:
    read = "if [ -e /proc/net/nf_conntrack ]; then cat /proc/net/nf_conntrack; else conntrack -L 2>/dev/null; fi"
    flows = [line for line in host.check_output(read).splitlines() if "dport=7000" in line]
    bit = "[HW_OFFLOAD]" if hardware else "[OFFLOAD]"
    assert len(flows) >= 4
    assert [line for line in flows if bit not in line] == []


@pytest.mark.usefixtures("traffic")
def test_packets_stay_out_of_the_forward_chain(host: Host, known: Mapping[str, Any]) -> None:
    """A table of this test counts packets on the slow path; the NIC counts all that arrived."""
    received = "cat /sys/class/net/lan0/statistics/rx_packets"
    host.check_output(
        "nft 'add table inet probe; add chain inet probe seen { type filter hook forward priority -300; }; "
        "add rule inet probe seen counter'"
    )
    before = int(host.check_output(received))
    host.check_output("sleep 3")
    arrived = int(host.check_output(received)) - before
    counter = re.search(r"counter packets (\d+)", host.check_output("nft list table inet probe"))
    host.check_output("nft delete table inet probe")
    assert counter
    assert arrived > 100, "the traffic does not run"
    assert int(counter[1]) < arrived / 10


@pytest.mark.usefixtures("traffic")
def test_verify_proves_it(known: Mapping[str, Any], hardware: bool) -> None:
    inventory = yaml.safe_load((PLACE / "inventory.yml").read_text(encoding="utf-8"))
    run = run_playbook("kmod.nft_offload.verify", inventory, ["-e", "flow_offload_require=offloading"]).worked()
    result = run.task("offload_verify").result
    assert result["verdict"] == ("hardware" if hardware else "bypassing")
    measured = next(rung for rung in result["rungs"] if rung["name"] == "bypassing")
    assert measured["status"] == "proven", measured
