# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kernel_support and nic_features on real routers: set up, undone, set up again, and with obstacles."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.plays import Task
from tests.lab.router import Live

NICS: dict[str, Any] = {"devices": ["lan0", "wan0"]}
MODULES = ("nf_flow_table", "nf_flow_table_inet", "nft_flow_offload")

bare = pytest.mark.router("trixie/offload", "bare")
tools = pytest.mark.router("trixie/offload", "tools")


def loaded(router: Live) -> set[str]:
    return set(router.sh("cut -d ' ' -f 1 /proc/modules").split())


def changed_as_predicted(router: Live, module: str, **options: Any) -> Task:
    """Run in check mode, for real, and again: the first predicts the second, the third changes nothing."""
    predicted = router.module(module, check=True, **options)
    assert (predicted.status, predicted.changed) == ("ok", True), predicted.msg
    router.is_untouched()
    done = router.module(module, **options)
    assert (done.status, done.changed) == ("ok", True), done.msg
    assert predicted.actions == done.actions
    assert predicted.diff == done.diff
    assert len(done.execs) == 2
    for check in (False, True):
        again = router.module(module, check=check, **options)
        assert (again.status, again.changed, again.actions, again.diff) == ("ok", False, [], []), again.msg
        assert len(again.execs) == 1
        assert max(again.execs[0]) < 8000
    return done


def failed(task: Task, *parts: str) -> None:
    """Assert that the task failed and that its message has every part in this order."""
    assert task.status == "failed"
    place = 0
    assert "Remedy: " in task.msg
    for part in parts:
        assert part in task.msg[place:], f"{part!r} is not in {task.msg[place:]!r}, the rest of {task.msg!r}"
        place = task.msg.index(part, place) + len(part)


# --- there and back


@bare
def test_kernel_set_up_and_undone(router: Live) -> None:
    done = changed_as_predicted(router, "kernel_support")
    assert done.actions[:3] == [
        "load nf_flow_table, nf_flow_table_inet, nft_flow_offload",
        "update the package lists",
        "install nftables, ethtool",
    ]
    assert done.result["kernel"]["modules"] == dict.fromkeys(MODULES, "loaded")
    assert done.result["packages_installed"] == ["ethtool", "nftables"]
    assert set(MODULES) <= loaded(router)
    assert router.sh("nft --version").split()[1] == "v" + done.result["nft_version"]

    predicted = router.module("kernel_support", check=True, state="absent")
    back = router.module("kernel_support", state="absent")
    assert back.actions == predicted.actions
    assert back.diff == predicted.diff
    assert "in_use" not in back.result
    router.is_untouched()
    assert not router.module("kernel_support", state="absent").changed


@tools
def test_nics_set_up_and_undone(router: Live) -> None:
    done = changed_as_predicted(router, "nic_features", **NICS)
    assert router.feature("lan0") == router.feature("wan0") == "on"
    assert done.result["devices"]["lan0"] == {
        "driver": "labnic",
        "features": {"hw-tc-offload": {"active": True, "fixed": False, "was": False}},
    }
    fewer = router.module("nic_features", devices=["lan0"])
    assert fewer.actions[0] == "turn hw-tc-offload off for wan0 (driver labnic)"
    assert router.feature("wan0") == "off"

    predicted = router.module("nic_features", check=True, state="absent")
    back = router.module("nic_features", state="absent")
    assert back.actions == predicted.actions
    router.is_untouched()
    assert not router.module("nic_features", state="absent").changed


@tools
def test_skipped_devices_are_reported(router: Live) -> None:
    task = router.module("nic_features", devices=["lan0", "mgmt0"], unsupported="skip")
    assert task.result["unsupported_devices"] == {
        "mgmt0": "hw-tc-offload of mgmt0 is fixed off by its driver virtio_net"
    }
    assert list(task.result["devices"]) == ["lan0"]
    assert router.feature("lan0") == "on"


# --- boot and re-plug


PLUG = "echo '{0} {0}p' >/sys/module/labnic/parameters/add"
UNPLUG = "echo {0} >/sys/module/labnic/parameters/remove"
ON_SOON = "for try in $(seq 60); do ethtool -k {0} | grep -q 'hw-tc-offload: on' && exit; sleep 0.5; done; exit 1"


@tools
def test_devices_that_come_back(router: Live) -> None:
    odd = "lan-0.5"
    router.sh(PLUG.format(odd))
    assert router.module("nic_features", devices=["lan0", odd]).status == "ok"
    for device in ("lan0", odd):
        router.sh(UNPLUG.format(device) + " && " + PLUG.format(device))
        assert router.succeeds(ON_SOON.format(device)), router.sh("journalctl -b -u 'nft-offload-features@*'")
    # a listed name counts, also after a rename; other names start nothing
    router.sh(PLUG.format("other"))
    router.sh(UNPLUG.format(odd) + f" && ip link set other name {odd}")
    assert router.succeeds(ON_SOON.format(odd))
    assert "other" not in router.sh("systemctl list-units --all 'nft-offload-features@*'")
    assert router.sh("systemctl --failed --no-legend --plain") == ""


@tools
def test_everything_is_back_after_a_reboot(router: Live) -> None:
    assert router.module("nic_features", **NICS).status == "ok"
    router.reboot()
    for device in ("lan0", "wan0"):
        assert router.succeeds(ON_SOON.format(device))
    assert set(MODULES) <= loaded(router)
    assert router.sh("systemctl --failed --no-legend --plain") == ""
    assert not router.module("kernel_support").changed
    assert not router.module("nic_features", **NICS).changed
    assert router.module("nic_features", state="absent").changed
    assert router.module("kernel_support", state="absent").changed
    assert router.succeeds("! type nft ethtool")
    assert not set(MODULES) & loaded(router)


# --- what others use by now stays


@tools
def test_absent_keeps_what_is_in_use(router: Live) -> None:
    router.sh("nft add table inet mine; nft 'add set inet mine admins { type ipv4_addr; elements = { 192.0.2.7 }; }'")
    router.sh("echo '# edited' >>/etc/nftables.conf")
    task = router.module("kernel_support", state="absent")
    assert (task.status, task.changed) == ("ok", True), task.msg
    assert task.result["in_use"] == {
        "nf_tables": "used by table inet mine",
        "libcrc32c": "used by nf_tables",
        "nftables": "/etc/nftables.conf was edited",
    }
    assert "192.0.2.7" in router.sh("nft list ruleset"), (
        "unloading nf_tables would silently remove tables without chains"
    )
    assert router.succeeds("! type ethtool")
    assert not router.module("kernel_support", state="absent").changed


@tools
def test_absent_keeps_the_modules_of_a_live_flowtable(router: Live) -> None:
    router.sh(
        "nft 'add table inet mine; add flowtable inet mine f { hook ingress priority 0; devices = { lan0 }; }; "
        "add chain inet mine c { type filter hook forward priority 0; }; "
        "add rule inet mine c meta l4proto tcp flow add @f'"
    )
    task = router.module("kernel_support", state="absent")
    assert set(MODULES) <= set(task.result["in_use"])
    assert set(MODULES) <= loaded(router)


@tools
def test_absent_waits_for_the_other_modules(router: Live) -> None:
    assert router.module("nic_features", **NICS).status == "ok"
    with router.unchanged():
        failed(router.module("kernel_support", state="absent"), "nic_features set up", "/etc/nft-offload/features")


# --- what is in the way


ETC = (
    "mkdir /run/etc && mount -t tmpfs -o size=4m tmpfs /run/etc && cp -a /etc/. /run/etc && mount --bind /run/etc /etc"
)
FULL = f"{ETC} && {{ cat /dev/zero >/etc/fill 2>/dev/null; true; }}"
READ_ONLY = f"{ETC} && mount -o remount,ro,bind /etc"
SEEN = (
    "find /etc /usr/local -xdev | sort; dpkg-query -W; cut -d ' ' -f 1 /proc/modules | sort; "
    "cat /proc/mounts; for nic in lan0 wan0; do ! type ethtool >/dev/null || ethtool -k $nic; done"
)
MOUNTS = {"full": (FULL, "No space left on device"), "read-only": (READ_ONLY, "Read-only file system")}


@bare
@pytest.mark.parametrize("mount", MOUNTS)
def test_kernel_with_no_room_in_etc(router: Live, mount: str) -> None:
    prepare, message = MOUNTS[mount]
    router.sh(prepare)
    before = router.sh(SEEN)
    failed(router.module("kernel_support"), "could not write /etc/", message, "nothing was left changed")
    assert router.sh(SEEN) == before


@tools
@pytest.mark.parametrize("mount", MOUNTS)
def test_nics_with_no_room_in_etc(router: Live, mount: str) -> None:
    prepare, message = MOUNTS[mount]
    router.sh(prepare)
    before = router.sh(SEEN)
    failed(router.module("nic_features", **NICS), "could not write /etc/", message, "nothing was left changed")
    assert router.sh(SEEN) == before


@tools
@pytest.mark.parametrize("module", ["kernel_support", "nic_features"])
def test_absent_with_a_read_only_etc(router: Live, module: str) -> None:
    if module == "nic_features":
        assert router.module(module, **NICS).status == "ok"
    router.sh(READ_ONLY)
    before = router.sh(SEEN)
    task = router.module(module, state="absent")
    failed(task, "could not remove /etc/", "Read-only file system", "nothing was left changed")
    assert router.sh(SEEN) == before


@tools
def test_driver_that_refuses(router: Live) -> None:
    """Without scatter-gather the kernel silently ignores a request for TCP segmentation (netdev_fix_features)."""
    router.sh(
        "for nic in lan0 wan0; do ethtool -K $nic tx-tcp-segmentation off; done; ethtool -K wan0 tx-scatter-gather off"
    )
    with router.unchanged():
        task = router.module("nic_features", **NICS, features={"tx-tcp-segmentation": True})
    failed(task, "tx-tcp-segmentation on for wan0 (driver labnic)", "requested on", "nothing was left changed", "dmesg")


@bare
def test_no_package_source(router: Live) -> None:
    router.sh("rm /etc/apt/sources.list.d/*")
    with router.unchanged():
        failed(router.module("kernel_support"), "could not install nftables, ethtool", "nothing was left changed")


@tools
def test_no_ethtool(router: Live) -> None:
    router.sh("mv /usr/sbin/ethtool /usr/sbin/ethtool.away")
    failed(router.module("nic_features", **NICS), "ethtool is needed", "kernel_support")


LOOKS: dict[str, tuple[str, list[str]]] = {
    "a kernel without flowtables": (
        "rm /lib/modules/$(uname -r)/kernel/net/netfilter/*flow_* && depmod",
        ["built without flowtables: there is no nf_flow_table"],
    ),
    "an upgraded kernel": ("mv /lib/modules/$(uname -r) /lib/modules/away", ["/lib/modules/", "does not exist"]),
    "locked modules": ("echo 1 >/proc/sys/kernel/modules_disabled", ["kernel.modules_disabled is 1"]),
    # a stand-in for an old nft that only prints a version
    "an old nft": (
        "cd /usr/local/sbin && echo 'echo nftables v0.9.8 \\(E.D.S.\\)' >nft && chmod +x nft",
        ["nft 0.9.8 is too old"],
    ),
}


@bare
@pytest.mark.parametrize("what", LOOKS)
def test_kernels_that_cannot(router: Live, what: str) -> None:
    prepare, parts = LOOKS[what]
    router.sh(prepare)
    with router.unchanged():
        for check in (True, False):
            failed(router.module("kernel_support", check=check), *parts)


# --- who may


@tools
@pytest.mark.parametrize("module", ["kernel_support", "nic_features"])
def test_not_root(router: Live, module: str) -> None:
    options: dict[str, Any] = NICS if module == "nic_features" else {}
    failed(router.module(module, host={"ansible_user": "guest"}, **options), "not root (uid 100", "become: true")
    router.is_untouched()


@tools
@pytest.mark.parametrize("user", ["operator", "auditor"])
def test_become(router: Live, user: str) -> None:
    host = {"ansible_user": user, "ansible_become": True}
    if user == "auditor":
        host["ansible_become_password"] = "auditor-lab"
    assert not router.module("kernel_support", host=host).changed
    task = router.module("nic_features", host=host, **NICS)
    assert (task.status, task.changed) == ("ok", True), task.msg
    assert len(task.execs) == 2
    assert router.feature("wan0") == "on"
