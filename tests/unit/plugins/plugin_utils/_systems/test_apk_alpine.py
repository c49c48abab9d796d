# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alpine's apk is asked, what it prints, and what that means."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.apk_alpine import ApkAlpine
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_registry import find_package_manager

from tests.unit.helpers.shells import NONCE, SHELLS, run_script

APK = ApkAlpine()
PROGRAM = """#!/bin/sh
case "$*" in
  info) cat installed ;;
  "search --exact "*) sed -n "s/^offer $3-/$3-/p" lists ;;
  "audit --backup") echo "U etc/nftables.nft"; echo "A etc/other" ;;
  "del --simulate "*)
    printf 'World updated, but the following packages are not removed due to:\\n  %s: ufw\\n\\n' "$3"
    ;;
  "info --contents "*) echo "$3-1.1.3-r0 contains:"; echo etc/nftables.nft; echo etc/nftables; echo ;;
  *) exit 9 ;;
esac
"""


def ask(shell: list[str], place: Path, *calls: Call) -> Answer:
    """The answer of a router with this apk; no file of its own is looked at but those below ``place``."""
    program = place / "apk"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (place / "installed").write_text("musl\nbusybox\nethtool\n")
    (place / "lists").write_text(
        "offer nftables-1.1.6-r0\noffer nftables-doc-1.1.6-r0\noffer conntrack-tools-1.4.8-r1\n"
    )
    script = compose(NONCE, APK.read_scripts, calls).replace("/sbin/procd", "/nowhere/procd")
    return parse(run_script(shell, f"PATH={shlex.quote(str(place))}:$PATH\n{script}", place), NONCE)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_installed_and_what_could_be(shell: list[str], tmp_path: Path) -> None:
    found = APK.read(ask(shell, tmp_path, *APK.list_calls(["nftables", "ethtool", "conntrack", "nothing"])))
    assert found.statuses == {"nftables": "", "ethtool": "installed", "conntrack-tools": "", "nothing": ""}
    assert found.candidates == {"nftables": "1.1.6-r0", "conntrack-tools": "1.4.8-r1"}


@pytest.mark.parametrize("shell", SHELLS)
def test_what_keeps_a_package(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "kernel.found").write_text("package ethtool -\nmodule nf_flow_table -\npackage gone -\n")
    answer = ask(shell, tmp_path, *APK.list_removal_calls("kernel.found"))
    found = APK.read(answer)
    assert found.removals == {"ethtool": {"ufw"}}
    assert found.used == {"ethtool": ("/etc/nftables.nft was edited",)}


@pytest.mark.parametrize("shell", SHELLS)
def test_openwrt_is_not_asked_by_it(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "procd").write_text("#!/bin/sh\n")
    (tmp_path / "procd").chmod(0o755)
    script = compose(NONCE, APK.read_scripts, APK.list_calls(["nftables"])).replace("/sbin/procd", "./procd")
    assert not parse(run_script(shell, script, tmp_path), NONCE).each("apk.")


def test_which_routers_have_it() -> None:
    assert isinstance(find_package_manager("openrc", {"apk"}, {"alpine"}), ApkAlpine)
    assert not isinstance(find_package_manager("procd", {"apk"}, {"openwrt"}), ApkAlpine)
    assert APK.find_modules_package("6.18.56-0-virt", "alpine") == "", "they are in the kernel's own package"


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        (
            "WARNING: fetching https://x/main: temporary error (try again later)\nERROR: unable to select packages:\n"
            "  nftables (no such package):\n    required by: world[nftables]\n",
            ["package sources could not be read: ", "https://x/main"],
        ),
        (
            "ERROR: unable to select packages:\n  nowhere (no such package):\n    required by: world[nowhere]\n",
            ["have no package nowhere"],
        ),
        (
            "ERROR: unable to select packages:\n  so:libnftnl.so.11 (no such package):\n"
            "    required by: nftables-1.1.3-r0[so:libnftnl.so.11]\n",
            ["do not fit together: so:libnftnl.so.11 (no such package)"],
        ),
        (
            "ERROR: Unable to lock database: Resource temporarily unavailable\nERROR: Failed to open apk database: x\n",
            ["another package manager is at work", "wait for"],
        ),
        ("ERROR: Unable to lock database: Permission denied\n", ["not run as root"]),
        ("WARNING: opening /x/APKINDEX.tar.gz: UNTRUSTED signature\n", ["not signed by a key that this router trusts"]),
        ("ERROR: nftables-1.1.3-r0: No space left on device\n", ["disk is full: "]),
        ("ERROR: Unable to lock database: Read-only file system\n", ["read-only"]),
        (
            "ERROR: nftables-1.1.3-r0: trying to overwrite usr/sbin/nft owned by nft-static-1-r0.\n",
            ["a file is there already", "owned by nft-static-1-r0"],
        ),
    ],
)
def test_why_it_refuses(output: str, parts: list[str]) -> None:
    explained = ": ".join(APK.explain(output, "") or ())
    assert [part for part in parts if part not in explained] == []


def test_what_speaks_for_itself() -> None:
    assert APK.explain("Segmentation fault", "") is None
