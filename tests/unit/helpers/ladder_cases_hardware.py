# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More broken routers: what the hardware has, and what is in conflict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Boot, Flowtable, RouterState

from tests.unit.helpers.ladder_case import (
    EXPECT_SOFTWARE,
    FOREIGN,
    HARD,
    SOFT,
    Case,
    beside,
    both,
    case,
    table,
    traffic,
)
from tests.unit.helpers.ladder_cases_nic import FAKE, TRIO
from tests.unit.helpers.ladder_cases_traffic import BOTH_WAYS
from tests.unit.helpers.routers import FIXED, OFF, flows, foreign, with_device, with_flowtable, with_sample

HARDWARE = {
    "switched off": case(
        replace(with_device(HARD, "wan0", hw_tc_offload=OFF), flows=flows(software=2)),
        "configured.feature-off hardware.switched-off",
        "loaded",
        "because hw-tc-offload of wan0 is off, though boot turns it on",
        hardware="failed",
    ),
    "switched off, no traffic": case(
        replace(with_device(HARD, "wan0", hw_tc_offload=OFF), flows=flows()),
        "configured.feature-off hardware.switched-off offloading.no-traffic",
        "loaded",
    ),
    "switched off under flows that keep the bit": case(
        replace(
            with_device(with_device(HARD, "wan0", hw_tc_offload=OFF), "lan0", hw_tc_offload=OFF),
            flows=flows(hardware=4),
        ),
        "configured.feature-off hardware.switched-off",
        "loaded",
        "off, though boot turns it on; the hardware bit of flows may be from before",
        hardware="failed",
    ),
    "off from the start": case(
        replace(with_device(foreign(hardware=True), "wan0", hw_tc_offload=OFF), flows=flows(software=2)),
        FOREIGN + "configured.feature-off hardware.refused",
        "loaded",
        "likely because of wan0: hw-tc-offload: off",
    ),
    "fake": case(
        replace(FAKE, flows=flows(software=7)),
        FOREIGN + "hardware.fake",
        "offloading",
        "none of its devices can offload: lan0 (r8169), wan0 (r8169)",
        configured="proven",
        hardware="failed",
    ),
    "fake, no ethtool": case(
        replace(both(FAKE, hw_tc_offload=None), flows=flows(software=7)),
        FOREIGN + "configured.feature-unknown configured.driver-hint hardware.fake",
        "offloading",
    ),
    "no ethtool, no traffic": case(
        replace(both(FAKE, hw_tc_offload=None), flows=flows()),
        FOREIGN + "configured.feature-unknown configured.driver-hint offloading.no-traffic",
        "bound",
    ),
    "fake, software expected": case(
        replace(FAKE, flows=flows(software=7)),
        FOREIGN + "configured.flag-unexpected",
        "loaded",
        expect=EXPECT_SOFTWARE,
    ),
    "fake, without traffic": case(
        replace(FAKE, flows=flows()), FOREIGN + "hardware.fake offloading.no-traffic", "bound"
    ),
    "only some": case(
        traffic(HARD, "ipv4 tcp hardware 3, ipv6 tcp software 2, ipv6 udp software 1"),
        "hardware.some-flows",
        "hardware",
        "3 of 6 offloaded flows (50 %) are in hardware",
        "in software: ipv6 tcp 2, ipv6 udp 1",
        hardware="proven",
    ),
    "one not yet in hardware": case(traffic(HARD, "ipv4 tcp hardware 3, ipv6 tcp software 1"), "", "hardware"),
    "both directions": case(
        replace(HARD, driver_table=table((True, True), (True, True), looks=1)),
        "",
        "hardware",
        "2 TCP flows in hardware 2 have both directions in it, 0 one, 0 none",
    ),
    "one direction": case(
        replace(HARD, driver_table=table((True, False), (True, False))),
        "hardware.one-direction",
        "offloading",
        "of 2 TCP flows in hardware only one direction",
        hardware="failed",
    ),
    "one direction, looked at once": case(
        replace(HARD, driver_table=table((True, False), looks=1)),
        "",
        "offloading",
        "0 have both directions in it, 1 one",
        hardware="unproven",
    ),
    "one direction of one of them": case(
        replace(HARD, driver_table=table((True, False), (True, True))), "", "hardware"
    ),
    "one direction, Wi-Fi among the devices": case(
        replace(with_device(TRIO, "phy0", kind="wlan", hw_tc_offload=FIXED), driver_table=table((False, True))),
        FOREIGN + "configured.feature-absent hardware.one-direction",
        "offloading",
        hardware="unproven",
    ),
    "not in the table": case(
        replace(HARD, driver_table=table((False, False))),
        "hardware.not-in-table",
        "offloading",
        "the driver's own table has 0 entries",
        hardware="unproven",
    ),
    "no TCP to look at": case(replace(HARD, driver_table=table()), "", "hardware"),
    "orphans": case(
        replace(HARD, driver_table=table((True, True), orphans=2, looked_up=5)),
        "hardware.orphaned",
        "hardware",
        "2 entries of the driver's table have no line in connection tracking",
        "00001 BND IPv4 5T",
    ),
    "orphans, without a flow": case(
        replace(HARD, driver_table=table(orphans=2, looked_up=5), flows=flows()),
        "hardware.orphaned offloading.no-traffic",
        "bound",
    ),
    "nothing was found in conntrack": case(
        replace(HARD, driver_table=table(orphans=5, looked_up=5), flows=flows()), "offloading.no-traffic", "bound"
    ),
    "orphans, looked at once": case(
        replace(HARD, driver_table=table((True, True), orphans=2, looked_up=5, looks=1)), "", "hardware"
    ),
    "backlog": case(
        replace(HARD, work={"add": 4000, "del": 1, "stats": 0}),
        "hardware.backlog",
        "hardware",
        "add 4000, del 1, stats 0",
    ),
    "some work": case(replace(HARD, work={"add": 400, "del": -1}), "", "hardware", "add 400, del -1"),
}

SMALL_WAN = with_device(
    with_device(HARD, "lan0", mtu=1500, addresses=("10.10.0.1/24",), forwarding=("ipv4",)),
    "ppp0",
    kind="ppp",
    lowers=("wan0",),
    up=True,
    mtu=1492,
    forwarding=("ipv4",),
    default_route=("ipv4",),
)


def with_firewalld(state: RouterState) -> RouterState:
    """firewalld with a flowtable of its own, for other devices, and nothing that feeds it."""
    theirs = Flowtable("inet", "firewalld", "fastpath", ("mgmt0",))
    return replace(state, firewalls=("firewalld",), flowtables=(*(state.flowtables or ()), theirs))


CONFLICTS = {
    "shaper": case(
        beside(HARD, shapers={"wan0": "cake", "mgmt0": "cake"}),
        "configured.shaper-bypassed",
        "hardware",
        "wan0 has the qdisc cake, and flowtable inet nft_offload ft offloads in hardware",
        configured="proven",
    ),
    "shaper above": case(
        beside(with_device(HARD, "br0", kind="bridge", lowers=("lan0",)), shapers={"br0": "htb"}),
        "configured.shaper-bypassed",
        "hardware",
    ),
    "shaper in software": case(beside(SOFT, shapers={"wan0": "hfsc"}), "configured.shaper", "offloading"),
    "shaper elsewhere": case(beside(HARD, shapers={"mgmt0": "cake"}), "", "hardware"),
    **{
        f"SQM above the NIC, flowtable in {where}": case(
            beside(
                with_device(state, "pppoe-wan", kind="ppp", lowers=("wan0",), up=True),
                redirected={"pppoe-wan": "ifb4pppoe-wan"},
                shapers={"pppoe-wan": "cake"},
            ),
            f"configured.ingress-bypassed {shaper}",
            verdict,
            "all that comes in through pppoe-wan is redirected to ifb4pppoe-wan, and offloaded flows are taken before,"
            " on wan0",
            "pppoe-wan: qdisc cake",
        )
        for where, state, shaper, verdict in (
            ("software", SOFT, "configured.shaper", "offloading"),
            ("hardware", HARD, "configured.shaper-bypassed", "hardware"),
        )
    },
    "another fast path beside it": case(
        beside(SOFT, accelerators=("ecm", "qca_nss_drv")),
        "configured.other-accelerator",
        "offloading",
        "another fast path is loaded: ecm, qca_nss_drv",
    ),
    "an XDP program, and little traffic": case(
        with_sample(beside(SOFT, xdp={"wan0": "generic", "mgmt0": "native"}), "fast 4 lan0 4"),
        "configured.xdp bypassing.taken-before",
        "offloading",
        "wan0 has an XDP program (generic)",
        "fewer than 100 packets that could bypass the forward chain were forwarded, but the XDP program on wan0"
        " (generic) may take packets before they are counted",
        bypassing="unproven",
    ),
    "an XDP program, and no traffic": case(
        replace(beside(SOFT, xdp={"wan0": "native"}), flows=flows()),
        "configured.xdp offloading.taken-before",
        "bound",
        "but the XDP program on wan0 (native) may take packets before they are seen",
        offloading="unproven",
    ),
    "an XDP program below a listed device": case(
        replace(
            beside(with_device(with_device(SOFT, "eth9"), "wan0", lowers=("eth9",)), xdp={"eth9": "offload"}),
            flows=flows(),
        ),
        "configured.xdp offloading.taken-before",
        "bound",
        "eth9 has an XDP program (offload)",
    ),
    "an XDP program elsewhere, and no traffic": case(
        replace(beside(SOFT, xdp={"mgmt0": "native"}), flows=flows()), "offloading.no-traffic", "bound"
    ),
    "an XDP program, and most of what is seen is slow": case(
        with_sample(
            beside(SOFT, xdp={"wan0": "native"}),
            "fast 4 lan0 100",
            "traversed4 lan0 wan0 900 9000",
            "slow4 lan0 wan0 tcp 3 900 9000",
        ),
        "configured.xdp bypassing.slow-share",
        "offloading",
        "what the XDP program on wan0 (native) takes is not counted",
        bypassing="unproven",
    ),
    "an XDP program, and traffic that bypasses": case(
        with_sample(beside(SOFT, xdp={"wan0": "native"}), *BOTH_WAYS),
        "configured.xdp",
        "bypassing",
        "what the XDP program on wan0 (native) takes is not counted",
    ),
    "an XDP program that may take the answers": case(
        replace(
            with_sample(beside(SOFT, xdp={"wan0": "native"}), "fast 4 lan0 4000"),
            flows=replace(flows(software=8), one_way={"ipv4 software": (8, 8)}),
        ),
        "configured.xdp bypassing.delivery-unseen",
        "offloading",
        "8 of 8 ipv4 TCP flows in software had packets one way only",
    ),
    "no XDP program, and no answers": case(
        replace(
            with_sample(SOFT, "fast 4 lan0 4000"),
            flows=replace(flows(software=8), one_way={"ipv4 software": (8, 8)}),
        ),
        "bypassing.not-delivered",
        "offloading",
    ),
    "ingress redirected": case(
        beside(SOFT, redirected={"wan0": "ifb4wan0", "mgmt0": "ifb0"}),
        "configured.ingress-redirected",
        "offloading",
        "all that comes in through wan0 is redirected to ifb4wan0",
    ),
    "policy routing": case(
        beside(HARD, mark_rules=("ipv4: from all fwmark 0x1 lookup 100",)),
        "configured.mark-routing",
        "hardware",
        "1 rule of 'ip rule'",
    ),
    "IPsec": case(beside(HARD, ipsec={"in": 0, "out": 2, "fwd": 2}), "configured.ipsec", "hardware", "2 out, 2 fwd"),
    "IPsec, busybox": case(
        beside(HARD, ipsec_errors=("XfrmInNoStates 3",)), "configured.ipsec", "hardware", "XfrmInNoStates 3"
    ),
    "no IPsec": case(beside(HARD, ipsec={"in": 0, "out": 0, "fwd": 0}), "", "hardware"),
    "queue": case(
        beside(HARD, queues=("inet ids forward: _ queue",)), "configured.queue", "hardware", "inet ids forward"
    ),
    "second firewall": case(
        beside(HARD, forward_chains=("inet nft_offload forward", "inet filter forward")),
        "configured.second-firewall",
        "hardware",
        "forwarded packets also pass inet filter forward",
    ),
    "our chain alone": case(beside(HARD, forward_chains=("inet nft_offload forward",)), "", "hardware"),
    "iptables-legacy": case(
        beside(HARD, legacy_tables=("ip filter", "ip nat")),
        "configured.second-firewall",
        "hardware",
        "iptables-legacy has the table ip filter",
    ),
    "docker": case(
        replace(HARD, firewalls=("nftables", "docker")),
        "configured.firewall-beside",
        "hardware",
        "beside it: docker",
        "docker sets the policy of its own forward chain to drop",
    ),
    "what flushes, and ours comes back; what filters nothing": case(
        beside(replace(HARD, firewalls=("nftables", "fail2ban")), agents=("bridger",)), "", "hardware"
    ),
    "foomuuri": case(
        replace(HARD, firewalls=("foomuuri",)), "configured.firewall-beside", "hardware", "in table inet foomuuri alone"
    ),
    "another firewall's flowtable": case(replace(foreign(), firewalls=("firewalld",)), FOREIGN.strip(), "offloading"),
    "firewalld is told to make a flowtable": case(
        beside(replace(HARD, firewalls=("firewalld",)), firewalld_devices=("lan0", "eth9")),
        "configured.firewall-beside configured.firewalld-flowtable",
        "hardware",
        "firewalld.conf has NftablesFlowtable=lan0 eth9, and there is no flowtable of firewalld's: there is no device"
        " eth9",
    ),
    "firewalld was told, and is off": case(beside(HARD, firewalld_devices=("lan0",)), "", "hardware"),
    "firewalld made it": case(
        beside(with_firewalld(HARD), firewalld_devices=("lan0", "wan0")), "configured.firewall-beside", "hardware"
    ),
    "settings of a controller, for a table of ours": case(beside(HARD, agents=("openwisp-config",)), "", "hardware"),
    "a network namespace, and no traffic": case(
        replace(beside(SOFT, namespaces=("blue",)), flows=flows()),
        "offloading.other-namespaces",
        "bound",
        "and there are the network namespaces blue",
    ),
    "a network namespace, and traffic": case(beside(SOFT, namespaces=("blue",)), "", "offloading"),
    "a device that is in a network namespace": case(
        beside(with_flowtable(SOFT, devices=("lan0", "wan0", "eth9")), namespaces=("blue",)),
        "configured.device-unknown configured.attachment-missing",
        "loaded",
        "it may be in another network namespace: blue",
    ),
    "smaller MTU": case(
        SMALL_WAN, "configured.mtu-differs", "hardware", "ppp0 has MTU 1492, lan0 1500, and no rule clamps the MSS"
    ),
    "smaller MTU, clamped": case(beside(SMALL_WAN, clamps_mss=True), "", "hardware"),
    "smaller MTU, iptables-legacy may clamp": case(beside(SMALL_WAN, legacy_tables=("ip nat",)), "", "hardware"),
    "smaller MTU elsewhere": case(
        with_device(
            with_device(HARD, "lan0", mtu=1500, addresses=("10.10.0.1/24",), forwarding=("ipv4",)),
            "mgmt0",
            mtu=1400,
            addresses=("192.0.2.1/24",),
            forwarding=("ipv4",),
        ),
        "configured.network-uncovered",
        "hardware",
    ),
    "without a flowtable": case(
        beside(
            replace(HARD, flowtables=(), rules=(), hooks=(), boot=Boot()),
            shapers={"wan0": "cake"},
            mark_rules=("ipv4: from all fwmark 0x1 lookup 100",),
            ipsec={"out": 1},
            queues=("inet ids forward: _ queue",),
            legacy_tables=("ip filter",),
        ),
        "configured.no-flowtable",
        "loaded",
    ),
}

BY_RUNG: Mapping[str, Mapping[str, Case]] = {
    "driver's table": HARDWARE,
    "conflict": CONFLICTS,
}
CASES = {f"{rung}: {name}": found for rung, cases in BY_RUNG.items() for name, found in cases.items()}
