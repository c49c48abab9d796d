# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modes: from one to the next with the traffic to show for it, and back to the router as it was found."""

from __future__ import annotations

import pytest

from tests.lab.plays import predicted
from tests.lab.router import Live


@pytest.mark.router("trixie/offload", "bare")
def test_from_mode_to_mode_and_back(router: Live) -> None:
    run = router.role(flow_offload_mode="hardware").worked()
    assert run.task("ruleset").result["flowtables"][0]["offload"] == "hardware"
    router.assert_flows_have("HW_OFFLOAD")

    run = router.role(flow_offload_mode="software").worked()
    assert run.task("ruleset").result["flowtables"][0]["offload"] == "software"
    assert "flags offload" not in router.nft("list flowtables")
    assert (router.feature("lan0"), router.feature("wan0")) == ("off", "off")
    router.assert_flows_have("OFFLOAD")

    router.role().worked()
    assert (router.feature("lan0"), router.feature("wan0")) == ("on", "on")
    router.assert_flows_have("HW_OFFLOAD")

    router.role(flow_offload_mode="disabled").worked()
    router.is_untouched()
    assert router.role(flow_offload_mode="disabled").worked().changed == []
    assert router.carried(1) > 0, "and it still forwards"


OWN_SETUP = """
set -e
apt-get -qq update
apt-get -qq install nftables ethtool >/dev/null
ethtool -K lan0 hw-tc-offload on
echo 'table ip mine { chain c { type filter hook forward priority 0; ct state invalid drop; }; }' >/etc/nftables.conf
systemctl -q enable --now nftables
mkdir -p /etc/modules-load.d && echo nf_flow_table >/etc/modules-load.d/mine.conf
modprobe nf_flow_table
"""


@pytest.mark.router("trixie/offload", "bare")
def test_what_was_there_before_stays(router: Live) -> None:
    """An administrator's own packages, firewall, feature and module are not ours to take away."""
    router.sh(OWN_SETUP)
    with router.unchanged():
        router.role().worked()
        router.assert_flows_have("HW_OFFLOAD")
        checked = router.role(check=True, flow_offload_mode="disabled")
        run = router.role(flow_offload_mode="disabled")
        predicted(checked, run)
        assert "lan0" not in " ".join(run.task("nic_features").actions), "lan0 had the feature on before"
    assert "table ip mine" in router.nft("list ruleset")
