# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nic_features on a router like OpenWrt: with ethtool and without, for a switch's ports, at boot and re-plug."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.nic_features import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.ethtool import parse_netifd
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Feature
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.procd import Procd

from tests.unit.helpers.openwrt_root import ETHTOOL, OpenWrt

PORTS = {"devices": ["lan1", "wan"]}


@pytest.fixture
def router(tmp_path: Path) -> OpenWrt:
    """A switch with two ports; no ethtool, and netifd says that the conduit's feature is on."""
    made = OpenWrt(tmp_path / "root")
    made.device("eth0")
    made.write("/sys/class/net/driver/mtk_soc_eth", "")
    made.path("/sys/class/net/eth0/device").mkdir()
    made.path("/sys/class/net/eth0/device/driver").symlink_to("/sys/bus/drivers/mtk_soc_eth")
    for port in ("lan1", "wan"):
        made.device(port, "dsa", ["eth0"])
    made.write("/etc/stand-in/hw-tc-offload", "eth0 true\nlan1 true\nwan true\n")
    return made


def with_ethtool(router: OpenWrt, now: str) -> None:
    router.write("/usr/sbin/ethtool", ETHTOOL, 0o755)
    router.write("/etc/stand-in/features", f"eth0 {now}\nlan1 on\nwan on\n")


def files(router: OpenWrt) -> set[str]:
    files = [p for top in ("etc", "lib", "usr/local") for p in (router.root / top).rglob("*") if not p.is_dir()]
    return {str(p) for p in files if "stand-in" not in str(p)}


def test_on_already_and_no_ethtool(router: OpenWrt) -> None:
    before = files(router)
    result, execs = router.do(ActionModule, PORTS)
    assert (result["changed"], execs) == (False, 1)
    assert result["devices"]["lan1"]["conduit"] == "eth0"
    assert result["devices"]["lan1"]["features"]["hw-tc-offload"]["active"]
    assert (result["boot"]["persistent"], files(router)) == (False, before)


def test_off_and_no_ethtool(router: OpenWrt) -> None:
    """The ports say that theirs is on, as every port does: the conduit's counts."""
    router.write("/etc/stand-in/hw-tc-offload", "eth0 false\nlan1 true\nwan true\n")
    with pytest.raises(OffloadError, match="hw-tc-offload of eth0 is off, and there is no ethtool to turn it on"):
        router.do(ActionModule, PORTS)
    result, _execs = router.do(ActionModule, {**PORTS, "unsupported": "skip"})
    assert not result["changed"] and set(result["unsupported_devices"]) == {"lan1", "wan"}


def test_netifd_shows_nothing_and_no_ethtool(router: OpenWrt) -> None:
    """Not known is not the same as missing."""
    router.write("/etc/stand-in/hw-tc-offload", "eth0 silent\n")
    with pytest.raises(OffloadError, match=r"whether eth0 .* is not known.*run kmod\.nft_offload\.kernel_support"):
        router.do(ActionModule, PORTS)


def test_an_unknown_device_is_an_invalid_argument_for_netifd(router: OpenWrt) -> None:
    """ubus ends with 254 and prints the reason, which is no value of a feature."""
    call = """ubus call network.device status '{"name":"gone"}'; echo $?"""
    printed = router.sh(call)
    assert printed == 'Command failed: ubus call network.device status {"name":"gone"} (Invalid argument)\n254\n'
    assert parse_netifd(f"{printed}eth0 true\n", {}) == {"eth0": Feature(active=True)}


def test_set_now_at_boot_and_when_it_appears(router: OpenWrt) -> None:
    with_ethtool(router, "off")
    before = files(router)
    result, execs = router.do(ActionModule, PORTS)
    assert execs == 2
    assert result["actions"][0] == "turn hw-tc-offload on for eth0 (driver mtk_soc_eth)"
    assert result["actions"][-1] == "enable nft-offload-features"
    assert result["boot"]["persistent"] and not result.get("warnings")
    assert "eth0 on" in str(router.read("/etc/stand-in/features"))
    assert router.path(paths.FEATURES_RC).is_symlink()

    router.sh("ethtool -K eth0 hw-tc-offload off; /etc/rc.d/S18nft-offload-features start")
    assert "eth0 on" in str(router.read("/etc/stand-in/features"))
    router.sh(f"ethtool -K eth0 hw-tc-offload off; ACTION=add DEVICENAME=eth0 . {paths.FEATURES_HOTPLUG}")
    assert "eth0 on" in str(router.read("/etc/stand-in/features"))

    kept = str(router.read(paths.FEATURES_KEEP)).splitlines()
    assert sorted(str(router.path(path)) for path in kept) == sorted(files(router) - before)
    assert (router.do(ActionModule, PORTS)[0]["changed"], router.do(ActionModule, PORTS)[1]) == (False, 1)
    router.do(ActionModule, {"state": "absent"})
    assert "eth0 off" in str(router.read("/etc/stand-in/features"))
    assert files(router) == before


def test_an_upgrade_takes_ethtool_away(router: OpenWrt) -> None:
    """Boot and re-plug say nothing; what was found is not forgotten."""
    with_ethtool(router, "off")
    router.do(ActionModule, PORTS)
    router.path("/usr/sbin/ethtool").unlink()
    hotplug = f"ACTION=add DEVICENAME=eth0; . {paths.FEATURES_HOTPLUG}"
    assert router.sh(f"/etc/rc.d/S18nft-offload-features start; echo $?; {hotplug}; echo $?") == "0\n0\n"
    assert not router.do(ActionModule, PORTS)[0]["changed"]
    assert "eth0 hw-tc-offload on off" in str(router.read(paths.FEATURES))
    with pytest.raises(OffloadError, match="ethtool is needed to restore a feature, and this router has none"):
        router.do(ActionModule, {"state": "absent"})


def test_check_mode(router: OpenWrt) -> None:
    with_ethtool(router, "off")
    before = files(router)
    result, execs = router.do(ActionModule, PORTS, check=True)
    assert (result["changed"], execs, files(router)) == (True, 1, before)
    assert set(Procd.features.written) <= {line.removeprefix("write ") for line in result["actions"]}
