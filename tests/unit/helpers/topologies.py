# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy routers of many shapes, made up, but with texts like those of real ones, read by every parser.

Platform, modules and conntrack are what a router of the lab printed (captured/). Devices and rulesets are written here
in the same form, with the differences between the kernels: 6.1 lists no hooks, 7.2 quotes device names and shows whose
a hook is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.paths import DEVICE_RULES, RULESET_UNIT
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import read_state
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Boot, Device, RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredFlowtable, DesiredTable

from tests.unit.helpers.captures import answer, call

BOTH = ("ipv4", "ipv6")
DEVTYPES = {"vlan", "bridge", "bond", "wireguard", "dsa", "wlan"}
FLAGS = {"dummy": "0xc3", "vrf": "0x4c1"}
ARPHRD = {"ppp": "512", "wireguard": "65534", "loopback": "772"}


def inside(name: str, kind: str = "nic", *lowers: str, network: int = 10, master: str = "") -> Device:
    """A device with a network behind it."""
    addresses = (f"10.{network}.0.1/24", f"fd00:{network}::1/64")
    return Device(name, 0, kind, up=True, lowers=lowers, addresses=addresses, forwarding=BOTH, master=master)


def outside(name: str, kind: str = "nic", *lowers: str, network: int = 1) -> Device:
    """A device with a default route."""
    return replace(
        inside(name, kind, *lowers),
        addresses=(f"203.0.113.{network}/24", f"2001:db8:{network}::1/64"),
        default_route=BOTH,
    )


def unnumbered(name: str, kind: str = "nic", *lowers: str) -> Device:
    """An uplink with a link-local address only, and routes by a gateway, as BGP has it."""
    return replace(part(name, kind, *lowers), routes=BOTH, next_hops=BOTH, tables=("main",))


def part(name: str, kind: str = "nic", *lowers: str, master: str = "") -> Device:
    """A device without addresses, such as a port."""
    return Device(name, 0, kind, up=True, lowers=lowers, forwarding=BOTH, master=master)


def guest(name: str, kind: str = "veth", master: str = "") -> Device:
    """A device that a container or virtual machine is connected by."""
    return replace(part(name, kind, master=master), guest=True)


LAN, WAN = inside("lan0"), outside("wan0")
PORTS = (part("lan1", master="br-lan"), part("lan2", master="br-lan"))
TOPOLOGIES: Mapping[str, Sequence[Device]] = {
    "two NICs": (LAN, WAN),
    "VLANs on one NIC": (part("eth0"), inside("eth0.10", "vlan", "eth0"), outside("eth0.20", "vlan", "eth0")),
    "bridge": (inside("br-lan", "bridge", "lan1", "lan2"), *PORTS, WAN),
    "VLAN-filtering bridge": (
        part("br-lan", "bridge", "lan1", "lan2"),
        inside("br-lan.10", "vlan", "br-lan"),
        inside("br-lan.20", "vlan", "br-lan", network=20),
        *PORTS,
        WAN,
    ),
    "bond": (
        inside("bond0", "bond", "eth1", "eth2"),
        part("eth1", master="bond0"),
        part("eth2", master="bond0"),
        WAN,
    ),
    "VLANs on a bond": (
        part("bond0", "bond", "eth1"),
        part("eth1", master="bond0"),
        inside("bond0.10", "vlan", "bond0"),
        inside("bond0.20", "vlan", "bond0", network=20),
        WAN,
    ),
    "PPPoE": (LAN, part("wan0"), outside("ppp0", "ppp", "wan0")),
    "PPPoE on a VLAN": (LAN, part("wan0"), part("wan0.7", "vlan", "wan0"), outside("ppp0", "ppp", "wan0.7")),
    "WireGuard as WAN": (LAN, replace(WAN, default_route=("ipv4",)), outside("wg0", "wireguard", network=2)),
    "two LANs": (LAN, inside("lan1", network=11), WAN),
    "two WANs": (LAN, WAN, outside("wan1", network=2)),
    "switch ports": (
        part("eth0"),
        inside("br-lan", "bridge", "lan1", "lan2"),
        part("lan1", "dsa", "eth0", master="br-lan"),
        part("lan2", "dsa", "eth0", master="br-lan"),
        outside("wan", "dsa", "eth0"),
    ),
    "IPv4 only": (replace(LAN, addresses=("10.10.0.1/24",)), replace(WAN, default_route=("ipv4",))),
    "two PPPoE": (
        inside("br-lan", "bridge", "lan1", "lan2"),
        *PORTS,
        part("eth1"),
        part("eth2"),
        outside("pppoe-wan1", "ppp", "eth1", "eth2"),
        outside("pppoe-wan2", "ppp", "eth1", "eth2", network=2),
    ),
    "PPPoE on a bridge": (
        LAN,
        part("br-wan", "bridge", "wan1", "wan2"),
        part("wan1", master="br-wan"),
        part("wan2", master="br-wan"),
        outside("ppp0", "ppp", "br-wan"),
    ),
    "PPPoE server": (
        part("lan0"),
        inside("ppp0", "ppp", "lan0", network=20),
        inside("ppp1", "ppp", "lan0", network=21),
        inside("ppp2", "ppp", "lan0", network=22),
        WAN,
    ),
    "BGP edge": (LAN, inside("wan0", network=11), replace(inside("dummy0", "dummy"), addresses=("192.0.2.255/32",))),
    "BGP unnumbered": (
        unnumbered("up0"),
        unnumbered("up1"),
        LAN,
        replace(inside("dummy0", "dummy"), addresses=("192.0.2.255/32",)),
    ),
    "BGP before the first route": (replace(part("up0"), next_hops=("ipv6",)), LAN),
    "routes alone": (LAN, replace(part("wg0", "wireguard"), routes=("ipv4",), tables=("main",))),
    "macvlan": (part("eth0"), inside("mv0", "virtual", "eth0"), WAN),
    "QinQ": (LAN, part("wan0"), part("wan0.7", "vlan", "wan0"), outside("wan0.7.9", "vlan", "wan0.7")),
    "VRFs": (
        part("red", "vrf", "lan0", "wan0"),
        replace(LAN, master="red", routes=BOTH, tables=("10",)),
        replace(WAN, master="red", routes=BOTH, tables=("10",)),
        replace(inside("mgmt", "vrf", "mgmt0"), addresses=("127.0.0.1/8",)),
        replace(outside("mgmt0", network=9), master="mgmt", routes=BOTH, tables=("20",)),
    ),
    "bond below a VLAN-aware bridge": (
        part("br0", "bridge", "bond0", "lan1"),
        part("bond0", "bond", "eth1", "eth2"),
        part("eth1", master="bond0"),
        part("eth2", master="bond0"),
        part("lan1", master="br0"),
        inside("br0.10", "vlan", "br0"),
        outside("br0.20", "vlan", "br0"),
    ),
    "router in a namespace": (inside("eth0", "veth"), outside("eth1", "veth"), part("eth2", "veth")),
    "router in a container": (
        inside("br-lan", "bridge", "eth0"),
        part("eth0", "veth", master="br-lan"),
        part("eth1", "veth"),
        outside("ppp0", "ppp", "eth1"),
        inside("wg0", "wireguard", network=9),
    ),
    "guests by routes": (LAN, WAN, replace(guest("cali1"), routes=("ipv4",), tables=("main",))),
    "guests on a bridge": (
        LAN,
        WAN,
        inside("docker0", "bridge", "veth1", network=172),
        guest("veth1", master="docker0"),
    ),
}

FLOW = "ct state { established, related } meta l4proto { tcp, udp } flow add @ft"
OVERLAY = f"chain forward {{\n\t\ttype filter hook forward priority filter + 20; policy accept;\n\t\t{FLOW}\n\t}}"
RULESETS: Mapping[str, tuple[str, str]] = {
    "overlay": ("inet nft_offload", OVERLAY),
    "router": (
        "inet nft_offload",
        f"""chain input {{
		type filter hook input priority filter; policy drop;
		ct state vmap {{ invalid : drop, established : accept, related : accept }}
		iifname "lo" accept
		iifname vmap {{ "lan0" : jump input_lan, "wan0" : jump input_wan }}
	}}

	chain input_lan {{
		tcp dport 22 accept comment "ssh"
	}}

	chain input_wan {{
	}}

	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state invalid drop
		{FLOW}
		ct state {{ established, related }} accept
		iifname "lan0" oifname "wan0" accept comment "lan to wan"
	}}""",
    ),
    "fw4": (
        "inet fw4",
        """chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept comment "!fw4: Accept traffic from loopback"
		ct state vmap { established : accept, related : accept } comment "!fw4: Handle inbound flows"
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		meta l4proto { tcp, udp } flow add @ft
		ct state vmap { established : accept, related : accept } comment "!fw4: Handle forwarded flows"
		iifname "br-lan" jump forward_lan comment "!fw4: Handle lan IPv4/IPv6 forward traffic"
		jump handle_reject
	}

	chain handle_reject {
		meta l4proto tcp reject with tcp reset comment "!fw4: Reject TCP traffic"
		reject comment "!fw4: Reject any other traffic"
	}

	chain forward_lan {
		jump accept_to_wan comment "!fw4: Accept lan to wan forwarding"
		jump accept_to_lan
	}

	chain helper_lan {
		tcp dport 21 ct helper set "ftp" comment "!fw4: FTP passive connection tracking"
	}

	chain raw_prerouting {
		type filter hook prerouting priority raw; policy accept;
		iifname "br-lan" jump helper_lan comment "!fw4: lan IPv4/IPv6 CT helper assignment"
	}""",
    ),
    "firewalld": (
        "inet firewalld",
        f"""chain filter_PREROUTING {{
		type filter hook prerouting priority filter + 10; policy accept;
		icmpv6 type {{ nd-router-advert, nd-neighbor-solicit }} accept
		meta nfproto ipv6 fib saddr . mark . iif oif missing drop
	}}

	chain filter_FORWARD {{
		type filter hook forward priority filter + 10; policy accept;
		{FLOW}
		ct state {{ established, related }} accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		ip6 daddr {{ ::/96, ::ffff:0.0.0.0/96, 2002::/24 }} reject with icmpv6 addr-unreachable
		jump filter_FORWARD_POLICIES
		reject with icmpx admin-prohibited
	}}

	chain filter_FORWARD_POLICIES {{
		iifname "lan0" oifname "wan0" jump filter_FWD_public
		iifname "lan0" return
		reject with icmpx admin-prohibited
	}}

	chain filter_FWD_public {{
		jump filter_FWD_public_pre
	}}

	chain filter_FWD_public_pre {{
	}}""",
    ),
}
DOCKER = """table ip filter {
	chain DOCKER {
		ip daddr 172.17.0.2 iifname != "docker0" oifname "docker0" tcp dport 80 counter accept
	}

	chain DOCKER-USER {
		counter return
	}

	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter jump DOCKER-USER
		oifname "docker0" ct state established,related counter accept
		ct state established,related accept
		oifname "docker0" counter jump DOCKER
		accept
	}
}
table ip raw {
	chain PREROUTING {
		type filter hook prerouting priority raw; policy accept;
		ip daddr 172.17.0.2 iifname != "docker0" counter drop
	}
}
"""


@dataclass(frozen=True)
class Shape:
    """A router to be made: which suite's texts, which devices, whose ruleset, which of them are listed."""

    suite: str
    devices: Sequence[Device]
    names: Sequence[str]
    """what the flowtable lists"""
    hardware: bool = False
    ruleset: str = "overlay"
    beside: str = DOCKER
    """text of other tables"""
    changes: tuple[tuple[str, str], ...] = ()
    """old -> new in the ruleset's text"""


def read_shape(shape: Shape) -> RouterState:
    """The state that is read from such a router's answer."""
    table, _chains = RULESETS[shape.ruleset]
    state = read_state(Answer(_answer(shape)))
    if table != "inet nft_offload":
        return state
    wanted = DesiredTable("inet", "nft_offload", OVERLAY, (DesiredFlowtable("ft", tuple(shape.names), shape.hardware),))
    boot = Boot(
        ruleset=wanted.boot_text(),
        live="table inet nft_offload {\n}\n",
        attachments={device: wanted.attach(wanted.flowtables[0], device) for device in shape.names},
        features={(device, "hw-tc-offload"): "on" for device in state.devices} if shape.hardware else {},
        enabled={RULESET_UNIT: True, DEVICE_RULES: True},
    )
    return replace(state, boot=boot)


def _answer(shape: Shape) -> dict[str, Section]:
    real = answer(shape.suite, "router")
    kept = {name: text for name, text in real.items() if name in {"platform", "conntrack", "hooks", "services"}}
    modules = real["modules"].text + "\nboot=nf_flow_table_inet\nboot=nft_flow_offload\nacct=1"
    texts = {**_devices(shape.devices), **_ruleset(shape), "modules": modules}
    for device in shape.devices:
        able = device.kind in {"nic", "dsa"}
        if able or device.name in shape.names:
            texts[f"features {device.name}"] = f"hw-tc-offload: {'on' if able and shape.hardware else 'off [fixed]'}"
    return {**kept, **{name: Section(text, 0) for name, text in texts.items()}}


def _ruleset(shape: Shape) -> dict[str, str]:
    table, chains = RULESETS[shape.ruleset]
    names = ", ".join(f'"{name}"' if shape.suite == "forky" else name for name in shape.names)
    flags = "\t\tflags offload\n" if shape.hardware else ""
    flowtable = (
        f"\tflowtable ft {{\n\t\thook ingress priority filter\n\t\tdevices = {{ {names} }}\n{flags}\t\tcounter\n\t}}"
    )
    chains = chains if shape.suite == "trixie" else chains.replace("{ tcp, udp }", "{ 6, 17 }")
    text = f"{shape.beside}table {table} {{\n{flowtable}\n\n\t{chains}\n}}\n"
    for old, new in shape.changes:
        assert old in text
        text = text.replace(old, new)
    hook = "flowtable " + table + " ft" if shape.suite == "forky" else "nf_flow_offload_inet_hook"
    hooks = {
        f"hooks {name}": ""
        if shape.suite == "bookworm"
        else f"family netdev {{\n\thook ingress device {name} {{\n\t\t 0000000000 {hook} [nf_flow_table_inet]\n\t}}\n}}"
        for name in shape.names
    }
    return {"flowtables": f"table {table} {{\n{flowtable}\n}}", "ruleset": _reduced(text), **hooks}


@cache
def _reduced(text: str) -> str:
    """As the router sends it."""
    return call("nftables", "_reduce", text, "awk", Path("/"))


def _devices(devices: Sequence[Device]) -> dict[str, str]:
    """The sections of sh/read/devices.sh."""
    sysfs: list[str] = []
    links: list[str] = []
    forwarding = ["ipv4/conf/all/forwarding:1", "ipv6/conf/all/forwarding:1"]
    addresses: list[str] = []
    routes: dict[str, list[str]] = {family: [] for family in BOTH}
    pppoe: list[str] = []
    for index, device in enumerate((Device("lo", 1, "loopback", up=True), *devices), 1):
        facts = [f"uevent:IFINDEX={index}", f"iflink:{99 if device.kind == 'veth' else index}"]
        facts += [
            f"flags:{FLAGS.get(device.kind, '0x1003') if device.up else '0x1002'}",
            f"type:{ARPHRD.get(device.kind, '1')}",
        ]
        facts += [f"uevent:DEVTYPE={device.kind}"] if device.kind in DEVTYPES else []
        sysfs += [f"./{device.name}/{fact}" for fact in facts]
        targets = {"master": f"../{device.master}"} if device.master else {}
        if device.kind == "nic":
            targets |= {"device": "../../../0000:01:00.0", "device/driver": "../../../bus/pci/drivers/labnic"}
        if device.kind == "ppp":
            pppoe += [f"session {lower} 1" for lower in device.lowers]
        else:
            targets |= {f"lower_{lower}": f"../{lower}" for lower in device.lowers}
        links += [f"lrwxrwxrwx 1 root root 0 Nov 23 02:34 ./{device.name}/{at} -> {to}" for at, to in targets.items()]
        forwarding += [f"{family}/conf/{device.name}/forwarding:1" for family in device.forwarding]
        addresses += [f"{device.name} inet{'6' * (':' in address)} {address}" for address in device.addresses]
        for family in device.default_route:
            routes[family].append(f"default via 203.0.113.254 dev {device.name} metric {index}")
        for family in device.routes:
            how = "via" if family in device.next_hops else "link"
            routes[family] += [f"path {device.name} {table} {how}" for table in device.tables]
        for family in set(device.next_hops) - set(device.routes):
            routes[family].append(f"router {device.name}")
    return {
        "devices": "\n".join(sysfs),
        "links": "\n".join(links),
        "forwarding": "\n".join(forwarding),
        "addresses": "\n".join(addresses),
        "routes ipv4": "\n".join(routes["ipv4"]),
        "routes ipv6": "\n".join(routes["ipv6"]),
        "pppoe": "\n".join(dict.fromkeys(pppoe)),
    }
