# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's playbooks, on routers that nobody reaches: what does not get as far as a router."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOWHERE = "ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_retries=0"


def run(place: Path, playbook: str, *arguments: str) -> str:
    """What a playbook prints for three routers that are all away; it fails."""
    inventory = place / "inventory.ini"
    inventory.write_text("".join(f"r{number} {NOWHERE}\n" for number in (1, 2, 3)), encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")), f"kmod.nft_offload.{playbook}",
            "-i", str(inventory), *arguments,
        ],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("serial", ["[1, 1, 1]", "[1, '100%']"])
def test_a_lost_router_ends_the_rollout(tmp_path: Path, serial: str) -> None:
    output = run(tmp_path, "rollout", "-e", f'{{"flow_offload_serial": {serial.replace(chr(39), chr(34))}}}')
    assert output.count("UNREACHABLE!") == 1
    assert "was not touched, because these were lost before it: r1. Remedy: " in output


@pytest.mark.parametrize("playbook", ["rollout", "verify", "rollback"])
def test_a_typing_error_reaches_no_router(tmp_path: Path, playbook: str) -> None:
    output = run(tmp_path, playbook, "-e", "flow_offload_requir=bypassing")
    assert "the role flow_offload knows no flow_offload_requir" in output
    assert "UNREACHABLE!" not in output
