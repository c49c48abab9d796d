# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check fetches is what was looked at when it was pinned: by a hash, or a signature and a key that are here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = ("requirements-dev.build", "requirements-dev")
REQUIREMENT = re.compile(r"([a-z0-9-]+)==\S+(?: ; [^\\]+?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")


def names(text: str) -> set[str]:
    """The packages that are asked for, as an index spells them."""
    return {re.sub(r"[-_.]+", "-", line).lower() for line in text.splitlines() if line and not line.startswith("#")}


@pytest.mark.parametrize("name", PINNED)
def test_every_package_is_pinned_by_its_hashes(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    assert REQUIREMENT.sub("", body) == "", "what is left has no version, or no hash"
    asked = names((ROOT / f"{name}.in").read_text())
    assert asked
    assert asked <= {found[1] for found in REQUIREMENT.finditer(body)}, "run make pins"


def test_make_installs_nothing_by_another_hash() -> None:
    """Nor what a build would fetch by itself, which no hash covers."""
    done = subprocess.run(["make", "-Bn", "build/venv/ready"], cwd=ROOT, capture_output=True, text=True, check=True)
    installs = [line.strip() for line in done.stdout.splitlines() if "pip install" in line]
    assert [re.findall(r"-r (\S+)\.txt", line) for line in installs] == [[name] for name in PINNED]
    assert all(" --require-hashes " in line for line in installs)
    assert " --no-build-isolation " in installs[-1]


def test_actions_are_pinned_by_the_digest_of_a_commit() -> None:
    used = [
        line.strip()
        for path in sorted((ROOT / ".github/workflows").glob("*.yml"))
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert used
    pinned = re.compile(r"(?:- )?uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in used if not pinned.fullmatch(line)] == []


def test_a_router_image_is_made_of_packages_that_debian_signed() -> None:
    """mmdebstrap checks them by the host's keyring, and is told neither of another one nor to go without."""
    text = "".join(path.read_text() for path in (ROOT / "lab").rglob("*.py"))
    assert "debian-archive-keyring.gpg" in text
    weakened = r"trusted=yes|allow-unauthenticated|AllowUnauthenticated|AllowInsecure|--keyring|signed-by|no-check-gpg"
    assert re.findall(weakened, text, re.IGNORECASE) == []
