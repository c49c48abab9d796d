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

VARS = Path(__file__).parents[3] / "roles/flow_offload/vars/main.yml"
NOWHERE = "ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_retries=0"


def run(place: Path, playbook: str, *arguments: str, variables: Mapping[int, str] | None = None) -> str:
    """What a playbook prints for three routers that are all away, ``variables`` by their number; it fails."""
    inventory = place / "inventory.ini"
    routers = [f"r{number} {NOWHERE} {(variables or {}).get(number, '')}\n" for number in (1, 2, 3)]
    inventory.write_text("".join(routers), encoding="utf-8")
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
    ("said", "told"),
    [
        ("flow_offload_requir=bypassing", "the role flow_offload knows no flow_offload_requir"),
        ("flow_offload_sample=61", "flow_offload_sample is 61. Remedy: choose 0 to 60 seconds"),
        ("flow_offload_slow_share=500", "flow_offload_slow_share is 500. Remedy: choose 0 to 100 percent"),
        ("flow_offload_confirm_timeout=-3", "flow_offload_confirm_timeout is -3. Remedy: give seconds, or 0"),
        ('{"flow_offload_checks": [{"resolve": "a.example", "timeout": 30}]}', "flow_offload_checks may take 30 s"),
        ("flow_offload_cut=al", "value of flow_offload_cut must be one of: none, closed, all, got: al"),
        ("flow_offload_mode=hw", "value of flow_offload_mode must be one of: auto, hardware, software, disabled"),
    ],
)
def test_what_is_wrong_reaches_no_router(tmp_path: Path, playbook: str, said: str, told: str) -> None:
    output = run(tmp_path, playbook, "-e", said)
    assert told in output
    assert "UNREACHABLE!" not in output


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("flow_offload_ruleset=", "neither auto, overlay, router or fw4 nor a template that can be found"),
        ("flow_offload_ruleset=.", "neither auto, overlay, router or fw4 nor a template that can be found"),
        ("flow_offload_ruleset=rooter", "neither auto, overlay, router or fw4 nor a template that can be found"),
        (
            '{"flow_offload_checks": [{"resolv": "a.example"}]}',
            "flow_offload_checks.resolv. Supported",
        ),
        (
            '{"flow_offload_ruleset": "router", "flow_offload_router": {"sets": [{"name": "b", "file": "no"}]}}',
            "flow_offload_router names the file no, which cannot be found",
        ),
    ],
)
def test_the_role_asks_no_router_with_what_is_wrong(tmp_path: Path, said: str, told: str) -> None:
    output = run(tmp_path, "rollout", "-e", said)
    assert told in output
    assert "UNREACHABLE!" not in output


@pytest.mark.parametrize("name", ["flow_offload_hosts", "flow_offload_serial"])
def test_what_a_playbook_reads_first_is_not_for_the_inventory(tmp_path: Path, name: str) -> None:
    output = run(tmp_path, "rollout", variables={1: f"{name}=r1"})
    assert f"r1: {name} in the inventory or in group_vars does nothing" in output
    assert "UNREACHABLE!" not in output
    assert "UNREACHABLE!" in run(tmp_path, "rollout", "-e", f"{name}=1", "-e", "flow_offload_hosts=r1")


def test_devices_that_forward_and_are_in_no_zone(tmp_path: Path) -> None:
    """Not those that have no address of their own, as a bridge's ports, or do not forward, as one for management."""
    on = {"up": True, "forwarding": ["ipv4"], "addresses": ["192.0.2.1/24"], "kind": "nic"}
    devices = {
        "wan0": on,
        "wan1": on,
        "dmz0": on,
        "lan1": on | {"addresses": []},
        "mgmt0": on | {"forwarding": []},
        "off0": on | {"up": False},
        "lo": on | {"kind": "loopback"},
    }
    values = {
        "flow_offload_router": {"zones": [{"name": "wan", "devices": "wan0, wan1"}]},
        "__flow_offload_seen": {
            "router": {"devices": {name: {"name": name, **seen} for name, seen in devices.items()}}
        },
    }
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible")), "localhost", "-m", "ansible.builtin.debug"),
            *("-a", "var=__flow_offload_unzoned", "-e", f"@{VARS}", "-e", json.dumps(values)),
        ],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.partition("=>")[2]) == {"__flow_offload_unzoned": ["dmz0"]}
