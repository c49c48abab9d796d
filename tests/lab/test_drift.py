# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes by hand are detected, shown in the diff, and undone."""

from __future__ import annotations

import pytest

from tests.lab.router import Live

TABLE = "inet nft_offload"
# change by hand -> (its command, part of the diff)
DRIFTS: dict[str, tuple[str, str]] = {
    "an extra rule": (f"nft add rule {TABLE} forward tcp dport 4242 drop", "4242"),
    "a missing rule": (f"nft flush chain {TABLE} forward", "flow add @ft"),
    "an extra chain": (f"nft add chain {TABLE} stray", "chain stray"),
    "an extra set": (f"nft add set {TABLE} odd '{{ type inet_service; }}'", "set odd"),
    "a missing device": (
        f"nft delete flowtable {TABLE} ft '{{ hook ingress priority 0; devices = {{ wan0 }}; flags offload; }}'",
        "wan0",
    ),
    "no table": (f"nft delete table {TABLE}", "flowtable ft"),
    "the feature is off": ("ethtool -K lan0 hw-tc-offload off", "lan0"),
    "the boot file": ("echo '# mine' >>/etc/nft-offload/ruleset.nft", "# mine"),
    "the unit's file": ("rm /etc/systemd/system/nft-offload.service; systemctl daemon-reload", "ExecStart"),
    "the unit is disabled": ("systemctl -q disable nft-offload", ""),
    "a module is not loaded at boot": ("rm /etc/modules-load.d/nft-offload.conf", "nft_flow_offload"),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_undone(router: Live, drift: str) -> None:
    command, shown = DRIFTS[drift]
    listing = router.nft(f"-s list table {TABLE}")
    router.sh(command)
    run = router.role().worked()
    changed = [task for task in run.ours if task.changed]
    assert len(changed) == 1
    assert shown in "".join(diff["before"] + diff["after"] for diff in changed[0].diff)
    assert sorted(router.nft(f"-s list table {TABLE}").split()) == sorted(listing.split())
    assert router.flowtable_devices() == ["lan0", "wan0"]
    router.is_untouched()


def test_other_tables_are_left_alone(router: Live) -> None:
    router.nft("'add table ip mine; add chain ip mine c; add rule ip mine c counter drop'")
    before = router.nft("-s list table ip mine")
    router.nft(f"delete table {TABLE}")
    router.role().worked()
    assert router.nft("-s list table ip mine") == before
