# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report as JSON."""

from __future__ import annotations

import json

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import FleetReport
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.json_file import JsonFile

from tests.unit.helpers.reports import FLEET, HEALTHY


def test_each_router_has_what_offload_verify_returned() -> None:
    routers = json.loads(JsonFile().render(FLEET))["routers"]
    assert list(routers) == ["edge-hw", "edge-sw", "gone"]
    assert list(routers["edge-hw"]) == ["verdict", "rung", "unproven", "rungs", "findings"]
    assert routers["edge-hw"]["rungs"] == HEALTHY["rungs"]
    assert routers["edge-hw"]["unproven"] == HEALTHY["unproven"]
    assert list(routers["gone"]["findings"][0]) == ["id", "severity", "message", "remedy"]


def test_no_router_is_an_empty_object() -> None:
    text = JsonFile().render(FleetReport())
    assert json.loads(text) == {"version": 1, "made": None, "routers": {}}
    assert text.endswith("}\n")
