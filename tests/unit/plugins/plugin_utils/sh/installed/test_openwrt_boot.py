# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ruleset module leaves on OpenWrt for boot and for devices that come and go, started as OpenWrt starts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import history
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.emergency import render_emergency
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    SOFTWARE_PRIORITY,
    DesiredFlowtable,
    DesiredTable,
    SoftwareTable,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.procd import Procd

from tests.unit.helpers.openwrt_root import OpenWrt

TABLE = DesiredTable(
    "inet",
    "nft_offload",
    "table inet nft_offload {\n\tchain forward {\n\t\tmeta l4proto tcp flow add @ft\n\t}\n}\n",
    (DesiredFlowtable("ft", ("lan0", "wan0"), hardware=True),),
)


@pytest.fixture
def router(tmp_path: Path) -> OpenWrt:
    made = OpenWrt(tmp_path / "root")
    made.device("lan0")
    for path, (mode, text) in Procd.ruleset.written.items():
        made.write(path, text, int(mode, 8))
    made.write(paths.RULESET, TABLE.boot_text())
    made.write(paths.DEVICES, TABLE.attachments())
    return made


def nft_lines(router: OpenWrt, script: str) -> list[str]:
    """The lines that nft got."""
    router.sh(f"rm -f /tmp/nft.log; {script}")
    return [line.removeprefix("nft ") for line in (router.read("/tmp/nft.log") or "").splitlines()]


def test_boot_loads_the_table_and_the_devices_that_are_there(router: OpenWrt) -> None:
    router.sh("/etc/init.d/nft-offload enable")
    assert router.path(paths.RULESET_RC).is_symlink()
    load, look, attach = nft_lines(router, f"{paths.RULESET_RC} boot")
    assert (load, look) == ("-f -", "-t list table inet nft_offload")
    assert attach == TABLE.attach(TABLE.flowtables[0], "lan0")


def test_boot_starts_it_between_the_firewall_and_the_network(router: OpenWrt) -> None:
    """Where our table is the only filter, nothing comes in before it. The firewall has S19firewall, the network S20."""
    router.sh("ln -s ../init.d/nft-offload /etc/rc.d/S21nft-offload")
    router.run(["apply/procd"], [("section", "step", "enable_init", "nft-offload")])
    links = sorted(path.name for path in router.path("/etc/rc.d").iterdir())
    assert [name for name in links if "nft-offload" in name] == ["S19nft-offload"]


KEPT = DesiredTable("inet", "nft_offload", TABLE.content.replace("tcp", "udp"), TABLE.flowtables)
FILTER = "\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"


def test_boot_falls_back_to_what_was_confirmed_before(router: OpenWrt) -> None:
    router.write("/etc/stand-in/nft-refuses", "text tcp\n")
    kept = history.kept_text("1-0000000a", KEPT.boot_text(), KEPT.attachments())
    router.write(history.path("1-0000000a"), kept, 0o600)
    said = router.sh(f"/etc/init.d/nft-offload enable; {paths.RULESET_RC} boot; nft list table inet nft_offload")
    assert "flowtable ft" in said, "it is live"
    assert "ruleset 1-0000000a, confirmed before, runs in its place" in said
    assert TABLE.attach(TABLE.flowtables[0], "lan0") in (router.read("/tmp/nft.log") or "")
    assert (router.read("/var/run/nft-offload/boot") or "").startswith("loaded=kept 1-0000000a\n")


def test_boot_falls_back_to_the_emergency_ruleset(router: OpenWrt) -> None:
    table = replace(TABLE, content=TABLE.content[:-2] + FILTER)
    router.write(paths.RULESET, table.boot_text())
    router.write(paths.EMERGENCY, render_emergency(table, ()) or "", 0o600)
    router.write("/etc/stand-in/nft-refuses", "text flowtable\n")
    said = router.sh(f"{paths.RULESET_INIT} boot; nft list table inet nft_offload")
    assert "chain emergency_input" in said and "an emergency ruleset runs in its place" in said
    assert (router.read("/var/run/nft-offload/boot") or "").startswith("loaded=emergency\n")


def test_a_device_comes_and_goes(router: OpenWrt) -> None:
    router.device("wan0")
    hotplug = f". {paths.DEVICE_HOTPLUG}"
    assert nft_lines(router, f"ACTION=add DEVICENAME=wan0; {hotplug}") == [TABLE.attach(TABLE.flowtables[0], "wan0")]
    assert nft_lines(router, f"ACTION=add DEVICENAME=other0; {hotplug}") == []
    (left,) = nft_lines(router, f"rm -r /sys/class/net/wan0; ACTION=remove DEVICENAME=wan0; {hotplug}")
    assert left.startswith("delete flowtable inet nft_offload ft")


def test_devices_of_a_pattern_join_at_boot_and_when_they_appear(router: OpenWrt) -> None:
    table = replace(TABLE, flowtables=(DesiredFlowtable("ft", ("lan0", "ppp*"), hardware=False),))
    (flowtable,) = table.flowtables
    router.write(paths.RULESET, table.boot_text())
    router.write(paths.DEVICES, table.attachments())
    for name in ("ppp0", "ppp1", "pp0"):
        router.device(name)
    lines = nft_lines(router, f"{paths.RULESET_INIT} boot")
    assert lines[2:] == [table.attach(flowtable, name) for name in ("lan0", "ppp0", "ppp1")]
    router.device("ppp2")
    hotplug = f". {paths.DEVICE_HOTPLUG}"
    assert nft_lines(router, f"ACTION=add DEVICENAME=ppp2; {hotplug}") == [table.attach(flowtable, "ppp2")]
    assert nft_lines(router, f"ACTION=add DEVICENAME=pp0; {hotplug}") == []
    (left,) = nft_lines(router, f"rm -r /sys/class/net/ppp2; ACTION=remove DEVICENAME=ppp2; {hotplug}")
    assert left == table.detach(flowtable, "ppp2")
    told = [f"{paths.DEVICE_SCRIPT} listed {name} && echo {name}" for name in ("lan0", "ppp7", "ppp", "pp0", "wan0")]
    assert router.sh("; ".join(told) + "; :").split() == ["lan0", "ppp7", "ppp"]


BESIDE = replace(
    TABLE,
    software=SoftwareTable(
        "inet",
        "nft_offload_software",
        TABLE.content.replace("nft_offload", "nft_offload_software"),
        (DesiredFlowtable("ft", ("lan0", "wg0"), hardware=False, priority=SOFTWARE_PRIORITY),),
    ),
)
"""lan0 in hardware, what goes through wg0 in software"""


def test_both_tables_are_loaded_and_each_device_joins_both(router: OpenWrt) -> None:
    router.write(paths.RULESET, BESIDE.boot_text())
    router.write(paths.DEVICES, BESIDE.attachments())
    router.device("wg0")
    assert BESIDE.software is not None
    hard = TABLE.attach(TABLE.flowtables[0], "lan0")
    soft = [BESIDE.software.attach(BESIDE.software.flowtables[0], device) for device in ("lan0", "wg0")]
    assert nft_lines(router, f"{paths.RULESET_INIT} boot")[2:] == [hard, *soft]
    said = router.sh("nft list table inet nft_offload_software; nft list table inet nft_offload")
    assert said.count("flowtable ft") == 2


def test_a_device_that_hardware_refuses_later_joins_the_other_one(router: OpenWrt) -> None:
    router.write(paths.RULESET, BESIDE.boot_text())
    router.write(paths.DEVICES, BESIDE.attachments())
    router.write("/etc/stand-in/nft-refuses", "text flags\n")
    assert BESIDE.software is not None
    said = nft_lines(router, f"ACTION=add DEVICENAME=lan0; . {paths.DEVICE_HOTPLUG} || echo it failed")
    assert said[-1] == BESIDE.software.attach(BESIDE.software.flowtables[0], "lan0")


def test_an_upgrade_keeps_all_of_it(router: OpenWrt) -> None:
    kept = set(str(router.read(paths.RULESET_KEEP)).splitlines())
    assert {paths.RULESET, paths.DEVICES, *Procd.ruleset.written, paths.RULESET_RC} <= kept
