# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Alpine router's image holds besides Alpine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.alpine import image
from lab.alpine.packages import PACKAGES, read_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("nftables v1.1.3 (Commodore Bullmoose #4)", "1.1.3"),
        ("ethtool version 6.14.2", "6.14.2"),
        ("conntrack v1.4.8 (conntrack-tools)", "1.4.8"),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert read_version(text) == version


def test_every_file_of_a_package_says_that_it_stands_in() -> None:
    files = [file for package in PACKAGES for file in package.files.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"nftables.nft", "nftables"}
    for file in files:
        assert "stand-in" in file.read_text().splitlines()[1], file


def test_exactly_these_services_start(tmp_path: Path) -> None:
    for level in image.ENABLED:
        (tmp_path / "etc/runlevels" / level).mkdir(parents=True)
        (tmp_path / "etc/runlevels" / level / "dhcpcd").symlink_to("/etc/init.d/dhcpcd")
    image.enable_services(tmp_path)
    for level, names in image.ENABLED.items():
        assert {path.name for path in (tmp_path / "etc/runlevels" / level).iterdir()} == set(names)


def test_the_lab_ready_line_is_no_name_of_a_service() -> None:
    """OpenRC writes the names of services to the console, where the lab looks for that line."""
    assert "lab-ready" not in {name for names in image.ENABLED.values() for name in names}
