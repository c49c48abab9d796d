# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages come all or none, whatever the package manager."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.verbs import InstallPackages, UninstallNew

from tests.unit.helpers.shells import NONCE, SHELLS, run_script

STAND_IN = """
# A stand-in for a package manager, with a file for each package; it leaves out everything else.
_installed() { ls packages; }
_install() { for one in "$@"; do [ "$one" != broken ] || return 3; : >"packages/$one"; done; }
_remove_only() {
  _rc=0
  for one in "$@"; do rm "packages/$one"; done
}
"""


def run(shell: list[str], place: Path, *calls: Call) -> Answer:
    (place / "packages").mkdir()
    for name in ("ethtool", "libc"):
        (place / "packages" / name).touch()
    script = compose(NONCE, ("apply/packages",), [("section", f"verb{i}", *call) for i, call in enumerate(calls)])
    return parse(run_script(shell, f"{STAND_IN}{script}", place), NONCE)


def left(place: Path) -> list[str]:
    return sorted(file.name for file in (place / "packages").iterdir())


@pytest.mark.parametrize("shell", SHELLS)
class TestInstalling:
    def test_half_of_it_is_undone_and_fails(self, shell: list[str], tmp_path: Path) -> None:
        """Undoing it succeeds, which does not make it a success."""
        answer = run(shell, tmp_path, InstallPackages(("nftables", "broken")).call)
        assert answer["verb0"].rc == 3
        assert left(tmp_path) == ["ethtool", "libc"]

    def test_what_came_can_be_taken_back(self, shell: list[str], tmp_path: Path) -> None:
        answer = run(shell, tmp_path, InstallPackages(("nftables", "ethtool")).call, UninstallNew().call)
        assert answer.ok("verb0") and answer.ok("verb1")
        assert left(tmp_path) == ["ethtool", "libc"]

    def test_nothing_came(self, shell: list[str], tmp_path: Path) -> None:
        answer = run(shell, tmp_path, InstallPackages(("ethtool",)).call, UninstallNew().call)
        assert answer.ok("verb0") and answer.ok("verb1")
        assert left(tmp_path) == ["ethtool", "libc"]
