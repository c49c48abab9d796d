# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt and dpkg print, as Debian 13 has it."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.apt import Apt
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_manager import (
    parse_candidates,
    parse_statuses,
)

APT = Apt()
POLICY = """\
nftables:
  Installed: (none)
  Candidate: 1.1.3-1
  Version table:
     1.1.3-1 500
        500 file:/var/lib/lab/apt ./ Packages
ethtool:
  Installed: (none)
  Candidate: (none)
  Version table:
conntrack:
  Installed: (none)
  Candidate: 1:1.4.8-2
  Version table:
     1:1.4.8-2 500
N: Unable to locate package nonexist
"""


def test_packages() -> None:
    assert parse_candidates(POLICY) == {"nftables": "1.1.3-1", "conntrack": "1:1.4.8-2"}
    assert parse_statuses("nftables installed\nethtool config-files\nconntrack \n") == {
        "nftables": "installed",
        "ethtool": "config-files",
        "conntrack": "",
    }
    removal = "The following packages will be REMOVED:\n  nftables\nRemv firewalld [2.3-1]\nRemv nftables [1.1.3-1]\n"
    assert APT.parse_removal(removal) == {"firewalld", "nftables"}


def test_ubuntu_has_a_package_for_the_modules() -> None:
    assert APT.find_modules_package("6.8.0-1-kvm", "ubuntu") == "linux-modules-extra-6.8.0-1-kvm"
    assert APT.find_modules_package("6.12.48+deb13-cloud-amd64", "debian") == ""
