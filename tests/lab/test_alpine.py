# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on a router with Alpine: its packages, its boot and its nftables service, over dropbear.

The scenario `alpine` has a run, a second one, a reboot and a NIC that is plugged in again.
"""

from __future__ import annotations

import pytest

from tests.lab.router import Live

pytestmark = pytest.mark.router("alpine-3.23/plain", "offloading")
ACCEPTING = "sed -i 's/policy drop/policy accept/' /etc/nftables.nft"
SHUT = """table inet nft_offload {
 chain input { type filter hook input priority 0; policy drop; }
 chain forward { type filter hook forward priority 10; meta l4proto { tcp, udp } flow add @ft; }
}
"""


@pytest.mark.router("alpine-3.23/plain", "bare")
def test_fresh_router_and_back(router: Live) -> None:
    router.role(check=True).worked()
    router.is_untouched()
    router.role().worked()
    assert router.role().worked().changed == []
    router.assert_flows_have("OFFLOAD")
    router.role(flow_offload_mode="disabled").worked()
    router.is_untouched()
    assert router.role(flow_offload_mode="disabled").worked().changed == []


@pytest.mark.parametrize("verb", ["start", "reload", "restart", "stop"])
def test_nftables_service(router: Live, verb: str) -> None:
    """Alpine's flushes every table; ours is loaded again, with its devices."""
    router.sh(ACCEPTING)
    if verb != "start":
        router.sh("rc-service nftables start")
    router.sh(f"rc-service nftables {verb}")
    assert router.flowtable_devices() == ["lan0", "wan0"]
    router.assert_flows_have("OFFLOAD")


def test_boot_beside_the_nftables_service(router: Live) -> None:
    """It starts after ours, in another runlevel, and what it flushes comes back."""
    router.sh(f"{ACCEPTING}; rc-update add nftables default")
    router.reboot()
    assert "chain input" in router.nft("list table inet filter")
    assert router.flowtable_devices() == ["lan0", "wan0"]
    assert router.role().worked().changed == []


def test_a_ruleset_that_shuts_everybody_out_is_undone(router: Live) -> None:
    """Without systemd the guard is a process of its own."""
    flowtable = {"name": "ft", "devices": ["lan0", "wan0"]}
    task = router.module("ruleset", content=SHUT, flowtables=[flowtable], keep_firewall=False, confirm_timeout=30)
    assert task.status == "failed"
    assert "rolled back" in task.msg or "undone" in task.msg, task.msg
    assert "chain input" not in router.nft("list table inet nft_offload")
    assert router.role().worked().changed == []


def test_what_apk_refuses_is_explained(router: Live) -> None:
    task = router.module("kernel_support", packages=["nftables", "nowhere"])
    assert task.status == "failed"
    assert "no package nowhere" in task.msg, task.msg
