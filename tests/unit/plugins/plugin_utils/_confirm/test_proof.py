# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Over which logins a new connection proves something."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.proof import (
    Login,
    parse_login,
    refuse_login,
    refuse_plugin,
    warn_of_outer_flow,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

SSH = Login("192.0.2.1 50000 192.0.2.2 22", "wan0")
ON_ROUTER = Check(True, "reach", "192.0.2.9", 0, 5)
WEAK = (
    Check(True, "resolve", "localhost", 0, 5),
    Check(True, "gateway", "ipv4", 0, 5),
    Check(True, "reach", "127.0.0.1", 0, 5),
    Check(True, "reach", "::1", 0, 5),
    *(Check(True, "reach", host, 0, 5) for host in ("localhost", "127.1", "0", "0.0.0.0", "::", "2130706433")),
)
"""they hold on a router that drops every packet: a name may stand in a file, ARP is no matter of rules for IP"""
OUTSIDE = Check(False, "reach", "192.0.2.2", 22, 5)


@pytest.mark.parametrize(
    "plugin", ["ssh", "ansible.builtin.ssh", "paramiko", "libssh", "ansible.netcommon.network_cli"]
)
def test_a_login_over_the_network(plugin: str) -> None:
    refuse_login(plugin, SSH, 30, [])
    assert warn_of_outer_flow(SSH, 30, []) == ""


@pytest.mark.parametrize(
    "plugin",
    [
        "local",
        "ansible.builtin.local",
        "community.docker.docker",
        "podman",
        "chroot",
        "lxd",
        "community.docker.nsenter",
    ],
)
def test_a_total_drop_over_no_network_is_not_confirmed(plugin: str) -> None:
    """Who runs Ansible on the router may have logged in to it over SSH, which proves nothing either."""
    for login in (Login(), SSH):
        with pytest.raises(
            OffloadError, match=f"ansible_connection is {plugin}.*would be confirmed.*checks.*: 0 to go"
        ):
            refuse_login(plugin, login, 30, [])
        with pytest.raises(OffloadError, match="a reach or a command"):
            refuse_login(plugin, login, 30, WEAK)
        refuse_login(plugin, login, 30, [*WEAK, ON_ROUTER])
        refuse_login(plugin, login, 30, [Check(False, "reach", "127.example.net", 22, 5)])
        refuse_login(plugin, login, 0, [])


@pytest.mark.parametrize("connection", ["", "UNKNOWN 65535 UNKNOWN 65535", "x"])
def test_a_router_that_sees_no_connection(connection: str) -> None:
    with pytest.raises(OffloadError, match="the router sees no SSH connection behind this login"):
        refuse_login("ssh", Login(connection), 30, [])
    refuse_login("ssh", Login(connection), 30, [OUTSIDE])


def test_the_role_names_its_own_variables() -> None:
    with pytest.raises(OffloadError, match=r"flow_offload_confirm_timeout: no new.*flow_offload_checks"):
        refuse_plugin("local", 30, [], "flow_offload_")


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (Login("10.8.0.9 5000 10.8.0.1 22", "wg0", tunnel=True), "through the tunnel wg0"),
        (Login("127.0.0.1 5000 127.0.0.1 22", "lo"), "from the router itself (127.0.0.1)"),
        (Login("::1 5000 ::1 22", "lo"), "from the router itself (::1)"),
        (Login("192.0.2.1 5000 192.0.2.1 22", "lo"), "from the router itself (192.0.2.1)"),
        (Login("192.0.2.1 5000 192.0.2.1 22"), "from the router itself (192.0.2.1)"),
        (Login("192.0.2.1 5000 192.0.2.9 22", "lo"), "from the router itself (192.0.2.1)"),
        (Login("fe80::1%lan0 5000 fe80::1%lan0 22", "lan0"), "from the router itself (fe80::1)"),
    ],
)
def test_a_login_inside_of_an_old_flow(login: Login, words: str) -> None:
    warning = warn_of_outer_flow(login, 30, [ON_ROUTER])
    assert words in warning and "from: controller" in warning
    assert warn_of_outer_flow(login, 30, [OUTSIDE]) == ""
    assert warn_of_outer_flow(login, 0, []) == ""


def test_what_the_router_prints() -> None:
    assert parse_login("ssh=192.0.2.1 50000 192.0.2.2 22\ndevice=wan0\n") == SSH
    assert parse_login("ssh=fe80::1%wan0 5 fe80::2%wan0 22\ndevice=wg0\ntunnel=yes\nmore=1").peer == "fe80::1"
    assert parse_login("ssh=\n") == Login()
    assert not Login("192.0.2.1").from_itself and not Login().from_itself and not Login("x y x z", "lo").from_itself
