# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fw4_offload on a router like OpenWrt: the real scripts and the real guard in its shell, its tools stood in for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from tests.unit.helpers.openwrt_fw4 import HARDWARE, SOFTWARE, STOCK, Meanwhile, flash, flowtable, stocked
from tests.unit.helpers.openwrt_root import OpenWrt


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    made = stocked(tmp_path / "root")
    yield made
    made.end()


def test_on_and_back(router: OpenWrt) -> None:
    before = flash(router)
    result, execs = router.do(ActionModule, SOFTWARE)
    assert execs == 3
    assert result["actions"] == [
        "set flow_offloading to 1",
        f"write {paths.FW4_CONFIG}",
        f"write {paths.FW4_FOUND}",
        f"write {paths.FW4_KEEP}",
    ]
    assert result["change"]["confirmed"] and result["devices"] == ["br-lan", "wan"]
    assert flowtable(router) == 'devices = { "br-lan", "wan" }\n'
    assert "option flow_offloading '1'" in str(router.read(paths.FW4_CONFIG))
    assert router.sh("uci changes") == ""
    on_flash = flash(router)
    again, execs = router.do(ActionModule, SOFTWARE)
    assert (again["changed"], execs) == (False, 1)
    assert flash(router) == on_flash, "nothing is written when nothing changes"
    gone, execs = router.do(ActionModule, {"state": "absent"})
    assert (gone["changed"], execs, flowtable(router)) == (True, 3, "")
    assert router.read(paths.FW4_FOUND) is None
    assert flash(router).keys() == before.keys()
    assert "flow_offloading" not in str(router.read(paths.FW4_CONFIG))


def test_hardware_and_from_there_to_software(router: OpenWrt) -> None:
    result, _execs = router.do(ActionModule, HARDWARE)
    assert flowtable(router) == 'devices = { "lan1", "lan2", "wan" }\nflags offload\n'
    assert result["options"] == {"flow_offloading": "1", "flow_offloading_hw": "1"}
    assert result["diff"][0]["after"].splitlines() == [
        "firewall.@defaults[0].flow_offloading='1'",
        "firewall.@defaults[0].flow_offloading_hw='1'",
    ]
    router.do(ActionModule, SOFTWARE)
    assert flowtable(router) == 'devices = { "br-lan", "wan" }\n'
    assert "option flow_offloading_hw '0'" in str(router.read(paths.FW4_CONFIG))


def test_a_load_has_fw4_make_its_ruleset_twice(router: OpenWrt) -> None:
    """A slow router needs seconds for each, and the load has a limit."""
    router.path("/sbin/fw4").rename(router.path("/sbin/fw4.real"))
    asked = '[ -z "$NFT_OFFLOAD_CHANGE" ] || echo "$*" >>/tmp/asked'
    router.write("/sbin/fw4", f'#!/bin/sh\n{asked}\nexec /sbin/fw4.real "$@"\n', 0o755)
    router.do(ActionModule, SOFTWARE)
    assert router.read("/tmp/asked") == "print\nreload\n"


def test_check_mode_touches_nothing(router: OpenWrt) -> None:
    before = flash(router)
    result, execs = router.do(ActionModule, HARDWARE, check=True)
    assert (result["changed"], execs) == (True, 1)
    assert len(result["diff"]) == 3
    assert (flash(router), flowtable(router), router.sh("uci changes")) == (before, "", "")


@pytest.mark.parametrize(("arguments", "offload"), [({}, "auto"), (HARDWARE, "hardware")])
def test_check_mode_tells_that_the_firewall_does_not_run(
    router: OpenWrt, arguments: dict[str, str], offload: str
) -> None:
    """What the real run would refuse, unless another task starts it before. Its devices are not known."""
    router.sh("/etc/init.d/firewall stop")
    result, _execs = router.do(ActionModule, arguments, check=True)
    assert (result["changed"], result["offload"]) == (True, offload)
    assert result["warnings"][0].startswith("the firewall does not run: start it (/etc/init.d/firewall start)")
    assert ("set flow_offloading_hw to 1" in result["actions"][0]) is (offload == "hardware")
    with pytest.raises(OffloadError, match=r"the firewall does not run.*/etc/init\.d/firewall start"):
        router.do(ActionModule, arguments)


@pytest.mark.parametrize("check", [False, True])
def test_a_configuration_that_uci_cannot_read(router: OpenWrt, check: bool) -> None:
    router.write(paths.FW4_CONFIG, STOCK.format("") + "\toption input 'ACC\n")
    with pytest.raises(OffloadError, match=r"uci cannot read /etc/config/firewall: uci: Parse error.*at line"):
        router.do(ActionModule, SOFTWARE, check=check)


@pytest.mark.parametrize(
    ("on", "offload", "reason"),
    [
        ("eth0 true", "hardware", "hw-tc-offload is on for every wired device"),
        ("eth0 false\nlan1 true\nwan true", "software", "hw-tc-offload of eth0 is off or missing, as netifd shows it"),
    ],
)
def test_auto_looks_at_the_conduit(router: OpenWrt, on: str, offload: str, reason: str) -> None:
    router.write("/etc/stand-in/hw-tc-offload", on)
    result, _execs = router.do(ActionModule, {})
    assert (result["offload"], result["reason"]) == (offload, reason)


@pytest.mark.parametrize(
    ("netifd", "ethtool", "offload", "reason"),
    [
        ("silent", "on", "hardware", "hw-tc-offload is on for every wired device"),
        ("false", "on", "hardware", "hw-tc-offload is on for every wired device"),
        ("true", "off [fixed]", "software", "hw-tc-offload of eth0 is off [fixed]"),
        ("true", "off [requested on]", "software", "hw-tc-offload of eth0 is off [requested on]"),
        ("true", "", "hardware", "hw-tc-offload is on for every wired device"),
        ("silent", "", "software", "hw-tc-offload of eth0 is not known, for neither ethtool nor netifd shows it"),
    ],
)
def test_auto_asks_ethtool_first(router: OpenWrt, netifd: str, ethtool: str, offload: str, reason: str) -> None:
    """netifd shows the feature only where the driver answers ETHTOOL_GLINKSETTINGS."""
    router.write("/etc/stand-in/hw-tc-offload", f"eth0 {netifd}\n")
    line = f"hw-tc-offload: {ethtool}" if ethtool else "rx-checksumming: on"
    router.write("/usr/sbin/ethtool", f"#!/bin/sh\necho '{line}'\n", 0o755)
    result, _execs = router.do(ActionModule, {})
    assert (result["offload"], result["reason"]) == (offload, reason)


@pytest.mark.parametrize(
    ("netifd", "offload", "reason"),
    [
        ("true", "hardware", "hw-tc-offload is on for every wired device"),
        ("silent", "software", "fw4 would list eth1.2 in place of eth1, for netifd does not show its devtype"),
    ],
)
@pytest.mark.parametrize("bridged", [False, True])
@pytest.mark.parametrize("check", [True, False])
def test_auto_finds_the_nic_below_a_vlan_as_fw4_does(
    router: OpenWrt, netifd: str, offload: str, reason: str, bridged: bool, check: bool
) -> None:
    """By netifd's devtype, which a VLAN has only where the driver of its NIC answers ETHTOOL_GLINKSETTINGS."""
    router.device("eth1")
    router.device("eth1.2", "vlan", ["eth1"])
    router.device("br-wan", "bridge", ["eth1.2"])
    wan = "br-wan" if bridged else "eth1.2"
    router.write("/etc/stand-in/interfaces", f"lan br-lan br-lan static up\nwan {wan} {wan} dhcp up\n")
    router.write("/etc/stand-in/hw-tc-offload", f"eth0 true\neth1 {netifd}\neth1.2 {netifd}\n")
    router.write("/usr/sbin/ethtool", "#!/bin/sh\necho 'hw-tc-offload: on'\n", 0o755)
    router.sh("fw4 reload")
    result, _execs = router.do(ActionModule, {}, check=check)
    assert (result["offload"], result["reason"]) == (offload, reason)
    assert not result.get("warnings")
    if not check:
        again, _execs = router.do(ActionModule, {})
        assert (again["changed"], again["offload"], "eth1.2" in again["devices"]) == (
            False,
            offload,
            offload == "software" and not bridged,
        )


def test_auto_says_of_which_device_nothing_is_known(router: OpenWrt) -> None:
    router.write("/etc/stand-in/hw-tc-offload", "eth0 silent\n")
    result, _execs = router.do(ActionModule, {})
    assert (result["offload"], flowtable(router)) == ("software", 'devices = { "br-lan", "wan" }\n')
    assert result["reason"] == (
        "hw-tc-offload of eth0 is not known, for netifd does not show it and ethtool is not installed"
    )
    (warning,) = result["warnings"]
    assert "hw-tc-offload of eth0 is not known" in warning and "install ethtool (kmod.nft_offload.kernel" in warning
    asked, _execs = router.do(ActionModule, SOFTWARE)
    assert "warnings" not in asked, "who asks for software need not know"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("ethtool", "foreseen"),
    [("", True), ("hw-tc-offload: off", True), ("hw-tc-offload: off [fixed]", False), ("busy-poll: on", False)],
)
def test_check_mode_foresees_what_nic_features_does(router: OpenWrt, ethtool: str, foreseen: bool, check: bool) -> None:
    """As with kmod.nft_offload.ruleset: while ethtool is still to come, a NIC with a driver counts as one that can."""
    router.path("/sys/class/net/eth0/device/driver").mkdir(parents=True)
    router.write("/etc/stand-in/hw-tc-offload", "eth0 false\nlan1 true\nlan2 true\nwan true\n")
    if ethtool:
        router.write("/usr/sbin/ethtool", f"#!/bin/sh\necho '{ethtool}'\n", 0o755)
    result, _execs = router.do(ActionModule, {}, check=check)
    assert result["offload"] == ("hardware" if check and foreseen else "software")
    assert ("foreseen" in result["reason"]) is (check and foreseen)


@pytest.mark.parametrize("value", ["1", "on", "true", "yes"])
def test_other_spellings_are_no_difference(router: OpenWrt, value: str) -> None:
    router.write(paths.FW4_CONFIG, STOCK.format(f"\toption flow_offloading {value}\n"))
    router.sh("fw4 reload")
    result, execs = router.do(ActionModule, SOFTWARE)
    assert (result["changed"], execs) == (False, 1)
    assert router.read(paths.FW4_FOUND) is None, "nothing of it is ours"


@pytest.mark.parametrize("spelt", ["option flow_offloading \\\n1", "option flow_off\\\nloading '1'"])
def test_a_line_that_goes_on_is_no_difference(router: OpenWrt, spelt: str) -> None:
    """Nothing but uci reads its files: a backslash at the end of a line is one of its spellings."""
    router.write(paths.FW4_CONFIG, STOCK.format(f"\t{spelt}\n"))
    router.sh("fw4 reload")
    result, execs = router.do(ActionModule, SOFTWARE)
    assert (result["changed"], execs) == (False, 1)
    router.do(ActionModule, {"offload": "disabled"})
    assert "flow_offloading '0'" in str(router.read(paths.FW4_CONFIG))


def test_what_ends_fw4_is_put_right(router: OpenWrt) -> None:
    router.write(paths.FW4_CONFIG, STOCK.format(""))
    router.sh("fw4 reload")
    router.write(paths.FW4_CONFIG, STOCK.format("\toption flow_offloading enabled\n"))
    result, _execs = router.do(ActionModule, SOFTWARE)
    assert result["changed"] and not result.get("warnings")
    assert router.read(paths.FW4_FOUND) == "flow_offloading enabled\nflow_offloading_hw -\n"
    router.do(ActionModule, {"state": "absent"})
    assert "flow_offloading" not in str(router.read(paths.FW4_CONFIG)), "it would leave the router without a firewall"


@pytest.mark.parametrize("check", [False, True])
def test_a_configuration_that_fw4_makes_nothing_of(router: OpenWrt, check: bool) -> None:
    """What is live is of before, and the next start leaves the router without a firewall."""
    router.do(ActionModule, SOFTWARE)
    text = str(router.read(paths.FW4_CONFIG))
    router.write(paths.FW4_CONFIG, text.replace("REJECT", "FOO", 1))
    for wanted in (SOFTWARE, {}):
        router.write("/etc/stand-in/hw-tc-offload", "eth0 false\n")
        with pytest.raises(OffloadError, match=r"no ruleset.*'input' specifies invalid value 'FOO'.*fw4 check"):
            router.do(ActionModule, wanted, check=check)


def test_a_configuration_that_breaks_meanwhile(router: OpenWrt) -> None:
    class Breaking(Meanwhile):
        script = f"sed -i s/REJECT/FOO/ {paths.FW4_CONFIG}"

    with pytest.raises(OffloadError, match=r"no ruleset.*invalid value 'FOO'"):
        router.do(ActionModule, SOFTWARE, way=Breaking)


def test_no_section_of_defaults(router: OpenWrt) -> None:
    router.write(paths.FW4_CONFIG, STOCK.format("").partition("\n\n")[2])
    router.sh("fw4 reload")
    router.do(ActionModule, HARDWARE)
    assert str(router.read(paths.FW4_CONFIG)).count("config defaults") == 1
    assert router.sh("uci changes") == ""
    assert flowtable(router) == 'devices = { "lan1", "lan2" }\nflags offload\n'


def test_two_sections_of_defaults(router: OpenWrt) -> None:
    router.write(paths.FW4_CONFIG, STOCK.format("") + "\nconfig defaults\n\toption flow_offloading 1\n")
    router.sh("fw4 reload")
    result, _execs = router.do(ActionModule, SOFTWARE)
    assert any("2 sections of defaults: fw4 uses the first" in warning for warning in result["warnings"])
    first, second = str(router.read(paths.FW4_CONFIG)).split("config defaults")[1:]
    assert "flow_offloading '1'" in first and "flow_offloading '1'" in second


def test_hardware_that_fw4_falls_back_from(router: OpenWrt) -> None:
    router.write("/etc/stand-in/nft-refuses", "hardware lan2\n")
    with pytest.raises(OffloadError, match="fell back to software: a device refuses hardware"):
        router.do(ActionModule, HARDWARE)
    assert flowtable(router) == ""
    result, _execs = router.do(ActionModule, {})
    complaint = "Hardware flow offloading unavailable, falling back to software offloading"
    assert result["warnings"] == [f"fw4: {complaint}"]
    again, _execs = router.do(ActionModule, {})
    for one in (result, again):
        assert (one["offload"], one["reason"]) == ("software", complaint), "what the role then expects"
    assert (result["changed"], again["changed"]) == (True, False)


def test_without_a_confirmation(router: OpenWrt) -> None:
    result, execs = router.do(ActionModule, {**SOFTWARE, "confirm_timeout": 0})
    assert execs == 2 and "nothing would have undone" in result["warnings"][0]
    assert flowtable(router) != "" and router.sh("uci changes") == ""


def test_wi_fi_that_came_after_the_firewall(router: OpenWrt) -> None:
    """Nothing adds it but the next load; that alone is a change, and writes no flash."""
    router.do(ActionModule, HARDWARE)
    router.device("phy0-ap0", "wlan")
    router.path("/sys/class/net/br-lan/lower_phy0-ap0").mkdir()
    before = flash(router)
    result, _execs = router.do(ActionModule, HARDWARE)
    assert result["actions"] == ["reload the firewall"]
    assert 'devices = { "lan1", "lan2", "phy0-ap0", "wan" }' in flowtable(router)
    assert flash(router) == before


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("/etc/init.d/firewall stop", r"the firewall does not run.*/etc/init\.d/firewall start"),
        ("rm /sbin/fw4 /sbin/fw3", "there is no fw4 on this router"),
        ("rm /sbin/fw4 /sbin/fw3; touch /sbin/fw3; chmod 755 /sbin/fw3", "has fw3"),
    ],
)
def test_routers_that_cannot(router: OpenWrt, script: str, says: str) -> None:
    router.sh(script)
    with pytest.raises(OffloadError, match=says):
        router.do(ActionModule, SOFTWARE)


def test_a_router_that_was_never_changed_is_left_alone(router: OpenWrt) -> None:
    before = flash(router)
    result: dict[str, Any] = router.do(ActionModule, {"state": "absent"})[0]
    assert (result["changed"], flash(router)) == (False, before)
