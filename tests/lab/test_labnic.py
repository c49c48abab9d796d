# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's NIC itself: what it forwards bypasses the router's kernel, and each fault has its documented effect.

The rulesets here are plain nft: the collection is tested with this NIC, so the NIC is tested without the collection.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lab import api
from lab.labnic import FAULT, TABLE, parse
from lab.traffic import RATE
from tests.lab.router import OBSERVER, Live

SUITES = pytest.mark.parametrize(
    "suite",
    [
        pytest.param(suite, marks=pytest.mark.router(f"{suite}/offload", "tools"))
        for suite in ("trixie", "bookworm", "forky")
    ],
)
pytestmark = pytest.mark.router("trixie/offload", "tools")

FLOWTABLE = "flowtable f {{ hook ingress priority 0; devices = {{ {devices} }}; flags offload; counter; }}"
FORWARD = "chain c { type filter hook forward priority 0; meta l4proto { tcp, udp } ct state established flow add @f; }"
MASQUERADE = """chain nat { type nat hook postrouting priority 100;
    oifname wan0 meta l4proto { tcp, udp } masquerade to :30000-39999; }"""

# Counts the lab's flows in the router's kernel, at ingress and in the forward chain, by device and address family. The
# WAN host's port is the destination on lan0, the source on wan0.
COUNTERS = [f"{hook}_{nic}_{family}" for hook in ("ingress", "forward") for nic in ("lan0", "wan0") for family in "46"]
PROBE = """
table netdev probe {{
    counter ingress_{nic}_4 {{ }}
    counter ingress_{nic}_6 {{ }}
    chain {nic} {{ type filter hook ingress device {nic} priority -400;
        ip protocol {{ tcp, udp }} th {port} 7000 counter name ingress_{nic}_4
        ip6 nexthdr {{ tcp, udp }} th {port} 7000 counter name ingress_{nic}_6
    }}
}}
table inet probe {{
    counter forward_{nic}_4 {{ }}
    counter forward_{nic}_6 {{ }}
    chain {nic} {{ type filter hook forward priority -400;
        iifname {nic} ip protocol {{ tcp, udp }} counter name forward_{nic}_4
        iifname {nic} ip6 nexthdr {{ tcp, udp }} counter name forward_{nic}_6
    }}
}}
"""
COMPLAINTS = "BUG|WARNING|Oops|general protection|suspicious RCU|refcount_t|unregister_netdevice: waiting|blocked for"
SEEN = re.compile(r"counter (\w+) \{\s*packets (\d+)")
# The kernel's counters, those of the devices, and the NIC's table, at the same time
READ = f"""{OBSERVER}/nft list counters; echo ==
cd /sys/class/net && cat lan0/statistics/[rt]x_packets wan0/statistics/[rt]x_packets; echo ==
cat {TABLE}/entries"""


def write(router: Live, name: str, text: str) -> None:
    router.sh(f"cat >/tmp/{name} <<'EOT'\n{text}\nEOT")


def load(router: Live, *chains: str, devices: str = "lan0, wan0", table: str = "t") -> tuple[bool, str]:
    """Load a table with a hardware flowtable; (whether nft loaded it, its errors)."""
    text = "\n".join(["table inet " + table + " {", FLOWTABLE.format(devices=devices), FORWARD, *chains, "}"])
    write(router, "rules.nft", text)
    done = api.ssh(router.name, f"{OBSERVER}/nft -f /tmp/rules.nft")
    return done.returncode == 0, done.stderr


def offload(router: Live, *chains: str) -> None:
    """Set up a healthy router with a hardware flowtable and our counters."""
    router.sh(f"for nic in lan0 wan0; do {OBSERVER}/ethtool -K $nic hw-tc-offload on; done")
    assert load(router, *chains) == (True, "")
    write(router, "probe.nft", PROBE.format(nic="lan0", port="dport") + PROBE.format(nic="wan0", port="sport"))
    router.nft("-f /tmp/probe.nft")


class Counts(NamedTuple):
    """Numbers of packets."""

    kernel: dict[str, int]
    """counter of PROBE -> what the kernel has seen"""
    nic: int
    """what the entries of the NIC's table count"""
    devices: list[int]
    """received and sent by lan0, then by wan0, from the devices' statistics"""


def counts(router: Live) -> Counts:
    listing, devices, entries = router.sh(READ).split("==\n")
    kernel = {name: int(packets) for name, packets in SEEN.findall(listing)}
    assert sorted(kernel) == sorted(COUNTERS), listing
    return Counts(kernel, sum(entry.packets for entry in parse(entries)), [int(word) for word in devices.split()])


def during(router: Live, seconds: float) -> Counts:
    """What is counted in so many seconds."""
    before = counts(router)
    time.sleep(seconds)
    after = counts(router)
    return Counts(
        {name: after.kernel[name] - before.kernel[name] for name in COUNTERS},
        after.nic - before.nic,
        [new - old for old, new in zip(before.devices, after.devices, strict=True)],
    )


def table(router: Live) -> list[api.Entry]:
    return api.read_entries(router.name)


def flows(router: Live, mark: str, seconds: float = 30) -> list[str]:
    """Start the four flows, for `seconds`, and wait for the mark; conntrack's lines of them."""
    lines = router.flows(mark, seconds)
    assert len([line for line in lines if f"[{mark}]" in line]) == len(lines) == 4, lines
    return lines


def wait_for_entries(router: Live, count: int, seconds: float = 6) -> list[api.Entry]:
    """The NIC's table once it has that many entries, or as it is after `seconds`."""
    deadline = time.monotonic() + seconds
    while len(found := table(router)) != count and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def complaints(router: Live) -> str:
    """Complaints in the kernel's log, without stalls: the clock jumps when a state is loaded."""
    lines = router.sh("dmesg").splitlines()
    return "\n".join(line for line in lines if re.search(COMPLAINTS, line) and not re.search("lockup|rcu: INFO", line))


@pytest.fixture
def router(router: Live) -> Iterator[Live]:
    """Asserts after the test that the kernel has logged no complaint."""
    yield router
    assert complaints(router) == ""


# --- bypass


@SUITES
def test_the_kernel_sees_nothing_of_an_offloaded_flow(router: Live, suite: str) -> None:
    """With masquerading; the test of VLANs has routing without it."""
    offload(router, MASQUERADE)
    # the hosts make checksums themselves, so they check those that the NIC rewrites
    router.sh(f"for side in lan wan; do ip netns exec $side {OBSERVER}/ethtool -K eth0 tx off >/dev/null; done")
    flows(router, "HW_OFFLOAD")
    bound = wait_for_entries(router, 8)
    assert sorted((entry.version, entry.protocol, entry.bound) for entry in bound) == sorted(
        2 * [(version, protocol, True) for version in (4, 6) for protocol in ("tcp", "udp")]
    )
    to_wan = [entry.new for entry in bound if entry.new and entry.orig.startswith("10.10.0.2:")]
    assert [new.startswith("203.0.113.1:3") for new in to_wan] == [True, True], to_wan

    kernel, nic, devices = during(router, 6)
    assert set(kernel.values()) == {0}, kernel
    assert nic > 8 * 50, "eight directions at about 25 packets a second each"
    assert min(devices) > nic / 2 * 0.9, "the devices' counters include what bypasses the kernel"

    carried = api.drive_traffic(router.name, 6)
    assert [flow for flow in carried if flow.returned < flow.sent - RATE] == [], (
        "those of one second may be on their way at the end"
    )
    total = sum(flow.sent for flow in carried)
    forwarded = sum(packets for name, packets in counts(router).kernel.items() if name.startswith("forward"))
    assert forwarded < total / 5, "only the first packets of a new flow traverse the forward chain, in both directions"


@SUITES
def test_vlan(router: Live, suite: str) -> None:
    router.sh("""set -e
        ip link add link lan0 name lan0.7 type vlan id 7 && ip link set lan0.7 up
        ip address add 10.7.0.1/24 dev lan0.7 && ip address add fd00:7::1/64 dev lan0.7 nodad
        ip -n lan link add link eth0 name eth0.7 type vlan id 7 && ip -n lan link set eth0.7 up
        ip -n lan address add 10.7.0.2/24 dev eth0.7 && ip -n lan address add fd00:7::2/64 dev eth0.7 nodad
        ip -n lan route replace default via 10.7.0.1 && ip -n lan -6 route replace default via fd00:7::1""")
    offload(router)
    flows(router, "HW_OFFLOAD")
    assert sorted(entry.vlan for entry in wait_for_entries(router, 8)) == [0, 0, 0, 0, 7, 7, 7, 7]
    kernel, nic, _devices = during(router, 4)
    assert {packets for name, packets in kernel.items() if name.startswith("forward")} == {0}
    assert kernel["ingress_wan0_4"] == kernel["ingress_wan0_6"] == 0
    assert nic > 8 * 30


@SUITES
def test_counters_keep_a_flow_alive(router: Live, suite: str) -> None:
    router.sh("""modprobe nf_conntrack && cd /proc/sys/net/netfilter && echo 1 >nf_conntrack_acct
        for l4 in tcp udp; do echo 3 >nf_flowtable_${l4}_timeout; done""")
    offload(router)
    flows(router, "HW_OFFLOAD", 18)
    wait_for_entries(router, 8)
    kernel, nic, _devices = during(router, 10)
    assert set(kernel.values()) == {0}, "over three times its timeout no flow has fallen back to the kernel"
    assert nic > 8 * 80
    accounted = sum(map(int, re.findall(r"packets=(\d+)", router.sh("grep dport=7000 /proc/net/nf_conntrack"))))
    assert accounted > nic / 2, "conntrack's counters include the NIC's"
    # without traffic none stays
    assert wait_for_entries(router, 0, 60) == []


def test_ends_of_a_connection_reach_conntrack(router: Live) -> None:
    """The kernel gets the FIN, so the connection does not stay established."""
    offload(router)
    api.drive_traffic(router.name, 4)
    ended = "tcp .*(FIN_WAIT|CLOSE_WAIT|LAST_ACK|TIME_WAIT|CLOSE) .*dport=7000"
    assert router.succeeds(f"""for try in $(seq 20); do
        [ $(grep -cE '{ended}' /proc/net/nf_conntrack) = 2 ] && exit
        sleep 0.5
    done; exit 1"""), router.sh("cat /proc/net/nf_conntrack")


# Linux 7.2 binds a device as soon as it is registered if a flowtable names it; its feature is off then, so that fails.
STRESS = f"""set -e
eval "$(sed '/^case "/,$d' /usr/lib/lab/net)"
flowtable() {{
    {OBSERVER}/nft "$1 flowtable inet t f {{ hook ingress priority 0; devices = {{ $2 }}; flags offload; counter; }}"
}}
most=0
for turn in $(seq $1); do
    case $((turn % 3)) in
        0) side=lan ;;
        *) side=wan ;;
    esac
    now=$(wc -l </sys/kernel/debug/ppe0/bind)
    [ $now -le $most ] || most=$now
    [ $((turn % 5)) != 0 ] || echo all flush >{FAULT}
    [ $((turn % 7)) != 0 ] || echo ${{side}}0 reset >{FAULT}
    unplug $side
    case $(uname -r) in
        6.*) ;;
        *) flowtable delete ${{side}}0 ;;
    esac
    plug $side
    {OBSERVER}/ethtool -K ${{side}}0 hw-tc-offload on
    flowtable add ${{side}}0
    sleep 0.4
done
echo $most"""


@SUITES
def test_stress(router: Live, suite: str) -> None:
    """NICs are pulled out and plugged in repeatedly with flows in the table, which is flushed in between."""
    offload(router)
    flows(router, "HW_OFFLOAD", 1200)
    write(router, "stress", STRESS)
    turns = 15 if suite == "trixie" else 50  # `make test` runs trixie, and has little time
    done = api.ssh(router.name, f"sh /tmp/stress {turns}", timeout=900)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4, "the table had flows in the meantime"
    assert len(wait_for_entries(router, 8)) >= 4
    router.nft("delete table inet t")
    assert [entry for entry in table(router) if entry.bound] == [], "flows leave with their flowtable"
    router.sh("systemctl stop lab-sink; for side in lan wan; do ip netns pids $side | xargs -r kill -9; done; sleep 1")
    router.nft("flush ruleset")
    router.sh("rmmod labnic && ! test -e /sys/kernel/debug/ppe0 && modprobe labnic")


# --- faults


def set_faults(router: Live, device: str, *faults: str) -> None:
    router.acts += 1
    api.set_faults(router.name, device, *faults)


def test_faults_are_listed_and_healed_by_one_write(router: Live) -> None:
    set_faults(router, "lan0", "max-flows=3", "one-way")
    set_faults(router, "wan0", "refuse-bind")
    listed = router.sh(f"cat {FAULT}").splitlines()
    assert {"lan0 one-way max-flows=3", "wan0 refuse-bind"} <= set(listed)
    assert not router.succeeds(f"echo lan0 nonsense >{FAULT}")
    assert not router.succeeds(f"echo lan0 max-flows >{FAULT}")
    assert not router.succeeds(f"echo nosuch one-way >{FAULT}")
    assert router.sh(f"cat {FAULT}").splitlines() == listed
    set_faults(router, "lan0", "fixed-on")
    assert router.feature("lan0") == "on [fixed]"
    set_faults(router, "lan0", "fixed-off")
    assert router.feature("lan0") == "off [fixed]"
    api.clear_faults(router.name)
    assert [line for line in router.sh(f"cat {FAULT}").splitlines() if " " in line] == []
    assert router.feature("lan0") == "off"


def test_refuse_bind(router: Live) -> None:
    offload(router)
    router.nft("delete table inet t")
    set_faults(router, "wan0", "refuse-bind")
    loaded, errors = load(router)
    assert not loaded
    assert "Operation not supported" in errors
    api.clear_faults(router.name)
    assert load(router)[0]


def test_refuse_flows(router: Live) -> None:
    set_faults(router, "all", "refuse-flows")
    offload(router)
    flows(router, "OFFLOAD")
    assert table(router) == []
    api.clear_faults(router.name)
    assert len(wait_for_entries(router, 8)) == 8, "the kernel offers used flows again"


def test_refuse_flows_on_one_side(router: Live) -> None:
    set_faults(router, "wan0", "refuse-flows")
    offload(router)
    flows(router, "HW_OFFLOAD")
    assert len(wait_for_entries(router, 4)) == 4
    kernel, _nic, _devices = during(router, 3)
    assert kernel["ingress_lan0_4"] == kernel["ingress_lan0_6"] == 0
    assert min(kernel["ingress_wan0_4"], kernel["ingress_wan0_6"]) > 50
    assert kernel["forward_wan0_4"] == 0, "the software flowtable takes what the NIC does not"


def test_one_way(router: Live) -> None:
    set_faults(router, "all", "one-way")
    offload(router)
    flows(router, "HW_OFFLOAD")
    time.sleep(3)
    assert len(table(router)) == 4


def test_max_flows(router: Live) -> None:
    set_faults(router, "lan0", "max-flows=1")
    offload(router)
    router.flows("HW_OFFLOAD", 30)
    time.sleep(3)
    to_wan = [entry for entry in table(router) if entry.orig.endswith(":7000")]
    assert (len(to_wan), len(table(router))) == (1, 5)


def test_a_second_flowtable(router: Live) -> None:
    offload(router)
    loaded, errors = load(router, table="second")
    assert not loaded
    assert "Device or resource busy" in errors
    set_faults(router, "all", "share-block")
    assert load(router, table="second") == (True, "")
    flows(router, "HW_OFFLOAD")
    assert len(wait_for_entries(router, 8)) == 8
    router.nft("delete table inet second")
    router.nft("delete table inet t")
    assert table(router) == []


def test_fake(router: Live) -> None:
    set_faults(router, "all", "fake", "fixed-off")
    assert router.feature("lan0") == "off [fixed]"
    assert load(router) == (True, "")
    flows(router, "OFFLOAD")
    assert table(router) == []
    router.nft("delete table inet t")
    api.clear_faults(router.name)
    offload(router)
    flows(router, "HW_OFFLOAD")


def test_unbound(router: Live) -> None:
    set_faults(router, "all", "unbound")
    offload(router)
    flows(router, "HW_OFFLOAD")
    assert [entry.bound for entry in wait_for_entries(router, 8)] == [False] * 8
    assert parse(router.sh("cat /sys/kernel/debug/ppe0/bind")) == []
    kernel, nic, _devices = during(router, 3)
    assert nic == 0
    assert min(kernel["ingress_lan0_4"], kernel["ingress_wan0_6"]) > 50


def test_no_counters(router: Live) -> None:
    set_faults(router, "all", "no-counters")
    offload(router)
    flows(router, "HW_OFFLOAD")
    wait_for_entries(router, 8)
    kernel, nic, devices = during(router, 3)
    assert (set(kernel.values()), nic) == ({0}, 0)
    assert min(devices) > 100


def test_feature_turned_off_with_flows(router: Live) -> None:
    off = f"{OBSERVER}/ethtool -K lan0 hw-tc-offload off"
    set_faults(router, "lan0", "keep-on")
    offload(router)
    flows(router, "HW_OFFLOAD", 60)
    wait_for_entries(router, 8)
    assert not router.succeeds(off)
    assert router.feature("lan0").startswith("on")
    set_faults(router, "lan0")
    router.sh(off)
    time.sleep(3)
    assert [entry.orig.endswith(":7000") for entry in table(router)] == [False] * 4
    lines = [line for line in router.sh("grep dport=7000 /proc/net/nf_conntrack").splitlines() if "HW_OFFLOAD" in line]
    assert len(lines) == 4, "conntrack still shows the mark"


def test_flush(router: Live) -> None:
    offload(router)
    flows(router, "HW_OFFLOAD", 60)
    wait_for_entries(router, 8)
    set_faults(router, "all", "flush", "refuse-flows")
    time.sleep(3)
    assert table(router) == []
    lines = router.sh("grep dport=7000 /proc/net/nf_conntrack").splitlines()
    assert all("[HW_OFFLOAD]" in line for line in lines), "conntrack still shows the mark"
    api.clear_faults(router.name)
    assert len(wait_for_entries(router, 8)) == 8


def test_reset(router: Live) -> None:
    offload(router)
    flows(router, "HW_OFFLOAD", 60)
    wait_for_entries(router, 8)
    set_faults(router, "all", "reset")
    assert len(wait_for_entries(router, 16)) == 16, "eight orphans, and the flows that the kernel offers again"
    router.nft("delete table inet t")
    assert len(parse(router.sh("cat /sys/kernel/debug/ppe0/bind"))) == 8
    api.clear_faults(router.name)
    assert table(router) == []
