# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' traffic through a router of this machine's kernel, counted before and after something is done to it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.witness import (
    TrafficVerdict,
    judge,
    parse_count,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse

from tests.unit.helpers.firewalls import needs_namespaces
from tests.unit.helpers.network import HOST, SIDES, Network
from tests.unit.helpers.shells import NONCE

pytestmark = needs_namespaces

LAN, WAN, DMZ = (HOST[side][4] for side in SIDES)
FLOOD = """
import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    one.sendto(bytes(500), (sys.argv[1], 9000))
    time.sleep(0.01)
"""
SINK = """
import socket, threading
def take(one, echo):
    while data := one.recv(65536):
        if echo: one.sendall(data)
def serve(port):
    server = socket.create_server(("0.0.0.0", port))
    while True: threading.Thread(target=take, args=(server.accept()[0], port == 7000), daemon=True).start()
threading.Thread(target=serve, args=(7000,), daemon=True).start()
serve(7001)
"""
TALK = """
import socket, sys, time
address, port, seconds, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
for attempt in range(100):
    try: one = socket.create_connection((address, port)); break
    except OSError: time.sleep(0.1)
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
end = time.monotonic() + seconds
while time.monotonic() < end:
    one.sendall(b"reading 1")
    if port == 7000: one.recv(65536)
    time.sleep(pause)
"""
CALLS = """
import socket, sys, time
while True:
    try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
    except OSError: pass
    time.sleep(0.1)
"""
NFT_BEFORE_LINUX_6_16 = """#!/bin/sh
if [ "$*" = "-f -" ]; then
  text=$(cat)
  for device in $(printf '%s\\n' "$text" | sed -n 's/.*devices = {\\([^}]*\\)}.*/\\1/p' | tr -d '",'); do
    [ -e "/sys/class/net/$device" ] || { echo "Error: Could not process rule: No such file or directory"; exit 1; }
  done
  printf '%s\\n' "$text" | exec REAL -f -
fi
exec REAL "$@"
"""


class Users:
    """People on both sides of a router, and what it counts of them."""

    def __init__(self) -> None:
        self.network = Network()
        self.programs: list[subprocess.Popen[bytes]] = []
        self.network.run("mount", "-t", "sysfs", "none", "/sys")
        self.network.run("ip", "route", "add", "default", "via", WAN)

    def start(self, side: str, program: str, *words: object) -> subprocess.Popen[bytes]:
        command = [*self.network.inside, "ip", "netns", "exec", side, sys.executable, "-IS", "-c", program]
        self.programs.append(subprocess.Popen([*command, *map(str, words)]))
        return self.programs[-1]

    def flood(self) -> None:
        """Both ways."""
        self.start("lan", FLOOD, WAN)
        self.start("wan", FLOOD, LAN)
        self.settle("lan", "wan")

    def settle(self, *sides: str) -> None:
        """Until packets come from these sides."""
        for side in sides:
            path = f"/sys/class/net/{side}0/statistics/rx_packets"
            first, until = int(self.network.run("cat", path)), time.monotonic() + 20
            while int(self.network.run("cat", path)) < first + 20:
                assert time.monotonic() < until, f"nothing comes from {side}"
                time.sleep(0.1)

    def judge(self, change: str, path: Path | None = None) -> TrafficVerdict:
        """Count, run the change, and count again, with the programs in ``path`` first."""
        calls = [
            ("section", "before", "watch_before", "2"),
            ("section", "between", "sh", "-c", change),
            ("section", "after", "watch_after", "2", "4", "10"),
        ]
        script = compose(NONCE, ("apply/witness",), calls)
        script = script.replace("PATH=$PATH:", f"PATH={path}:$PATH:") if path else script
        answer = parse(self.network.run("busybox", "ash", "-s", text=script), NONCE)
        assert answer.ok("between"), answer.text("between")
        found = judge(parse_count(answer.text("before")), parse_count(answer.text("after")))
        assert found.before is not None and found.before.seconds, found
        assert "nft_offload_witness" not in self.network.run("nft", "list", "tables")
        return found

    def close(self) -> None:
        for program in self.programs:
            program.kill()
            program.wait()
        self.network.close()


@pytest.fixture
def users() -> Iterator[Users]:
    made = Users()
    with contextlib.closing(made):
        yield made


def forward(rule: str) -> str:
    return f"nft 'table inet x {{ chain f {{ type filter hook forward priority 0; {rule}; }}; }}'"


def test_traffic_that_goes_on(users: Users) -> None:
    users.flood()
    assert users.judge(":").verdict == "kept"


@pytest.mark.parametrize("rule", ["policy drop", 'oifname "lan0" drop', 'oifname "wan0" drop'])
def test_a_router_that_shapes_what_comes_in(users: Users, rule: str) -> None:
    """SQM: tc redirects it to an ifb, and what comes back from there passes the hook at egress uncounted."""
    shaping = """
        ip link add shaper type ifb && ip link set shaper up && tc qdisc add dev wan0 handle ffff: ingress &&
        tc filter add dev wan0 parent ffff: protocol all prio 10 u32 match u32 0 0 flowid 1:1 \\
          action mirred egress redirect dev shaper
    """
    try:
        users.network.run("sh", "-c", shaping)
    except AssertionError as error:
        pytest.skip(f"this kernel cannot shape what comes in: {error}")
    users.flood()
    found = users.judge(forward(rule))
    assert found.verdict == "stopped", found.as_result()
    text = "; ".join(found.reasons)
    assert ("to the LAN side" in text) is ("wan0" not in rule)
    assert ("to the WAN side" in text) is ("lan0" not in rule)


def test_who_only_sends(users: Users) -> None:
    """TCP syslog, MQTT, a camera: bare acknowledgements come back, and that is an answer."""
    users.start("wan", SINK)
    users.start("lan", TALK, WAN, 7001, 60, 0.2)
    page = users.start("lan", TALK, WAN, 7000, 60, 0.05)
    users.settle("lan", "wan")
    found = users.judge(f"kill {page.pid}; sleep 0.5")
    assert found.before is not None and found.before.heard["down", 4] >= 10
    assert found.after is not None and found.after.said["down", 4] >= 5 and not found.after.heard["down", 4]
    assert found.verdict == "kept", found.reasons


def test_frames_that_a_bridge_forwards(users: Users) -> None:
    """With br_netfilter, as Docker and libvirt need it, they meet the rules for what is routed."""
    calls = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    bridging = f"""
        ip link add br0 type bridge && echo 1 >{calls} &&
        ip addr flush dev lan0 && ip addr flush dev dmz0 &&
        ip link set lan0 master br0 && ip link set dmz0 master br0 &&
        ip addr add 10.10.0.1/24 dev br0 && ip link set br0 up &&
        ip -n dmz addr add 10.10.0.3/24 dev eth0
    """
    try:
        users.network.run("sh", "-c", bridging)
    except AssertionError as error:
        pytest.skip(f"this kernel has no br_netfilter: {error}")
    users.start("wan", SINK)
    users.start("dmz", SINK)
    users.start("lan", TALK, "10.10.0.3", 7000, 60, 0.1)
    page = users.start("lan", TALK, WAN, 7000, 60, 0.05)
    users.settle("lan", "wan", "dmz")
    found = users.judge(f"kill {page.pid}; sleep 0.5")
    assert found.after is not None and sum(found.after.offered.values()) < 10, "bridged frames are not to be routed"
    assert found.verdict in ("kept", "silent"), found.reasons


def test_what_a_rule_at_ingress_drops(users: Users) -> None:
    """A blocklist is not the fast path."""
    users.flood()
    users.start("wan", FLOOD, LAN)
    found = users.judge(
        "nft 'table netdev x { chain i { type filter hook ingress device wan0 priority -500; ip daddr 10.10.0.2 numgen "
        "inc mod 2 0 drop; }; }'"
    )
    assert found.verdict == "kept", found.reasons


EARLY = {
    "prerouting": (
        "nft 'table inet x { chain p { type filter hook prerouting priority -300; iifname lan0 ONLY drop; }; }'"
    ),
    "ingress": (
        "nft 'table netdev x { chain i { type filter hook ingress device lan0 priority -500; "
        "meta protocol ip ONLY drop; }; }'"
    ),
    "no route": "ip rule add iif lan0 TO blackhole",
}
"""what keeps users' packets from the rules for what is forwarded; ONLY or TO: which of them"""


def early(kind: str, to: str = "") -> str:
    """The command, for all packets from the LAN side, or for those to one address."""
    return EARLY[kind].replace("ONLY", f"ip daddr {to}" if to else "").replace("TO", f"to {to}" if to else "")


@pytest.mark.parametrize("kind", EARLY)
def test_what_stops_before_it_is_forwarded(users: Users, kind: str) -> None:
    users.start("wan", SINK)
    for _number in range(3):
        users.start("lan", TALK, WAN, 7000, 60, 0.05)
    users.flood()
    found = users.judge(early(kind))
    assert found.verdict == "stopped", found.as_result()
    assert "IPv4 to the WAN side" in found.reasons[0] and "got no further than a rule" in found.reasons[0]
    assert found.before is not None and found.before.stuck["down", 4] <= 3, "nothing was stuck before"


def test_what_is_for_the_router_itself_hides_nothing_of_the_other_side(users: Users) -> None:
    """Backups go to the router, more than there is of all else, while nothing comes in from the WAN side any more."""
    users.flood()
    for _number in range(3):
        users.start("lan", FLOOD, "10.10.0.1")
    found = users.judge(early("prerouting").replace("lan0", "wan0"))
    assert found.verdict == "stopped", found.as_result()
    assert "IPv4 to the LAN side" in found.reasons[0]


@pytest.mark.parametrize("size", [500, 4000], ids=["whole", "in fragments"])
def test_who_is_silent_while_much_goes_to_the_router(users: Users, size: int) -> None:
    """The router puts fragments together before it takes them; some are between two listings of nft."""
    users.network.run(
        "nft", "add table inet y; add chain inet y f { type filter hook forward priority 0; ct state new; }"
    )
    users.flood()
    lunch = " ".join(str(one.pid) for one in users.programs)
    backup = FLOOD.replace("500", str(size))
    users.start("lan", f"import time; time.sleep(4)\n{backup}", "10.10.0.1")
    found = users.judge(f"kill {lunch}; sleep 0.5")
    assert found.verdict in ("silent", "kept"), found.reasons


def test_new_connections_that_a_rule_turns_to_the_router(users: Users) -> None:
    """Where nobody takes them."""
    users.start("wan", SINK)
    users.start("lan", TALK, WAN, 7000, 60, 0.05)
    for _number in range(2):
        users.start("lan", CALLS, WAN, 7000)
    users.settle("lan", "wan")
    found = users.judge(
        "nft 'table ip x { chain p { type nat hook prerouting priority -100; "
        "iifname lan0 meta l4proto tcp redirect to :1; }; }'"
    )
    assert found.verdict == "stopped", found.as_result()
    assert "new connections" in found.reasons[0]


@pytest.mark.parametrize("kind", EARLY)
def test_who_is_silent_beside_what_was_dropped_early_all_along(users: Users, kind: str) -> None:
    """A blocklist before routing drops as much as ever; the users have gone to lunch."""
    users.flood()
    flood = users.start("lan", FLOOD, "198.51.100.7")
    users.network.run("sh", "-c", early(kind, "198.51.100.7"))
    users.settle("lan")
    lunch = " ".join(str(one.pid) for one in users.programs if one is not flood)
    found = users.judge(f"kill {lunch}; sleep 0.5")
    assert found.verdict in ("silent", "kept"), found.reasons


def test_a_device_that_goes_away_meanwhile(users: Users, tmp_path: Path) -> None:
    """Linux before 6.16 refuses a chain for a device that is not there."""
    real = subprocess.run(["sh", "-c", "command -v nft"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "nft").write_text(NFT_BEFORE_LINUX_6_16.replace("REAL", real))
    (tmp_path / "nft").chmod(0o755)
    users.network.run(
        "sh", "-c", "ip link add vpn0 type veth peer name vpn1 && ip link set vpn0 up && ip link set vpn1 up"
    )
    users.flood()
    found = users.judge(f"ip link delete vpn0; {forward('policy drop')}", tmp_path)
    assert found.verdict == "stopped", found.as_result()


def test_who_flushes_all_rules_while_it_counts(users: Users) -> None:
    """As a firewall of somebody else does when it is reloaded. What nft does not list was not counted."""
    users.flood()
    found = users.judge(f"{forward('policy drop')}; (sleep 2.5; nft flush ruleset) >/dev/null 2>&1 &")
    assert (found.verdict, found.reasons) == ("unwatched", ("nft did not list what was counted",))
    assert found.after is not None and not any(found.after.hardware.values())
    assert "could not be counted after the change" in found.warnings[0]


def test_users_without_tcp_that_stop_before_they_are_forwarded(users: Users) -> None:
    """Who has no answer sends less, as here by half: that is not a third of what came before, and all of what comes."""
    many = [users.start("lan", FLOOD.replace("0.01", "0.03"), WAN) for _number in range(4)]
    users.settle("lan")
    found = users.judge(f"kill {many[0].pid} {many[1].pid} {many[2].pid}; {early('prerouting')}")
    assert found.verdict == "stopped", found.as_result()
    assert "IPv4 to the WAN side" in found.reasons[0]


def test_a_name_that_nft_would_read_as_a_rule_is_left_out() -> None:
    """The kernel takes it, up to 15 characters without blanks."""
    network = Network()
    try:
        name = 'wan"}drop;#'
        network.run("ip", "tuntap", "add", "dev", name, "mode", "tun")
        network.run("ip", "addr", "add", "192.0.2.77/31", "dev", name)
        network.run("ip", "link", "set", name, "up")
        network.run("ip", "route", "add", "default", "dev", name)
        calls = [("section", "all", "cut", "-f", "1", "/proc/net/route"), ("section", "devices", "_default_devices")]
        answer = parse(network.run("dash", "-s", text=compose(NONCE, ("apply/witness",), calls)), NONCE)
        assert name in answer.text("all")
        assert answer.text("devices").strip() == ""
    finally:
        network.close()
