# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tunnel does not cost the hardware: what goes through it is in software, beside NICs that are in hardware."""

from __future__ import annotations

import re
import time

import pytest

from tests.lab.router import Live

TUNNEL = """
set -e
modprobe ip_gre
ip link add tun0 type gre local 203.0.113.1 remote 203.0.113.2
ip address add 10.99.0.1/24 dev tun0
ip link set tun0 up
"""
OTHER_END = """
set -e
ip link add tun0 type gre local 203.0.113.2 remote 203.0.113.1
ip address add 10.99.0.2/24 dev tun0
ip link set tun0 up
ip rule add from 10.99.0.2 lookup 99
ip route add default dev tun0 table 99
"""
THROUGH_IT = """
import socket, sys, time
there = socket.create_connection(("10.99.0.2", 7000), 5)
back, until = 0, time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    there.sendall(bytes(200))
    back += len(there.recv(65536))
    time.sleep(0.02)
print(back)
"""
TUNNEL_FLOW = re.compile(r"dst=10\.99\.0\.2 .* dport=7000")
DEVICES = ["lan0", "tun0", "wan0"]


def plug_tunnel(router: Live) -> None:
    router.sh(TUNNEL)
    code, said = router.run_in_host("wan", OTHER_END)
    assert code == 0, said


def assert_both_offload(router: Live) -> None:
    """New flows between the NICs are in hardware, and one through the tunnel in software, at the same time."""
    router.run_in_host("lan", f"cat >/tmp/through.py <<'EOT'\n{THROUGH_IT}\nEOT\n")
    start = "python3 /tmp/through.py 12 >/tmp/through.txt 2>&1 </dev/null & sleep 2"
    code, said = router.run_in_host("lan", start)
    assert code == 0, said
    router.assert_flows_have("HW_OFFLOAD")
    lines = [line for line in router.sh("cat /proc/net/nf_conntrack").splitlines() if TUNNEL_FLOW.search(line)]
    assert lines
    assert "[OFFLOAD]" in lines[-1]
    code, said = router.run_in_host("lan", "sleep 11; cat /tmp/through.txt")
    assert code == 0
    assert int(said.split()[-1]) > 10_000, said


def tables(router: Live) -> str:
    listed = [router.nft(f"-s list table inet {name}") for name in ("nft_offload", "nft_offload_software")]
    return "\n".join(listed).replace('"', "")


def wait_for_tunnel(router: Live) -> None:
    deadline = time.monotonic() + 30
    while "lan0, tun0, wan0" not in tables(router) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert "lan0, tun0, wan0" in tables(router), router.sh("journalctl --no-pager -b -u 'nft-offload*' | tail -n 30")


@pytest.mark.parametrize(
    "suite",
    [pytest.param(suite, marks=pytest.mark.router(f"{suite}/offload", "bare")) for suite in ("trixie", "bookworm")],
)
def test_a_tunnel_does_not_cost_the_hardware(router: Live, suite: str) -> None:
    plug_tunnel(router)
    run = router.role().worked()
    flowtables = run.task("ruleset").result["flowtables"]
    assert [(one["table"], one["devices"], one["offload"]) for one in flowtables] == [
        ("inet nft_offload", ["lan0", "wan0"], "hardware"),
        ("inet nft_offload_software", DEVICES, "software"),
    ]
    assert "tun0" in flowtables[0]["refused"]
    summary = run.task("offload_verify").result["summary"]
    assert summary.startswith("hardware for lan0, wan0; software for tun0 (")
    assert_both_offload(router)
    assert router.role().worked().changed == []

    before = tables(router)
    failed = router.role(flow_offload_exclude=[{"services": ["tcp/9"]}], flow_offload_checks=[{"command": "false"}])
    assert "The router ran before" in failed.failure.msg
    assert tables(router) == before

    router.reboot()
    assert "lan0, wan0" in tables(router)
    plug_tunnel(router)
    wait_for_tunnel(router)
    assert_both_offload(router)
    assert router.role().worked().changed == []

    router.sh("nft delete table inet nft_offload_software")
    lost = router.playbook("verify").task("offload_verify").result
    assert "configured.not-live" in str(lost["findings"])
    router.role().worked()
    assert tables(router) == before

    router.role(flow_offload_devices=["lan0", "wan0"]).worked()
    assert "nft_offload_software" not in router.nft("list tables")
    router.assert_flows_have("HW_OFFLOAD")

    router.role().worked()
    assert tables(router) == before
    router.role(flow_offload_mode="disabled").worked()
    assert "nft_offload" not in router.nft("list tables")
    # ls fails where all is well: the directory is gone
    assert router.sh("ls /etc/nft-offload 2>/dev/null || true") == ""
