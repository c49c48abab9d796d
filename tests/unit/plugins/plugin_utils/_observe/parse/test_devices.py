# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices out of sysfs, addresses and routes."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.devices import (
    TEXTS,
    describe_unread_gateways,
    parse_bridged,
    parse_devices,
    parse_forwarding,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Device
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import SUITES, answer


def sysfs(name: str, **values: str) -> str:
    """Lines of section devices; ``values`` are files of /sys/class/net/NAME, devtype is in uevent."""
    base = {"iflink": "7", "flags": "0x1003", "type": "1"} | values
    devtype = base.pop("devtype", None)
    lines = [f"./{name}/uevent:IFINDEX=7", *([f"./{name}/uevent:DEVTYPE={devtype}"] if devtype else [])]
    return "".join(f"{line}\n" for line in [*lines, *(f"./{name}/{file}:{value}" for file, value in base.items())])


def links(name: str, **to: str) -> str:
    return "".join(
        f"lrwxrwxrwx    1 root     root             0 Jan  1 00:00 ./{name}/{link.replace('__', '/')} -> {path}\n"
        for link, path in to.items()
    )


def one(texts: dict[str, str]) -> Device:
    unknown: list[str] = []
    (device,) = parse_devices(texts, unknown).values()
    assert unknown == []
    return device


@pytest.mark.parametrize(
    ("values", "to", "kind"),
    [
        ({}, {"device": "../../../0000:00:03.0", "device__driver": "../../../bus/pci/drivers/igb"}, "nic"),
        ({}, {"device": "../../../labnic.1.auto"}, "nic"),
        ({"iflink": "8"}, {}, "veth"),
        ({"iflink": "8"}, {"lower_eth0": "../eth0"}, "virtual"),
        ({"iflink": "8", "type": "778"}, {}, "gre"),
        ({"iflink": "0", "type": "768"}, {}, "ipip"),
        ({"iflink": "0", "type": "769"}, {}, "ip6tnl"),
        ({"iflink": "0", "type": "776"}, {}, "sit"),
        ({"iflink": "0"}, {}, "virtual"),
        ({}, {}, "virtual"),
        ({"type": "772", "flags": "0x9"}, {}, "loopback"),
        ({"flags": "0xc3"}, {}, "dummy"),
        ({"flags": "0x10c3"}, {}, "dummy"),  # multicast on, as for OSPF
        ({"flags": "0x4c1"}, {"lower_eth0": "../eth0"}, "vrf"),
        ({"flags": "0xc3"}, {"device": "../../usb"}, "nic"),
        ({"flags": "0x10c3", "iflink": "8"}, {}, "veth"),  # netkit
        ({"flags": "0xc1", "type": "519"}, {}, "virtual"),
        ({"devtype": "bridge"}, {"lower_lan1": "../lan1"}, "bridge"),
        ({"devtype": "vlan", "iflink": "3"}, {"lower_eth0": "../eth0"}, "vlan"),
        ({"devtype": "bond"}, {}, "bond"),
        ({"devtype": "wireguard", "type": "65534"}, {}, "wireguard"),
        ({"devtype": "dsa", "iflink": "2"}, {"device": "../../../switch", "lower_eth0": "../eth0"}, "dsa"),
        ({"devtype": "wlan"}, {"device": "../../../phy0"}, "wlan"),
        ({"devtype": "ppp", "type": "512"}, {}, "ppp"),
        ({"type": "512"}, {}, "ppp"),
        ({"type": "65534", "tun_flags": "0x5001"}, {}, "tun"),
    ],
)
def test_kinds(values: dict[str, str], to: dict[str, str], kind: str) -> None:
    assert one({"devices": sysfs("x", **values), "links": links("x", **to)}).kind == kind


def test_one_device_whole() -> None:
    texts = {
        "devices": sysfs("eth0.5", flags="0x1003", devtype="vlan"),
        "links": links("eth0.5", master="../br0", lower_eth0="../../pci0000:00/net/eth0", device__driver="a/b/drv"),
        "forwarding": "ipv4/conf/eth0.5/forwarding:1\nipv4/conf/all/forwarding:1\nipv6/conf/eth0.5/forwarding:1\n",
        "addresses": "eth0.5 inet 192.0.2.1/24\neth0.5 inet6 2001:db8::1/64\nlo inet 127.0.0.1/8\n",
        "routes ipv4": "default via 192.0.2.9 dev eth0.5 proto static\nunreachable default table 7\n",
        "routes ipv6": "default dev eth0.5 metric 1024\ndefault via fe80::1 dev eth0.5\n",
    }
    assert one(texts) == Device(
        name="eth0.5",
        index=7,
        kind="vlan",
        driver="drv",
        up=True,
        master="br0",
        lowers=("eth0",),
        addresses=("192.0.2.1/24", "2001:db8::1/64"),
        forwarding=("ipv4", "ipv6"),
        default_route=("ipv4", "ipv6"),
    )


@pytest.mark.parametrize(
    ("flags", "up"), [("0x1003", True), ("0x1002", False), ("0x9", True), ("", False), ("zz", False)]
)
def test_up(flags: str, up: bool) -> None:
    assert one({"devices": sysfs("x", flags=flags)}).up is up


@pytest.mark.parametrize(
    "routes",
    [
        "default via 192.0.2.9 dev x",
        "default dev x scope link",
        "default via 192.0.2.9 dev x table 11 metric 5",
        "default metric 50 \n\tnexthop via 192.0.2.9 dev y weight 1 \n\tnexthop via 192.0.2.8 dev x weight 1 ",
    ],
)
def test_default_routes(routes: str) -> None:
    assert one({"devices": sysfs("x"), "routes ipv4": routes}).default_route == ("ipv4",)


@pytest.mark.parametrize(
    "routes", ["unreachable default dev x metric 1", "192.0.2.0/24 dev x", "default dev xy", "default"]
)
def test_no_default_route(routes: str) -> None:
    assert one({"devices": sysfs("x"), "routes ipv4": routes}).default_route == ()


def test_gateways_of_another_family() -> None:
    """As sh/read/devices.sh prints them; busybox's ip shows the route without its gateway."""
    devices = sysfs("x") + sysfs("y")
    routes = "default via inet6 fe80::2 dev x \ngateway x fe80::2\ngateway x fe80::3\ngateways whole\n"
    found = parse_devices({"devices": devices, "routes ipv4": routes})
    assert (found["x"].ipv6_gateways, found["y"].ipv6_gateways) == (("fe80::2", "fe80::3"), ())
    assert found["x"].default_route == ("ipv4",)
    routes = "default dev x \ngateway x -\ngateways main\n"
    assert parse_devices({"devices": devices, "routes ipv4": routes})["x"].ipv6_gateways == ("unknown",)


@pytest.mark.parametrize(
    ("far", "words"), [("whole", ""), ("first", "the first of them alone"), ("main", "main table alone"), ("", "")]
)
def test_what_was_not_looked_through_is_named(far: str, words: str) -> None:
    reason = describe_unread_gateways(f"gateways {far}\n")
    assert words in reason and bool(reason) is bool(words)


def test_the_device_below_a_tunnel() -> None:
    devices = sysfs("wan0") + sysfs("tun0", type="769")
    assert parse_devices({"devices": devices, "tunnels": "below tun0 wan0\n"})["tun0"].lowers == ("wan0",)
    assert parse_devices({"devices": devices, "tunnels": "below tun0 gone0\n"})["tun0"].lowers == ()


PPPOE = "session eth1 1\n"
OTHER = "session eth2 1\n"
PPP_DEVICES = "".join(sysfs(name) for name in ("eth1", "eth2")) + sysfs("ppp0", devtype="ppp")
TWO_PPP = PPP_DEVICES + sysfs("ppp1", devtype="ppp")


@pytest.mark.parametrize(
    ("devices", "lines", "lowers"),
    [
        (PPP_DEVICES, "", {"ppp0": ()}),
        (PPP_DEVICES, PPPOE, {"ppp0": ("eth1",)}),
        (PPP_DEVICES, "session gone 1\n", {"ppp0": ()}),
        # one of the two is coming up, or no longer used: either may be the one
        (PPP_DEVICES, PPPOE + OTHER, {"ppp0": ("eth1", "eth2")}),
        (TWO_PPP, PPPOE + OTHER, {"ppp0": ("eth1", "eth2"), "ppp1": ("eth1", "eth2")}),
        (TWO_PPP, "session eth1 2\n", {"ppp0": ("eth1",), "ppp1": ("eth1",)}),
        (TWO_PPP, f"{PPPOE}{OTHER}pppd ppp0 eth2\npppd ppp1 eth1\n", {"ppp0": ("eth2",), "ppp1": ("eth1",)}),
        (TWO_PPP, f"{PPPOE}{OTHER}pppd ppp0 eth2\n", {"ppp0": ("eth2",), "ppp1": ("eth1",)}),
        # the session is spoken for: the other one is PPP over something else, such as a modem
        (TWO_PPP, f"{PPPOE}pppd ppp0 eth1\n", {"ppp0": ("eth1",), "ppp1": ()}),
        (TWO_PPP, f"{PPPOE}pppd ppp0 gone\n", {"ppp0": ("eth1",), "ppp1": ("eth1",)}),
        (PPP_DEVICES + sysfs("3g-wwan", devtype="ppp"), PPPOE, {"ppp0": ("eth1",), "3g-wwan": ()}),
    ],
)
def test_devices_below_pppoe(devices: str, lines: str, lowers: dict[str, tuple[str, ...]]) -> None:
    found = parse_devices({"devices": devices, "pppoe": lines})
    assert {name: device.lowers for name, device in found.items() if device.kind == "ppp"} == lowers


def test_a_server_with_a_vlan_for_each_session_has_their_nics_below() -> None:
    """Or each of thousands of sessions would hold thousands of names."""
    vlans = range(2, 100)
    nics = {f"e1.{vlan}": "eth1" if vlan % 2 else "eth2" for vlan in vlans}
    devices = TWO_PPP + "".join(sysfs(name, devtype="vlan") for name in nics)
    below = "".join(links(name, **{f"lower_{nic}": f"../{nic}"}) for name, nic in nics.items())
    lines = "".join(f"session {name} 1\n" for name in nics)
    found = parse_devices({"devices": devices, "links": below, "pppoe": lines})
    assert found["ppp0"].lowers == found["ppp1"].lowers == ("eth1", "eth2")


PATHS = """default via 192.0.2.9 dev eth0
path eth0 main via
path eth0 100 link
path eth1 main link
router eth2
path eth3 main sideways
path
"""


def test_routes_and_routers() -> None:
    devices = "".join(sysfs(f"eth{number}") for number in range(5))
    found = parse_devices(
        {"devices": devices, "routes ipv4": PATHS, "routes ipv6": "path eth0 main link\nrouter eth4\n"}
    )
    assert {name: (device.routes, device.next_hops, device.tables) for name, device in found.items()} == {
        "eth0": (("ipv4", "ipv6"), ("ipv4",), ("main", "100")),
        "eth1": (("ipv4",), (), ("main",)),
        "eth2": ((), ("ipv4",), ()),
        "eth3": ((), (), ()),
        "eth4": ((), ("ipv6",), ()),
    }
    assert [name for name, device in found.items() if device.default_route] == ["eth0"]


@pytest.mark.parametrize("suite", SUITES)
def test_devices_of_real_routers(suite: str) -> None:
    sections = answer(suite, "devices")
    unknown: list[str] = []
    found = parse_devices({name: sections[name].text for name in TEXTS if name in sections}, unknown)
    assert unknown == []
    assert {name: device.kind for name, device in found.items() if name != "erspan0"} == {
        "lo": "loopback",
        **dict.fromkeys(["lan0", "wan0", "mgmt0"], "nic"),
        **dict.fromkeys(["lan0.7", "bond0.9"], "vlan"),
        **dict.fromkeys(["br-lan", "br.empty"], "bridge"),
        **dict.fromkeys(["port0", "port0p", "guest0", "guest0p", "slave0", "slave0p"], "veth"),
        "tap0": "tun",
        "bond0": "bond",
        "wg0": "wireguard",
        "vxlan0": "vxlan",
        "dummy0": "dummy",
        "vrf1": "vrf",
        **dict.fromkeys(["gre0", "gre1"], "gre"),
        **dict.fromkeys(["macvlan0", "gretap0"], "virtual"),
    }
    assert found["br-lan"].lowers == ("port0", "tap0")
    assert found["port0"].master == "br-lan"
    assert found["bond0"].lowers == ("slave0",)
    assert found["bond0"].default_route == found["br-lan"].default_route == ("ipv4",)
    assert found["bond0.9"].lowers == ("bond0",)
    assert found["wan0"].default_route == ("ipv4", "ipv6")
    assert found["wg0"].addresses == ("10.11.0.1/24",)
    assert found["mgmt0"].forwarding == ()
    assert found["lan0"] == Device(
        name="lan0",
        index=found["lan0"].index,
        kind="nic",
        driver="labnic",
        up=True,
        addresses=("10.10.0.1/24", "fd00:10::1/64"),
        forwarding=("ipv4", "ipv6"),
    )


def test_names_that_mean_something_elsewhere() -> None:
    for name in ("$(id)", "*", "-n", "a,b", "x;y", 'a"b', "{", "all", "device"):
        texts = {
            "devices": sysfs(name),
            "links": links(name, device="../x"),
            "forwarding": f"ipv4/conf/{name}/forwarding:1",
            "addresses": f"{name} inet 192.0.2.1/24",
            "routes ipv4": f"default via 192.0.2.2 dev {name} ",
        }
        device = one(texts)
        assert (device.name, device.kind, device.forwarding, device.addresses) == (
            name,
            "nic",
            ("ipv4",),
            ("192.0.2.1/24",),
        )
        assert device.default_route == ("ipv4",)


def test_an_unknown_line_is_reported() -> None:
    unknown: list[str] = []
    assert parse_devices({"devices": "cd: can't cd to /sys/class/net\n"}, unknown) == {}
    assert unknown == ["devices: cd: can't cd to /sys/class/net"]


LINES = st.sampled_from(
    [sysfs("x"), sysfs("x", flags="x"), links("x", master="y"), PPPOE, "ipv4/conf/x/forwarding:1", "\n"]
)


@given(
    st.dictionaries(st.sampled_from(TEXTS), st.one_of(st.text(), st.lists(st.one_of(LINES, st.text())).map("".join)))
)
def test_no_text_is_too_odd(texts: dict[str, str]) -> None:
    parse_devices(texts, [])


@pytest.mark.parametrize(
    ("lines", "families"),
    [
        ("", ()),
        ("ipv4/conf/lo/forwarding:1", ()),
        ("ipv4/conf/wan0/forwarding:1", ("ipv4",)),
        ("ipv4/conf/all/forwarding:1 ipv6/conf/all/forwarding:1", ("ipv4", "ipv6")),
        ("ipv6/conf/wan0/forwarding:1", ()),
        ("ipv6/conf/wan0/force_forwarding:1", ("ipv6",)),
        ("nonsense :1 /:1", ()),
    ],
)
def test_what_is_forwarded_at_all(lines: str, families: tuple[str, ...]) -> None:
    assert parse_forwarding("\n".join(lines.split())) == families


@pytest.mark.parametrize(
    ("lines", "bridged"),
    [
        ("", {}),
        ("ipv4/conf/all/forwarding:1", {}),
        ("bridge/bridge-nf-call-iptables:1", {"*": ("ipv4",)}),
        ("bridge/bridge-nf-call-ip6tables:1 bridge/bridge-nf-call-iptables:1", {"*": ("ipv4", "ipv6")}),
        ("./br0/bridge/nf_call_ip6tables:1", {"br0": ("ipv6",)}),
        ("./bridge/bridge/nf_call_iptables:1", {"bridge": ("ipv4",)}),
        ("bridge/bridge-nf-call-arptables:1", {}),
    ],
)
def test_what_bridges_pass_on(lines: str, bridged: dict[str, tuple[str, ...]]) -> None:
    assert parse_bridged("\n".join(lines.split())) == bridged


@pytest.mark.parametrize("suite", SUITES)
def test_lab_routers_forward_both(suite: str) -> None:
    assert parse_forwarding(answer(suite, "router")["forwarding"].text) == ("ipv4", "ipv6")
