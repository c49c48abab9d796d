# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More broken routers: NICs and drivers, flows that are left out, what the hardware has, and conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import (
    Beside,
    Boot,
    DriverFlow,
    DriverTable,
    Exclusion,
    Feature,
    RouterState,
)

from tests.unit.plugins.ladder_cases import DSA, EXPECT_SOFTWARE, HARD, SOFT, Case, case
from tests.unit.plugins.routers import (
    FIXED,
    HARDWARE_LINE,
    OFF,
    ON,
    RULE,
    flows,
    foreign,
    with_boot,
    with_device,
    with_flowtable,
    with_rule,
)

FOREIGN = "loaded.on-demand configured.boot-not-judged "
"""what is said of any flowtable of another firewall"""
ENTRY = (
    "00e06 BND IPv4 5T orig=192.0.2.7:500->198.51.100.9:500 new=203.0.113.1:500->198.51.100.9:500"
    " eth=02:00:00:00:00:01->02:00:00:00:00:02 etype=0800 vlan=0,0 ib1=61481e81 ib2=007ff051 packets=9 bytes=900"
)


def beside(state: RouterState, **changes: object) -> RouterState:
    return replace(state, beside=Beside(**changes))  # type: ignore[arg-type]


def both(state: RouterState, **changes: object) -> RouterState:
    """Both devices of the flowtable changed."""
    for name in ("lan0", "wan0"):
        state = with_device(state, name, **changes)
    return state


def table(*there: tuple[bool, bool], looks: int = 2, orphans: int = 0, looked_up: int = 0) -> DriverTable:
    """A driver's table in which these directions of so many sampled flows are bound."""
    return DriverTable(
        bound=sum(map(sum, there)) + orphans,
        flows=tuple(DriverFlow(HARDWARE_LINE, directions) for directions in there),
        orphans=tuple(ENTRY.replace("00e06", f"{number:05x}") for number in range(orphans)),
        looked_up=looked_up,
        looks=looks,
    )


def traffic(state: RouterState, counts: str, recent: str = "") -> RouterState:
    """Conntrack with these counts: 'ipv4 tcp hardware 4, ipv6 udp slow 3', and 'ipv6 udp 3' of them just now."""
    seen = {key: int(count) for key, _space, count in (part.strip().rpartition(" ") for part in counts.split(","))}
    lately = {key: int(n) for key, _space, n in (part.strip().rpartition(" ") for part in recent.split(",") if part)}
    usual = flows(hardware=1, software=1, slow=1)
    return replace(
        state,
        flows=replace(
            usual,
            counts=seen,
            sampled=sum(seen.values()),
            total=sum(seen.values()),
            recent=lately,
            recent_slow=sum(lately.values()),
        ),
    )


TRIO = both(
    with_device(with_flowtable(foreign(hardware=True), devices=("lan0", "phy0", "wan0")), "phy0", kind="wlan"),
    hw_tc_offload=ON,
)
"""as OpenWrt lists it: a device without offload among others"""
FAKE = both(foreign(hardware=True), hw_tc_offload=FIXED, driver="r8169")
MLX5 = replace(both(HARD, driver="mlx5_core"), flows=flows())
VLAN_ON_PORT = with_device(
    with_flowtable(DSA, devices=("lan0.7", "wan0")), "lan0.7", kind="vlan", lowers=("lan0",), hw_tc_offload=OFF
)

NIC = {
    "not active": case(
        with_device(HARD, "wan0", hw_tc_offload=Feature(active=False, requested=True)),
        "configured.feature-not-active",
        "loaded",
        "wan0: hw-tc-offload: off [requested on]",
    ),
    "off at the conduit": case(
        both(DSA, hw_tc_offload=ON),
        "configured.conduit-feature-off",
        "loaded",
        "hw-tc-offload is off on eth0, which carries lan0, wan0 (driver mtk_soc_eth)",
        "lan0: hw-tc-offload: on",
    ),
    "off at the conduit below a VLAN on a port": case(
        with_boot(VLAN_ON_PORT, attachments={"lan0.7": "", "wan0": ""}),
        "configured.conduit-feature-off configured.vlan-in-hardware bound.hook-missing",
        "loaded",
    ),
    "one without offload, as OpenWrt lists it": case(
        replace(with_device(TRIO, "phy0", hw_tc_offload=FIXED, driver="mt7915e"), flows=flows()),
        FOREIGN + "configured.feature-absent offloading.no-traffic",
        "bound",
        "phy0 has no hw-tc-offload (driver mt7915e)",
    ),
    "one without offload, flows in hardware": case(
        with_device(HARD, "lan0", hw_tc_offload=FIXED), "configured.feature-absent", "hardware"
    ),
    "driver of another kind": case(
        replace(both(HARD, driver="ice"), flows=flows(software=2)),
        "configured.driver-hint hardware.refused",
        "offloading",
        "ice, the driver of lan0, is not known to take flowtables",
    ),
    "driver of another kind, but flows in hardware": case(both(HARD, driver="ice"), "", "hardware"),
    "mlx5 in legacy mode": case(
        both(MLX5, eswitch="legacy"),
        "configured.eswitch-legacy offloading.no-traffic",
        "bound",
        "eswitch mode legacy",
        configured="proven",
    ),
    "mlx5 in switchdev mode": case(both(MLX5, eswitch="switchdev"), "offloading.no-traffic", "bound"),
    "mlx5 without devlink": case(MLX5, "configured.eswitch-unknown offloading.no-traffic", "bound"),
    "mlx5 without devlink, flows in hardware": case(both(HARD, driver="mlx5_core"), "", "hardware"),
}

BOTH = "ipv4 tcp hardware 3, ipv4 udp hardware 2, "
OFFLOADING = {
    "one slow flow": case(
        replace(HARD, flows=flows(slow=1, recent=1)),
        "offloading.no-traffic",
        "bound",
        "too few to tell",
        offloading="unproven",
    ),
    "no flow of IPv6": case(
        traffic(HARD, BOTH + "ipv6 tcp slow 5", "ipv6 tcp 4"),
        "offloading.one-family",
        "hardware",
        "4 flows of ipv6 passed packets just now and none is offloaded, ipv4 is",
        offloading="proven",
    ),
    "one flow of IPv6": case(traffic(HARD, BOTH + "ipv6 tcp slow 5", "ipv6 tcp 1"), "", "hardware"),
    "no flow of UDP": case(
        traffic(HARD, "ipv4 tcp hardware 3, ipv6 tcp hardware 3, ipv4 udp slow 4", "ipv4 udp 4"),
        "offloading.one-protocol",
        "hardware",
        "4 flows of udp",
    ),
    "no flow of UDP nor IPv6": case(
        traffic(HARD, "ipv4 tcp hardware 3, ipv6 udp slow 9", "ipv6 udp 9"),
        "offloading.one-family offloading.one-protocol",
        "hardware",
    ),
    "most left out": case(
        traffic(HARD, "ipv4 tcp hardware 3, ipv4 tcp slow 9", "ipv4 tcp 8"),
        "offloading.most-left-out",
        "hardware",
        "8 flows passed packets on the slow path just now, 3 are offloaded",
    ),
    "most left out, redirected": case(
        beside(traffic(HARD, "ipv4 tcp hardware 3, ipv4 tcp slow 9", "ipv4 tcp 8"), redirected={"wan0": "ifb4wan0"}),
        "offloading.most-left-out configured.ingress-redirected",
        "hardware",
        "likely because all that comes in through wan0 is redirected",
    ),
    "most left out, a helper": case(
        replace(
            traffic(HARD, "ipv4 tcp hardware 3, ipv4 tcp slow 9", "ipv4 tcp 8"),
            exclusions=(Exclusion("inet", "filter", "pre", 'tcp dport 1723 ct helper set "pptp"', "helper"),),
        ),
        "offloading.most-left-out configured.ct-helper",
        "hardware",
        "likely because of 'tcp dport 1723 ct helper set",
    ),
    "many idle ones": case(traffic(HARD, "ipv4 tcp hardware 3, ipv4 tcp slow 900", "ipv4 tcp 3"), "", "hardware"),
    "conntrack nearly full": case(
        replace(HARD, flows=replace(flows(hardware=4), total=59000, maximum=65536)),
        "offloading.conntrack-full",
        "hardware",
        "59000 of 65536 entries",
    ),
    "conntrack without a limit": case(
        replace(HARD, flows=replace(flows(hardware=4), total=59000, maximum=0)), "", "hardware"
    ),
}

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
    "one on its way": case(traffic(HARD, "ipv4 tcp hardware 3, ipv6 tcp software 1"), "", "hardware"),
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
        replace(HARD, driver_table=table((True, False), looks=1)), "", "hardware", "0 have both directions in it, 1 one"
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
        replace(HARD, firewall="nftables, docker"), "configured.firewall-beside", "hardware", "beside it: docker"
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
    "nic, more": NIC,
    "offloading, more": OFFLOADING,
    "hardware, more": HARDWARE,
    "conflicts": CONFLICTS,
}
CASES = {f"{rung}: {name}": found for rung, cases in BY_RUNG.items() for name, found in cases.items()}

LEFT_OUT = traffic(HARD, BOTH + "ipv6 tcp slow 5", "ipv6 tcp 5")
EXCLUDING = (HARD.boot.live or "").replace(RULE, f"meta nfproto ipv6 accept\n\t\t{RULE}")
MAY_BE_MEANT = {
    "a condition in the rule": with_boot(
        with_rule(LEFT_OUT, text=f"ip version 4 {RULE}"),
        live=(HARD.boot.live or "").replace(RULE, f"ip version 4 {RULE}"),
        listing=(HARD.boot.listing or "").replace(RULE, f"ip version 4 {RULE}"),
    ),
    "a verdict before it": with_boot(LEFT_OUT, live=EXCLUDING, listing=EXCLUDING),
    "another firewall's": traffic(foreign(hardware=True), BOTH + "ipv6 tcp slow 5", "ipv6 tcp 5"),
    "IPsec": beside(LEFT_OUT, ipsec={"out": 1}),
    "few": traffic(HARD, BOTH + "ipv6 tcp slow 5", "ipv6 tcp 3"),
}
"""routers that leave IPv6 out, and could be meant to, or do it for no more than a few flows"""

HEALTHY = {
    "busy, short flows": traffic(HARD, BOTH + "ipv4 udp slow 3, ipv4 tcp slow 300, ipv4 tcp local 40", "ipv4 tcp 3"),
    "IPv4 only": traffic(HARD, BOTH + "ipv4 tcp slow 3", "ipv4 tcp 1"),
    "fq_codel and mq": both(HARD, qdisc="fq_codel"),
    "MediaTek, towards Wi-Fi only": replace(
        with_device(TRIO, "phy0", hw_tc_offload=FIXED), driver_table=table((False, True), (False, True))
    ),
    "MediaTek, idle flows": replace(HARD, driver_table=table((False, False), (True, True))),
    "one MTU": both(HARD, mtu=1500, addresses=("10.0.0.1/8",), forwarding=("ipv4",)),
    "mixed as OpenWrt lists it": with_device(TRIO, "phy0", hw_tc_offload=FIXED, driver="mt7915e"),
    **{name: state for name, state in MAY_BE_MEANT.items() if name != "another firewall's"},
}
