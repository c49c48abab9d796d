# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report: which results it keeps, and what a real run of ansible-playbook makes of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.callback import fleet_report

from tests.unit.helpers.reports import FLEET, HEALTHY

ROOT = Path(__file__).resolve().parents[4]
ACTION = "kmod.nft_offload.offload_verify"


class Host:
    name = "edge"

    def get_name(self) -> str:
        return self.name


@pytest.mark.parametrize("private", ["", "_"], ids=["core 2.19", "core 2.18"])
@pytest.mark.parametrize("named", ["resolved_action", "action"])
def test_results_of_both_generations_are_taken(private: str, named: str) -> None:
    task = SimpleNamespace(**{"resolved_action": None, "action": "offload_verify", named: ACTION})
    callback = fleet_report.CallbackModule()
    callback.v2_runner_on_ok(
        SimpleNamespace(**{f"{private}host": Host(), f"{private}task": task, f"{private}result": HEALTHY})
    )
    assert callback.report().routers["edge"].verdict == "hardware"


def test_other_tasks_are_not_taken() -> None:
    task = SimpleNamespace(resolved_action="ansible.builtin.debug", action="debug")
    callback = fleet_report.CallbackModule()
    callback.v2_runner_on_ok(SimpleNamespace(host=Host(), task=task, result=HEALTHY))
    assert callback.report().routers == {}


FAILED = {"failed": True, "msg": "the router's answer is damaged"}


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        (FAILED, "fleet.not-verified"),
        ({"changed": False, "censored": "the output has been hidden"}, "fleet.not-verified"),
        ({"results": [HEALTHY, FAILED], "failed": True, "msg": "One or more items failed"}, "fleet.not-verified"),
        ({"results": [FAILED, HEALTHY], "failed": True, "msg": "One or more items failed"}, "hardware"),
        ({"results": [HEALTHY, {"skipped": True}]}, "hardware"),
    ],
)
@pytest.mark.parametrize("ignored", [False, True])
def test_the_last_word_of_offload_verify_counts(last: dict[str, Any], kept: str, ignored: bool) -> None:
    """A verdict from before says nothing of a router whose last verification failed without one."""
    task = SimpleNamespace(resolved_action=ACTION, action="offload_verify", get_name=lambda: "Verify")
    callback = fleet_report.CallbackModule()
    callback.v2_runner_on_ok(SimpleNamespace(host=Host(), task=task, result=HEALTHY))
    result = SimpleNamespace(host=Host(), task=task, result=last)
    if last.get("failed"):
        callback.v2_runner_on_failed(result, ignore_errors=ignored)
    else:
        callback.v2_runner_on_ok(result)
    router = callback.report().routers["edge"]
    assert kept in [router.verdict, *(finding.id for finding in router.findings)]
    assert (router.rung == 7) == (kept == "hardware")


PLAYBOOK = """
- hosts: routers
  gather_facts: false
  tasks:
    - name: Stop for one
      ansible.builtin.assert:
        that: inventory_hostname != 'stopped'
        fail_msg: it is not
          our day
    - name: Verify
      kmod.nft_offload.offload_verify:
        require: supported
        sample: 0
      ignore_errors: true
- hosts: helper
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
"""
INVENTORY = """
[routers]
this ansible_connection=local
gone ansible_host=127.0.0.1 ansible_port=1 ansible_connection=ssh
stopped ansible_connection=ssh
[helper]
controller ansible_connection=local
"""


def play(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run play.yml there with the callback; its report goes to fleet.json."""
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "inventory", "play.yml", *arguments],
        cwd=place,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
            "ANSIBLE_HOME": str(place / "home"),
            "ANSIBLE_CALLBACKS_ENABLED": "kmod.nft_offload.fleet_report",
            "KMOD_NFT_OFFLOAD_REPORT": "fleet.json",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_whole_run(tmp_path: Path) -> None:
    """This machine is read as if it were a router, one cannot be reached, one stops before it is verified."""
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "inventory").write_text(INVENTORY)
    report = tmp_path / "fleet.json"
    done = play(tmp_path)
    assert report.exists(), done.stdout + done.stderr
    routers = json.loads(report.read_text())["routers"]
    assert sorted(routers) == ["gone", "stopped", "this"]
    assert [rung["number"] for rung in routers["this"]["rungs"]] == [1, 2, 3, 4, 5, 6, 7]
    for name, id in (("gone", "fleet.unreachable"), ("stopped", "fleet.not-verified")):
        assert (routers[name]["verdict"], routers[name]["rung"]) == ("none", 0)
        (finding,) = routers[name]["findings"]
        assert (finding["id"], finding["severity"]) == (id, "error")
        assert finding["message"] and finding["remedy"]
    assert "Stop for one: it is not our day" in routers["stopped"]["findings"][0]["message"]
    assert "FLEET REPORT" in done.stdout and "1 supported" not in done.stdout
    assert routers["this"]["groups"] == routers["gone"]["groups"] == ["routers"]
    assert routers["this"]["expected"] == {"expect": "any", "require": "supported", "devices": []}
    assert routers["this"]["kernel"] == platform.release()


def test_beside_json_the_terminal_has_nothing_but_json(tmp_path: Path) -> None:
    """A callback that writes JSON to the standard output, and the report of the last run to compare with."""
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "inventory").write_text("[routers]\nthis ansible_connection=local\n[helper]\n")
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "own_json.py").write_text(JSON_CALLBACK)
    before = json.dumps({"version": 1, "made": None, "routers": {}, "comparison": None})
    (tmp_path / "fleet.json").write_text(before)
    done = play(
        tmp_path,
        ANSIBLE_CALLBACK_PLUGINS=str(tmp_path / "callbacks"),
        ANSIBLE_STDOUT_CALLBACK="own_json",
        KMOD_NFT_OFFLOAD_REPORT_BEFORE="fleet.json",
    )
    assert json.loads(done.stdout) == {"ended": True}, done.stdout
    assert "FLEET REPORT" in done.stderr
    assert json.loads((tmp_path / "fleet.json").read_text())["comparison"]["changes"]["this"]["kind"] == "new"


JSON_CALLBACK = """
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "own_json"

    def v2_playbook_on_stats(self, stats):
        print('{"ended": true}')
"""


@pytest.mark.parametrize(("routers", "lines"), [(19, 0), (20, 10), (1000, 10), (25, 10)])
def test_long_runs_tell_how_far_they_have_come(routers: int, lines: int) -> None:
    callback = fleet_report.CallbackModule()
    shown: list[str] = []
    callback._display = SimpleNamespace(display=lambda line, **_how: shown.append(line))
    callback._hosts = {f"r{number}": ({}, "ssh") for number in range(routers)}
    for name in callback._hosts:
        callback._keep(name, FLEET.routers["edge-hw"])
        callback._keep(name, FLEET.routers["edge-sw"])
    assert len(shown) == lines
    if lines:
        assert shown[-1] == f"fleet report: {routers} of {routers} routers, 1 of them well"


def warnings_at_the_end(path: Path, before: Path | None = None) -> list[str]:
    """What the callback warns of when a run ends, and the report goes to this path."""
    callback = fleet_report.CallbackModule()
    callback._routers.update(FLEET.routers)
    warned: list[str] = []
    callback._display = SimpleNamespace(
        columns=80, verbosity=0, display=lambda *_args, **_kwargs: None, warning=warned.append
    )
    callback.get_option = {"path": [str(path)], "before": before and str(before)}.get
    callback.v2_playbook_on_stats(None)
    return warned


def test_a_path_that_cannot_be_written_is_a_warning() -> None:
    reason = "the fleet report could not be written to /dev/null/fleet.json: File exists"
    assert warnings_at_the_end(Path("/dev/null/fleet.json")) == [reason]


def test_a_report_that_cannot_be_encoded_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lone_surrogate = SimpleNamespace(render=lambda _report: "edge-\udc80\n")
    monkeypatch.setattr(fleet_report, "choose_file_format", lambda _path: lone_surrogate)
    (warned,) = warnings_at_the_end(tmp_path / "fleet.txt")
    assert "fleet.txt: 'utf-8' codec can't encode" in warned
    assert list(tmp_path.iterdir()) == [], "nothing half-written stays"


@pytest.mark.parametrize(("text", "reason"), [("{}", "is no JSON report"), ("\udc80", "can't decode")])
def test_a_report_that_cannot_be_compared_with_is_a_warning(tmp_path: Path, text: str, reason: str) -> None:
    before = tmp_path / "before.json"
    before.write_text(text, errors="surrogateescape")
    (warned,) = warnings_at_the_end(tmp_path / "fleet.json", before)
    assert warned.startswith(f"nothing is compared: {before}") and reason in warned
    assert (tmp_path / "fleet.json").exists()


def test_the_first_run_has_nothing_to_compare_with(tmp_path: Path) -> None:
    assert warnings_at_the_end(tmp_path / "fleet.json", tmp_path / "fleet.json") == []


def test_a_run_without_routers_leaves_the_report_alone(tmp_path: Path) -> None:
    """Of another playbook, where ansible.cfg enables the callback and names its files."""
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks: [{ansible.builtin.debug: }]\n"
    )
    (tmp_path / "inventory").write_text("localhost ansible_connection=local\n")
    (tmp_path / "fleet.json").write_text("as it was")
    done = play(tmp_path, KMOD_NFT_OFFLOAD_REPORT_BEFORE="fleet.json")
    assert done.returncode == 0 and "FLEET" not in done.stdout and done.stderr == ""
    assert (tmp_path / "fleet.json").read_text() == "as it was"


def test_a_damaged_result_is_no_verdict() -> None:
    task = SimpleNamespace(resolved_action=ACTION, action="offload_verify", get_name=lambda: "Verify")
    callback = fleet_report.CallbackModule()
    for result in (HEALTHY, {**HEALTHY, "rung": None}):
        callback.v2_runner_on_ok(SimpleNamespace(host=Host(), task=task, result=result))
    assert callback.report().routers["edge"].state == "unknown"
