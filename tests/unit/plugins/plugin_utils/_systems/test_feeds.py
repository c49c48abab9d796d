# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What opkg and apk print on OpenWrt, and what it means."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.apk_openwrt import ApkOpenWrt
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.feeds import Feeds
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.opkg import Opkg

OPKG, APK = Opkg(), ApkOpenWrt()
REFUSED = {
    "opkg 24.10": """Collected errors:
 * pkg_hash_check_unresolved: cannot find dependency kernel (= 6.6.56~94d4e8-r1) for kmod-nf-flow
 * pkg_hash_fetch_best_installation_candidate: Packages for kmod-nf-flow found, but incompatible with the architectures
 * opkg_install_cmd: Cannot install package kmod-nft-offload.""",
    "opkg 23.05": """Collected errors:
 * satisfy_dependencies_for: Cannot satisfy the following dependencies for kmod-nf-flow:
 *      kernel (= 6.6.56~94d4e8-r1)
 * opkg_install_cmd: Cannot install package kmod-nf-flow.""",
    "apk": """ERROR: unable to select packages:
  kernel-6.12.87~24374d-r1:
    breaks: kmod-nf-flow-6.12.71-r1[kernel=6.6.56~94d4e8-r1]
    satisfies: world[kernel=6.12.87~24374d-r1]""",
}


@pytest.mark.parametrize("release", REFUSED)
def test_a_feed_for_another_kernel(release: str) -> None:
    manager = APK if release == "apk" else OPKG
    problem, remedy = manager.explain(REFUSED[release], "1.2") or ("", "")
    image = "6.12.87~24374d-r1" if release == "apk" else "1.2"
    assert problem == (
        f"the feed's kmod-nf-flow is for the kernel 6.6.56~94d4e8-r1, and this image has {image}; nothing was changed"
    )
    assert "sysupgrade" in remedy
    image = "6.12.87~24374d-r1" if release == "apk" else "another one"
    assert f"this image has {image}" in (manager.explain(REFUSED[release], "") or ("",))[0]


@pytest.mark.parametrize(
    ("manager", "output", "problem"),
    [
        (
            OPKG,
            "Unknown package 'kmod-nft-offload'.\nCollected errors:\n"
            " * opkg_download: Failed to download http://x/Packages.gz, wget returned 4.\n",
            "the package feeds could not be read: "
            "opkg_download: Failed to download http://x/Packages.gz, wget returned 4.",
        ),
        (
            OPKG,
            " * verify_pkg_installable: Only have 12kb available on filesystem /overlay, pkg kmod-x needs 40\n",
            "the flash is full: kmod-x needs 40 kB, and /overlay has 12 kB left",
        ),
        (
            OPKG,
            "Unknown package 'kmod-{x}'.\n",
            "the router's feeds have no package kmod-{x}: no feed of this image's kernel modules is configured",
        ),
        (
            APK,
            "ERROR: unable to select packages:\n  kmod-y (no such package):\n",
            "the router's feeds have no package kmod-y: no feed of this image's kernel modules is configured",
        ),
        (
            APK,
            "WARNING: fetching https://x/packages.adb: network error (check Internet connection)\n",
            "the package feeds could not be read: "
            "WARNING: fetching https://x/packages.adb: network error (check Internet connection)",
        ),
        (
            APK,
            "(1/9) Upgrading kernel (6.12.71~aa-r1 -> 6.12.94~bb-r1)\n",
            "this would put another kernel's packages in (6.12.94~bb-r1; this image has 1.2), which leaves the router "
            "without modules at its next start; nothing was changed",
        ),
    ],
)
def test_why_they_refuse(manager: Feeds, output: str, problem: str) -> None:
    assert (manager.explain(output, "1.2") or ("",))[0] == problem


@pytest.mark.parametrize(
    ("manager", "output", "parts"),
    [
        (
            APK,
            "ERROR: unable to select packages:\n  kernel-6.12.87~aa-r1:\n"
            "    breaks: kmod-amneziawg-6.12.71.1.0.20260210-r1[kernel=6.12.71~bb-r1]\n"
            "            kmod-nf-flow-6.12.71-r1[kernel=6.12.71~bb-r1]\n"
            "    satisfies: world[kernel=6.12.87~aa-r1]\n",
            ["kmod-amneziawg is for the kernel 6.12.71~bb-r1", "this image has 6.12.87~aa-r1", "sysupgrade"],
        ),
        (
            OPKG,
            " * opkg_conf_load: Could not lock /var/lock/opkg.lock: Resource temporarily unavailable.",
            ["another package manager is at work", "wait for"],
        ),
        (
            APK,
            "ERROR: Unable to lock database: Resource temporarily unavailable\n"
            "ERROR: Failed to open apk database: Resource temporarily unavailable\n",
            ["another package manager is at work", "wait for"],
        ),
        (
            APK,
            "WARNING: updating and opening https://x/packages.adb: UNTRUSTED signature\n"
            "ERROR: unable to select packages:\n  kmod-nft-offload (no such package):\n",
            ["not signed by a key that this router trusts", "https://x/packages.adb", "/etc/apk/keys"],
        ),
        (
            OPKG,
            "Signature check failed.\nRemove wrong Signature file.\nUnknown package 'kmod-nft-offload'.\n",
            ["not signed by a key that this router trusts", "/etc/opkg/keys"],
        ),
        (
            OPKG,
            " * opkg_conf_load: Could not create lock file /var/lock/opkg.lock: Read-only file system.\n",
            ["file system is read-only", "mount"],
        ),
        (APK, "ERROR: nft-1-r1: failed to write: No space left on device\n", ["the flash is full", "remove packages"]),
        (
            APK,
            "ERROR: nftables-json-1.1.6-r1: trying to overwrite usr/sbin/nft owned by nftables-nojson-1.1.6-r1.\n",
            ["nftables-json and nftables-nojson hold the same file, usr/sbin/nft", "nftables-nojson has to go first"],
        ),
        (
            OPKG,
            " * check_data_file_clashes: Package nftables-json wants to install file /usr/sbin/nft\n"
            "\tBut that file is already provided by package  * nftables-nojson\n",
            ["nftables-json and nftables-nojson hold the same file, /usr/sbin/nft", "nftables-nojson has to go first"],
        ),
        (
            OPKG,
            "Upgrading kernel on root from 6.6.73~aa-r1 to 6.6.80~bb-r1...\n",
            ["another kernel's packages in (6.6.80~bb-r1; this image has 6.6.73~aa-r1)", "sysupgrade"],
        ),
        (
            APK,
            "ERROR: kmod-nf-flow-6.12.71-r1: wget: exited with error 4\n2 errors; 30 MiB in 140 packages\n",
            ["the package feeds could not be read", "wget: exited with error 4", "can reach"],
        ),
        (APK, "  ethtool (no such package):\n", ["feeds have no package ethtool"]),
        (
            APK,
            "  kmod-nft-offload (no such package):\n    required by: world[kmod-nft-offload]\n",
            ["no feed of this image's kernel modules is configured", "sysupgrade"],
        ),
    ],
)
def test_why_they_refuse_and_what_helps(manager: Feeds, output: str, parts: list[str]) -> None:
    explained = " ".join(manager.explain(output, "") or ())
    assert [part for part in parts if part not in explained] == []


@pytest.mark.parametrize("outcome", ["taken out again: a b", "still installed: a b", "still in /etc/apk/world: a"])
def test_what_became_of_a_failed_installation(outcome: str) -> None:
    output = f"damaged: a /lib/a.ko is empty\n{outcome}\nstill installed: \n"
    problem, _remedy = OPKG.explain(output, "") or ("", "")
    assert problem.endswith(f": /lib/a.ko is empty; {outcome}")


def test_what_speaks_for_itself() -> None:
    assert OPKG.explain("Segmentation fault", "1.2") is None
    assert APK.explain("", "1.2") is None


def test_what_keeps_a_package() -> None:
    opkg = " * print_dependents_warning: Package a is depended upon by packages:\n * print_dependents_warning: \tb\n"
    assert OPKG.parse_removal(opkg) == {"b"}
    assert OPKG.parse_removal("Removing package a from root...\n") == set()
    assert APK.parse_removal("(1/2) Purging a (1-r1)\n(2/2) Purging c (1-r1)\n") == set(), "c came for a alone"
    apk = "World updated, but the following packages are not removed due to:\n  a: b c\n     d\n\n(1/1) Purging e (1)\n"
    assert APK.parse_removal(apk) == {"b", "c", "d"}


def test_the_image_and_what_is_staged() -> None:
    image = Section("kernel=6.6.110~aaaa-r1\nstaged=firewall.cfg01e63d.input\nstaged=network.lan.ipaddr", 0)
    inventory = OPKG.read(Answer({"opkg.installed": Section("", 0), "opkg.image": image}))
    assert inventory.image == "6.6.110~aaaa-r1"
    assert "firewall.cfg01e63d.input, network.lan.ipaddr" in inventory.warnings[0]
    assert not OPKG.read(Answer({"opkg.image": Section("kernel=1", 0)})).warnings
