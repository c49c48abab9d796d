# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kernel_support on a router like OpenWrt: the real scripts in its shell, with stand-ins for its package managers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.kernel_support import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Call, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.opkg import Opkg

from tests.unit.helpers.openwrt_root import MODULES, NEEDS, OpenWrt
from tests.unit.helpers.shells import NONCE

KERNEL = {"22.03.7": "5.10.221-1-aaaa", "24.10.4": "6.6.110~aaaa-r1", "25.12.1": "6.12.71~aaaa-r1"}
NOTHING: dict[str, list[str]] = {"packages": []}


def stocked(root: Path, release: str, feed_kernel: str = "") -> OpenWrt:
    """A router without the modules, and a feed that has them."""
    router = OpenWrt(root, release)
    kernel = KERNEL[release]
    feed = feed_kernel or kernel
    router.write("/etc/stand-in/installed", f"kernel {kernel}\nkmod-nf-conntrack 1\n")
    if router.path("/usr/bin/apk").exists():
        router.write("/etc/apk/world", f"kernel={kernel}\nkmod-nf-conntrack\n")
    router.write(
        "/etc/stand-in/feed/index",
        f"kmod-nf-flow {feed} {feed} 30 kmod-nf-conntrack\nkmod-nft-offload {feed} {feed} 20 kmod-nf-flow\n"
        "ethtool 6.11-r1 - 40 -\nwith-defaults 1 - 1 -\n",
    )
    tree = next(router.path("/lib/modules").iterdir()).name
    for package, modules in (
        ("nf-flow", ["nf_flow_table"]),
        ("nft-offload", ["nf_flow_table_inet", "nft_flow_offload"]),
    ):
        files = f"/etc/stand-in/feed/files/kmod-{package}"
        router.write(f"{files}/etc/modules.d/{package}", "".join(f"{name}\n" for name in modules))
        for name in modules:
            router.write(f"{files}/lib/modules/{tree}/{name}.ko", f"depends={NEEDS[name]}\n")
    router.write("/etc/stand-in/feed/files/with-defaults/etc/uci-defaults/50-x", "true\n")
    router.write(MODULES, "nf_conntrack 16384 0 - Live\n")
    return router


@pytest.fixture(params=["24.10.4", "25.12.1"])
def router(request: pytest.FixtureRequest, tmp_path: Path) -> OpenWrt:
    return stocked(tmp_path / "root", request.param)


def packages(router: OpenWrt) -> set[str]:
    return {line.split()[0] for line in (router.read("/etc/stand-in/installed") or "").splitlines()}


def files(router: OpenWrt) -> dict[str, str | None]:
    """Everything on its flash."""
    files = [p for top in ("etc", "lib", "usr", "sbin") for p in (router.root / top).rglob("*") if p.is_file()]
    return {str(p): p.read_text(errors="replace") for p in files if p.name not in ("busybox", "modules")}


def test_from_nothing_and_back(router: OpenWrt) -> None:
    before = files(router)
    result, execs = router.do(ActionModule, NOTHING)
    assert execs == 2
    assert result["actions"] == [
        "update the package lists",
        "install kmod-nft-offload",
        "load nf_flow_table, nf_flow_table_inet, nft_flow_offload",
        f"write {paths.KERNEL_FOUND}",
    ]
    assert set(result["kernel"]["modules"].values()) == {"loaded"}
    assert result["boot"] == {"file": "", "modules": []}
    assert packages(router) == {"kernel", "kmod-nf-conntrack", "kmod-nf-flow", "kmod-nft-offload"}
    assert "nft_flow_offload " in str(router.read(MODULES))
    again, execs = router.do(ActionModule, NOTHING)
    assert (again["changed"], execs) == (False, 1)
    gone, execs = router.do(ActionModule, {"state": "absent"})
    assert gone["changed"] and execs == 2 and "in_use" not in gone
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}
    assert router.read(MODULES) == "nf_conntrack 16384 0 - Live\n"
    left = files(router)
    assert {path for path in left.keys() ^ before.keys() if not path.endswith("installed.auto")} == set()


def test_lists_are_updated_only_when_they_lack_it(router: OpenWrt) -> None:
    router.sh("opkg update; apk update")
    result, _execs = router.do(ActionModule, NOTHING)
    assert "update the package lists" not in result["actions"]


@pytest.mark.parametrize("check", [False, True])
def test_lists_that_are_older_than_the_feed(check: bool, router: OpenWrt) -> None:
    """The feed has newer packages and keeps no older ones. opkg needs them even where it only simulates."""
    index = str(router.read("/etc/stand-in/feed/index"))
    router.write("/etc/stand-in/feed/index", re.sub(r"(?m)^(kmod-\S+) (\S+) (\S+)", r"\1 \2.old \3", index))
    router.sh("opkg update; apk update")
    router.write("/etc/stand-in/feed/index", index)
    result, execs = router.do(ActionModule, NOTHING, check=check)
    assert (result["changed"], execs) == (True, 2)
    assert ("kmod-nft-offload" in packages(router)) is not check


def test_a_feed_that_has_newer_packages_for_another_kernel(router: OpenWrt) -> None:
    index = str(router.read("/etc/stand-in/feed/index"))
    router.sh("opkg update; apk update")
    router.write("/etc/stand-in/feed/index", index.replace("aaaa", "bbbb"))
    with pytest.raises(OffloadError, match=r"is for the kernel .*bbbb.*sysupgrade"):
        router.do(ActionModule, NOTHING)
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}


def test_check_mode_changes_nothing(router: OpenWrt) -> None:
    before = files(router)
    result, execs = router.do(ActionModule, NOTHING, check=True)
    assert (result["changed"], execs) == (True, 1)
    router.sh("opkg update; apk update")
    result, execs = router.do(ActionModule, NOTHING, check=True)
    assert (result["changed"], execs) == (True, 2)
    assert files(router) == before
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}


def test_modules_in_the_kernel_need_no_package(router: OpenWrt) -> None:
    for name in NEEDS:
        router.path(f"/sys/module/{name}").mkdir(parents=True)
    result, execs = router.do(ActionModule, NOTHING)
    assert (result["changed"], execs) == (False, 1)
    assert set(result["kernel"]["modules"].values()) == {"builtin"}


def test_modules_that_no_package_brought(router: OpenWrt) -> None:
    """An image with the modules on it and no list of them."""
    tree = next(router.path("/lib/modules").iterdir()).name
    for name, needs in NEEDS.items():
        router.write(f"/lib/modules/{tree}/{name}.ko", f"depends={needs}\n")
    result, _execs = router.do(ActionModule, NOTHING)
    assert result["boot"]["file"] == paths.MODULES_D
    assert "nft_flow_offload\n" in str(router.read(paths.MODULES_D))
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}
    assert not router.do(ActionModule, NOTHING)[0]["changed"]
    router.do(ActionModule, {"state": "absent"})
    assert router.read(paths.MODULES_D) is None


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("release", "feed"),
    [("22.03.7", "5.10.230-1-bbbb"), ("24.10.4", "6.6.119~bbbb-r1"), ("25.12.1", "6.12.94~bbbb-r1")],
)
def test_a_feed_for_another_kernel(release: str, feed: str, check: bool, tmp_path: Path) -> None:
    router = stocked(tmp_path / "root", release, feed)
    router.sh("opkg update; apk update")
    before = files(router)
    with pytest.raises(OffloadError) as told:
        router.do(ActionModule, NOTHING, check=check)
    for part in (feed, KERNEL[release], "sysupgrade", "nothing was changed"):
        assert part in str(told.value)
    assert files(router) == before


@pytest.mark.parametrize("check", [False, True])
def test_apk_that_would_replace_the_kernel(check: bool, tmp_path: Path) -> None:
    router = stocked(tmp_path / "root", "25.12.1", "6.12.94~bbbb-r1")
    router.write("/etc/stand-in/replaces-kernel", "")
    router.sh("apk update")
    before = files(router)
    with pytest.raises(OffloadError, match=r"packages in \(6\.12\.94~bbbb-r1; this image has 6\.12\.71"):
        router.do(ActionModule, NOTHING, check=check)
    assert files(router) == before


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("replaces", "says"), [(False, "is for the kernel"), (True, "packages in")])
def test_a_reason_far_above_the_end(replaces: bool, says: str, check: bool, tmp_path: Path) -> None:
    """apk has a line for each of a hundred packages of modules after the one that tells why."""
    router = stocked(tmp_path / "root", "25.12.1", "6.12.94~bbbb-r1")
    many = "".join(f"kmod-x{number} {KERNEL['25.12.1']}\n" for number in range(100))
    router.write("/etc/stand-in/installed", str(router.read("/etc/stand-in/installed")) + many)
    if replaces:
        router.write("/etc/stand-in/replaces-kernel", "")
    router.sh("apk update")
    with pytest.raises(OffloadError, match=rf"{says}.*6\.12\.94~bbbb.*this image has 6\.12\.71.*sysupgrade"):
        router.do(ActionModule, NOTHING, check=check)


def elf(lines: str, wide: bool = True, big: bool = False) -> bytes:
    """A file of sections as the kernel's modules are, whose table of them comes last; ``lines`` are in one of them."""
    header = bytearray(64 if wide else 52)
    header[:7] = b"\x7fELF" + bytes([2 if wide else 1, 2 if big else 1, 1])
    text = lines.encode() + bytes(400)
    order: Literal["big", "little"] = "big" if big else "little"
    table, size, count = ((40, 8), (58, 2), (60, 2)) if wide else ((32, 4), (46, 2), (48, 2))
    for (start, length), value in ((table, len(header) + len(text)), (size, 40), (count, 3)):
        header[start : start + length] = value.to_bytes(length, order)
    return bytes(header) + text + bytes(3 * 40)


def with_real_modules(router: OpenWrt, wide: bool = True, big: bool = False) -> None:
    """Modules in the feed that are ELF; the names that they need are lines in them."""
    for module in router.path("/etc/stand-in/feed/files").rglob("*.ko"):
        module.write_bytes(elf(f"\n{module.read_text()}", wide, big))


@pytest.mark.parametrize("free", ["0", "10", "35"])
def test_out_of_flash(free: str, router: OpenWrt) -> None:
    with_real_modules(router)
    router.sh("opkg update; apk update")
    index = str(router.read("/etc/stand-in/feed/index"))
    router.write("/etc/stand-in/feed/index", index.replace(" 20 kmod-nf-flow", " 40 kmod-nf-flow"))
    router.sh("opkg update; apk update")
    before = files(router)
    router.write("/etc/stand-in/flash", free)
    with pytest.raises(
        OffloadError, match=rf"is not whole .*\.ko is {'empty' if free == '0' else 'truncated'}|the flash is full"
    ):
        router.do(ActionModule, NOTHING)
    router.path("/etc/stand-in/flash").unlink()
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}
    assert files(router).keys() - before.keys() <= {str(router.path("/etc/stand-in/installed.auto"))}


@pytest.mark.parametrize(("wide", "big"), [(True, False), (True, True), (False, False), (False, True)])
@pytest.mark.parametrize(("free", "package"), [("10", "kmod-nf-flow"), ("35", "kmod-nft-offload")])
def test_opkg_says_nothing_when_the_flash_runs_full(
    free: str, package: str, wide: bool, big: bool, tmp_path: Path
) -> None:
    router = stocked(tmp_path / "root", "24.10.4")
    with_real_modules(router, wide, big)
    index = str(router.read("/etc/stand-in/feed/index"))
    router.write("/etc/stand-in/feed/index", index.replace(" 20 kmod-nf-flow", " 40 kmod-nf-flow"))
    router.write("/etc/stand-in/flash", free)
    assert router.sh("opkg update; opkg install kmod-nft-offload; echo $?").endswith("kmod-nft-offload.\n0\n")
    router.sh("opkg remove kmod-nft-offload; opkg remove kmod-nf-flow")
    with pytest.raises(OffloadError) as told:
        router.do(ActionModule, NOTHING)
    for part in (
        f"{package} is not whole after its installation",
        ".ko is truncated",
        "as where the flash runs full",
        "make room",
    ):
        assert part in str(told.value)
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}
    assert "taken out again: kmod-nf-flow kmod-nft-offload" in str(told.value)
    router.path("/etc/stand-in/flash").unlink()
    assert router.do(ActionModule, NOTHING)[0]["changed"], "whole ones are taken"


def test_what_cannot_be_taken_out_again(tmp_path: Path) -> None:
    """A flash that is full may refuse that as well."""
    router = stocked(tmp_path / "root", "24.10.4")
    with_real_modules(router)
    router.path("/bin/opkg").rename(router.path("/bin/opkg.real"))
    router.write("/bin/opkg", '#!/bin/sh\ncase " $* " in *" remove "*) exit 255 ;; esac\nexec opkg.real "$@"\n', 0o755)
    router.write("/etc/stand-in/flash", "10")
    with pytest.raises(OffloadError) as told:
        router.do(ActionModule, NOTHING)
    assert packages(router) == {"kernel", "kmod-nf-conntrack", "kmod-nf-flow", "kmod-nft-offload"}
    assert "kmod-nf-flow is not whole" in str(told.value)
    assert "; still installed: kmod-nf-flow kmod-nft-offload" in str(told.value)
    assert "taken out again" not in str(told.value)


def test_a_flash_with_no_room_left_after_an_installation(router: OpenWrt) -> None:
    """Which file suffered may not be seen: a program's, a list's, the package manager's own."""
    room = "for d in /usr/lib/opkg/info /lib/apk/packages; do mkdir -p $d; mount -t tmpfs -o size=8k none $d; done"
    with pytest.raises(
        OffloadError, match=r"the flash is full: \d+ kB are left on /\S+: No space left on device.*image"
    ):
        router.do(ActionModule, NOTHING, before=room)
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}


@pytest.mark.parametrize("reason", ["flash", "feed"])
def test_what_could_not_be_installed_is_not_asked_for_any_more(reason: str, tmp_path: Path) -> None:
    """apk notes a package as wanted although it failed, and every later call of it tries once more."""
    router = stocked(tmp_path / "root", "25.12.1")
    world = router.read("/etc/apk/world")
    router.sh("apk update")
    router.write("/etc/stand-in/flash", "25")
    if reason == "feed":
        router.path("/etc/stand-in/flash").unlink()
        router.write("/etc/stand-in/feed/down", "")
    told = "No space left" if reason == "flash" else "network error"
    with pytest.raises(OffloadError, match=f"(?s)could not install kmod-nft-offload.*{told}"):
        router.do(ActionModule, NOTHING)
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}
    assert router.read("/etc/apk/world") == world
    router.sh("rm -f /etc/stand-in/flash /etc/stand-in/feed/down; apk add ethtool")
    assert packages(router) == {"kernel", "kmod-nf-conntrack", "ethtool"}


def test_a_module_that_cannot_be_loaded(tmp_path: Path) -> None:
    """modprobe ends with 255 and prints nothing: the reason is in the log, between what boot did."""
    router = stocked(tmp_path / "root", "24.10.4")
    router.write("/usr/lib/stand-in/insmod", "#!/bin/sh\necho 'Invalid module format' >&2\nexit 1\n", 0o755)
    head = "Mon Nov 30 01:00:00 2026 user.info kernel: [    9.1]"
    for line in ("loading kernel modules from /etc/modules.d/*", "done loading kernel modules from /etc/modules.d/*"):
        router.write("/tmp/log", f"{router.read('/tmp/log') or ''}{head} kmodloader: {line}\n")
    router.write("/usr/sbin/logger", '#!/bin/sh\necho "Mon Nov 30 user.err $2: $3" >>/tmp/log\n', 0o755)
    router.write("/usr/sbin/logread", '#!/bin/sh\ngrep -e "$2" /tmp/log\n', 0o755)
    with pytest.raises(OffloadError, match=r"could not load .*: failed to insert /lib/modules/\S+\.ko.*\(dmesg\)"):
        router.do(ActionModule, NOTHING)
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}
    router.path("/usr/sbin/logread").unlink()
    with pytest.raises(OffloadError, match=r"could not load .*: .*255"):
        router.do(ActionModule, NOTHING)


def test_lists_with_a_bad_signature(tmp_path: Path) -> None:
    """opkg's update ends with 0 then, and has no lists."""
    router = stocked(tmp_path / "root", "24.10.4")
    router.write("/etc/stand-in/feed/unsigned", "")
    with pytest.raises(OffloadError, match=r"not signed by a key that this router trusts: Signature check failed"):
        router.do(ActionModule, NOTHING)


@pytest.mark.parametrize("updated", [False, True])
def test_feeds_that_nobody_can_reach(updated: bool, router: OpenWrt) -> None:
    if updated:
        router.sh("opkg update; apk update")
    router.write("/etc/stand-in/feed/down", "")
    with pytest.raises(OffloadError, match=r"feeds could not be read: .*(Failed to download|network error)"):
        router.do(ActionModule, NOTHING)
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}


def test_a_feed_without_modules(router: OpenWrt) -> None:
    router.write("/etc/stand-in/feed/index", "ethtool 6.11-r1 - 40 -\n")
    with pytest.raises(OffloadError, match=r"the router's feeds have no package kmod-nft-offload.*own builders"):
        router.do(ActionModule, NOTHING)


def test_what_others_staged_is_told_before_an_installation(router: OpenWrt) -> None:
    router.sh("uci set firewall.@defaults[0].input=DROP")
    result, _execs = router.do(ActionModule, NOTHING)
    assert "firewall.cfg01e63d.input" in result["warnings"][0]
    assert router.sh("uci changes") == "firewall.cfg01e63d.input='DROP'\n"


def test_a_package_that_others_need_stays(router: OpenWrt) -> None:
    router.do(ActionModule, NOTHING)
    router.write(
        "/etc/stand-in/feed/index", str(router.read("/etc/stand-in/feed/index")) + "fw 1 - 1 kmod-nft-offload\n"
    )
    router.sh("opkg update; apk update; opkg install fw; apk add fw")
    record = str(router.read(paths.KERNEL_FOUND))
    result, _execs = router.do(ActionModule, {"state": "absent"})
    assert result["in_use"]["kmod-nft-offload"] == "needed by fw"
    assert "kmod-nft-offload" in packages(router)
    assert router.read(paths.KERNEL_FOUND) == record[: record.index("module")], "it is ours for as long as it stays"
    assert not router.do(ActionModule, {"state": "absent"})[0]["changed"]
    router.sh("opkg remove fw; apk del fw")
    router.do(ActionModule, {"state": "absent"})
    assert packages(router) == {"kernel", "kmod-nf-conntrack"}
    assert router.read(paths.KERNEL_FOUND) is None


LOCKED = "exec 7>/var/lock/opkg.lock; flock 7"


@pytest.mark.parametrize("state", ["present", "absent"])
def test_another_opkg_is_at_work(state: str, tmp_path: Path) -> None:
    """It does not tell what is installed then, which is not to say that nothing is."""
    router = stocked(tmp_path / "root", "24.10.4")
    router.do(ActionModule, NOTHING)
    before = files(router)
    with pytest.raises(OffloadError, match=r"(?s)opkg cannot list.*Could not lock.*wait for the package manager"):
        router.do(ActionModule, {**NOTHING, "state": state}, before=LOCKED)
    assert files(router) == before
    assert "nft_flow_offload " in str(router.read(MODULES))


@pytest.mark.parametrize("verb", [["install_packages"], ["uninstall_packages", "purge"]], ids=lambda verb: verb[0])
def test_another_opkg_comes_in_between(verb: list[str], tmp_path: Path) -> None:
    router = stocked(tmp_path / "root", "24.10.4")
    router.do(ActionModule, NOTHING)
    there = packages(router)
    fragments = ("apply/steps", *ActionModule.VERBS, *Opkg.apply_scripts, *ActionModule.FRAGMENTS)
    calls: list[Call] = [("section", "done", *verb, "kmod-nft-offload"), ("section", "undone", "uninstall_new")]
    answer = parse(router.sh(f"{LOCKED}\n{compose(NONCE, fragments, calls)}"), NONCE)
    assert answer["done"].rc != 0 and "Could not lock" in answer["done"].text
    assert packages(router) == there, "what it does not tell did not come just now"


def test_the_firewall_of_before(tmp_path: Path) -> None:
    router = OpenWrt(tmp_path / "root", "21.02.7")
    with pytest.raises(OffloadError, match=r"OpenWrt 21\.02\.7 has fw3.*kmod-ipt-offload.*to OpenWrt 22\.03"):
        router.do(ActionModule, NOTHING)
