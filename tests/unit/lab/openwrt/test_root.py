# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router like OpenWrt: stand-ins answer as the real programs did to the same list of commands, and programs that
OpenWrt lacks are missing. NAME.txt is the output of the real program for NAME.sh."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.openwrt.root import HERE, RELEASES
from tests.unit.helpers.openwrt_root import LISTS, OpenWrt


@pytest.fixture
def router(tmp_path: Path) -> OpenWrt:
    return OpenWrt(tmp_path / "root")


@pytest.mark.parametrize("program", ["uci", "ubus", "fw4"])
def test_as_the_real_one(program: str, router: OpenWrt) -> None:
    router.write("/list", (LISTS / f"{program}.sh").read_text())
    output = router.sh("mkdir /w && cd /w && . /list 2>/errors; cat /errors")
    assert output == (LISTS / f"{program}.txt").read_text()


def test_a_commit_to_a_full_disk_loses_the_file(tmp_path: Path) -> None:
    """As the real one does (2025-12), which does not look whether it could write."""
    router = OpenWrt(tmp_path / "root")
    script = """
    mount -t tmpfs -o size=8k none /etc/config
    printf 'config defaults\\n\\toption input 1\\n' >/etc/config/firewall
    head -c 4000 /dev/zero >/etc/config/.fill
    uci set firewall.@defaults[0].input=2 && uci commit firewall
    echo "code $?, $(wc -c </etc/config/firewall) bytes"
    """
    assert router.sh(script) == "code 0, 0 bytes\n"


def test_only_what_openwrt_has(router: OpenWrt) -> None:
    script = "for name in base64 stat timeout nohup od realpath diff python3 bash setsid apt-get; do type $name; done"
    assert router.sh(script).count("not found") == 11
    assert router.sh("type awk sed flock mktemp uci ubus fw4 opkg modprobe sh").count("not found") == 0


@pytest.mark.parametrize("release", RELEASES)
def test_releases(release: str, tmp_path: Path) -> None:
    router = OpenWrt(tmp_path / "root", release)
    has = {name for name in ("opkg", "apk", "fw3", "fw4") if "not found" not in router.sh(f"type {name}")}
    assert has == {RELEASES[release].manager, RELEASES[release].firewall, "fw3"}, "fw4 comes with a link named fw3"


def test_every_stand_in_says_so() -> None:
    for file in HERE.glob("*.sh"):
        assert "stand-in" in file.read_text().splitlines()[1], file.name


FEED = """\
kernel 6.6.73~aaaa-r1 - 0 -
kmod-nf-flow 6.6.73-r1 6.6.73~aaaa-r1 20 -
kmod-nft-offload 6.6.73-r1 6.6.73~aaaa-r1 20 kmod-nf-flow
other 1-r1 6.6.99~bbbb-r1 20 -
"""


@pytest.mark.parametrize(("release", "add"), [("24.10.4", "opkg install"), ("25.12.1", "apk add")])
def test_packages(release: str, add: str, tmp_path: Path) -> None:
    router = OpenWrt(tmp_path / "root", release)
    router.write("/etc/stand-in/feed/index", FEED)
    router.write("/etc/stand-in/installed", "kernel 6.6.73~aaaa-r1\n")
    router.write("/etc/stand-in/feed/files/kmod-nft-offload/etc/modules.d/nft-offload", "nft_flow_offload\n")
    manager = add.split(maxsplit=1)[0]
    assert router.sh(f"{add} kmod-nft-offload >/dev/null 2>&1 || echo unknown") == "unknown\n"
    assert router.sh(f"{manager} update >/dev/null && {add} kmod-nft-offload >/dev/null && echo done") == "done\n"
    assert router.read("/etc/modules.d/nft-offload") == "nft_flow_offload\n"
    assert router.read("/etc/stand-in/installed") == (
        "kernel 6.6.73~aaaa-r1\nkmod-nf-flow 6.6.73-r1\nkmod-nft-offload 6.6.73-r1\n"
    )
    assert "kernel" in router.sh(f"{add} other || echo refused")
    router.write("/etc/stand-in/flash", "10\n")
    router.write("/etc/stand-in/feed/index", FEED.replace("6.6.99~bbbb-r1", "6.6.73~aaaa-r1"))
    router.write("/etc/stand-in/feed/files/other/usr/bin/other", "0123456789")
    router.sh(f"{manager} update")
    printed = router.sh(f"{add} other 2>&1; echo $?")
    if manager == "opkg":
        assert printed.endswith("Configuring other.\n0\n")
        assert router.read("/usr/bin/other") == "01234", "it leaves what there was room for"
    else:
        assert "No space left" in printed and printed.endswith("\n1\n"), "it ends with the number of errors"
    assert ("other" in str(router.read("/etc/stand-in/installed"))) is (manager == "opkg")


def test_a_failed_update_of_opkg_ends_with_1_and_a_bad_signature_with_0(tmp_path: Path) -> None:
    router = OpenWrt(tmp_path / "root", "24.10.4")
    router.write("/etc/stand-in/feed/index", FEED)
    router.write("/etc/stand-in/feed/unsigned", "")
    assert router.sh("opkg update; echo $?").endswith("Signature check failed.\nRemove wrong Signature file.\n0\n")
    assert router.sh("opkg list") == ""
    router.write("/etc/stand-in/feed/down", "")
    assert router.sh("opkg update; echo $?").endswith("Check your network settings and connectivity.\n1\n")
