# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running routers as the run directory shows them, without running any."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from lab import cli, host, inventory, routers
from lab.machine import Machine
from lab.routers import Router
from lab.spec import Spec

EDGE = Router("edge-hw", "trixie", "offload", 2201, "tcg", "emulation", "6.12")


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_RUN", str(tmp_path / "run of routers"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "sockets"))
    monkeypatch.setattr(host, "SHORT_ENOUGH", 1000)
    (tmp_path / "sockets").mkdir()
    return tmp_path / "run of routers"


def record(router: Router) -> None:
    router.directory.mkdir(parents=True)
    (router.directory / "router.json").write_text(json.dumps(asdict(router)))


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Router:
    """A router that counts as running."""
    record(EDGE)
    monkeypatch.setattr(Machine, "pid", lambda self: 4711 if self.directory == EDGE.directory else None)
    monkeypatch.setattr(Machine, "stop", lambda self: None)
    return EDGE


def test_a_recorded_router_whose_process_is_gone_is_not_running(capsys: pytest.CaptureFixture[str]) -> None:
    record(EDGE)
    (EDGE.directory / "pid").write_text("999999999")
    assert routers.find("edge-hw") is None
    assert cli.main(["status"]) == 0
    assert "edge-hw: not running" in capsys.readouterr().out


def test_a_start_that_was_cut_off_is_not_running(run: Path) -> None:
    (run / "edge-hw").mkdir(parents=True)
    (run / "edge-hw" / "router.json").write_text('{"name": "edge')
    assert routers.find("edge-hw") is None


def test_down_leaves_nothing(run: Path) -> None:
    record(EDGE)
    record(replace(EDGE, name="edge-sw"))
    EDGE.machine.qmp.touch()
    assert routers.down(["edge-sw"]) == ["edge-sw"]
    assert [path.name for path in run.iterdir()] == ["edge-hw"]
    assert routers.down([]) == ["edge-hw"]
    assert not run.exists()
    assert not list((run.parent / "sockets").iterdir())
    assert routers.down([]) == []


def test_a_disk_is_put_aside(running: Router, tmp_path: Path) -> None:
    EDGE.machine.disk.write_text("states")
    routers.keep(EDGE, tmp_path / "kept/disk")
    assert (tmp_path / "kept/disk").read_text() == "states"
    assert routers.find("edge-hw") is None


def test_up_again_changes_nothing_and_says_so(running: Router, capsys: pytest.CaptureFixture[str]) -> None:
    assert routers.up([running.spec]) == [running]
    assert "edge-hw: already running (trixie/offload, port 2201)" in capsys.readouterr().err


def test_up_as_something_else_is_an_error_before_anything_starts(
    running: Router, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["up", "new=trixie/plain", "edge-hw=trixie/plain"]) == 1
    error = capsys.readouterr().err
    assert "edge-hw already runs, as trixie/offload and not trixie/plain" in error
    assert "remedy: python -m lab down edge-hw" in error
    assert [path.name for path in run.iterdir()] == ["edge-hw"]


def test_a_router_that_is_not_up_is_named(running: Router, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("ssh nobody true", "run nobody lan true", "reboot nobody", "replug nobody lan0", "logs nobody"):
        assert cli.main(command.split()) == 1
        assert "no router called nobody is up (running: edge-hw)" in capsys.readouterr().err


def test_a_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(host.LabError, match="qemu-system-x86_64 is not installed") as caught:
        host.tool("qemu-system-x86_64")
    assert caught.value.remedy == "apt-get install qemu-system-x86"


def test_a_full_disk_says_what_to_free(tmp_path: Path) -> None:
    with pytest.raises(host.LabError, match="MiB free") as caught:
        host.need_space(tmp_path, 1 << 40)
    assert "LAB_CACHE" in caught.value.remedy


def test_the_inventory_is_what_ansible_needs(running: Router, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inventory", "--group", "edges"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown == inventory.make_inventory([running], "edges")
    variables = shown["edges"]["hosts"]["edge-hw"]
    assert shlex.split(variables.pop("ansible_ssh_common_args")) == [
        "-o", f'UserKnownHostsFile="{run}/edge-hw/known_hosts"',
        "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes",
    ]  # fmt: skip
    assert variables == {
        "ansible_host": "127.0.0.1",
        "ansible_port": 2201,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": f"{run}/edge-hw/id_ed25519",
        "lab_suite": "trixie",
        "lab_nic": "offload",
        "lab_lan_device": "lan0",
        "lab_wan_device": "wan0",
    }


def test_an_inventory_of_nobody_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inventory"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"routers": {"hosts": {}}}


def test_specs_survive_the_record() -> None:
    assert EDGE.spec == Spec("edge-hw", "trixie", "offload")
    assert Router(**json.loads(json.dumps(asdict(EDGE)))) == EDGE
