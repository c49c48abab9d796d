# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More broken routers: features of NICs, drivers, and flows that are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Exclusion, Feature

from tests.unit.helpers.ladder_case import DSA, FOREIGN, HARD, SOFT, Case, beside, both, case, table, traffic
from tests.unit.helpers.routers import (
    FIXED,
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

FEATURES = {
    "off": case(
        replace(with_device(HARD, "wan0", hw_tc_offload=OFF), flows=flows(software=2)),
        "configured.feature-off hardware.switched-off",
        "loaded",
        "hw-tc-offload is off on wan0 (driver labnic)",
        "wan0: hw-tc-offload: off",
        offloading="proven",
        hardware="failed",
    ),
    "off on one, the other takes flows": case(
        with_device(HARD, "wan0", hw_tc_offload=OFF), "configured.feature-off", "loaded", hardware="proven"
    ),
    "off though requested": case(
        with_device(HARD, "wan0", hw_tc_offload=Feature(active=False, requested=True)),
        "configured.feature-not-active",
        "loaded",
        "though it was requested on",
        "wan0: hw-tc-offload: off [requested on]",
    ),
    "fixed": case(
        replace(with_device(HARD, "lan0", hw_tc_offload=FIXED, driver="veth"), flows=flows()),
        "configured.feature-fixed offloading.no-traffic",
        "loaded",
        "lan0: hw-tc-offload: off [fixed]",
    ),
    "off on a device of no flowtable": case(with_device(HARD, "mgmt0", hw_tc_offload=OFF), "", "hardware"),
    "off in software": case(with_device(SOFT, "lan0", hw_tc_offload=OFF), "", "offloading"),
    "no ethtool": case(
        with_device(HARD, "lan0", hw_tc_offload=None),
        "configured.feature-unknown",
        "hardware",
        "lan0 could not be read",
    ),
    "not at boot": case(
        with_boot(HARD, features={("lan0", "hw-tc-offload"): "on", ("wan0", "hw-tc-offload"): "off"}),
        "configured.feature-not-at-boot",
        "hardware",
        "for wan0 at boot",
    ),
    "on for good": case(
        with_boot(
            with_device(HARD, "wan0", hw_tc_offload=Feature(active=True, fixed=True)), features=HARD.boot.features
        ),
        "",
        "hardware",
    ),
    "another firewall's": case(foreign(hardware=True), "loaded.on-demand configured.boot-not-judged", "hardware"),
    "off at the conduit": case(
        DSA, "configured.conduit-feature-off", "loaded", "off on eth0, which carries lan0, wan0 (driver mtk_soc_eth)"
    ),
    "on at the conduit, off at the port": case(
        with_boot(
            with_device(with_device(DSA, "eth0", hw_tc_offload=ON), "lan0", hw_tc_offload=OFF),
            features={("eth0", "hw-tc-offload"): "on"},
        ),
        "",
        "hardware",
    ),
}

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
        "too few to judge by",
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

BY_RUNG: Mapping[str, Mapping[str, Case]] = {
    "feature": FEATURES,
    "nic": NIC,
    "left out": OFFLOADING,
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
