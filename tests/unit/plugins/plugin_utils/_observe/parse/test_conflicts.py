# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else handles packets: text of iproute2 6.1 and nft 1.0.6 on Linux 6.18, of busybox 1.35, and other forms."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section, fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse import policy
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.link import (
    MOST_FILTERS,
    Traffic,
    map_shapers,
    parse_links,
    parse_tc,
    parse_tcx,
    parse_xdp,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import read_state
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import OtherHandlers, PacketFilter
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import AWKS, SUITES, answer, call

ANSWER = answer("linux-6.18", "conflicts")


def test_a_router_with_everything_beside() -> None:
    state = read_state(Answer({**answer("trixie", "router"), **ANSWER}))
    assert state.not_understood == ()
    assert state.other_handlers == OtherHandlers(
        shapers={"lan0": "tbf", "wan0": "htb"},
        redirected={"wan0": "ifb4wan0"},
        filters=(
            PacketFilter("lan0", "ingress", "u32", "redirect", "ifb4wan0"),
            PacketFilter("wan0", "ingress", "u32", "redirect", "ifb4wan0", whole=True),
        ),
        mark_rules=(
            "ipv4: not from all fwmark 0xca6c lookup 51820",
            "ipv4: from all fwmark 0x1 lookup 100",
            "ipv6: from all fwmark 0x100/0xff00 lookup 101",
        ),
        ipsec={"in": 0, "out": 1, "fwd": 1},
        forward_chains=("inet filter forward",),
        clamps_mss=True,
    )
    assert (state.devices["wan0"].mtu, state.devices["wan0"].qdisc) == (1420, "htb")
    assert (state.devices["lan0"].mtu, state.devices["lan0"].qdisc) == (1500, "tbf")


@pytest.mark.parametrize("suite", SUITES)
def test_a_router_without_any_of_it(suite: str) -> None:
    beside = read_state(answer(suite, "router")).other_handlers
    assert (beside.shapers, beside.redirected, beside.ipsec, beside.clamps_mss) == ({}, {}, {}, False)
    assert beside.forward_chains == ("inet nft_offload forward",)  # table ip off is dormant


IPROUTE = """\
1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/loopback 00:00:00:00
2: v1@v0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc tbf state UP mode DEFAULT group default qlen 1000\\    link/
3: eth0.7@if4: <BROADCAST,MULTICAST> mtu 1492 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/ether
4: wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN mode DEFAULT group default \\    link/none
"""
BUSYBOX = """\
1: lo: <LOOPBACK> mtu 65536 qdisc noop qlen 1000\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: v1@v0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc tbf qlen 1000\\    link/ether 32:e7:08:ee:c1:d2 brd
3: eth0.7@if4: <BROADCAST,MULTICAST> mtu 1492 qdisc noop qlen 1000\\    link/ether 6a:2d:9b:00:51:99 brd ff:ff:ff
4: wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue \\    link/none
"""


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("text", [IPROUTE, BUSYBOX], ids=["iproute2", "busybox"])
def test_links(text: str, awk: str, tmp_path: Path) -> None:
    (tmp_path / "link").write_text(text)
    unknown: list[str] = []
    links = parse_links(call("conflicts", "ip() { cat link; }; _link", "", awk, tmp_path), unknown)
    assert unknown == []
    assert links == {"lo": (65536, "noop"), "v1": (1500, "tbf"), "eth0.7": (1492, "noop"), "wg0": (1420, "noqueue")}


@pytest.mark.parametrize("awk", AWKS)
def test_programs_of_xdp(awk: str, tmp_path: Path) -> None:
    """As iproute2 prints them, between MTU and qdisc."""
    line = "2: {}: <UP> mtu 1500 {} qdisc mq state UP qlen 1000\\    link/ether 32:e7:08:ee:c1:d2 brd xdp\n"
    programs = {"a": "xdp/id:7", "b": "xdpgeneric/id:12", "c": "xdpoffload", "d": "xdpmulti", "xdp": "", "e": "group 0"}
    (tmp_path / "link").write_text("".join(line.format(name, text) for name, text in programs.items()))
    unknown: list[str] = []
    text = call("conflicts", "ip() { cat link; }; _link", "", awk, tmp_path)
    assert parse_xdp(text) == {"a": "native", "b": "generic", "c": "offload", "d": "multi"}
    assert set(parse_links(text, unknown).values()) == {(1500, "mq")}
    assert unknown == []


def test_modules_of_other_fast_paths(tmp_path: Path) -> None:
    """By their whole names."""
    (tmp_path / "modules").write_text(
        "ecm 9 0 - Live\necm_x 9 0 - Live\nnatflow 9 0 - Live\nnft_flow_offload 9 0 - Live\n"
    )
    function = fragment("read/conflicts").replace("/proc/modules", "modules")
    done = subprocess.run(
        ["sh", "-c", f"{function}\n_accelerators"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("ecm\nnatflow\n", "")


def run_in(place: Path, name: str, function: str, shell: str = "sh") -> str:
    """A function of sh/read with the router's directories below ``place``."""
    text = fragment(f"read/{name}").replace("/run/netns", f"{place}/netns").replace("/etc/", f"{place}/etc/")
    done = subprocess.run([shell, "-c", f"{text}\n{function}"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_network_namespaces(shell: str, tmp_path: Path) -> None:
    """Not those of containers; names that could be anything are not shown."""
    (tmp_path / "netns").mkdir()
    assert run_in(tmp_path, "conflicts", "_namespaces", shell) == ""
    for name in ("blue", "netns-0b1c", "cni-7d", "a b", "$(id)"):
        (tmp_path / "netns" / name).touch()
    assert policy.parse_names(run_in(tmp_path, "conflicts", "_namespaces", shell)) == ("blue",)
    for number in range(40):
        (tmp_path / "netns" / f"n{number}").touch()
    assert len(run_in(tmp_path, "conflicts", "_namespaces", shell).splitlines()) == 16


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("# NftablesFlowtable=eth9\nNftablesFlowtable=eth0 eth1\n", ("eth0", "eth1")),
        ("  NftablesFlowtable = eth0 eth0 $(id)\nNftablesFlowtable=eth7\n", ("eth0",)),
        ("NftablesFlowtable=off\n", ()),
        ("NftablesFlowtable=No", ()),
        ("NftablesCounters=no\n", ()),
    ],
)
def test_the_flowtable_of_firewalld(text: str, devices: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "etc" / "firewalld").mkdir(parents=True)
    (tmp_path / "etc" / "firewalld" / "firewalld.conf").write_text(text)
    assert policy.parse_firewalld(run_in(tmp_path, "conflicts", "_firewalld")) == devices


def test_services_of_procd(tmp_path: Path) -> None:
    """By their links in /etc/rc.d; of names that begin alike only the whole one counts."""
    (tmp_path / "etc" / "rc.d").mkdir(parents=True)
    assert run_in(tmp_path, "boot", "_started bridger").split() == ["inactive"]
    for link in ("S19bridger", "S99openwisp-config", "K10dockerd", "S95done"):
        (tmp_path / "etc" / "rc.d" / link).touch()
    shown = run_in(tmp_path, "boot", "_started openwisp-config openwisp dockerd bridger bridge")
    assert shown.split() == ["active", "inactive", "inactive", "active", "inactive"]


SQM = """\
tc() {
  case "$*" in
  "qdisc show")
    echo 'qdisc noqueue 0: dev lo root refcnt 2 '
    for _queue in 1 2 3 4 5 6 7 8 9 a b c d e f 10 11; do
      echo "qdisc fq_codel 0: dev eth1 parent :$_queue limit 10240p flows 1024 quantum 1514"
    done
    echo 'qdisc clsact ffff: dev eth1 parent ffff:fff1'
    echo 'qdisc cake 8001: dev pppoe-wan root refcnt 2 bandwidth 36Mbit besteffort triple-isolate nat nowash rtt 100ms'
    echo 'qdisc ingress ffff: dev pppoe-wan parent ffff:fff1 ----------------'
    echo 'qdisc ingress ffff: dev eth9 parent ffff:fff1 ----------------'
    ;;
  "filter show dev pppoe-wan ingress")
    echo 'filter protocol all pref 10 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 terminal flowid not_in_hw'
    echo '  match 00000000/00000000 at 0'
    printf '\\taction order 1: mirred (Egress Redirect to device ifb4pppoe-wan) stolen\\n'
    printf '\\tindex 1 ref 1 bind 1\\n\\n'
    ;;
  "filter show dev eth1 egress")
    echo 'filter protocol all pref 1 matchall chain 0 handle 0x1'
    echo '  not_in_hw'
    printf '\\taction order 1:  police 0x1 rate 10Mbit burst 10Kb mtu 2Kb action drop overhead 0b \\n\\tref 1 bind 1\\n'
    ;;
  "filter show dev eth1 ingress") ;;
  *) echo "asked for $*" >&2 ;;
  esac
}
"""


@pytest.mark.parametrize("awk", AWKS)
def test_a_shaper_above_a_listed_device(awk: str, tmp_path: Path) -> None:
    """VLANs on it, what stands on these, and every PPP link, which sysfs does not show to stand on anything."""
    above = ["eth1.7/lower_eth1", "br0/lower_eth1.7", "br0.5/lower_br0", "deep/lower_br0.5", "eth9.7/lower_eth9"]
    links = [*above, "eth1/lower_conduit", "br-lan/lower_port", "conduit/lower_lowest"]
    for name in (*links, "eth1/type", "pppoe-wan/type"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("512\n" if name.startswith("pppoe") else "1\n")
    look = f"cd() {{ :; }}\n{SQM}\n_listed=' br-lan eth1 '\n"
    assert call("conflicts", f"{look}_list_relatives", "", awk, tmp_path).split() == [
        "eth1.7",
        "br0",
        "br0.5",
        "port",
        "conduit",
        "lowest",
        "pppoe-wan",
    ]
    shown = call("conflicts", f"{look}_tc", "", awk, tmp_path)
    assert shown.count("fq_codel") == 1
    assert "eth9" not in shown
    traffic = parse_tc(shown)
    assert traffic.redirected == {"pppoe-wan": "ifb4pppoe-wan"}
    assert map_shapers({}, traffic) == {"pppoe-wan": "cake"}
    assert traffic.filters == (
        PacketFilter("eth1", "egress", "matchall", "police", whole=True),
        PacketFilter("pppoe-wan", "ingress", "u32", "redirect", "ifb4pppoe-wan", whole=True),
    )


@pytest.mark.parametrize(("qdisc", "asked"), [("fq_codel", 1), ("ingress", 9), ("clsact", 17)])
def test_tc_is_started_for_devices_with_filters_only(qdisc: str, asked: int, tmp_path: Path) -> None:
    """Once for all of them, and then once for each direction that may have filters."""
    names = [f"d{number}" for number in range(8)]
    shown = "".join(f"qdisc {qdisc} 0: dev {name} root refcnt 2\n" for name in names)
    (tmp_path / "shown").write_text(shown)
    fake = f'tc() {{ echo "$*" >>{tmp_path}/asked; case $* in "qdisc show") cat {tmp_path}/shown ;; esac; }}'
    look = f"{fake}\n_list_relatives() {{ :; }}\n_listed=' {' '.join(names)} '\n_tc"
    parse_tc(call("conflicts", look, "", "awk", tmp_path))
    assert len((tmp_path / "asked").read_text().splitlines()) == asked


def test_links_that_say_less() -> None:
    unknown: list[str] = []
    assert parse_links("eth0 - -\neth1 1500 fq\nwhat\neth2 x fq", unknown) == {"eth0": (0, ""), "eth1": (1500, "fq")}
    assert unknown == ["ip link: what", "ip link: eth2 x fq"]


MQ = """\
eth0 qdisc mq 0: root
eth0 qdisc cake 8001: parent :1 bandwidth 100Mbit diffserv3 triple-isolate nonat nowash no-ack-filter rtt 100ms
eth1 qdisc htb 1: root offloaded refcnt 9 r2q 10 default 0 direct_packets_stat 0 direct_qlen 1000
eth2 qdisc fq_codel 0: root refcnt 2 limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms ecn
"""


def test_shapers() -> None:
    links = {"eth0": (1500, "mq"), "eth1": (1500, "htb"), "eth2": (1500, "fq_codel"), "pppoe": (1492, "cake")}
    assert map_shapers(links, parse_tc(MQ)) == {"eth0": "cake", "pppoe": "cake"}
    assert map_shapers(links, Traffic({}, {})) == {"eth1": "htb", "pppoe": "cake"}


MATCHALL = """\
wan qdisc ingress ffff: parent ffff:fff1 ----------------
wan filter protocol all pref 49152 matchall chain 0
wan filter protocol all pref 49152 matchall chain 0 handle 0x1
wan   not_in_hw
wan 	action order 1: mirred (Egress Redirect to device ifb4wan) stolen
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MATCHALL, {"wan": "ifb4wan"}),
        (MATCHALL.replace("matchall", "flower"), {"wan": "ifb4wan"}),
        (MATCHALL.replace("matchall", "flower").replace("not_in_hw", "dst_ip 192.0.2.1\nwan   not_in_hw"), {}),
        (MATCHALL.replace("matchall", "flower").replace("not_in_hw", "skip_sw\nwan   in_hw"), {}),
        (MATCHALL.replace("protocol all", "protocol ipv6"), {"wan": "ifb4wan"}),
        (MATCHALL.replace("protocol all", "protocol [34958]"), {}),
        (MATCHALL.replace("protocol all", "protocol 802.1Q"), {}),
        (MATCHALL.replace("chain 0", "chain 3"), {}),
        (MATCHALL.replace("wan ", "wan egress "), {}),
        (MATCHALL.replace("Redirect to", "Mirror to"), {}),
        (
            "wan filter u32\nwan   match 00000000/00000000 at 0\nwan   match 0a000000/ff000000 at 12\n"
            + MATCHALL[-75:],
            {},
        ),
        ("", {}),
    ],
)
def test_redirections(text: str, expected: dict[str, str]) -> None:
    assert parse_tc(text).redirected == expected


# iproute2 6.1 on Linux 6.18, but flower: as on the netdev list
OTHER_FILTERS = {
    """\
filter protocol all pref 49152 bpf chain 0
filter protocol all pref 49152 bpf chain 0 handle 0x1 direct-action not_in_hw bytecode '1,6 0 0 4294967295'
""": PacketFilter("wan", "ingress", "bpf", "program", "without a name"),
    "filter pref 2 bpf chain 0 handle 0x1 dae.o:[tc] direct-action not_in_hw id 40 tag c5f7825e": PacketFilter(
        "wan", "ingress", "bpf", "program", "dae.o"
    ),
    "filter protocol all pref 1 bpf chain 0 handle 0x1 x\x1b[1m direct-action": PacketFilter(
        "wan", "ingress", "bpf", "program", "x"
    ),
    "filter protocol all pref 49152 bpf chain 0 handle 0x1 bridger_input:[23] direct-action not_in_hw id 23": None,
    "filter pref 3 bpf chain 0 handle 0x1 direct-action not_in_hw id 23 name qosify_ingress_ip tag 7 jited": None,
    """\
filter protocol all pref 49152 bpf chain 0 handle 0x1 not_in_hw bytecode '1,6 0 0 4294967295'
	action order 1: mirred (Egress Redirect to device ifb0) stolen
""": PacketFilter("wan", "ingress", "bpf", "redirect", "ifb0"),
    """\
filter protocol ip pref 49152 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 terminal flowid not_in_hw
  match 01020300/ffffff00 at 16
	action order 1: mirred (Egress Redirect to device ifb0) stolen
""": PacketFilter("wan", "ingress", "u32", "redirect", "ifb0"),
    """\
filter protocol ip pref 4 flower chain 0 handle 0x1
  eth_type ipv4
  ip_proto tcp
  skip_sw
  in_hw in_hw_count 1
	action order 1:  police 0xc8 rate 100Mbit burst 10000Kb mtu 2Kb action reclassify
	action order 2: gact action drop
""": PacketFilter("wan", "ingress", "flower", "drop", nic_only=True, by_flow=True, ip_proto="tcp"),
    """\
filter protocol ip pref 4 flower chain 0 handle 0x1
  eth_type ipv4
  dst_ip 192.0.2.1
  not_in_hw
	action order 1:  police 0x1 rate 1Mbit burst 10Kb mtu 2Kb action drop overhead 0b
""": PacketFilter("wan", "ingress", "flower", "police", by_flow=True, dst_ip="192.0.2.1"),
    """\
filter protocol ip pref 4 flower chain 0 handle 0x1
  eth_type ipv4
  ip_proto icmp
  not_in_hw
	action order 1:  police 0x1 rate 1Mbit burst 10Kb mtu 2Kb action drop overhead 0b
""": None,
    """\
filter protocol ip pref 49152 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 terminal flowid not_in_hw
  match 00010000/00ff0000 at 8
	action order 1:  police 0x1 rate 1Mbit burst 10Kb mtu 2Kb action drop overhead 0b
""": None,
    """\
filter protocol ip pref 4 flower chain 0 handle 0x1
  eth_type ipv4
  ip_proto tcp
  tcp_flags 2/2
  not_in_hw
	action order 1:  police 0x1 rate 1Mbit burst 10Kb mtu 2Kb action drop overhead 0b
""": PacketFilter("wan", "ingress", "flower", "police", ip_proto="tcp"),
    """\
filter block 22 protocol ip pref 49152 flower chain 0 handle 0x1
  eth_type ipv4
  ct_state -trk
  not_in_hw
	action order 1: ct zone 1 nat pipe
	action order 2: gact action goto chain 1
""": PacketFilter("wan", "ingress", "flower", "ct"),
    """\
filter protocol all pref 1 flower chain 0 handle 0x1
  indev wan
  dst_mac 0a:40:bd:30:89:99
  src_mac ca:2e:a7:3f:f5:0f
  skip_sw
  in_hw in_hw_count 1
	action order 1: mirred (Egress Redirect to device lan1) stolen
""": None,
    "filter protocol all pref 1 matchall chain 0 handle 0x1\n\taction order 1: gact action pass": None,
    # 802.1X between a modem and a router of the provider's
    """\
filter protocol [34958] pref 49152 matchall chain 0 handle 0x1
  not_in_hw
	action order 1: mirred (Egress Redirect to device ont0) stolen
""": None,
    """\
filter parent ffff: protocol arp pref 49152 flower chain 0 handle 0x1
  eth_type arp
  not_in_hw
	action order 1:  police 0x1 rate 1Mbit burst 10Kb mtu 2Kb action drop overhead 0b
""": None,
    "filter protocol [34958] pref 1 bpf chain 0 handle 0x1 dot1x:[23] direct-action not_in_hw id 23": None,
    """\
filter protocol 802.1Q pref 49152 matchall chain 0 handle 0x1
  not_in_hw
	action order 1: mirred (Egress Redirect to device ifb0) stolen
""": PacketFilter("wan", "ingress", "matchall", "redirect", "ifb0"),
}


@pytest.mark.parametrize(("text", "expected"), OTHER_FILTERS.items())
def test_filters(text: str, expected: PacketFilter | None) -> None:
    found = parse_tc("".join(f"wan {line}\n" for line in text.splitlines())).filters
    assert found == (() if expected is None else (expected,))


BPFTOOL = """\
bpftool() { cat <<'END'
xdp:

tc:
wan0(3) tcx/ingress tproxy_wan_ingress prog_id 123 link_id 5
wan0(3) tcx/egress tproxy_wan_egress prog_id 124 link_id 6
wan0(3) clsact/ingress bridger_input id 23
lxc7(12) tcx/ingress cil_from_container prog_id 412
lan0(2) tcx/ingress qosify_ingress_ip prog_id 7

flow_dissector:

netfilter:
END
}
_list_relatives() { :; }
_listed=' lan0 wan0 '
"""


@pytest.mark.parametrize("awk", AWKS)
def test_programs_that_tc_does_not_list(awk: str, tmp_path: Path) -> None:
    text = call("conflicts", f"{BPFTOOL}_tcx", "", awk, tmp_path)
    assert parse_tcx(text) == (
        PacketFilter("wan0", "ingress", "bpf", "program", "tproxy_wan_ingress"),
        PacketFilter("wan0", "egress", "bpf", "program", "tproxy_wan_egress"),
    )
    assert parse_tcx("wan0 ingress \x1b[1m\nwan0 ingress\nwan0 both x") == (
        PacketFilter("wan0", "ingress", "bpf", "program", "without a name"),
    )


def test_of_very_many_filters_some_are_kept() -> None:
    lines = MATCHALL.splitlines()[2:]
    text = "\n".join(line.replace("ifb4wan", f"ifb{number}") for number in range(99) for line in lines)
    assert len(parse_tc(text).filters) == MOST_FILTERS


def test_policies() -> None:
    assert policy.parse_mark_rules(
        "ipv4 from all fwmark 0x1 lookup 100 \nipv4 from all lookup main\n\nipv5 fwmark 1"
    ) == ("ipv4: from all fwmark 0x1 lookup 100",)
    assert policy.parse_policy_counts("\t SPD IN  2 OUT 1 FWD 12 (Sock: IN 0 OUT 0 FWD 0)") == {
        "in": 2,
        "out": 1,
        "fwd": 12,
    }
    assert policy.parse_policy_counts("BusyBox v1.35.0\n\nUsage: ip [OPTIONS] address|route") == {}
    assert policy.parse_xfrm_errors("XfrmInError             \t0\nXfrmInNoStates          \t12\nXfrm x") == (
        "XfrmInNoStates 12",
    )
    assert policy.parse_legacy_tables("ip filter\nip6 nat\ncat: no such file") == ("ip filter", "ip6 nat")


def test_what_busybox_says_of_ipsec_is_nothing() -> None:
    assert read_state(Answer({**ANSWER, "xfrm": Section("Usage: ip", 1)})).other_handlers.ipsec == {}


RULESET = """\
table inet ids {
	chain in {
		type filter hook input priority filter; policy accept;
		tcp dport 25 queue to 0
	}

	chain fwd {
		type filter hook forward priority filter; policy accept;
		ct state established counter packets 0 bytes 0 queue flags bypass to 0-3
		iifname "queue" accept comment "queue"
		jump more
	}

	chain more {
		log prefix "maxseg size set "
		tcp flags & (syn | rst) == syn tcp option maxseg size set 1360
	}
}
table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy accept;
		iifname "eth0" counter packets 0 bytes 0 xt target "NFQUEUE"
		tcp flags & (syn | rst) == syn counter packets 0 bytes 0 xt target "TCPMSS"
	}
}
table netdev n {
	chain forward {
		type filter hook ingress device "eth0" priority filter; policy accept;
	}
}
"""


@pytest.mark.parametrize("awk", AWKS)
def test_the_ruleset_of_others(awk: str, tmp_path: Path) -> None:
    reduced = call("nftables", "_reduce", RULESET, awk, tmp_path)
    assert policy.parse_forward_chains(reduced) == ("inet ids fwd", "ip filter FORWARD")
    assert [found.partition(":")[0] for found in policy.parse_queues(reduced)] == ["inet ids fwd", "ip filter FORWARD"]


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(
    ("other", "clamped"),
    [((), True), (("TCPMSS",), True), (("option maxseg",), True), (("TCPMSS", "option maxseg"), False)],
)
def test_clamping(other: tuple[str, ...], clamped: bool, awk: str, tmp_path: Path) -> None:
    text = RULESET
    for word in other:
        text = text.replace(word, "other")
    assert policy.has_mss_clamp(call("nftables", "_reduce", text, awk, tmp_path)) == clamped


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    for line in (text, f"eth0 qdisc {text}", f"eth0 filter {text}", f"table {text}", f"ipv4 {text} fwmark"):
        parse_links(line)
        map_shapers({}, parse_tc(line))
        policy.parse_mark_rules(line)
        policy.parse_policy_counts(line)
        policy.parse_xfrm_errors(line)
        parse_tcx(line)
        policy.parse_names(line)
        policy.parse_firewalld(line)
        policy.parse_legacy_tables(line)
        policy.parse_forward_chains(line)
        policy.parse_queues(line)
        policy.has_mss_clamp(line)
