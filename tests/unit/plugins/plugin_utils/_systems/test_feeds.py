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
    assert (
        problem
        == "the feed's kmod-nf-flow is for the kernel 6.6.56~94d4e8-r1, and this image has 1.2; nothing was changed"
    )
    assert "sysupgrade" in remedy
    assert "this image has another one" in (manager.explain(REFUSED[release], "") or ("",))[0]


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
            "the flash is full: kmod-x needs 40 kB, and /overlay has 12 kB left; nothing was left changed",
        ),
        (OPKG, "Unknown package 'kmod-{x}'.\n", "the router's feeds have no package kmod-{x}"),
        (
            APK,
            "ERROR: unable to select packages:\n  kmod-y (no such package):\n",
            "the router's feeds have no package kmod-y",
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
            "apk would put another kernel's packages in (6.12.94~bb-r1; this image has 1.2), which leaves the router "
            "without modules at its next start; nothing was changed",
        ),
    ],
)
def test_why_they_refuse(manager: Feeds, output: str, problem: str) -> None:
    assert (manager.explain(output, "1.2") or ("",))[0] == problem


def test_what_speaks_for_itself() -> None:
    assert OPKG.explain("Could not lock /var/lock/opkg.lock: Resource temporarily unavailable.", "1.2") is None
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
    inventory = OPKG.read(Answer({"installed": Section("", 0), "image": image}))
    assert inventory.image == "6.6.110~aaaa-r1"
    assert "firewall.cfg01e63d.input, network.lan.ipaddr" in inventory.warnings[0]
    assert not OPKG.read(Answer({"image": Section("kernel=1", 0)})).warnings
