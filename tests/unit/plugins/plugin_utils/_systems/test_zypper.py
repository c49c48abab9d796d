# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zypper 1.14 prints, and what it means."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.zypper import Zypper

ZYPPER = Zypper()


def test_names() -> None:
    assert ZYPPER.translate_names(["nftables", "conntrack"]) == ["nftables", "conntrack-tools"]
    assert ZYPPER.find_modules_package("6.4.0-150600.21-default", "opensuse-leap") == ""
    assert "kernel-default" in ZYPPER.kernels


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        (
            "[feed|http://x] Failed to retrieve new repository metadata.\nHistory:\n"
            " - Download (curl) error for 'http://x/content':\n   Error code: Connection failed Curl error (6)\n"
            "   Error message: Could not resolve host: x\nNo provider of 'nftables' found.\n",
            ["package sources could not be read: ", "http://x"],
        ),
        (
            "'nowhere' not found in package names. Trying capabilities.\nNo provider of 'nowhere' found.\n",
            ["have no package nowhere", "by hand"],
        ),
        (
            "Problem: 1: Detailed information: \n"
            "- nothing provides 'nowhere' needed by the to be installed broken-1-1.noarch\n",
            ["do not fit together: nothing provides 'nowhere' needed by the to be installed broken-1-1.noarch"],
        ),
        (
            "Repository 'feed' is invalid.\n[feed|file:/srv] Failed to retrieve new repository metadata.\nHistory:\n"
            " - Signature verification failed for repomd.xml\nNo provider of 'nftables' found.\n",
            ["not signed by a key that this router trusts: ", "Signature verification failed for repomd.xml"],
        ),
        (
            "System management is locked by the application with pid 10465 (bash).\nClose this application\n",
            ["another package manager is at work", "wait for"],
        ),
        (
            "This is a transactional-server, please use transactional-update to update or modify the system.\n"
            "nftables is not installed\n",
            ["file system of the router is read-only: ", "transactional-update", "image-based"],
        ),
        ("Root privileges are required to run this command.\n", ["not run as root"]),
        (
            "error: unpacking of archive failed on file /x;65: cpio: write failed - No space left on device\n",
            ["disk is full: "],
        ),
    ],
)
def test_why_it_refuses(output: str, parts: list[str]) -> None:
    explained = ": ".join(ZYPPER.explain(output, "") or ())
    assert [part for part in parts if part not in explained] == []


def test_what_speaks_for_itself() -> None:
    assert ZYPPER.explain("Segmentation fault", "") is None
