# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot and re-plug: the table is loaded early, devices join when they exist, and other services do not remove it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lab import api
from tests.lab.router import Live

FLOWTABLE = {"name": "ft", "devices": ["lan0", "wan0"]}
FEED = "meta l4proto { tcp, udp } flow add @ft"
OVERLAY = (
    f"table inet nft_offload {{\n chain forward {{ type filter hook forward priority 10;\n  %s\n  {FEED}\n }}\n}}\n"
)
FIREWALL = (
    "table inet nft_offload {\n"
    ' chain input { type filter hook input priority 0; policy drop;\n  iif "lo" accept\n  ct state established accept\n'
    "  meta l4proto { icmp, icmpv6 } accept\n  tcp dport 22 accept\n }\n"
    " chain forward { type filter hook forward priority 0; policy drop;\n"
    f"  {FEED}\n  ct state established accept\n  iifname lan0 accept comment %s\n }}\n}}\n"
)
NAME_SERVER = """import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    asked, sender = server.recvfrom(512)
    end = asked.index(b"\\0", 12) + 5
    known = asked[end - 4 : end - 2] == b"\\0\\1"
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\xc0\\0\\2\\7" if known else b""
    head = asked[:2] + b"\\x81\\x80\\0\\1\\0" + bytes([known]) + b"\\0\\0\\0\\0"
    server.sendto(head + asked[12:end] + answer, sender)
"""
"""every host is 192.0.2.7"""
BOOT_FILE = "/etc/nft-offload/ruleset.nft"

PLUG = """eval "$(sed '/^case "/,$d' /usr/lib/lab/net)"; plug"""
"""the lab's own function plug; replug would first pull the device out"""


NO_NICS = """
set -e
mkdir -p /etc/systemd/system/lab-net.service.d
cat >/etc/systemd/system/lab-net.service.d/none.conf <<'EOT'
[Service]
ExecStart=
ExecStart=/bin/sh -c 'ip address add 10.0.2.15/24 dev mgmt0 && ip link set mgmt0 up'
EOT
systemctl -q disable lab-sink
"""
"""the next boot has SSH on mgmt0, and no NIC that forwards"""
NICS = """
set -e
rm -r /etc/systemd/system/lab-net.service.d
systemctl daemon-reload
ip address flush dev mgmt0
systemctl restart lab-net
systemctl start lab-sink
"""


def wait_for_devices(router: Live, names: list[str]) -> None:
    """Wait until these are the devices in the flowtable: udev only has systemd start the units."""
    deadline = time.monotonic() + 30
    while router.flowtable_devices() != names and time.monotonic() < deadline:
        time.sleep(0.3)
    assert router.flowtable_devices() == names, router.sh("journalctl --no-pager -b -u 'nft-offload*' | tail -n 30")


@pytest.mark.parametrize("device", ["lan0", "wan0"])
def test_replug(router: Live, device: str) -> None:
    api.replug(router.name, device)
    wait_for_devices(router, ["lan0", "wan0"])
    assert router.feature(device) == "on"
    router.assert_flows_have("HW_OFFLOAD")
    assert router.role().worked().changed == []


def test_boot_without_the_devices(router: Live) -> None:
    """The table is loaded without them; when the devices appear, they join, with their features set first."""
    router.sh(NO_NICS)
    router.reboot()
    assert not router.succeeds("test -e /sys/class/net/lan0")
    assert router.sh("systemctl is-active nft-offload").strip() == "active"
    assert "flow add @ft" in router.nft("list table inet nft_offload")
    assert router.flowtable_devices() == []

    router.sh(NICS)
    wait_for_devices(router, ["lan0", "wan0"])
    assert (router.feature("lan0"), router.feature("wan0")) == ("on", "on")
    router.assert_flows_have("HW_OFFLOAD")
    assert router.role().worked().changed == []


def test_a_device_that_is_away_for_long(router: Live) -> None:
    """A run warns and changes nothing; the device joins when it is back."""
    router.sh("echo wan0 >/sys/module/labnic/parameters/remove")
    run = router.role(flow_offload_devices=["lan0", "wan0"])
    task = run.task("ruleset")
    assert task.status == "ok", task.msg
    assert not task.changed
    assert "wan0 is away" in str(task.result["warnings"])
    router.sh(f"{PLUG} wan")
    wait_for_devices(router, ["lan0", "wan0"])


@pytest.mark.parametrize("verb", ["start", "reload", "restart"])
def test_nftables_service(router: Live, verb: str) -> None:
    """Debian's nftables.service flushes every table when it starts and reloads; ours is loaded again."""
    if verb != "start":
        router.sh("systemctl start nftables")
    router.sh(f"systemctl {verb} nftables")
    wait_for_devices(router, ["lan0", "wan0"])
    router.assert_flows_have("HW_OFFLOAD")


def test_flushed_by_hand(router: Live) -> None:
    """Nothing on the router notices that; the next run does."""
    router.nft("flush ruleset")
    assert router.module("offload_verify").status == "failed"
    assert router.role(check=True).worked().task("ruleset").changed
    assert router.role().worked().task("ruleset").changed
    router.assert_flows_have("HW_OFFLOAD")


# --- what was confirmed does not load at boot


def load(router: Live, content: str, state: str = "ok") -> Any:
    task = router.module("ruleset", content=content, flowtables=[FLOWTABLE])
    assert task.status == state, task.msg
    return task


def in_boot_file(router: Live, rule: str) -> None:
    """By hand, as a ruleset of before this was refused."""
    router.sh(f"sed -i 's/^  ct state established accept$/  {rule}/' {BOOT_FILE}")
    assert rule in router.sh(f"cat {BOOT_FILE}")


def findings(router: Live) -> list[str]:
    task = router.module("offload_verify")
    return [finding["id"] for finding in task.result["findings"]]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('iif "lan0" accept', "with iifname"),
        ("iif @known accept\n }\n set known { type iface_index; elements = { lan0 }; }\n chain more {", "with iifname"),
        ('socket cgroupv2 level 2 "system.slice/ssh.service" accept', "system.slice"),
    ],
    ids=["a device", "a set of devices", "a control group"],
)
def test_a_text_that_boot_would_not_load_is_refused(router: Live, rule: str, told: str) -> None:
    with router.unchanged():
        assert told in load(router, OVERLAY % rule, "failed").msg


def test_a_host_that_a_name_server_knows_is_refused(router: Live) -> None:
    """It answers now, and not at boot; /etc/hosts does both."""
    router.sh(f"cat >/tmp/names.py <<'EOT'\n{NAME_SERVER}EOT")
    router.sh("ip link set lo up; echo nameserver 127.0.0.1 >/etc/resolv.conf")
    router.sh("setsid python3 /tmp/names.py </dev/null >/dev/null 2>&1 & sleep 3")
    assert router.sh("getent ahostsv4 gw.example").startswith("192.0.2.7")
    assert "/etc/hosts" in load(router, OVERLAY % "ip saddr gw.example accept", "failed").msg
    router.sh("echo '192.0.2.8 gw.example' >>/etc/hosts")
    load(router, OVERLAY % "ip saddr gw.example accept")
    router.reboot()
    assert "192.0.2.8" in router.nft("list table inet nft_offload")


def test_boot_falls_back_to_the_ruleset_of_before(router: Live) -> None:
    load(router, FIREWALL % "one")
    load(router, FIREWALL % "two")
    in_boot_file(router, 'iif "lan9" accept')
    router.reboot()
    assert 'comment "one"' in router.nft("list table inet nft_offload")
    assert router.flowtable_devices() == ["lan0", "wan0"]
    assert not router.succeeds("systemctl is-active nft-offload")
    assert "Interface does not exist" in router.sh("journalctl -b -t nft-offload -o cat")
    assert "configured.boot-fallback" in findings(router)

    assert load(router, FIREWALL % "two").changed
    assert 'comment "two"' in router.nft("list table inet nft_offload")
    assert "configured.boot-fallback" not in findings(router)
    assert not load(router, FIREWALL % "two").changed
    router.reboot()
    assert 'comment "two"' in router.nft("list table inet nft_offload")
    assert router.succeeds("systemctl is-active nft-offload")


@pytest.mark.parametrize("rule", ['iif "lan9" accept', "ip saddr gw.example accept"], ids=["a device", "a host"])
def test_boot_falls_back_to_the_emergency_ruleset(router: Live, rule: str) -> None:
    load(router, FIREWALL % "one")
    router.sh("rm -rf /etc/nft-offload/history")
    in_boot_file(router, rule)
    router.reboot()
    listing = router.nft("list table inet nft_offload")
    assert "chain emergency_input" in listing and "chain emergency_forward" in listing
    assert "configured.emergency" in findings(router)
    code, _out = router.run_in_host("lan", "ping -c 1 -W 2 203.0.113.2")
    assert code != 0, "nothing is forwarded"
    code, out = router.run_in_host("lan", "ping -c 1 -W 2 10.10.0.1")
    assert code == 0, out

    assert load(router, FIREWALL % "one").changed
    assert "emergency" not in router.nft("list table inet nft_offload")
    assert router.succeeds("systemctl is-active nft-offload")
    assert not load(router, FIREWALL % "one").changed


def test_an_emergency_ruleset_is_given_back_too(router: Live) -> None:
    load(router, FIREWALL % "one")
    router.sh("rm -rf /etc/nft-offload/history")
    in_boot_file(router, 'iif "lan9" accept')
    router.reboot()
    task = router.module("ruleset", state="absent")
    assert task.status == "ok", task.msg
    assert "nft_offload" not in router.nft("list tables")
    assert not router.succeeds("ls /etc/nft-offload/emergency.nft || ls /run/nft-offload/boot")
