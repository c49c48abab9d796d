# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets made after what people reported in public, and the answer that each should get."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import parse_flowtables
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Finding
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import judge

from tests.unit.helpers.routers import foreign, with_device, with_ruleset
from tests.unit.helpers.walks import reduced, ruleset

BOTH = ("ipv4", "ipv6")
ABOUT_RULES = (
    "configured.rule-",
    "configured.no-rule",
    "configured.notrack",
    "configured.ct-helper",
    "configured.flowtables-compete",
    "configured.per-packet",
)


def subject_of(text: str) -> Subject:
    """A router with this ruleset and the devices of its flowtables, all of which forward."""
    state = replace(with_ruleset(foreign(), reduced(text)), flowtables=parse_flowtables(text), forwarding=BOTH)
    names = sorted({name for flowtable in state.flowtables or () for name in flowtable.devices})
    for number, name in enumerate(names):
        state = with_device(
            state, name, up=True, forwarding=BOTH, addresses=(f"10.{number}.0.1/24", f"fd00:{number}::1/64")
        )
    return Subject(state)


def found(text: str) -> dict[str, Finding]:
    """What is found about the rules."""
    findings = judge(subject_of(text)).findings
    return {finding.id: finding for finding in findings if finding.id.startswith(ABOUT_RULES)}


def flowtable(devices: str, name: str = "ft", priority: str = "filter") -> str:
    return f"flowtable {name} {{\nhook ingress priority {priority}\ndevices = {{ {devices} }}\n}}\n"


IP_PROTOCOL = f"""table inet filter {{
{flowtable("lan0, wan0", "fast")}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ip protocol {{ tcp, udp }} flow add @fast
		iifname "lan0" oifname "wan0" counter accept comment "LAN may go out"
		iifname "wan0" oifname "lan0" ct state established,related counter accept comment "answers"
	}}
}}
"""
NOTRACK_LAST = f"""table ip vyos_conntrack {{
	chain VYOS_CT_IGNORE {{
		return
	}}

	chain FW_CONNTRACK {{
		accept
	}}

	chain PREROUTING {{
		type filter hook prerouting priority raw; policy accept;
		counter jump VYOS_CT_IGNORE
		counter jump FW_CONNTRACK
		notrack
	}}
}}
table ip vyos_filter {{
{flowtable("eth1, eth2", "FT")}
	chain FWD {{
		type filter hook forward priority filter; policy accept;
		meta l4proto {{ tcp, udp }} flow add @FT
	}}
}}
"""
TWO_FLOWTABLES = f"""table inet fw4 {{
{flowtable("lan2, lan3, wan")}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		meta l4proto {{ tcp, udp }} flow add @ft
		ct state vmap {{ established : accept, related : accept }}
		iifname "br-lan" accept
	}}
}}
table inet dpi {{
	set wanif {{
		type ifname
		elements = {{ "wan" }}
	}}

	set skip4 {{
		type ipv4_addr
		flags interval
	}}

{flowtable("lan2, lan3, wan", priority="filter - 1")}
	chain forward_hook {{
		type filter hook forward priority filter - 1; policy accept;
		meta l4proto {{ tcp, udp }} oifname @wanif jump flow_offload
	}}

	chain flow_offload {{
		ip daddr @skip4 goto flow_offload_always
		jump flow_offload_dpi
	}}

	chain flow_offload_dpi {{
		udp dport 443 ct original packets 1-5 return comment "exemption"
		tcp dport 443 ct original packets 1-6 return comment "exemption"
		goto flow_offload_always
	}}

	chain flow_offload_always {{
		meta l4proto {{ tcp, udp }} flow add @ft
	}}
}}
"""
PER_WORKLOAD = f"""table ip calico {{
	set excluded {{
		type ipv4_addr
		flags interval
		elements = {{ 10.244.1.7 }}
	}}

	map dispatch {{
		type ifname : verdict
		elements = {{ "cali0" : goto from-cali0, "cali1" : goto from-cali1 }}
	}}

{flowtable("cali0, cali1, vxlan.calico")}
	chain filter-FORWARD {{
		type filter hook forward priority filter; policy accept;
		ct state established,related ip saddr != @excluded ip daddr != @excluded flow add @ft
		counter jump cali-FORWARD
	}}

	chain cali-FORWARD {{
		iifname vmap @dispatch
		meta mark & 0x00010000 == 0x00010000 counter accept
	}}

	chain from-cali0 {{
		ct state established,related counter accept
	}}

	chain from-cali1 {{
		ct state established,related counter accept
	}}

	chain mangle-POSTROUTING {{
		type filter hook postrouting priority mangle; policy accept;
		ip saddr 10.244.1.8 ip dscp set ef
	}}
}}
"""
LIMITS = f"""table inet nat4 {{
{flowtable("eth0, eth1")}
	set limit_dl {{
		typeof ip daddr
		size 65535
		flags dynamic
	}}

	chain upload {{
		type filter hook prerouting priority filter; policy accept;
		iifname "eth1" update @limit_dl {{ ip saddr limit rate over 12 mbytes/second burst 1 mbytes }} drop
	}}

	chain download {{
		type filter hook postrouting priority filter; policy accept;
		oifname "eth1" update @limit_dl {{ ip daddr limit rate over 12 mbytes/second burst 1 mbytes }} drop
	}}

	chain marks {{
		type filter hook postrouting priority mangle; policy accept;
		udp dport 5060 ip dscp set cs3
		tcp dport 443 meta priority set 1:20
		icmp type echo-request ip dscp set cs6
		ct state new meta mark set 0x1
		ip6 daddr fd00::/8 limit rate 3/minute log prefix "v6: "
	}}

	chain forward {{
		type filter hook forward priority filter; policy accept;
		ip protocol {{ tcp, udp }} flow add @ft
	}}
}}
"""
SHADOWED = {
    "a verdict map with gotos": (
        ("ct state vmap { invalid : drop, established : goto est, related : goto est }",),
        {"est": ("counter accept",)},
    ),
    "a named verdict map": (
        ("ct state vmap @ctstate",),
        {},
    ),
    "a protocol before the state": (
        ("meta l4proto { tcp, udp } ct state established,related accept", "meta l4proto { icmp, ipv6-icmp } accept"),
        {},
    ),
}
NAMED_MAP = """	map ctstate {
		type ct_state : verdict
		elements = { established : accept, related : accept, invalid : drop }
	}
"""


def test_ip_protocol_in_a_table_of_both_families() -> None:
    finding = found(IP_PROTOCOL)["configured.rule-partial"]
    assert "IPv6 TCP and UDP" in finding.message
    assert "chain forward: ip protocol { tcp, udp } flow add @fast" in finding.evidence[0]
    assert "write 'meta l4proto { tcp, udp }'" in finding.remedy
    assert found(IP_PROTOCOL.replace("ip protocol", "meta l4proto")) == {}
    only_ipv4 = replace(subject_of(IP_PROTOCOL).state, forwarding=("ipv4",))
    assert "configured.rule-partial" not in {finding.id for finding in judge(Subject(only_ipv4)).findings}


def test_a_notrack_behind_what_accepts_everything() -> None:
    assert found(NOTRACK_LAST) == {}
    reached = found(NOTRACK_LAST.replace("\t\taccept\n", "\t\treturn\n"))
    assert reached["configured.notrack-all"].evidence == ("chain ip vyos_conntrack PREROUTING: notrack",)


def test_what_one_flowtable_exempts_the_other_takes() -> None:
    finding = found(TWO_FLOWTABLES)["configured.flowtables-compete"]
    assert "inet fw4 ft takes what inet dpi ft exempts by chain flow_offload_dpi: tcp dport 443" in finding.message
    assert "udp dport 443 ct original packets 1-5 return" in finding.message


def test_a_mark_that_offloaded_flows_lose_and_addresses_that_are_left_out() -> None:
    findings = found(PER_WORKLOAD)
    assert set(findings) == {"configured.rule-partial", "configured.per-packet-rules-bypassed"}
    assert findings["configured.rule-partial"].severity == "info"
    assert "ip saddr != @excluded" in findings["configured.rule-partial"].evidence[0]
    bypassed = findings["configured.per-packet-rules-bypassed"]
    assert bypassed.severity == "warning"
    assert bypassed.evidence == ("chain ip calico mangle-POSTROUTING: ip saddr 10.244.1.8 ip dscp set ef",)
    (configured,) = [rung for rung in judge(subject_of(PER_WORKLOAD)).rungs if rung.name == "configured"]
    assert configured.status == "proven"


def test_limits_and_marks_of_which_a_flow_meets_only_the_first_packets() -> None:
    findings = [one for one in judge(subject_of(LIMITS)).findings if one.id.startswith("configured.per-packet")]
    (finding,) = findings
    assert finding.severity == "warning"
    for name in ("upload", "download", "marks"):
        assert f"chain inet nat4 {name}" in finding.message
    assert [line.partition(": ")[2].split(" ")[0] for line in finding.evidence] == ["iifname", "udp", "tcp", "oifname"]
    every = [one for one in judge(subject_of(LIMITS.replace("ip protocol", "meta l4proto"))).findings]
    logs = [one for one in every if one.id.startswith("configured.per-packet") and one.severity == "info"]
    assert 'limit rate 3/minute log prefix "v6: "' in logs[0].evidence[0]


@pytest.mark.parametrize("name", SHADOWED)
def test_no_established_packet_gets_there(name: str) -> None:
    rules, others = SHADOWED[name]
    text = ruleset(*rules, "ct state established meta l4proto { tcp, udp } flow add @ft", **others)
    text = text.replace("hook ingress priority filter", "hook ingress priority filter\n\t\tdevices = { lan0, wan0 }")
    text = text.replace("\tchain base", f"{NAMED_MAP}\n\tchain base")
    findings = found(text)
    assert set(findings) == {"configured.rule-shadowed"}
    assert f"it comes after chain base: {rules[0]}" in findings["configured.rule-shadowed"].message
