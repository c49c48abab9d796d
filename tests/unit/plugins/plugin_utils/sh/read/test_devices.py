# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices routes leave by, and which PPPoE is over, as the router shortens it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.devices import TEXTS, parse_devices
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.topology import pick_flowtable_devices

from tests.unit.helpers.captures import AWKS, call
from tests.unit.helpers.shells import NONCE, SHELLS, run_script

IPROUTE = """\
default via 10.0.0.2 dev up0
10.0.0.0/24 dev up0 proto kernel scope link src 10.0.0.1
10.1.2.3 dev cali1 scope link
10.9.0.0/16 via 10.0.0.7 dev up0 table 100
198.51.100.0/24 via inet6 fe80::2 dev up1
198.51.101.0/24
	nexthop via inet6 fe80::2 dev up2 weight 1
	nexthop via 10.0.0.2 dev up0 weight 1
blackhole 203.0.113.0/24
unreachable default dev gone metric 4278198272
169.254.0.0/16 dev lan9 scope link metric 1000
multicast 224.0.0.0/4 dev lan9 table 5
local 10.0.0.1 dev lan9 table local proto kernel scope host src 10.0.0.1
broadcast 10.0.0.255 dev lan9 table local proto kernel scope link src 10.0.0.1
"""
IPROUTE6 = """\
2001:db8:9::/48 via fe80::9 dev up2 metric 1024 pref medium
2001:db8:10::/48 proto bgp metric 20 pref medium
	nexthop via fe80::1 dev via weight 1
	nexthop dev dev weight 1
fe80::/64 dev lan9 proto kernel metric 256 pref medium
anycast fe80:: dev lan9 table local proto kernel metric 0 pref medium
multicast ff00::/8 dev lan9 table local proto kernel metric 256 pref medium
"""


@pytest.mark.parametrize("awk", AWKS)
def test_routes_are_shortened(awk: str, tmp_path: Path) -> None:
    assert sorted(call("devices", "_reduce_paths", IPROUTE, awk, tmp_path).split("\n")[:-1]) == [
        "path cali1 main link",
        "path up0 100 via",
        "path up0 main via",
        "path up1 main via",
        "path up2 main via",
    ]
    assert sorted(call("devices", "_reduce_paths", IPROUTE6, awk, tmp_path).split("\n")[:-1]) == [
        "path dev main link",
        "path up2 main via",
        "path via main via",
    ]


@pytest.mark.parametrize("awk", AWKS)
def test_of_a_long_table_a_part_is_looked_at(awk: str, tmp_path: Path) -> None:
    many = "".join(f"10.{n // 256}.{n % 256}.0/24 via 10.0.0.2 dev up0 \n" for n in range(4096))
    fails = "_reduce_paths || echo more"
    assert call("devices", fails, many, awk, tmp_path) == "path up0 main via\n"
    beyond = many + "198.51.100.0/24 via 10.0.0.3 dev up1 \n"
    assert call("devices", fails, beyond, awk, tmp_path) == "path up0 main via\nmore\n"
    # what `ip route show dev up1` prints
    assert call("devices", "_reduce_paths up1", "198.51.100.0/24 via inet6 fe80::2 \n", awk, tmp_path) == (
        "path up1 main via\n"
    )


SESSIONS = """\
Id       Address              Device
00000001 02:00:00:00:00:01     eth1
00000002 02:00:00:00:00:02     eth2
00000003 02:00:00:00:00:02     eth2
"""
PPPD = "/usr/sbin/pppd\0nodetach\0ifname\0{}\0user\0x\0password\0secret\0plugin\0pppoe.so\0nic-{}\0"


@pytest.mark.parametrize("shell", SHELLS)
def test_sessions_of_pppoe(tmp_path: Path, shell: list[str]) -> None:
    """Made-up files in the places of /proc and /sys. The number of a pppd that ended is another program's."""
    files = {"proc/net/pppoe": SESSIONS}
    for number, (name, program, nic) in enumerate(
        [("pppoe-a", "pppd", "eth1"), ("pppoe-b", "sh", "eth2"), ("pppoe-c", "", "eth2")], 7
    ):
        files |= {f"net/{name}/type": "512\n", f"run/{name}.pid": f"{number}\n"}
        if program:
            files |= {f"proc/{number}/comm": f"{program}\n", f"proc/{number}/cmdline": PPPD.format(name, nic)}
    files |= {"net/eth1/type": "1\n", "net/bonding_masters": "bond0\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    script = compose(NONCE, ("read/devices",), [("section", "pppoe", "_pppoe")])
    for place, here in (("/proc/", "proc/"), ("/sys/class/net", "net"), ("/var/run", "run")):
        script = script.replace(place, f"{tmp_path}/{here}")
    lines = parse(run_script(shell, script, tmp_path), NONCE).lines("pppoe")
    assert sorted(lines) == ["pppd pppoe-a eth1", "session eth1 1", "session eth2 2"]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_other_fragments_found_is_left_alone(tmp_path: Path, shell: list[str]) -> None:
    """All fragments of a script share their variables."""
    script = compose(
        NONCE, ("read/platform", "read/nic", "read/devices"), [("read_devices",), ("section", "left", "set")]
    )
    script = script.replace("read_devices\n", "_found=flowtables; _listed=names; read_devices\n")
    left = parse(run_script(shell, script, tmp_path), NONCE).lines("left")
    assert {"_found=flowtables", "_listed=names"} <= {line.replace("'", "") for line in left}
    assert not [line for line in left if line.startswith(("_paths=", "_more=", "_asked=", "_name=", "_pid="))]


SETUP = """
for pair in 'up0 p0' 'up1 p1' 'up2 p2' 'up3 p3' 'lan1 p4' 'cali1 p5' 'veth1 p6'; do
  ip link add ${pair% *} type veth peer name ${pair#* }
  ip link set ${pair% *} up
  ip link set ${pair#* } up
done
ip link add br-lan type bridge
ip link add br-guest type bridge
ip link add ifb0 type ifb
ip link set veth1 master br-guest
for device in br-lan br-guest ifb0; do ip link set $device up; done
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
ip address add 10.0.0.1/24 dev up0
ip address add 10.5.0.1/24 dev br-guest
ip address add 192.0.2.255/32 dev ifb0
ip route add default via 10.0.0.2
ip route add 198.51.100.0/24 via inet6 fe80::2 dev up1
ip route add 10.1.2.3 dev cali1
ip -6 route add 2001:db8:9::/48 via fe80::9 dev up2
ip -6 neigh add fe80::9 dev up3 lladdr 02:00:00:00:00:09 router nud reachable
"""


def _missing() -> str:
    if not all(map(shutil.which, ("unshare", "ip"))):
        return "there is no unshare or ip here"
    look = ["unshare", "-n", "ip", "link", "add", "ifb9", "type", "ifb"]
    return "" if subprocess.run(look, capture_output=True, check=False).returncode == 0 else "root is needed, and ifb"


OTHER_IP = """ip() {
  case $1 in -V) echo "ip: invalid argument '-V'" >&2; return 1 ;; esac
  command ip "$@"
}
"""
"""stands in for an ip that is not of iproute2"""


@pytest.mark.skipif(bool(_missing()), reason=_missing() or "-")
@pytest.mark.parametrize(("ip", "gateway"), [("", "fe80::2"), (OTHER_IP, "unknown")])
def test_in_a_namespace(tmp_path: Path, ip: str, gateway: str) -> None:
    """A router with unnumbered uplinks, in this machine's kernel."""
    script = compose(NONCE, ("read/platform", "read/nic", "read/devices"), [("read_devices",)])
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-s"],
        input=f"mount -t sysfs none /sys\n{SETUP}\n{ip}{script}",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.stderr == ""
    answer = parse(done.stdout, NONCE)
    unknown: list[str] = []
    devices = parse_devices({name: answer.text(name) for name in TEXTS}, unknown)
    assert unknown == []
    assert (devices["ifb0"].kind, devices["br-guest"].lowers) == ("dummy", ("veth1",))
    assert (devices["up1"].routes, devices["up1"].next_hops) == (("ipv4",), ("ipv4",))
    assert (devices["up2"].routes, devices["up2"].next_hops) == (("ipv6",), ("ipv6",))
    assert (devices["up3"].routes, devices["up3"].next_hops) == ((), ("ipv6",))
    assert (devices["cali1"].routes, devices["cali1"].next_hops) == (("ipv4",), ())
    assert devices["up0"].default_route == ("ipv4",)
    assert {name: device.ipv6_gateways for name, device in devices.items() if device.ipv6_gateways} == {
        "up1": (gateway,)
    }
    # to find_guests this would be a router in a container
    known = {name: replace(device, guest=name in {"cali1", "veth1"}) for name, device in devices.items()}
    assert pick_flowtable_devices(known) == ["up0", "up1", "up2", "up3"]
