# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's playbooks, by their full names."""

from __future__ import annotations

import pytest

from lab import api
from tests.lab.router import Live


@pytest.mark.router("trixie/offload", "tools")
def test_rollout(router: Live) -> None:
    checked = router.playbook("rollout", check=True).worked()
    router.is_untouched()
    assert checked.changed
    assert router.playbook("rollout").worked().changed == checked.changed
    assert router.playbook("rollout").worked().changed == []
    router.assert_flows_have("HW_OFFLOAD")


def test_verify(router: Live) -> None:
    """Read-only and one exec; without traffic the rungs that need it are unproven, which is no failure."""
    run = router.playbook("verify", "-e", "flow_offload_sample=0").worked()
    task = run.task("offload_verify")
    assert (len(task.execs), run.execs) == (1, 1)
    assert (task.result["verdict"], task.result["rung"]) == ("bound", 4)
    assert set(task.result["unproven"]) == {"offloading", "bypassing", "hardware"}
    router.is_untouched()

    demanding = router.playbook("verify", "-e", "flow_offload_sample=0 flow_offload_require=hardware")
    assert demanding.code != 0
    assert "hardware must be shown" in demanding.failure.msg

    api.drive_traffic(router.name, 90, background=True)
    task = router.playbook("verify", "-e", "flow_offload_require=hardware").worked().task("offload_verify")
    assert (task.result["verdict"], task.result["rung"]) == ("hardware", 7)
    assert any("[HW_OFFLOAD]" in line for rung in task.result["rungs"] for line in rung["evidence"])
    assert any("NICs received" in line for rung in task.result["rungs"] for line in rung["evidence"])


def test_verify_fails_a_router_that_lost_a_device(router: Live) -> None:
    router.sh(
        "nft delete flowtable inet nft_offload ft '{ hook ingress priority 0; devices = { wan0 }; flags offload; }'"
    )
    run = router.playbook("verify")
    assert run.code != 0
    assert "configured.device-missing" in run.failure.msg
    assert router.name in run.failure.msg
    assert "Remedy" in run.failure.msg


def test_packets_stay_out_of_the_forward_chain(router: Live) -> None:
    """A table of this test counts what traverses the forward chain, compared to what was carried."""
    router.count_forwarded()
    carried = router.carried()
    assert carried > 300
    assert router.forwarded() < carried / 10

    router.nft("flush chain inet nft_offload forward")
    before = router.forwarded()
    carried = router.carried()
    assert router.forwarded() - before > carried / 2, "without the rule packets traverse it, so the counter works"


def test_only_the_named_hosts(router: Live) -> None:
    run = router.playbook("rollout", "-e", "flow_offload_hosts=nobody")
    assert run.tasks == ()
    assert "no hosts matched" in run.output
