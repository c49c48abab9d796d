# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes by hand are seen, shown in the diff, and put right."""

from __future__ import annotations

import pytest

from tests.lab.router import Live

TABLE = "inet nft_offload"
# what was changed by hand -> (how, what the diff shows of it)
DRIFTS: dict[str, tuple[str, str]] = {
    "a rule too many": (f"nft add rule {TABLE} forward tcp dport 4242 drop", "4242"),
    "a rule that lacks": (f"nft flush chain {TABLE} forward", "flow add @ft"),
    "a chain too many": (f"nft add chain {TABLE} stray", "chain stray"),
    "a set too many": (f"nft add set {TABLE} odd '{{ type inet_service; }}'", "set odd"),
    "a device that lacks": (
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
def test_put_right(router: Live, drift: str) -> None:
    how, shown = DRIFTS[drift]
    listing = router.nft(f"-s list table {TABLE}")
    router.sh(how)
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
