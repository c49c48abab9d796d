# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults that only traffic shows: rungs 5 to 7."""

from __future__ import annotations

from dataclasses import replace

from tests.faults.faults_devices import HIDDEN
from tests.faults.model import EVERYWHERE, QUIET, Fault, Traffic
from tests.faults.rulesets import FEATURES_ON, OURS, load_table, set_faults
from tests.faults.topologies import TOPOLOGIES

FLUSH = "nft flush ruleset\n"
MORE = Traffic(count=2)
# IPCTNL_MSG_CT_DELETE without a tuple: every connection that is not offloaded
FORGET = """python3 - <<'EOT'
import socket, struct
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
netlink.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 0, 0, 0))
assert struct.unpack_from("=i", netlink.recv(4096), 16)[0] == 0
EOT
"""
STOP = "ip netns pids lan | xargs -r kill\n"
FAST = "for l4 in tcp udp; do echo 2 >/proc/sys/net/netfilter/nf_flowtable_${l4}_timeout; done\n"
SEND = "ip netns exec lan python3 /usr/lib/lab/traffic.py send --seconds 180 --rate 25 --background\n"

ASKS = "the fast path asks for a neighbour's address up to Linux 6.18.44"
OLDER = dict.fromkeys(("6.1", "6.12", "6.18"), "tunnels have paths from Linux 7.0 on")

FAULTS = (
    Fault(
        "no-traffic",
        ["offloading.no-traffic"],
        4,
        {EVERYWHERE: "mount -t tmpfs none /run/netns\n", "6.18": ":\n"},
        traffic=QUIET,
    ),
    # where the lab's own stand for those in which somebody else forwards
    Fault("traffic-elsewhere", ["offloading.other-namespaces"], 4, traffic=QUIET, impossible={"6.18": HIDDEN}),
    Fault(
        "conntrack-unreadable",
        ["offloading.conntrack-unreadable"],
        4,
        impossible="the lab's kernels have CONFIG_NF_CONNTRACK_PROCFS, or its routers the command conntrack",
    ),
    Fault(
        "verdict-before-the-rule",
        ["configured.rule-shadowed", "offloading.none-offloaded"],
        2,
        FLUSH + load_table(before="meta l4proto { tcp, udp } accept"),
        topology="by-hand",
    ),
    Fault(
        "rule-for-ipv4-only",
        ["offloading.one-family"],
        7,
        FLUSH + load_table(before="meta nfproto ipv6 return"),
        topology="by-hand",
        traffic=MORE,
    ),
    Fault(
        "rule-for-udp-only",
        ["offloading.one-protocol"],
        # in software what TCP leaves on the slow path is judged too
        {EVERYWHERE: 7, "6.18": 5},
        FLUSH + load_table(before="meta l4proto tcp return"),
        topology="by-hand",
        traffic=MORE,
    ),
    Fault(
        "new-flows-left-out",
        # by a rule that somebody added by hand
        ["offloading.most-left-out", "bypassing.slow-share", "configured.live-differs"],
        2,
        during=f"nft 'insert rule {OURS} forward meta l4proto {{ tcp, udp }} accept'\n" + SEND * 3 + "sleep 1\n",
        topology="software",
    ),
    Fault(
        "conntrack-nearly-full",
        ["offloading.conntrack-full"],
        7,
        during="cd /proc/sys/net/netfilter\ncat nf_conntrack_count >nf_conntrack_max\n",
    ),
    Fault(
        "half-covered",
        {
            EVERYWHERE: ["configured.device-missing", "bypassing.one-direction"],
            "7.2": ["configured.device-missing", "offloading.none-offloaded"],
        },
        2,
        f"nft 'delete flowtable {OURS} ft {{ hook ingress priority 0; devices = {{ wan0 }}; }}'\n",
        topology="software",
    ),
    *(
        Fault(
            name,
            # by rules of somebody's own, since the role's leave such flows out
            ["bypassing.not-delivered", "configured.not-deliverable"],
            5,
            {kernels: FLUSH + load_table(devices, flags="")},
            topology=topology,
            traffic=replace(TOPOLOGIES[topology].traffic, arrives=False),
            options={"table": "inet fw"},
            impossible=impossible,
        )
        for name, topology, devices, kernels, impossible in (
            ("next-hop-of-another-family", "next-hop-of-another-family", "lan0, wan0", EVERYWHERE, ""),
            ("ds-lite-with-its-nic", "ds-lite", "lan0, tun0, wan0", "7.2", OLDER),
            ("ds-lite-without-the-tunnel", "ds-lite", "lan0, wan0", "7.2", OLDER),
        )
    ),
    Fault(
        "neighbour-forgotten",
        # by hand, what many hosts on a link bring about by themselves
        ["bypassing.not-delivered"],
        5,
        during="sleep 1\nip neigh flush dev wan0 nud all\n",
        topology="software-veth",
        traffic=Traffic(arrives=False),
        impossible={"6.1": ASKS, "6.12": ASKS},
    ),
    Fault("little-traffic", ["bypassing.little-traffic"], 5, topology="software", traffic=Traffic(rate=1.0)),
    Fault(
        "delivery-unseen",
        ["bypassing.delivery-unseen"],
        5,
        impossible="all three kernels have hooks where packets leave, and the lab's NIC counts what it sends",
    ),
    Fault(
        "nothing-counts",
        ["bypassing.not-counted"],
        7,
        impossible="the lab's NIC always counts what it forwards in the counters of the devices",
    ),
    Fault(
        "sample-flushed",
        ["bypassing.not-measured"],
        5,
        during="""setsid sh -c 'for try in $(seq 60); do
  name=$(nft list tables | sed -n "s/^table netdev //p")
  [ -z "$name" ] || { sleep 1; nft delete table netdev $name; exit; }
  sleep 0.2
done' </dev/null >/dev/null 2>&1 &
""",
        topology="software",
    ),
    Fault("nic-refuses-flows", ["hardware.refused"], 6, set_faults("all", "refuse-flows")),
    Fault(
        "feature-switched-off",
        ["configured.feature-off", "hardware.switched-off"],
        2,
        during="for nic in lan0 wan0; do ethtool -K $nic hw-tc-offload off; done\nsleep 1\n",
    ),
    Fault(
        "fake-hardware",
        ["hardware.fake"],
        6,
        FLUSH + set_faults("all", "fake", "fixed-off") + load_table(),
        topology="by-hand",
    ),
    Fault(
        "fake-hardware-with-the-feature",
        ["hardware.refused"],
        6,
        FLUSH + set_faults("all", "fake") + FEATURES_ON + "\n" + load_table(),
        topology="by-hand",
    ),
    Fault(
        "nic-table-full",
        ["hardware.some-flows"],
        7,
        set_faults("all", "max-flows=2"),
        traffic=Traffic(kinds=("tcp4", "udp4", "tcp6", "udp6"), count=2),
    ),
    Fault("one-side-refuses", ["hardware.one-direction"], 6, set_faults("wan0", "refuse-flows")),
    Fault("one-way", ["hardware.one-direction"], 6, set_faults("all", "one-way")),
    Fault("never-bound", ["hardware.not-in-table"], 6, set_faults("all", "unbound")),
    Fault(
        "nic-forgot-to-forget",
        ["hardware.orphaned"],
        7,
        during=FAST + "sleep 1\n" + set_faults("all", "reset") + STOP + "sleep 4\n" + FORGET + SEND + "sleep 2\n",
        topology="nat-and-port-forward",
    ),
    Fault(
        "work-piles-up",
        ["hardware.backlog"],
        7,
        impossible="the kernels are built without NF_FLOW_TABLE_PROCFS, and the NIC takes flows at once",
    ),
)
