# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface comes up at an awkward moment of a change, and netifd has the firewall loaded for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from tests.unit.helpers.openwrt_fw4 import IMPATIENT, SOFTWARE, stocked, undone
from tests.unit.helpers.openwrt_root import OpenWrt

LAN = "lan br-lan br-lan static up\n"
COMES_UP = f"printf '{LAN.strip()}\\nwan wan pppoe-wan pppoe up\\n' >/etc/stand-in/interfaces; fw4 -q reload"
WAN_RULES = "jump input_wan"


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    """One whose WAN is down."""
    made = stocked(tmp_path / "root")
    made.write("/etc/stand-in/interfaces", LAN)
    made.sh("fw4 reload")
    assert WAN_RULES not in made.sh("nft list table inet fw4")
    yield made
    made.end()


def test_between_the_copies_of_the_table_and_of_the_state(router: OpenWrt) -> None:
    """What would be put back then are an old table and a new state: an interface without rules."""
    router.sh("mv /sbin/uci /sbin/uci.real")
    router.write(
        "/sbin/uci",
        f"""#!/bin/sh
if [ "$*" = "-q changes firewall" ] && ls /var/run/nft-offload/pending/* >/dev/null && mkdir /tmp/once; then
  /sbin/uci.real "$@"
  {{ {COMES_UP}; }} </dev/null >/dev/null 2>&1
  exit
fi 2>/dev/null
exec /sbin/uci.real "$@"
""",
        0o755,
    )
    with pytest.raises(OffloadError, match="table inet fw4 was changed since it was copied"):
        router.do(ActionModule, {**SOFTWARE, **IMPATIENT})
    assert WAN_RULES in router.sh("nft list table inet fw4")
    assert "pppoe-wan" in router.sh("cat /var/run/fw4.state")


def test_inside_the_window(router: OpenWrt) -> None:
    """An undo loads it once more, since that makes nothing else live."""
    undone(router, SOFTWARE, COMES_UP)
    assert WAN_RULES in router.sh("nft list table inet fw4")


def test_inside_the_window_beside_a_change_of_somebody_else(router: OpenWrt) -> None:
    """Then it does not, and the task says so."""
    more = "echo 'opt eth0 eth0 static up' >>/etc/stand-in/interfaces; uci add_list firewall.@zone[0].network=opt"
    said = undone(router, SOFTWARE, f"{more}; uci commit firewall; {COMES_UP}")
    assert "an interface came up meanwhile: use /etc/init.d/firewall reload" in said
