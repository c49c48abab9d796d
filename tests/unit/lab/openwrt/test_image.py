# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a router like OpenWrt: what its key depends on, and which module goes into which package."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

import pytest

from lab import labnic, suites
from lab.host import LabError
from lab.login import Command, Login, command_line
from lab.openwrt import image, modules
from lab.routers import Router
from lab.spec import Spec, parse

OPENWRT = Router("edge", "openwrt-24.10", "offload", 2201, "tcg", "", "6.12")
DEBIAN = Router("edge", "trixie", "offload", 2201, "tcg", "", "6.12")


def test_suites() -> None:
    assert parse("edge=openwrt-25.12/plain") == Spec("edge", "openwrt-25.12", "plain")
    assert {suite for suite in suites.SUITES if suites.is_openwrt(suite)} == {"openwrt-24.10", "openwrt-25.12"}
    assert [image.SUITES[suite].manager for suite in ("openwrt-24.10", "openwrt-25.12")] == ["opkg", "apk"]
    with pytest.raises(LabError, match=r"unknown suite: openwrt-21\.02") as caught:
        suites.check("openwrt-21.02")
    assert "openwrt-24.10" in caught.value.remedy


def test_hosts_are_reached_on_their_own_disk() -> None:
    assert DEBIAN.host_command("lan", "ping -c 1 x") == "ip netns exec lan sh -c 'ping -c 1 x'"
    assert (
        OPENWRT.host_command("wan", ["a", "b c"]) == """/usr/lib/lab/inside ip netns exec wan sh -c 'a '"'"'b c'"'"''"""
    )
    with pytest.raises(LabError, match="no such side"):
        OPENWRT.host_command("dmz", "true")


@pytest.mark.parametrize(("router", "faults"), [(DEBIAN, "lan0 fake"), (OPENWRT, "lan0 share-block fake")])
def test_nics_of_openwrt_share_their_block(monkeypatch: pytest.MonkeyPatch, router: Router, faults: str) -> None:
    done: list[str] = []

    def run(_self: Login, command: Command, **_options: object) -> subprocess.CompletedProcess[str]:
        done.append(command_line(command))
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(Login, "run", run)
    labnic.set_faults(router, "lan0", ["fake"])
    assert done == [f"echo {faults} >/sys/module/labnic/parameters/fault"]


@pytest.fixture
def tree(tmp_path: Path) -> modules.Tree:
    """modules.dep as Debian has it: compressed files in directories, and what each needs."""
    made = modules.Tree(tmp_path, "6.12.1+deb13-cloud-amd64")
    lines = {f"kernel/net/{name}.ko.xz": "" for names, _needed in modules.PACKAGES.values() for name in names}
    lines["kernel/lib/libcrc32c.ko.xz"] = ""
    lines["kernel/net/nf_tables.ko.xz"] = "kernel/lib/libcrc32c.ko.xz"
    lines["kernel/net/nft_flow_offload.ko.xz"] = "kernel/net/nf_tables.ko.xz kernel/lib/libcrc32c.ko.xz"
    for name in lines:
        path = made.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(path.stem.encode()))
    (made.directory / "modules.dep").write_text("".join(f"{name}: {needs}\n" for name, needs in lines.items()))
    return made


def test_modules_in_packages(tree: modules.Tree, tmp_path: Path) -> None:
    packages = modules.contents(tree)
    assert packages[modules.PREREQUISITES] == ["libcrc32c"]
    assert packages["kmod-nft-offload"] == ["nf_flow_table_inet", "nft_flow_offload"]
    modules.put(tree, tmp_path / "root", "kmod-nft-offload", packages["kmod-nft-offload"])
    assert (tmp_path / "root/etc/modules.d/nft-offload").read_text() == "nf_flow_table_inet\nnft_flow_offload\n"
    flat = tmp_path / "root/lib/modules" / tree.release / "nft_flow_offload.ko"
    assert flat.read_bytes() == b"nft_flow_offload.ko"
    assert tree.kernel_version.startswith("6.12.1~") and tree.kernel_version.endswith("-r1")


def test_every_stand_in_of_the_guest_says_so() -> None:
    for top in ("sbin", "etc/init.d", "etc/hotplug.d", "usr/lib/stand-in"):
        for file in (image.GUEST / top).rglob("*"):
            assert file.is_dir() or "stand-in" in file.read_text().splitlines()[1], file
