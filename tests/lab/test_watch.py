# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A router that is watched: its timer runs, its file has what the kernel has, and nothing of it stays."""

from __future__ import annotations

import time
from typing import Any

from tests.lab.router import Live

FILE = "/srv/textfile/nft_offload.prom"


def test_a_router_is_watched(router: Live) -> None:
    asked: dict[str, Any] = {
        "flow_offload_watch": True,
        "flow_offload_watch_directory": "/srv/textfile",
        "flow_offload_watch_interval": 60,
    }
    first = router.role(**asked).worked()
    assert first.changed
    assert router.role(**asked).worked().changed == []
    deadline = time.monotonic() + 60
    while not router.succeeds(f"test -e {FILE}") and time.monotonic() < deadline:
        time.sleep(1)
    router.flows("HW_OFFLOAD")
    router.sh("systemctl start nft-offload-watch.service")
    lines = router.sh(f"cat {FILE}").splitlines()
    for device in ("lan0", "wan0"):
        assert f'nft_offload_device_expected{{device="{device}"}} 1' in lines
        assert (
            f'nft_offload_device_bound{{device="{device}",flowtable="inet nft_offload ft",path="hardware"}} 1' in lines
        )
        assert f'nft_offload_feature{{device="{device}",feature="hw-tc-offload"}} 1' in lines
    assert "nft_offload_boot_enabled 1" in lines and "nft_offload_boot_ruleset 1" in lines
    assert 'nft_offload_read_error{source="nft"} 0' in lines
    hardware = next(line for line in lines if line.startswith('nft_offload_connections{path="hardware"}'))
    assert int(hardware.split()[-1]) >= 4, lines
    assert router.role().worked().changed, "it is taken out again"
    assert not router.succeeds(
        "test -e /usr/local/lib/nft-offload/watch || systemctl is-enabled nft-offload-watch.timer"
    )
    assert router.role().worked().changed == []
