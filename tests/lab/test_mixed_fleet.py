# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One play over a fleet of five kinds of router, without variables that tell them apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import api
from tests.lab.plays import settings

FLEET = {
    "deb12": ("bookworm/offload", "hardware"),
    "deb13": ("trixie/plain", "bypassing"),
    "testing": ("forky/offload", "hardware"),
    "owrt24": ("openwrt-24.10/offload", "hardware"),
    "owrt25": ("openwrt-25.12/plain", "bypassing"),
}
"""name -> (kind, its verdict)"""


@pytest.fixture
def fleet() -> Iterator[list[str]]:
    names = {name: f"test-{os.getpid()}-{name}" for name in FLEET}
    try:
        api.up([f"{names[name]}={kind}" for name, (kind, _verdict) in FLEET.items()])
        yield list(names.values())
    finally:
        api.down(list(names.values()))


def play(place: Path, name: str, **environment: str) -> str:
    """Run one of the collection's playbooks on the whole fleet; returns its output."""
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")), f"kmod.nft_offload.{name}",
        "-i", str(place / "inventory.yml"), "-e", "flow_offload_serial=100%",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        env={**os.environ, **settings(), **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mixed_fleet(fleet: list[str], tmp_path: Path) -> None:
    inventory: dict[str, Any] = api.make_inventory(fleet)
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    play(tmp_path, "rollout", RECORD_FILE=str(tmp_path / "first"))
    assert "changed=0" in play(tmp_path, "rollout", RECORD_FILE=str(tmp_path / "second"))
    changed = [json.loads(line)["result"].get("changed") for line in (tmp_path / "second").read_text().splitlines()]
    assert not any(changed)
    for name in fleet:
        api.drive_traffic(name, 120, background=True)
    report = tmp_path / "fleet.json"
    play(
        tmp_path,
        "verify",
        RECORD_FILE=str(tmp_path / "third"),
        ANSIBLE_CALLBACKS_ENABLED="record,kmod.nft_offload.fleet_report",
        KMOD_NFT_OFFLOAD_REPORT=str(report),
    )
    seen = json.loads(report.read_text(encoding="utf-8"))["routers"]
    verdicts = {name.rpartition("-")[2]: router["verdict"] for name, router in seen.items()}
    assert verdicts == {name: verdict for name, (_kind, verdict) in FLEET.items()}
