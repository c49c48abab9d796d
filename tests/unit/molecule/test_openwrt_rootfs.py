# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule scenario with OpenWrt's image, where no container can be run: skipped, and why, and no failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = ROOT / "molecule/openwrt-rootfs"
DOWN = "echo Client: Version 28 >&2; echo 'Cannot connect to the daemon. Is it running?' >&2; exit 1"
NEITHER = (
    "SKIPPED: no container can be run here, 'docker info' fails: Cannot connect to the daemon. Is it running?, "
    "'podman info' fails: Cannot connect to the daemon. Is it running?"
)


def commands(place: Path, does: Mapping[str, str]) -> str:
    """A directory for PATH with these commands, each a line of shell."""
    for name, line in does.items():
        (place / name).write_text(f'#!/bin/sh\n[ "$*" = info ] || exit 64\n{line}\n')
        (place / name).chmod(0o755)
    return str(place)


def run(path: str, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    every = {**outside, **(env or {}), "PATH": path}
    return subprocess.run(command, cwd=ROOT, env=every, capture_output=True, text=True, check=False)


@pytest.fixture
def nothing(tmp_path: Path) -> str:
    """PATH of a machine on which neither answers."""
    return f"{commands(tmp_path, {'docker': DOWN, 'podman': DOWN})}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        ({"docker": "exit 0"}, "docker"),
        ({"podman": "exit 0"}, "podman"),
        ({"docker": "exit 0", "podman": "exit 0"}, "docker"),
        ({"docker": DOWN, "podman": "exit 0"}, "podman"),
    ],
)
def test_the_one_that_answers_is_used(tmp_path: Path, installed: Mapping[str, str], chosen: str) -> None:
    done = run(commands(tmp_path, installed), "/bin/sh", str(SCENARIO / "runtime.sh"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{chosen}\n", "")


def test_neither_is_installed(tmp_path: Path) -> None:
    done = run(str(tmp_path), "/bin/sh", str(SCENARIO / "runtime.sh"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "SKIPPED: no container can be run here, docker is not installed, podman is not installed\n"


def test_the_target_prints_it_and_succeeds(nothing: str) -> None:
    done = run(nothing, "make", "--no-print-directory", "--old-file=venv", "molecule-rootfs")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (0, "", NEITHER)


def test_the_playbooks_say_so_and_leave_the_rest_out(nothing: str, tmp_path: Path) -> None:
    """What `molecule test` runs, in its order, without the time that Molecule takes around it."""
    env = {
        "MOLECULE_SCENARIO_DIRECTORY": str(SCENARIO),
        "MOLECULE_PROJECT_DIRECTORY": str(tmp_path),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_STDOUT_CALLBACK": "default",
    }
    inventory = tmp_path / "build/molecule/openwrt-rootfs/inventory.yml"

    def play(*names: str) -> str:
        books = [str(SCENARIO / f"{name}.yml") for name in names]
        done = run(
            nothing,
            str(Path(sys.executable).with_name("ansible-playbook")),
            "--inventory",
            str(inventory),
            *books,
            env=env,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert NEITHER in play("create")
    assert yaml.safe_load(inventory.read_text())["routers"]["hosts"] == {}
    rest = play("prepare", "converge", "verify", "destroy")
    assert rest.count("skipping: no hosts matched") == 3
    assert NEITHER in rest
    assert not inventory.parent.exists()
