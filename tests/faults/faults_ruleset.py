# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the live ruleset, of the kernel's switches and of what boot loads: the first part of rung 3."""

from __future__ import annotations

from typing import Any

from tests.faults.faults_kernel import NO_SETPRIV
from tests.faults.model import EVERYWHERE, QUIET, Fault
from tests.faults.rulesets import DELETE_OURS, OURS, load_table, other_table

NO_IPV4 = "for file in /proc/sys/net/ipv4/conf/*/forwarding; do echo 0 >$file; done\n"
NO_IPV6 = "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding\n"
DISABLED = {"expect": "disabled"}


def first(rule: str) -> str:
    """sh that puts a rule before the one that feeds our flowtable."""
    return f"nft 'insert rule {OURS} forward {rule}'\n"


ACCEPTING = f"nft 'add chain {OURS} est {{ accept; }}'\n"
STATES = f"nft 'add map {OURS} states {{ type ct_state : verdict; elements = {{ established : accept }}; }}'\n"


def by_hand(name: str, finding: str, rung: int, script: str, **more: Any) -> Fault:
    """A fault of a router whose only table was loaded by hand."""
    return Fault(name, [finding], rung, "nft flush ruleset\n" + script, topology="by-hand", **more)


KEPT = """cd /etc/nft-offload
mkdir -p -m 700 history
{ echo '# Ruleset 1-00000001'; sed 's/^/# device /' devices; sed 's/flow add/counter flow add/' ruleset.nft; } \\
  >history/1-00000001.nft
echo 2-00000002 >confirmed
"""
"""a ruleset that was confirmed before, with a counter"""
EMERGENCY = f"""rm -rf /etc/nft-offload/history
cat >/etc/nft-offload/emergency.nft <<'EOT'
table {OURS}
delete table {OURS}
table {OURS} {{
\tchain emergency_input {{
\t\ttype filter hook input priority filter; policy accept;
\t}}
}}
EOT
"""
BREAK_BOOT = f"""echo 'add rule {OURS} forward iif "gone0" accept' >>/etc/nft-offload/ruleset.nft
{DELETE_OURS}
if [ -d /run/systemd/system ]; then systemctl restart nft-offload; else rc-service nft-offload restart; fi || :
"""
"""boot refuses what was confirmed, and starts"""


FAULTS = (
    Fault(
        "ruleset-unreadable",
        ["configured.unreadable"],
        5,  # connection tracking can be read, and shows that flows are offloaded
        login=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"),
        impossible={"6.18": NO_SETPRIV},
    ),
    by_hand("no-flowtable", "configured.no-flowtable", 2, ""),
    Fault(
        "software-instead-of-hardware",
        ["configured.flag-missing"],
        2,
        options={"expect": "hardware"},
        topology="software",
    ),
    Fault("hardware-instead-of-software", ["configured.flag-unexpected"], 2, options={"expect": "software"}),
    Fault("another-table", ["configured.other-flowtable"], 2, options={"table": "inet edge"}, topology="by-hand"),
    Fault("table-flushed", ["configured.not-live"], 2, "nft flush ruleset\n"),
    Fault("no-rule", ["configured.no-rule"], 2, f"nft flush chain {OURS} forward\n"),
    by_hand(
        "rule-in-an-unused-chain",
        "configured.rule-unreachable",
        2,
        load_table(base=""),
    ),
    *(
        Fault(name, ["configured.rule-shadowed"], 2, chain + first(rule))
        for name, chain, rule in (
            ("rule-after-accept", "", "ct state established,related accept"),
            ("rule-after-protocols", "", "meta l4proto { tcp, udp } ct state established accept"),
            ("rule-after-goto", ACCEPTING, "ct state established goto est"),
            ("rule-after-verdict-map", ACCEPTING, "ct state vmap { established : goto est }"),
            ("rule-after-named-map", STATES, "ct state vmap @states"),
        )
    ),
    *(
        Fault(name, ["configured.per-packet-rules-bypassed"], 7, other_table(f"chain c {{ {chain} }}"))
        for name, chain in (
            ("limit-bypassed", "type filter hook postrouting priority 0; limit rate over 9000 mbytes/second drop;"),
            ("dscp-bypassed", "type filter hook postrouting priority 0; ip dscp set cs1;"),
            ("priority-bypassed", "type filter hook prerouting priority 0; meta priority set 16;"),
            ("counter-bypassed", "type filter hook forward priority 5; counter;"),
        )
    ),
    by_hand(
        "rule-for-tcp-only",
        "configured.rule-partial",
        7,
        load_table(rule="ct state established meta l4proto tcp flow add @ft"),
    ),
    by_hand(
        "rule-for-ipv4s-protocols",
        "configured.rule-partial",
        7,
        load_table(rule="ct state established ip protocol { tcp, udp } flow add @ft"),
    ),
    Fault(
        "two-flowtables",
        ["configured.flowtables-compete"],
        6,
        load_table(name="inet second", flags=""),
        topology="software",
    ),
    Fault(
        "notrack-everything",
        ["configured.notrack-all"],
        2,
        other_table("chain pre { type filter hook prerouting priority -300; notrack; }"),
    ),
    Fault(
        "notrack-udp",
        ["configured.notrack"],
        7,
        other_table("chain pre { type filter hook prerouting priority -300; meta l4proto udp notrack; }"),
    ),
    Fault(
        "conntrack-helper",
        ["configured.ct-helper"],
        7,
        other_table(
            'ct helper ftp { type "ftp" protocol tcp; }',
            'chain pre { type filter hook prerouting priority 0; tcp dport 21 ct helper set "ftp"; }',
        ),
    ),
    Fault(
        "forwarding-off",
        ["configured.forwarding-off"],
        2,
        NO_IPV4 + NO_IPV6,
        traffic=QUIET,
    ),
    Fault("forwarding-off-ipv4", ["configured.forwarding-off-ipv4"], 4, NO_IPV4, traffic=QUIET),
    Fault("forwarding-off-ipv6", ["configured.forwarding-off-ipv6"], 4, NO_IPV6, traffic=QUIET),
    by_hand(
        "counter-without-accounting",
        "configured.counter-without-accounting",
        7,
        "sysctl -qw net.netfilter.nf_conntrack_acct=0\n" + load_table(flags="flags offload; counter;"),
    ),
    Fault("nothing-for-boot", ["configured.not-persisted"], 2, "rm -r /etc/nft-offload\n"),
    Fault("boot-not-known", ["configured.boot-not-judged"], 7, topology="by-hand"),
    by_hand("foreign-table", "configured.foreign-table", 7, load_table(name=OURS)),
    Fault("rule-added-by-hand", ["configured.live-differs"], 2, f"nft 'add rule {OURS} forward counter'\n"),
    Fault(
        "flag-removed-by-hand",
        ["configured.live-differs", "configured.flag-missing", "configured.foreign-table"],
        2,
        DELETE_OURS + "\n" + load_table(name=OURS, flags=""),
    ),
    Fault(
        "boot-fell-back",
        ["configured.boot-fallback"],
        2,
        KEPT + BREAK_BOOT,
    ),
    Fault(
        "boot-in-emergency",
        ["configured.emergency", "configured.no-flowtable"],
        2,
        EMERGENCY + BREAK_BOOT,
    ),
    Fault(
        "unit-disabled",
        ["configured.boot-disabled"],
        2,
        {EVERYWHERE: "systemctl -q disable nft-offload.service\n", "6.18": "rc-update -q del nft-offload boot\n"},
    ),
    Fault(
        "rules-file-removed",
        ["configured.boot-disabled"],
        2,
        {
            EVERYWHERE: "rm /etc/udev/rules.d/81-nft-offload-flowtable.rules\n",
            "6.18": "rm /etc/network/if-up.d/nft-offload-flowtable\n",
        },
    ),
    Fault("device-not-at-boot", ["configured.attachment-missing"], 2, "sed -i '/^wan0 /d' /etc/nft-offload/devices\n"),
    Fault("table-left-over", ["configured.leftover-table"], 0, options=DISABLED, traffic=QUIET),
    Fault("boot-left-over", ["configured.leftover-boot"], 0, DELETE_OURS, options=DISABLED, traffic=QUIET),
    Fault(
        "flows-left-over",
        ["offloading.leftover-flows"],
        0,
        impossible="the kernel clears the bits of a flowtable's flows when it goes, before anybody can look",
    ),
    Fault(
        "fw4-like-chains",
        ["configured.second-firewall"],
        7,
        other_table("chain c { type filter hook forward priority 5; ct state established accept; }"),
    ),
    Fault(
        "nfqueue",
        ["configured.queue"],
        7,
        other_table("chain c { type filter hook forward priority 5; tcp dport 9999 queue flags bypass to 7; }"),
    ),
    Fault(
        "docker-beside",
        ["configured.firewall-beside"],
        7,
        """printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/docker.service
systemctl daemon-reload
systemctl start docker.service
""",
        impossible={"6.18": "the stand-in for Docker is a unit of systemd"},
    ),
    Fault("routing-by-mark", ["configured.mark-routing"], 7, "ip rule add fwmark 1 lookup main\n"),
    Fault(
        "ipsec-policies",
        ["configured.ipsec"],
        7,
        "for dir in fwd out; do ip xfrm policy add src 10.10.9.0/24 dst 10.99.0.0/24 dir $dir "
        "tmpl src 10.10.0.1 dst 203.0.113.9 proto esp mode tunnel; done\n",
        impossible={"6.18": "policies are seen by means of ip, and that of busybox shows none"},
    ),
)
