# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's playbooks, on routers that nobody reaches: what does not get as far as a router."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NOWHERE = "ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_retries=0"


def run(place: Path, playbook: str, *arguments: str, variables: Mapping[int, str] | None = None) -> str:
    """What a playbook prints for three routers that are all away, ``variables`` by their number; it fails."""
    inventory = place / "inventory.ini"
    routers = [f"r{number} {NOWHERE} {(variables or {}).get(number, '')}\n" for number in (1, 2, 3)]
    inventory.write_text("".join(routers), encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            playbook if "/" in playbook else f"kmod.nft_offload.{playbook}",
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
def test_a_lost_canary_ends_the_rollout(tmp_path: Path, serial: str) -> None:
    output = run(tmp_path, "rollout", "-e", f'{{"flow_offload_serial": {serial.replace(chr(39), chr(34))}}}')
    assert output.count("UNREACHABLE!") == 1
    assert "r2" not in output


def test_a_failed_router_ends_the_rollout_after_its_batch(tmp_path: Path) -> None:
    variables = {1: "flow_offload_devices=lan0"}
    output = run(tmp_path, "rollout", "-e", "flow_offload_serial=2", "-l", "r1,r2,r3", variables=variables)
    assert "fatal: [r1]: FAILED!" in output
    assert "fatal: [r2]: UNREACHABLE!" in output, "the rest of the batch was not asked"
    assert "r3" not in output.partition("PLAY RECAP")[0]


@pytest.mark.parametrize("playbook", ["rollout", "verify", "rollback"])
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ("flow_offload_requir=bypassing", "the role flow_offload has no variable flow_offload_requir"),
        ("flow_offload_sample=61", "flow_offload_sample must be 0 to 60 seconds, got 61. Remedy: correct the number"),
        ("flow_offload_slow_share=500", "flow_offload_slow_share must be 0 to 100 percent, got 500. Remedy: correct"),
        ("flow_offload_confirm_timeout=-3", "flow_offload_confirm_timeout must be 0 to 3600 seconds, got -3. Remedy: "),
        ('{"flow_offload_checks": [{"resolve": "a.example", "timeout": 30}]}', "flow_offload_checks may take 30 s"),
        (
            "flow_offload_flush_connections=al",
            "value of flow_offload_flush_connections must be one of: none, restricted, all, got: al",
        ),
        ("flow_offload_mode=hw", "value of flow_offload_mode must be one of: auto, hardware, software, disabled"),
    ],
)
def test_wrong_variables_reach_no_router(tmp_path: Path, playbook: str, variables: str, message: str) -> None:
    output = run(tmp_path, playbook, "-e", variables)
    assert message in output
    assert "UNREACHABLE!" not in output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ("flow_offload_ruleset=", "neither auto, overlay, router or fw4 nor a template that can be found"),
        ("flow_offload_ruleset=.", "neither auto, overlay, router or fw4 nor a template that can be found"),
        ("flow_offload_ruleset=rooter", "neither auto, overlay, router or fw4 nor a template that can be found"),
        (
            '{"flow_offload_checks": [{"resolv": "a.example"}]}',
            "no option 'flow_offload_checks.resolv'. Remedy: did you mean 'resolve'?",
        ),
        ('{"flow_offload_checks": [5]}', "flow_offload_checks[0]: a dictionary was expected, not a number"),
        ('{"flow_offload_checks": [{}]}', "one of the following is required: reach, resolve, gateway, command"),
        (
            '{"flow_offload_checks": [{"reach": "a b"}]}',
            "flow_offload_checks: reach must be an address or a name, got 'a b'",
        ),
        ('{"flow_offload_devices": "lan0"}', "flow_offload_devices must be auto or a list, got lan0"),
        ('{"flow_offload_devices": [1]}', "flow_offload_devices must name network devices, got 1"),
        ('{"flow_offload_router": 10}', "flow_offload_router: a dictionary was expected, not 10"),
        (
            '{"flow_offload_ruleset": "router", "flow_offload_router": {"zones": [], "forward": [{"limit": 10}]}}',
            "flow_offload_router.forward[0].limit: a dictionary was expected, not 10",
        ),
        ('{"flow_offload_exclude": {"packets": 3}}', "flow_offload_exclude: a list was expected, not {'packets': 3}"),
        (
            '{"flow_offload_ruleset": "fw4", "flow_offload_exclude": [{"packets": 3}]}',
            "flow_offload_exclude has no effect on the firewall of OpenWrt",
        ),
        (
            '{"flow_offload_ruleset": "/dev/null/no", "flow_offload_flush_connections": "restricted"}',
            "neither auto, overlay, router or fw4 nor a template that can be found",
        ),
        ("flow_offload_flush_connections=restricted", "and only flow_offload_ruleset: router has zones"),
        ("{flow_offload_mode: '{{ nothing }}'}", "flow_offload_mode: 'nothing' is undefined"),
        (
            '{"flow_offload_ruleset": "router", "flow_offload_router": {"sets": [{"name": "b", "file": "no"}]}}',
            "flow_offload_router names the file no, which cannot be found",
        ),
    ],
)
def test_the_role_runs_nothing_with_wrong_variables(tmp_path: Path, variables: str, message: str) -> None:
    output = run(tmp_path, "rollout", "-e", variables)
    assert message in output
    assert "UNREACHABLE!" not in output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ('{"flow_offload_router": 10}', "flow_offload_router: a dictionary was expected, not 10"),
        (
            '{"flow_offload_ruleset": "router", "flow_offload_router": {"forward": [{"connections": true}]}}',
            "flow_offload_router.forward[0].connections: a dictionary was expected, not True",
        ),
        (
            "flow_offload_samples=3",
            "the role flow_offload has no variable flow_offload_samples. Remedy: did you mean flow_offload_sample? ",
        ),
    ],
)
def test_your_own_play_fails_alike(tmp_path: Path, variables: str, message: str) -> None:
    """There, Ansible first checks the role's variables against argument_specs.yml."""
    play = tmp_path / "play.yml"
    play.write_text("[{hosts: all, gather_facts: false, roles: [kmod.nft_offload.flow_offload]}]", encoding="utf-8")
    output = run(tmp_path, str(play), "-e", variables)
    assert f"r1: {message}" in output
    assert "UNREACHABLE!" not in output


def test_an_omitted_variable_has_its_default(tmp_path: Path) -> None:
    """As an option of a module has; and so does a key."""
    names = ("flow_offload_mode", "flow_offload_sample", "flow_offload_devices", "flow_offload_checks")
    omitted = "{{ nothing | default(omit) }}"
    for name in names:
        assert "UNREACHABLE!" in run(tmp_path, "rollout", "-e", json.dumps({name: omitted})), name
    exclude = [{"packets": 3, "services": omitted}]
    assert "UNREACHABLE!" in run(tmp_path, "rollout", "-e", json.dumps({"flow_offload_exclude": exclude}))


@pytest.mark.parametrize("name", ["flow_offload_hosts", "flow_offload_serial"])
def test_what_a_playbook_reads_first_is_not_for_the_inventory(tmp_path: Path, name: str) -> None:
    output = run(tmp_path, "rollout", variables={1: f"{name}=r1"})
    assert f"r1: {name} in the inventory or in group_vars does nothing" in output
    assert "UNREACHABLE!" not in output
    assert "UNREACHABLE!" in run(tmp_path, "rollout", "-e", f"{name}=1", "-e", "flow_offload_hosts=r1")
