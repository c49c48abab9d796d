# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flowtables that list patterns: which devices join now and later, which leave, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Flowtable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.hardware import Request, decide_offload
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.options import read_requests
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    DesiredFlowtable,
    DesiredTable,
    device_changes,
)

from tests.unit.helpers.ruleset_states import FRESH, present

TABLE = DesiredTable("inet", "nft_offload", "", (DesiredFlowtable("ft", ("lan0", "veth*"), hardware=False),))


def test_devices_of_a_pattern_join_and_others_leave() -> None:
    live = [Flowtable("inet", "nft_offload", "ft", ("lan0", "veth1", "gone0"))]
    joining, leaving = device_changes(TABLE, {"lan0", "veth1", "veth2", "wan0", "gone0"}, live)
    assert joining == [(TABLE.attach(TABLE.flowtables[0], "veth2"), "veth2")]
    assert leaving == TABLE.detach(TABLE.flowtables[0], "gone0") + "\n"
    assert device_changes(TABLE, {"lan0", "veth1"}, [replace(live[0], devices=("lan0", "veth1"))]) == ([], "")


def test_boot_and_arrival_get_the_pattern() -> None:
    listed = [line.partition(" ")[::2] for line in TABLE.attachments().split("\n")[:-1]]
    assert [name for name, _command in listed] == ["lan0", "veth*"]
    assert 'devices = { "veth*" };' in dict(listed)["veth*"]


def test_a_plan_with_a_pattern() -> None:
    """Which stands for no device yet, or for some; the drivers are not asked about it."""
    request = Request("ft", ("lan0", "veth*", "wan0"), "auto")
    empty = present(FRESH, request)
    assert '"veth' not in "".join(step.text for step in empty.texts)
    assert "veth* add flowtable" in empty.files[paths.DEVICES][1]
    (flowtable,) = empty.result["flowtables"]
    assert (flowtable["offload"], flowtable["refused"]) == (
        "software",
        {"veth*": "devices of any driver may have such a name"},
    )
    some = present(replace(FRESH, links=FRESH.links | {"veth1", "veth2"}), request)
    text = "".join(step.text for step in some.texts)
    assert 'devices = { "veth1" }' in text and 'devices = { "veth2" }' in text
    assert '"veth*"' not in text


def test_guests_do_not_cost_the_others_their_hardware() -> None:
    """They go through the second flowtable, by the name of their bridge, which rules see."""
    through = {"br0": ("veth*",), "lan0": ("lan0",), "wan0": ("wan0",)}
    request = Request("ft", ("lan0", "veth*", "wan0"), "auto", forwards=through)
    decision = decide_offload(FRESH, request, check_mode=False, splits=True)
    assert (decision.flowtable.devices, decision.flowtable.hardware) == (("lan0", "wan0"), True)
    assert decision.left == ("br0", "veth*")
    assert decision.software is not None and "veth*" in decision.software.devices
    item = {
        "name": "ft",
        "devices": ["lan0", "veth*"],
        "offload": "auto",
        "counter": False,
        "forwards": {"br0": ["veth*"]},
    }
    (read,) = read_requests([item])
    assert read.forwards == {"br0": ("veth*",)}


@pytest.mark.parametrize(
    ("flowtables", "why"),
    [
        ({"ft": (["lan0", "veth*"], "hardware")}, "veth\\* may stand for devices that cannot"),
        ({"ft": (["veth1", "veth*"], "auto")}, r"veth\* \(in ft\) also stands for veth1 \(in ft\)"),
        ({"a": (["veth1"], "auto"), "b": (["ve*"], "auto")}, r"ve\* \(in b\) also stands for veth1 \(in a\)"),
        ({"ft": (["*"], "auto")}, "must be names of devices"),
    ],
)
def test_contradictions_are_refused_by_name(flowtables: dict[str, Any], why: str) -> None:
    items = [
        {"name": name, "devices": devices, "offload": offload, "counter": False, "forwards": {}}
        for name, (devices, offload) in flowtables.items()
    ]
    with pytest.raises(OffloadError, match=why):
        read_requests(items)
