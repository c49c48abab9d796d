# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact holds what it must and nothing else, and Galaxy imports it without an error or a warning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What a user gets; the first four work without the rest.
SHIPPED = ["meta", "plugins", "roles", "playbooks", "docs", "changelogs", "extensions"]
SHIPPED_FILES = {
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
}
MANIFEST = {"FILES.json", "MANIFEST.json"}


@pytest.fixture(scope="module")
def artifact() -> Path:
    (path,) = (ROOT / "build").glob("kmod-nft_offload-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def members(artifact: Path) -> set[str]:
    with tarfile.open(artifact) as tar:
        return {member.name for member in tar.getmembers() if member.isfile()}


@pytest.fixture(scope="module")
def sources() -> set[str]:
    """The files of the tree that ship, as git knows them: tracked, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *SHIPPED, *SHIPPED_FILES]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in names if (ROOT / name).is_file()}


def test_it_holds_the_sources_and_its_manifest(members: set[str], sources: set[str]) -> None:
    assert members == sources | MANIFEST
    assert members >= SHIPPED_FILES


def test_galaxy_imports_it(artifact: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "ansible"
    done = subprocess.run(
        [sys.executable, "-m", "galaxy_importer.main", artifact],
        cwd=tmp_path,
        env={**os.environ, "GALAXY_IMPORTER_ANSIBLE_LOCAL_TMP": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    complaints = [line for line in log.splitlines() if line.startswith(("WARNING", "ERROR", "CRITICAL"))]
    assert "\n".join(complaints) == ""
    assert "Importer processing completed successfully" in log
    imported = json.loads((tmp_path / "importer_result.json").read_text())
    assert imported["metadata"]["name"] == "nft_offload"
    assert imported["requires_ansible"] == ">=2.18.0"
