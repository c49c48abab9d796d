# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The share of packets in the forward chain is measured on every kernel; measuring leaves and disturbs nothing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import FRAGMENTS, list_calls

from lab import api, routers
from tests.lab.plays import Task
from tests.lab.router import Live

SUITES = ("trixie", "bookworm", "forky")
ACCOUNTING = "sysctl -q net.netfilter.nf_conntrack_acct=1"
HARDWARE_TABLE = """
table inet nft_offload {
  flowtable ft { hook ingress priority 0; devices = { DEVICES }; FLAGS counter; }
  chain forward {
    type filter hook forward priority 10; policy accept;
    ct state established RULE flow add @ft
  }
}
"""
FIREWALL = """
table inet fw {
  chain c {
    type filter hook forward priority -5; policy drop;
    ct state { established, new } accept
  }
}
"""


def kinds(nic: str) -> pytest.MarkDecorator:
    """Every kernel, with this kind of NIC, and the tools installed."""
    return pytest.mark.parametrize(
        "suite", [pytest.param(suite, marks=pytest.mark.router(f"{suite}/{nic}", "tools")) for suite in SUITES]
    )


def load(router: Live, devices: str, flags: str = "", rule: str = "meta l4proto { tcp, udp }") -> None:
    """Load a table made by the test under the name that is verified, and turn conntrack's accounting on."""
    text = HARDWARE_TABLE.replace("DEVICES", devices).replace("FLAGS", flags).replace("RULE", rule)
    if flags:
        router.sh("for nic in lan0 wan0; do ethtool -K $nic hw-tc-offload on; done")
    router.sh(f"nft '{text}' && {ACCOUNTING}")


def verify(router: Live, **options: Any) -> Task:
    return router.module("offload_verify", **{"require": "supported", "sample": 4, **options})


def rung(task: Task) -> Mapping[str, Any]:
    return next(rung for rung in task.result["rungs"] if rung["name"] == "bypassing")


def finding(task: Task, name: str) -> Mapping[str, Any]:
    found = [finding for finding in task.result["findings"] if finding["id"] == name]
    assert found, (task.result["findings"], rung(task))
    return found[0]


def nothing_left(router: Live) -> bool:
    return "nft_offload_sample" not in router.sh("nft list tables; ps -e -o args=")


@kinds("plain")
def test_software_bypasses(router: Live, suite: str) -> None:
    load(router, "lan0, wan0")
    # reading loads the modules with which nft and ip list hooks and policies; measuring loads no more
    verify(router, sample=0)
    modules = router.sh("cut -d ' ' -f 1 /proc/modules | sort")
    api.drive_traffic(router.name, 90, background=True)
    task = verify(router)
    assert rung(task)["status"] == "proven", rung(task)
    sample = task.result["sample"]
    assert sample["total"]["bypassed"] > 400
    assert sample["total"]["share"] < 2
    assert (sample["classed"], sample["unhooked"]) == (True, "")
    entrances = {(entrance["family"], entrance["enters"]) for entrance in sample["entrances"] if entrance["bypassed"]}
    assert entrances == {(family, device) for family in ("ipv4", "ipv6") for device in ("lan0", "wan0")}
    assert len(task.execs) == 1
    assert router.sh("cut -d ' ' -f 1 /proc/modules | sort") == modules
    assert nothing_left(router)


@kinds("offload")
def test_hardware_bypasses(router: Live, suite: str) -> None:
    """Also where the kernel sees none of these packets: conntrack's and the NICs' own counters have them."""
    load(router, "lan0, wan0", "flags offload;")
    assert len(router.flows("HW_OFFLOAD", 300)) == 4
    task = verify(router)
    assert rung(task)["status"] == "proven", rung(task)
    sample = task.result["sample"]
    assert sample["nic_bytes"] > 20_000 or sample["total"]["bypassed"] > 100
    assert sample["total"]["share"] in (None, pytest.approx(0, abs=2))
    hardware = task.result["rungs"][-1]
    assert (hardware["name"], hardware["status"]) == ("hardware", "proven"), hardware
    assert "of 2 TCP flows in hardware 2 have both directions in it" in str(hardware["evidence"])
    # measuring has pushed no flow off the NIC
    assert task.result["flows"]["hardware"] == 4
    assert router.sh("grep -c '\\[HW_OFFLOAD\\].*' /proc/net/nf_conntrack") == "4\n"
    assert nothing_left(router)


@kinds("offload")
def test_hardware_without_accounting(router: Live, suite: str) -> None:
    """From the NICs' counters alone."""
    load(router, "lan0, wan0", "flags offload;")
    router.sh("sysctl -q net.netfilter.nf_conntrack_acct=0")
    router.flows("HW_OFFLOAD", 300)
    task = verify(router)
    assert task.result["flows"]["carried"] == {}
    assert rung(task)["status"] == "proven", rung(task)


@kinds("plain")
def test_one_direction_is_named(router: Live, suite: str) -> None:
    """Up to 6.12 such a flow is offloaded in one direction; 7.2 does not offload it."""
    load(router, "lan0")
    api.drive_traffic(router.name, 90, background=True)
    task = verify(router)
    assert rung(task)["status"] == "failed"
    if suite == "forky":
        assert "in no flowtable: wan0" in finding(task, "bypassing.slow-share")["message"]
        return
    found = finding(task, "bypassing.one-direction")
    assert "from wan0 to lan0" in found["message"]
    assert "wan0 is in no flowtable" in found["message"]
    assert "have the flowtable list wan0" in found["remedy"]


@kinds("offload")
def test_one_direction_of_hardware_is_named(router: Live, suite: str) -> None:
    load(router, "wan0", "flags offload;")
    api.drive_traffic(router.name, 90, background=True)
    task = verify(router)
    name = "bypassing.slow-share" if suite == "forky" else "bypassing.one-direction"
    assert "lan0" in finding(task, name)["message"]


@kinds("plain")
def test_a_rule_for_tcp_only(router: Live, suite: str) -> None:
    load(router, "lan0, wan0", rule="meta l4proto tcp")
    api.drive_traffic(router.name, 90, background=True)
    # conntrack marks UDP as assured after two seconds
    time.sleep(2)
    task = verify(router, slow_share=20)
    found = finding(task, "bypassing.slow-share")
    assert "(udp)" in found["message"]
    assert task.result["sample"]["slow_protocols"].keys() == {"ipv4 udp", "ipv6 udp"}
    tolerant = rung(verify(router, slow_share=90))
    assert (tolerant["status"], tolerant["findings"]) == ("proven", []), tolerant


@pytest.mark.router("trixie/plain", "tools")
def test_name_lookups_are_no_slow_flows(router: Live) -> None:
    """Short UDP exchanges, each a flow of its own: all their packets traverse the forward chain."""
    load(router, "lan0, wan0")
    router.sh(
        "ip netns exec lan sh -c '(timeout 20 python3 -c \""
        "import socket, time\n"
        "while True:\n"
        "  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
        '    s.settimeout(1); s.connect((\\"203.0.113.2\\", 7000)); s.send(bytes(40)); s.recv(99)\n'
        "  time.sleep(0.01)\n\") >/dev/null 2>&1 &'"
    )
    time.sleep(2)
    task = verify(router)
    total = task.result["sample"]["total"]
    assert total["traversed"] > 50
    assert (total["late"], total["slow"]) == (0, 0)
    assert rung(task)["status"] == "unproven"
    assert [
        found
        for found in task.result["findings"]
        if found["id"].startswith("bypassing") and found["severity"] != "info"
    ] == []


@pytest.mark.router("trixie/plain", "tools")
def test_not_in_check_mode(router: Live) -> None:
    load(router, "lan0, wan0")
    router.sh("nft monitor >/tmp/events 2>&1 & sleep 1")
    task = router.module("offload_verify", check=True, sample=2)
    assert task.result["sample"] is None
    assert rung(task)["status"] == "unproven"
    assert "nft_offload_sample" not in router.sh("cat /tmp/events")


@pytest.mark.router("trixie/plain", "tools")
def test_info_has_the_same_picture(router: Live) -> None:
    load(router, "lan0, wan0")
    api.drive_traffic(router.name, 90, background=True)
    task = router.module("offload_info", sample=3)
    assert task.result["router"]["sample"]["total"]["bypassed"] > 200
    assert len(task.execs) == 1
    assert router.module("offload_info").result["router"]["sample"] is None


def start(router: Live, seconds: int) -> subprocess.Popen[bytes]:
    """Run the script of offload_verify over a connection of its own, as Ansible sends it."""
    script = compose("0123456789abcdef", FRAGMENTS, list_calls(sample=seconds))
    command = [*routers.get(router.name).login.ssh("-S", "none"), "/bin/sh -s"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(script.encode())
    process.stdin.close()
    process.stdin = None  # or communicate() would flush the closed pipe
    deadline = time.monotonic() + 60
    while "nft_offload_sample" not in router.sh("nft list tables"):
        assert time.monotonic() < deadline, "the sample did not begin"
        time.sleep(0.2)
    return process


@kinds("plain")
def test_a_lost_connection_leaves_nothing(router: Live, suite: str) -> None:
    load(router, "lan0, wan0")
    process = start(router, 5)
    process.kill()
    process.wait()
    time.sleep(9)
    assert nothing_left(router)


@pytest.mark.router("trixie/plain", "tools")
def test_a_killed_shell_leaves_nothing(router: Live) -> None:
    load(router, "lan0, wan0")
    process = start(router, 20)
    router.sh("pkill -KILL -f '^/bin/sh -s$'")
    process.wait()
    time.sleep(4)
    assert nothing_left(router)


@kinds("plain")
def test_two_at_once_and_flows_survive(router: Live, suite: str) -> None:
    """Also while another firewall, in tables of its own, is loaded again."""
    load(router, "lan0, wan0")
    router.sh(f"nft '{FIREWALL}'")
    router.flows("OFFLOAD", 300)
    marked = "grep -c '\\[OFFLOAD\\].*' /proc/net/nf_conntrack"
    before = router.sh(marked)
    one, other = start(router, 6), start(router, 4)
    router.sh(f"nft 'delete table inet fw; {FIREWALL}'")
    answers = [process.communicate(timeout=60)[0].decode() for process in (one, other)]
    for answer in answers:
        assert "@@0123456789abcdef - sample 0" in answer
        assert answer.endswith("end\n")
    assert router.sh(marked) == before
    assert nothing_left(router)
