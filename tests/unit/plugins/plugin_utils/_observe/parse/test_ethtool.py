# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ethtool's text, as ethtool 5.9 (ioctl and netlink) to 6.14 prints it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.ethtool import (
    parse_driver,
    parse_eswitch,
    parse_feature_record,
    parse_features,
    parse_netifd,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Feature
from hypothesis import given
from hypothesis import strategies as st

LABNIC = """\
Features for lan0:
rx-checksumming: off [fixed]
tx-checksumming: on
\ttx-checksum-ipv4: off [fixed]
\ttx-checksum-ip-generic: on
tcp-segmentation-offload: off
\ttx-tcp-segmentation: off [requested on]
\ttx-tcp-mangleid-segmentation: on [requested off]
generic-receive-offload: on
rx-vlan-filter: off [fixed]
hw-tc-offload: off
rx-udp_tunnel-port-offload: off [fixed]
"""
NOISE = """\
Cannot get device udp-fragmentation-offload settings: Operation not supported
netlink error: No such device
netlink error: no device matches name (offset 24)
Actual changes:
Could not change any device features
"""


def test_each_suffix() -> None:
    features = parse_features(LABNIC)
    assert len(features) == 11
    assert features["hw-tc-offload"] == Feature(active=False)
    assert features["rx-checksumming"] == Feature(active=False, fixed=True)
    assert features["tx-tcp-segmentation"] == Feature(active=False, requested=True)
    assert features["tx-tcp-mangleid-segmentation"] == Feature(active=True, requested=False)
    assert features["rx-udp_tunnel-port-offload"].fixed


def test_what_ethtool_says_beside_features_is_none() -> None:
    assert parse_features(NOISE) == {}
    assert parse_features(NOISE + LABNIC) == parse_features(LABNIC)


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("driver: virtio_net\nversion: 1.0.0\nfirmware-version: \n", "virtio_net"),
        ("driver: bridge", "bridge"),
        ("Cannot get driver information: Operation not supported", ""),
        ("driver: \nversion: 1.0\n", ""),
        ("", ""),
    ],
)
def test_driver(text: str, driver: str) -> None:
    assert parse_driver(text) == driver


def test_record_takes_only_whole_lines() -> None:
    text = (
        "# a comment of four words\nlan0 hw-tc-offload on off\nlan0 gro off\nwan0 gro maybe off\n\nwan0 gro off on x\n"
    )
    assert parse_feature_record(text) == {("lan0", "hw-tc-offload"): ("on", "off")}


@given(st.text())
def test_no_text_is_too_much(text: str) -> None:
    parse_features(text)
    parse_driver(text)
    parse_feature_record(text)


NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,30}", fullmatch=True)


@given(
    st.dictionaries(NAMES, st.tuples(st.booleans(), st.sampled_from(["", "fixed", "requested on", "requested off"])))
)
def test_what_is_written_is_read(features: dict[str, tuple[bool, str]]) -> None:
    def line(name: str, active: bool, note: str) -> str:
        return f"\t{name}: {'on' if active else 'off'}{f' [{note}]' if note else ''}\n"

    text = "Features for x:\n" + "".join(line(name, *value) for name, value in features.items())
    assert parse_features(text) == {
        name: Feature(active, note == "fixed", {"requested on": True, "requested off": False}.get(note))
        for name, (active, note) in features.items()
    }


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("pci/0000:03:00.0: mode legacy inline-mode none encap-mode basic", "legacy"),
        ("pci/0000:03:00.0: mode switchdev inline-mode link encap-mode basic\n", "switchdev"),
        ("pci/0000:03:00.0: inline-mode none", ""),
        ("kernel answers: Operation not supported", ""),
        ("Failed to connect to devlink Netlink", ""),
        ("", ""),
    ],
)
def test_mode_of_the_embedded_switch(text: str, mode: str) -> None:
    assert parse_eswitch(text) == mode


NETIFD = """\
{
\t"external": false,
\t"present": true,
\t"type": "Network device",
\t"mtu": 1500,
\t"hw-tc-offload": %s,
\t"statistics": {
\t\t"collisions": 0
\t}
}
"""
"""as netifd writes it (system-linux.c, device.c); not seen on a router"""


@pytest.mark.parametrize("shell", ["sh", "busybox ash"])
def test_a_router_without_ethtool_asks_netifd(shell: str, tmp_path: Path) -> None:
    for device, value in (("eth0", "true"), ("a&b|", "false")):
        (tmp_path / device).write_text(NETIFD % value)
    (tmp_path / "none").write_text("{}")
    ubus = 'ubus() { name=${4#*:\\"}; cat "${name%%\\"*}"; }'
    script = f"""{fragment("read/nic")}\n{ubus}\n_netifd eth0 'a&b|' 'a"b' none"""
    done = subprocess.run([*shell.split(), "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("eth0 true\na&b| false\n", "")


def test_what_netifd_says() -> None:
    drivers = {"eth0": "mtk_soc_eth", "eth1": "igb"}
    assert parse_netifd("eth0 false\neth1 false\neth2 true\n\nubus: Command failed: x y", drivers) == {
        "eth0": Feature(active=False),
        "eth2": Feature(active=True),
    }
