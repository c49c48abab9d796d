# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: the kernel's switches that offload rests on. Only forwarded packets can be offloaded."""

from __future__ import annotations

from ..finding import Finding, Kind
from ..subject import Subject

FORWARDING_OFF = Kind(
    "configured.forwarding-off",
    "error",
    "The router forwards nothing",
    "Neither IPv4 nor IPv6 forwarding is on, so there is nothing that a flowtable could take over.",
    "turn on what the router should forward, now and at boot (sysctl net.ipv4.ip_forward=1,"
    " net.ipv6.conf.all.forwarding=1)",
)
IPV4_OFF = Kind(
    "configured.forwarding-off-ipv4",
    "info",
    "IPv4 is not forwarded",
    "IPv6 is forwarded and IPv4 is not, although several devices have IPv4 addresses. No IPv4 flow can be offloaded.",
    "turn it on now and at boot if the router should forward IPv4 (sysctl net.ipv4.ip_forward=1)",
)
IPV6_OFF = Kind(
    "configured.forwarding-off-ipv6",
    "info",
    "IPv6 is not forwarded",
    "IPv4 is forwarded and IPv6 is not, although several devices have IPv6 addresses. No IPv6 flow can be offloaded.",
    "turn it on now and at boot if the router should forward IPv6 (sysctl net.ipv6.conf.all.forwarding=1)",
)
COUNTER_BLIND = Kind(
    "configured.counter-without-accounting",
    "info",
    "The flowtable counts, but conntrack does not show it",
    "A flowtable with 'counter' counts the packets of its flows in conntrack, which keeps no counters while"
    " net.netfilter.nf_conntrack_acct is 0. Connections from before it is turned on stay without.",
    "turn it on now and at boot (sysctl net.netfilter.nf_conntrack_acct=1), or leave 'counter' out of the flowtable",
    under_fw4="turn it on now and at boot (sysctl net.netfilter.nf_conntrack_acct=1, and the same line in"
    " /etc/sysctl.conf) where these counts are of use; fw4's flowtable always counts",
)
BRIDGED = Kind(
    "configured.bridge-netfilter",
    "info",
    "Bridged packets pass the forward chain too",
    "With br_netfilter, as Docker and others load it, the rules for IP and connection tracking also see what a bridge"
    " passes on between its own ports. Such packets are not forwarded by the router: they are no flows to be offloaded,"
    " they pass the chains of the families ip, ip6 and inet at the forward hook all the same, and a policy of drop"
    " there also drops them.",
    "nothing needs to be done where rules are meant to filter bridged packets; else turn it off now and at boot"
    " ({sysctl}=0)",
)
SWITCHES = {"ipv4": "iptables", "ipv6": "ip6tables"}
"""family -> the end of the names of br_netfilter's switches"""
KINDS = (FORWARDING_OFF, IPV4_OFF, IPV6_OFF, COUNTER_BLIND, BRIDGED)


def find_disabled_forwarding(subject: Subject) -> list[Finding]:
    """Forwarding that is off for a family of which several devices have addresses."""
    on = subject.state.forwarding
    if on is None or not subject.devices or not subject.flowtables:
        return []
    if not on:
        seen = ("net.ipv4.conf.*.forwarding = 0", "net.ipv6.conf.all.forwarding = 0")
        return [FORWARDING_OFF.found("forwarding is off for IPv4 and IPv6", *seen)]
    found = []
    for family, kind, sign in (("ipv4", IPV4_OFF, "."), ("ipv6", IPV6_OFF, ":")):
        having = [
            device.name
            for device in subject.devices.values()
            if device.up and device.kind != "loopback" and any(sign in address for address in device.addresses)
        ]
        if family not in on and len(having) > 1:
            evidence = f"devices with addresses: {', '.join(having)}"
            found.append(kind.found(f"forwarding is off for {family.replace('ip', 'IP')}", evidence))
    return found


def find_missing_accounting(subject: Subject) -> list[Finding]:
    """Flowtables that count while conntrack keeps no counters."""
    counting = [flowtable.path for flowtable in subject.flowtables if flowtable.counter]
    if subject.state.kernel.accounting is not False or not counting:
        return []
    evidence = "net.netfilter.nf_conntrack_acct = 0"
    return [COUNTER_BLIND.found(f"what flowtable {', '.join(counting)} counts is not shown", evidence)]


def find_bridge_netfilter(subject: Subject) -> list[Finding]:
    """Bridges with ports whose packets pass the rules for IP."""
    if not subject.flowtables:
        return []
    bridges = [
        device.name for device in subject.devices.values() if device.kind == "bridge" and device.up and device.lowers
    ]
    switches = {name: set(subject.state.bridged.get(name, ())) for name in ("*", *bridges)}
    filtered = [name for name in bridges if switches["*"] or switches[name]]
    if not filtered:
        return []
    families = " and ".join(sorted(set().union(switches["*"], *(switches[name] for name in filtered))))
    for_all = [f"net.bridge.bridge-nf-call-{SWITCHES[family]}" for family in sorted(switches["*"])]
    single = [
        f"/sys/class/net/{name}/bridge/nf_call_{SWITCHES[family]}"
        for name in filtered
        for family in sorted(switches[name] - switches["*"])
    ]
    message = f"what {', '.join(filtered[:4])} passes on between its ports passes the rules for {families} too"
    where = [*for_all, *single][:4]
    return [BRIDGED.found(message, *(f"{one} = 1" for one in where), sysctl="=0, ".join(where))]


CHECKS = (find_disabled_forwarding, find_missing_accounting, find_bridge_netfilter)
