# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pacman 7 prints, and what it means."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.pacman import Pacman

PACMAN = Pacman()


def test_names() -> None:
    assert PACMAN.translate_names(["nftables", "conntrack"]) == ["nftables", "conntrack-tools"]
    assert PACMAN.find_modules_package("6.17.1-arch1-1", "arch") == "", "they are in the kernel's own package"


def test_what_needs_a_package() -> None:
    output = (
        "error: failed to prepare transaction (could not satisfy dependencies)\n"
        ":: removing nftables breaks dependency 'nftables' required by firewalld\n"
        ":: removing nftables breaks dependency 'nftables>=1.0' required by iptables-nft\n"
    )
    assert PACMAN.parse_removal(output) == {"firewalld", "iptables-nft"}
    assert PACMAN.parse_removal("nftables-1:1.1.5-1\n") == set()


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        (
            "error: failed retrieving file 'core.db' from x : Could not resolve host: x\n"
            "error: failed to synchronize all databases (invalid url for server)\n",
            ["package sources could not be read: ", "Could not resolve host: x"],
        ),
        ("error: target not found: nowhere\n", ["have no package nowhere", "pacman -Syu"]),
        (
            "error: failed to prepare transaction (could not satisfy dependencies)\n"
            ":: unable to satisfy dependency 'nowhere' required by broken\n",
            ["do not fit together: unable to satisfy dependency 'nowhere' required by broken"],
        ),
        (
            "error: failed to init transaction (unable to lock database)\nerror: could not lock database\n",
            ["another package manager is at work", "wait for"],
        ),
        (
            "error: core: missing required signature\n"
            "error: database 'core' is not valid (invalid or corrupted database (PGP signature))\n",
            ["not signed by a key that this router trusts: ", "missing required signature"],
        ),
        ("error: you cannot perform this operation unless you are root.\n", ["not run as root"]),
        (
            "error: failed to commit transaction (conflicting files)\n"
            "clash: /usr/sbin/nft exists in filesystem (owned by nftables)\n",
            ["a file is there already", "clash: /usr/sbin/nft exists in filesystem (owned by nftables)"],
        ),
        (
            "error: Partition /heavy too full: 95 blocks needed, 16 blocks free\n"
            "error: failed to commit transaction (not enough free disk space)\n",
            ["disk is full: ", "/heavy too full"],
        ),
    ],
)
def test_why_it_refuses(output: str, parts: list[str]) -> None:
    explained = ": ".join(PACMAN.explain(output, "") or ())
    assert [part for part in parts if part not in explained] == []


def test_what_speaks_for_itself() -> None:
    assert PACMAN.explain("Segmentation fault", "") is None
