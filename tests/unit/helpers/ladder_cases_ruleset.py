# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More broken routers: topology, rules and the kernel's switches."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Exclusion, Flowtable, RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation

from tests.unit.helpers.ladder_case import EXPECT_SOFTWARE, HARD, SOFT, TWO, VYOS, case
from tests.unit.helpers.routers import (
    CHAIN,
    FIXED,
    RULE,
    foreign,
    with_boot,
    with_chain,
    with_device,
    with_flowtable,
    with_kernel,
    with_rule,
    with_ruleset,
)

BOTH = ("ipv4", "ipv6")
CHAIN_TEXT = f"table inet nft_offload {{\n{CHAIN}}}\n"
VMAP = CHAIN_TEXT.replace(RULE, f"ct state vmap {{ established : jump est }}\n{RULE}").replace(
    "\tchain forward", "\tchain est {\n\t\taccept\n\t}\n\tchain forward"
)
MANY_WAYS = CHAIN_TEXT.replace(RULE, f"jump c0\n{RULE}").replace(
    "\tchain forward",
    "".join(f"\tchain c{n} {{\n" + f"jump c{n + 1}\n" * 8 + "}\n" for n in range(14))
    + "chain c14 {\ncounter\n}\n\tchain forward",
)
POLICED = "table inet others {{\nchain post {{\ntype filter hook postrouting priority 0; policy accept;\n{}\n}}\n}}\n"
LATE_INGRESS = """table netdev late {
	chain in {
		type filter hook ingress device "lan0" priority 10; policy accept;
		limit rate over 5/second drop
	}
}
"""
NOTRACK_LAST = """table ip raw {
	chain first {
		accept
	}

	chain pre {
		type filter hook prerouting priority raw; policy accept;
		counter jump first
		notrack
	}
}
"""
ESTABLISHED = "ct state established,related accept"
ACCEPT = f"chain forward: {ESTABLISHED}"
THEIRS = "loaded.on-demand configured.boot-not-judged"


def forwarding(state: RouterState, *names: str) -> RouterState:
    """Each of these devices has a network."""
    for number, name in enumerate(names):
        state = with_device(state, name, up=True, addresses=(f"10.{number}.0.1/24",), forwarding=BOTH)
    return replace(state, forwarding=BOTH)


def excluded(state: RouterState, kind: str, text: str, family: str = "inet") -> RouterState:
    rule = Exclusion(family, "raw", "prerouting", text, "notrack" if kind == "notrack" else "helper")
    return replace(state, exclusions=(*state.exclusions, rule))


FOREIGN = forwarding(foreign(), "lan0", "wan0")
BRIDGED = with_device(
    with_device(forwarding(foreign(), "wan0"), "lan0", master="br0"),
    "br0",
    kind="bridge",
    lowers=("lan0", "lan1"),
    up=True,
    addresses=("10.9.0.1/24",),
    forwarding=BOTH,
)
BRIDGED = with_device(BRIDGED, "lan1", up=True, master="br0", hw_tc_offload=FIXED)
SESSIONS = with_device(foreign(), "wan1", up=True)
for number, name in enumerate(("ppp0", "ppp1")):
    SESSIONS = with_device(
        forwarding(SESSIONS, "lan0", name),
        name,
        kind="ppp",
        lowers=("wan0", "wan1"),
        addresses=(f"100.64.{number}.2/32",),
    )
GUESTS = with_device(
    with_device(foreign(), "veth1", kind="veth", guest=True, up=True, master="docker0"),
    "veth2",
    kind="veth",
    guest=True,
)
GUESTS = with_device(forwarding(GUESTS, "wan0", "docker0"), "docker0", kind="bridge", lowers=("veth1", "veth2"))
BONDED = with_device(with_device(SOFT, "lan0", master="bond0"), "bond0", kind="bond", lowers=("lan0",), up=True)
STACKED = with_device(HARD, "lan0.7", kind="vlan", lowers=("lan0",), up=True)
ONLY_LAN = with_flowtable(FOREIGN, devices=("lan0",))
NOTRACK = "configured.notrack"

RULESET = {
    "table of the user not there": case(
        FOREIGN,
        f"{THEIRS} configured.other-flowtable",
        "loaded",
        "there is no table inet mine, but inet filter ft",
        expect=Expectation(table="inet mine"),
    ),
    "one direction": case(
        ONLY_LAN,
        f"{THEIRS} configured.one-direction",
        "loaded",
        "has only what lan0 needs, and not wan0",
    ),
    "one direction, other default route": case(
        with_device(ONLY_LAN, "wan0", default_route=("ipv4",)),
        f"{THEIRS} configured.one-direction",
        "loaded",
        "wan0 (default route of ipv4)",
    ),
    "one direction, addresses unknown": case(
        replace(ONLY_LAN, unseen={"addresses": "ip is not installed"}), THEIRS, "offloading"
    ),
    "one of two LANs": case(
        forwarding(FOREIGN, "mgmt0"), f"{THEIRS} configured.network-uncovered", "offloading", "device of mgmt0"
    ),
    "no default route": case(
        with_device(forwarding(FOREIGN, "mgmt0"), "mgmt0", default_route=("ipv6",)),
        f"{THEIRS} configured.default-route-uncovered",
        "offloading",
        "mgmt0 (default route of ipv6)",
    ),
    "one port of two": case(
        BRIDGED, f"{THEIRS} configured.port-uncovered", "offloading", "of br0 the flowtable has lan0, not lan1"
    ),
    "bridge": case(
        with_flowtable(BRIDGED, devices=("br0", "wan0")),
        f"{THEIRS} configured.bridge-listed",
        "offloading",
        "br0 is a bridge over lan0, lan1",
    ),
    "bridge in hardware": case(
        with_flowtable(BRIDGED, devices=("br0", "wan0"), hardware=True),
        f"{THEIRS} configured.bridge-in-hardware hardware.fake",
        "loaded",
        "instead of its ports lan0, lan1",
    ),
    "VLAN in hardware": case(
        with_flowtable(STACKED, devices=("lan0.7", "wan0")),
        "configured.vlan-in-hardware configured.device-missing configured.attachment-missing bound.hook-missing",
        "loaded",
        "lan0.7 is a vlan over lan0",
    ),
    "VLAN over mlx5 in hardware": case(
        with_flowtable(with_device(STACKED, "lan0", driver="mlx5e_rep"), devices=("lan0.7", "wan0")),
        "configured.device-missing configured.attachment-missing bound.hook-missing",
        "loaded",
    ),
    "VLAN and its NIC": case(
        with_flowtable(STACKED, devices=("lan0", "lan0.7", "wan0")),
        "configured.upper-and-lower configured.attachment-missing bound.hook-missing",
        "loaded",
        "also lan0 below it",
    ),
    "PPPoE and its NIC": case(
        with_flowtable(with_device(foreign(), "ppp0", kind="ppp", lowers=("wan0",)), devices=("lan0", "ppp0", "wan0")),
        f"{THEIRS} configured.pppoe-and-nic",
        "offloading",
    ),
    "two sessions of PPPoE and their NICs": case(
        with_flowtable(SESSIONS, devices=("lan0", "ppp0", "ppp1", "wan0", "wan1")),
        f"{THEIRS} configured.pppoe-and-nic",
        "offloading",
        "has ppp0 and also wan0, wan1 below it",
        "has ppp1 and also wan0, wan1 below it",
    ),
    "two sessions of PPPoE, over their NICs": case(
        with_flowtable(SESSIONS, devices=("lan0", "wan0", "wan1")), THEIRS, "offloading"
    ),
    "one of two sessions of PPPoE": case(
        SESSIONS, f"{THEIRS} configured.network-uncovered", "offloading", "has wan1, which a session of PPPoE is over"
    ),
    "two sessions of PPPoE, one of them over its NIC": case(
        with_flowtable(SESSIONS, devices=("lan0", "ppp1", "wan0")), THEIRS, "offloading"
    ),
    "two sessions of PPPoE, one direction": case(
        with_flowtable(SESSIONS, devices=("wan0",)),
        f"{THEIRS} configured.one-direction",
        "loaded",
        "has only what ppp0, ppp1 needs, and not lan0",
    ),
    "bridged packets pass the rules": case(
        replace(with_flowtable(BRIDGED, devices=("lan0", "lan1", "wan0")), bridged={"*": ("ipv4", "ipv6")}),
        f"{THEIRS} configured.bridge-netfilter",
        "offloading",
        "what br0 passes on between its ports passes the rules for ipv4 and ipv6 too",
        "net.bridge.bridge-nf-call-iptables = 1",
    ),
    "packets of one bridge pass the rules": case(
        replace(with_flowtable(BRIDGED, devices=("lan0", "lan1", "wan0")), bridged={"br0": ("ipv4",)}),
        f"{THEIRS} configured.bridge-netfilter",
        "offloading",
        "/sys/class/net/br0/bridge/nf_call_iptables = 1",
    ),
    "packets of another bridge pass the rules": case(
        replace(with_flowtable(BRIDGED, devices=("lan0", "lan1", "wan0")), bridged={"br1": ("ipv4",)}),
        THEIRS,
        "offloading",
    ),
    "no bridge to pass packets on": case(replace(FOREIGN, bridged={"*": ("ipv4",)}), THEIRS, "offloading"),
    "devices by a pattern": case(
        with_boot(SOFT, attachments={"lan*": "", "wan0": ""}), "", "offloading", expect=EXPECT_SOFTWARE
    ),
    "a device of a pattern is left out": case(
        with_device(with_boot(SOFT, attachments={"lan*": "", "wan0": ""}), "lan1", up=True),
        "configured.device-missing",
        "loaded",
        "device lan1 is in no flowtable",
        expect=EXPECT_SOFTWARE,
    ),
    "containers are the other direction": case(
        with_flowtable(GUESTS, devices=("wan0",)),
        f"{THEIRS} configured.guests-uncovered",
        "offloading",
        "has only what wan0 needs, and not docker0",
        "docker0: ports veth1",
    ),
    "containers beside both directions": case(
        forwarding(GUESTS, "lan0", "wan0", "docker0"),
        f"{THEIRS} configured.guests-uncovered",
        "offloading",
        "no flowtable has the ports of docker0",
    ),
    "containers by their bridge": case(with_flowtable(GUESTS, devices=("docker0", "wan0")), THEIRS, "offloading"),
    "member of a bond": case(
        BONDED, "configured.bond-member", "loaded", "lan0 is a member of bond0", expect=EXPECT_SOFTWARE
    ),
    "NIC behind a switch": case(
        with_flowtable(with_device(foreign(), "port1", kind="dsa", lowers=("lan0",)), devices=("lan0", "wan0")),
        f"{THEIRS} configured.conduit-listed",
        "loaded",
        "none of the ports port1",
    ),
    "NIC behind a switch and a port": case(
        with_flowtable(
            with_device(foreign(), "port1", kind="dsa", lowers=("lan0",)), devices=("lan0", "port1", "wan0")
        ),
        THEIRS,
        "offloading",
    ),
    "shadowed": case(
        with_chain(HARD, ESTABLISHED, RULE), "configured.rule-shadowed", "loaded", f"it comes after {ACCEPT}"
    ),
    "one of two shadowed": case(with_chain(HARD, RULE, ESTABLISHED, RULE), "", "hardware"),
    "TCP only": case(with_rule(HARD, text=RULE.replace("{ tcp, udp }", "tcp")), "configured.rule-partial", "hardware"),
    "a rule for each protocol": case(
        replace(
            HARD,
            rules=tuple(replace(HARD.rules[0], text=RULE.replace("{ tcp, udp }", name)) for name in ("tcp", "udp")),
        ),
        "",
        "hardware",
    ),
    "one network only": case(
        with_rule(HARD, text=f"ip saddr 192.0.2.0/24 {RULE}"),
        "configured.rule-partial",
        "hardware",
        "chain forward: ip saddr 192.0.2.0/24",
    ),
    "IPv4 only": case(
        with_chain(HARD, "ip protocol { tcp, udp } flow add @ft", ESTABLISHED),
        "configured.rule-partial",
        "hardware",
        "never of IPv6 TCP and UDP, between lan0, wan0: chain forward: ip protocol { tcp, udp } flow add @ft",
        "never offloaded: IPv6 TCP and UDP, between lan0, wan0",
        "surely offloaded: IPv4 TCP and UDP, between lan0, wan0",
    ),
    "a verdict map before it": case(
        with_ruleset(HARD, VMAP),
        "configured.rule-shadowed",
        "loaded",
        "chain forward: ct state vmap { established : jump est }, which leads to chain est: accept",
    ),
    "an address that is left out": case(
        with_chain(HARD, "ip saddr 192.0.2.7 accept", RULE),
        "configured.rule-partial",
        "hardware",
        "offloaded but for a part that rules name: IPv4 TCP and UDP",
    ),
    "a share of packets that nobody knows": case(
        with_chain(HARD, "numgen inc mod 2 0 accept", RULE),
        "configured.rule-partial",
        "hardware",
        "may be offloaded: IPv4 and IPv6 TCP and UDP",
        configured="unproven",
    ),
    "too many ways": case(
        with_ruleset(HARD, MANY_WAYS), "", "hardware", "more ways through them than", configured="unproven"
    ),
    "limits": case(
        with_ruleset(HARD, CHAIN_TEXT + POLICED.format("limit rate over 1 mbytes/second drop")),
        "configured.per-packet-rules-bypassed",
        "hardware",
        "chain inet others post: limit rate over 1 mbytes/second drop",
    ),
    "limits for what is never offloaded": case(
        with_ruleset(HARD, CHAIN_TEXT + POLICED.format("icmp type echo-request limit rate over 5/second drop")),
        "",
        "hardware",
    ),
    "counters": case(
        with_ruleset(HARD, CHAIN_TEXT + POLICED.format('udp dport 53 counter name "dns"')),
        "configured.per-packet-rules-bypassed",
        "hardware",
        "count or log",
    ),
    "limits at ingress": case(
        with_ruleset(HARD, CHAIN_TEXT + LATE_INGRESS),
        "configured.per-packet-rules-bypassed",
        "hardware",
        "chain netdev late in: limit rate over 5/second drop",
    ),
    "limits before the flowtable": case(
        with_ruleset(HARD, CHAIN_TEXT + LATE_INGRESS.replace("priority 10", "priority -10")), "", "hardware"
    ),
    "a notrack that nothing gets to": case(with_ruleset(HARD, CHAIN_TEXT + NOTRACK_LAST), "", "hardware"),
    "rules truncated": case(
        replace(HARD, rules=(), unseen={"rules": "the ruleset is too long to be read whole"}),
        "",
        "hardware",
        "rules: rules: the ruleset is too long",
        configured="unproven",
    ),
    "two flowtables": case(TWO, f"{THEIRS} configured.flowtables-compete", "offloading", "share lan0, wan0"),
    "two flowtables, one without a rule": case(
        replace(TWO, rules=TWO.rules[:1]), f"{THEIRS} configured.no-rule", "loaded"
    ),
    "a flowtable for each family": case(VYOS, THEIRS, "offloading"),
    "another one beside ours": case(
        replace(
            HARD,
            flowtables=(*(HARD.flowtables or ()), Flowtable("ip", "fw", "ft", ("wan0",), hardware=True)),
            rules=(*HARD.rules, *with_rule(HARD, family="ip", table="fw").rules),
            hooks=(*(HARD.hooks or ()), *(HARD.hooks or ())),
        ),
        "configured.flowtables-compete",
        "hardware",
        "inet nft_offload ft and ip fw ft",
    ),
    "nothing tracked": case(
        excluded(HARD, "notrack", "notrack"),
        "configured.notrack-all",
        "loaded",
        "chain inet raw prerouting: notrack",
    ),
    "no IPv6 tracked": case(excluded(HARD, "notrack", "notrack", "ip6"), NOTRACK, "hardware"),
    "neither family tracked": case(
        excluded(excluded(HARD, "notrack", "notrack", "ip6"), "notrack", "counter notrack", "ip"),
        "configured.notrack-all",
        "loaded",
    ),
    "some of it not tracked": case(excluded(HARD, "notrack", "udp dport 53 notrack"), NOTRACK, "hardware", "dport 53"),
    "a helper": case(
        excluded(HARD, "helper", 'tcp dport 21 ct helper set "ftp"'), "configured.ct-helper", "hardware", "dport 21"
    ),
    "exclusions, but no flowtable": case(
        excluded(replace(HARD, flowtables=()), "notrack", "notrack"),
        "configured.no-flowtable",
        "loaded",
    ),
    "nothing forwarded": case(
        replace(HARD, forwarding=()), "configured.forwarding-off", "loaded", "net.ipv4.conf.*.forwarding = 0"
    ),
    "IPv4 not forwarded": case(
        replace(forwarding(HARD, "lan0", "wan0"), forwarding=("ipv6",)),
        "configured.forwarding-off-ipv4",
        "hardware",
        "devices with addresses: lan0, wan0",
    ),
    "IPv6 not forwarded": case(
        replace(
            with_device(with_device(HARD, "wan0", addresses=("2001:db8::1/64",)), "lan0", addresses=("fd00::1/64",)),
            forwarding=("ipv4",),
        ),
        "configured.forwarding-off-ipv6",
        "hardware",
    ),
    "IPv6 on one side only": case(
        replace(with_device(HARD, "wan0", addresses=("2001:db8::1/64",)), forwarding=("ipv4",)), "", "hardware"
    ),
    "counter without accounting": case(
        with_kernel(with_flowtable(HARD, counter=True), accounting=False),
        "configured.counter-without-accounting",
        "hardware",
        "nf_conntrack_acct = 0",
    ),
    "counter with accounting": case(with_kernel(with_flowtable(HARD, counter=True), accounting=True), "", "hardware"),
}
RULESET_CASES = {f"ruleset: {name}": found for name, found in RULESET.items()}
