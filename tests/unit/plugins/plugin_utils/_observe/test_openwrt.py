# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What offload_info sees of OpenWrt's firewall, by the real scripts in its shell, in one exec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.offload_info import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import omit_keys

from tests.unit.helpers.openwrt_fw4 import stocked
from tests.unit.helpers.openwrt_root import OpenWrt


@pytest.fixture
def router(tmp_path: Path) -> OpenWrt:
    return stocked(tmp_path / "root")


def seen(router: OpenWrt) -> dict[str, Any]:
    result, execs = router.do(ActionModule, {})
    assert execs == 1
    fw4: dict[str, Any] = result["router"]["fw4"]
    return fw4


def test_as_it_comes(router: OpenWrt) -> None:
    fw4 = seen(router)
    assert fw4["effective"] == {"flow_offloading": False, "flow_offloading_hw": False}
    assert (fw4["desired"], fw4["rule"], fw4["staged"], fw4["complaints"]) == (None, "", [], [])
    assert fw4["loaded"] == ["enabled", "state", "table"]


def test_staged_and_rendered_but_not_live(router: OpenWrt) -> None:
    router.sh("uci set firewall.@defaults[0].flow_offloading=1")
    fw4 = seen(router)
    assert fw4["staged"] == ["firewall.cfg01e63d.flow_offloading='1'"]
    assert fw4["desired"]["devices"] == ["br-lan", "wan"]
    assert fw4["rule"] == "meta l4proto { tcp, udp } flow offload @ft"


def test_stopped(router: OpenWrt) -> None:
    router.sh("/etc/init.d/firewall stop; /etc/init.d/firewall disable")
    assert seen(router)["loaded"] == []


def test_a_value_that_ends_fw4(router: OpenWrt) -> None:
    router.sh("uci set firewall.@defaults[0].flow_offloading_hw=enabled; uci commit firewall")
    fw4 = seen(router)
    assert fw4["effective"]["flow_offloading_hw"] is None
    assert "invalid value 'enabled'" in fw4["complaints"][0]


def test_sections_of_zones(router: OpenWrt) -> None:
    router.sh("uci set firewall.guest=zone; uci set firewall.guest.name=guest; uci set firewall.lights=rule")
    sections = seen(router)["zone_sections"]
    assert "guest" in sections and "lights" not in sections
    assert len(sections) == router.sh("uci show firewall").count("=zone")


def test_what_a_choice_needs(router: OpenWrt) -> None:
    """The small picture is a part of the whole one."""
    whole = router.do(ActionModule, {})[0]["router"]
    small, execs = router.do(ActionModule, {"gather_subset": "min"})
    assert execs == 1
    boot = small["router"].pop("boot")
    assert set(small["router"]) == {"platform", "devices", "flowtables", "unseen", "not_understood"}
    devices = small["router"].pop("devices")
    assert devices == {name: omit_keys(seen, "mtu", "qdisc") for name, seen in whole["devices"].items()} != {}
    assert small["router"] == {name: whole[name] for name in small["router"]}
    assert boot == {name: whole["boot"][name] for name in ("ruleset", "filters", "foreign", "attachments", "features")}


def test_another_firewall(tmp_path: Path) -> None:
    router = OpenWrt(tmp_path / "root", "21.02.7")
    assert router.do(ActionModule, {})[0]["router"]["fw4"] is None
