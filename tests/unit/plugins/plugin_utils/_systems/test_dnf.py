# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dnf 4.24 and 5.4 and rpm print, and what it means."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.dnf import Dnf

DNF = Dnf()


def test_names() -> None:
    assert DNF.translate_names(["nftables", "ethtool", "conntrack"]) == ["nftables", "ethtool", "conntrack-tools"]


@pytest.mark.parametrize(
    ("release", "package"),
    [
        ("6.12.0-55.el10.x86_64", "kernel-modules-core-6.12.0-55.el10.x86_64"),
        ("5.14.0-570.el9.aarch64+64k", "kernel-64k-modules-core-5.14.0-570.el9.aarch64"),
        ("5.14.0-570.el9.x86_64+rt", "kernel-rt-modules-core-5.14.0-570.el9.x86_64"),
    ],
)
def test_the_modules_of_the_running_kernel(release: str, package: str) -> None:
    assert DNF.find_modules_package(release, "rhel") == package


def test_what_needs_a_package() -> None:
    output = (
        "error: Failed dependencies:\n\tnftables is needed by (installed) firewalld-2.3-1.noarch\n"
        "\tnftables >= 1:1.0 is needed by (installed) python3-nftables-1:1.1.3-1.fc43.x86_64\n"
    )
    assert DNF.parse_removal(output) == {"firewalld", "python3-nftables"}
    assert DNF.parse_removal("") == set()


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        (
            "Errors during downloading metadata for repository 'feed':\n"
            "  - Curl error (6): Could not resolve hostname for http://x/repomd.xml [Could not resolve host: x]\n"
            "Error: Failed to download metadata for repo 'feed': Cannot download repomd.xml: All mirrors were tried\n"
            "Ignoring repositories: feed\nError: Unable to find a match: nftables\n",
            ["package sources could not be read: ", "Could not resolve host: x"],
        ),
        (
            ">>> Curl error (6): Could not resolve hostname for http://x/repodata/repomd.xml - http://x/repodata/repomd.xml\n"
            ">>> Usable URL not found\nRepositories loaded.\nFailed to resolve the transaction:\n"
            "No match for argument: nftables\n",
            ["package sources could not be read: ", "Curl error (6)"],
        ),
        (
            "No match for argument: nowhere\nError: Unable to find a match: nowhere\n",
            ["have no package nowhere", "by hand"],
        ),
        (
            "No match for argument: kernel-modules-core-6.12.0-55.el10.x86_64\n",
            ["have no package kernel-modules-core-6.12.0-55.el10.x86_64", "upgrade the router's kernel and reboot"],
        ),
        (
            "Error: \n Problem: conflicting requests\n"
            "  - nothing provides nowhere needed by broken-1-1.noarch from feed\n",
            ["do not fit together: nothing provides nowhere needed by broken-1-1.noarch"],
        ),
        (
            "Running transaction\nTransaction failed: Signature verification failed.\n",
            ["not signed by a key that this router trusts"],
        ),
        (
            "You have enabled checking of packages via GPG keys. This is a good thing.\nHowever, you\n",
            ["not signed by a key that this router trusts"],
        ),
        (
            ">>> Curl error (37): Could not read a file:// file\n"
            ">>> GPG verification is enabled, but GPG signature is not available. This may be an error\n",
            ["not signed by a key that this router trusts"],
        ),
        (
            "Error: This command has to be run with superuser privileges (under the root user on most systems).\n",
            ["not run as root", "become: true"],
        ),
        (
            "Transaction failed: Failed to obtain rpm transaction lock. Another transaction is in progress.\n",
            ["another package manager is at work", "wait for"],
        ),
        (
            "Error: this bootc system is configured to be read-only. For more information, run `bootc --help`.\n",
            ["file system of the router is read-only: ", "bootc", "image-based"],
        ),
        (
            "error: unpacking of archive failed on file /x;65: cpio: write failed - No space left on device\n",
            ["disk is full: ", "No space left on device"],
        ),
        (
            "Error Summary\nDisk Requirements:\n   At least 1MB more space needed on the /heavy filesystem.\n",
            ["disk is full: ", "on the /heavy filesystem"],
        ),
    ],
)
def test_why_it_refuses(output: str, parts: list[str]) -> None:
    explained = ": ".join(DNF.explain(output, "") or ())
    assert [part for part in parts if part not in explained] == []


def test_what_speaks_for_itself() -> None:
    assert DNF.explain("Segmentation fault", "") is None
