# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Through ansible-runner, as automation controllers run a playbook: in slices, each handed to a worker as a stream.

The routers are this machine by several names, read and not changed. The streams go through pipes here; what carries
them to another machine (Receptor, SSH) is not part of the test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ansible_runner

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(sys.executable).parent
ROUTERS = [f"edge-{number}" for number in range(1, 6)]
SLICES = 4


def prepare(place: Path, ident: str) -> Path:
    """A private data directory, as runner wants it: all routers, our collection, and a report among the artifacts."""
    inventory = "[routers]\n" + "".join(f"{name} ansible_connection=local\n" for name in ROUTERS)
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
        "ANSIBLE_HOME": str(place / "home"),
        "ANSIBLE_CALLBACKS_ENABLED": "kmod.nft_offload.fleet_report",
        "KMOD_NFT_OFFLOAD_REPORT": f"../artifacts/{ident}/fleet.json",
    }
    files = {
        "inventory/hosts": inventory,
        "env/envvars": json.dumps(environment),
        "env/extravars": json.dumps({"flow_offload_require": "supported", "flow_offload_sample": 0}),
    }
    (place / "project").mkdir(parents=True)
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    return place


def stream(arguments: Sequence[object], text: bytes = b"") -> bytes:
    """One step of ansible-runner; a play that fails is none of a step's business."""
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    command = [str(PROGRAMS / "ansible-runner"), *map(str, arguments)]
    done = subprocess.run(command, input=text, env=environment, capture_output=True, check=False)
    assert done.stdout and not done.stderr, (arguments, done)
    return done.stdout


def run_slice(place: Path, number: int) -> Path:
    """Transmit, work, process: where the report of every SLICES-th router is then."""
    ident = f"slice-{number}"
    here = prepare(place / ident, ident)
    limit = ",".join(ROUTERS[number::SLICES])
    sent = stream(["transmit", here, "-p", "kmod.nft_offload.verify", "-i", ident, "--limit", limit])
    came_back = stream(["worker", "--private-data-dir", place / f"worker-{number}"], sent)
    stream(["process", here, "-i", ident], came_back)
    return here / "artifacts" / ident / "fleet.json"


def outline(report: Path) -> dict[str, Any]:
    """What does not depend on the moment."""
    routers = json.loads(report.read_text())["routers"]
    return {
        name: (router["verdict"], router["groups"], [finding["id"] for finding in router["findings"]])
        for name, router in routers.items()
    }


def test_slices_come_to_what_one_run_finds(tmp_path: Path) -> None:
    whole = prepare(tmp_path / "whole", "whole")
    run = ansible_runner.run(private_data_dir=str(whole), playbook="kmod.nft_offload.verify", ident="whole", quiet=True)
    told = {event["event_data"].get("host") for event in run.events if event["event"].startswith("runner_on_")}
    assert told >= set(ROUTERS)
    with ThreadPoolExecutor(SLICES) as pool:
        reports = list(pool.map(lambda number: run_slice(tmp_path, number), range(SLICES)))
    assert [len(outline(report)) for report in reports] == [2, 1, 1, 1]
    merge = {"fleet_report_files": list(map(str, reports)), "fleet_report_path": [str(tmp_path / "fleet.json")]}
    merged = subprocess.run(
        [PROGRAMS / "ansible-playbook", "kmod.nft_offload.report", "-e", json.dumps(merge)],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"), "ANSIBLE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert merged.returncode == 0, merged.stdout + merged.stderr
    found = outline(whole / "artifacts/whole/fleet.json")
    assert sorted(found) == ROUTERS and outline(tmp_path / "fleet.json") == found
