# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of slices into one: the playbook, as a user runs it, and what the action refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import FleetReport
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.json_file import JsonFile, parse_report

from tests.unit.helpers.reports import BEFORE, FLEET

ROOT = Path(__file__).resolve().parents[4]


def test_a_wildcard_stands_for_no_output_and_a_name_for_itself(slices: Path) -> None:
    """A retired router would stay for ever, and a bracket in a name is no wildcard where the file is there."""
    (slices / "slices/0.json").rename(slices / "slices/b[1].json")
    (slices / "slices/all.json").write_text(JsonFile().render(BEFORE))
    done = report(slices, files=["slices/b[1].json", "slices/*.json"], path=["slices/all.json"])
    assert "changed=1" in done.stdout, done.stdout
    assert list(parse_report((slices / "slices/all.json").read_text(), "it").routers) == list(FLEET.routers)


def test_beside_the_callback_the_report_stays(slices: Path) -> None:
    """With the environment of the run that wrote the reports."""
    environment = {
        "ANSIBLE_CALLBACKS_ENABLED": "kmod.nft_offload.fleet_report",
        "KMOD_NFT_OFFLOAD_REPORT": "fleet.json",
        "KMOD_NFT_OFFLOAD_REPORT_BEFORE": "fleet.json",
    }
    done = report(slices, files=["slices/*.json"], path=["fleet.json"], environment=environment)
    assert "changed=1" in done.stdout and "FLEET REPORT" not in done.stdout, done.stdout + done.stderr
    assert len(parse_report((slices / "fleet.json").read_text(), "it").routers) == 3


def report(
    place: Path, *arguments: str, environment: Mapping[str, str] | None = None, **variables: Any
) -> subprocess.CompletedProcess[str]:
    """Run the collection's playbook ``report`` there."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "kmod.nft_offload.report"]
    return subprocess.run(
        [*command, "-e", json.dumps({f"fleet_report_{name}": value for name, value in variables.items()}), *arguments],
        cwd=place,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
            "ANSIBLE_HOME": str(place / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    (tmp_path / "slices").mkdir()
    for number, (name, router) in enumerate(FLEET.routers.items()):
        (tmp_path / f"slices/{number}.json").write_text(JsonFile().render(FleetReport({name: router}, BEFORE.made)))
    (tmp_path / "before.json").write_text(JsonFile().render(BEFORE))
    return tmp_path


def test_slices_become_one_report_in_any_format(slices: Path) -> None:
    wanted: dict[str, Any] = {
        "files": ["slices/0.json", "slices/*.json"],
        "path": ["out/fleet.json", "out/fleet.html", "fleet.csv"],
    }
    checked = report(slices, "--check", **wanted)
    assert "changed=1" in checked.stdout and not (slices / "out").exists(), checked.stdout
    done = report(slices, **wanted, before="before.json")
    assert "changed=1" in done.stdout, done.stdout + done.stderr
    merged = parse_report((slices / "out/fleet.json").read_text(), "it")
    assert (merged.routers, merged.made) == (FLEET.routers, BEFORE.made)
    assert {name: change.kind for name, change in merged.changes.items()} == {
        **{"edge-hw": "better", "edge-sw": "worse"},
        **{"gone": "new", "lost": "absent"},
    }
    assert (slices / "out/fleet.html").read_text().startswith("<!DOCTYPE html>")
    again = report(slices, **wanted, before="before.json")
    assert "changed=0" in again.stdout and "failed=0" in again.stdout, again.stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"files": ["none/*.json"]}, "option reports: there is no file none/*.json"),
        ({"files": ["slices/0.json", "slices"]}, "option reports: slices cannot be read: Is a directory"),
        ({"files": ["bad.json"]}, "option reports: bad.json is no JSON report of fleet_report"),
        ({"files": ["slices/0.json"], "before": "bad.json"}, "option before: bad.json is no JSON report"),
        ({"files": ["slices/0.json"], "path": ["slices"]}, "option path: slices cannot be written: Is a directory"),
        ({"files": ["slices/0.json"], "path": ["a\0b"]}, "cannot be written: embedded null byte"),
        ({"files": []}, "option reports names no file"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_written(slices: Path, variables: dict[str, Any], words: str) -> None:
    (slices / "bad.json").write_text("[]")
    done = report(slices, **{"path": ["fleet.json"], **variables})
    assert done.returncode == 2
    assert words in " ".join(done.stdout.split()) or words in done.stdout, done.stdout
    assert not (slices / "fleet.json").exists()
