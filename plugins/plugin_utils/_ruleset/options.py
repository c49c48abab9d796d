# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What the options of the module ask for, checked for what an argument spec cannot express. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import OffloadError
from .._core.names import (
    DEVICE,
    NAME,
    NAME_RULE,
    PATTERN,
    SOFTWARE,
    SOFTWARE_DEVICES,
    find_overlap,
    is_pattern,
)
from .flush import DevicePair
from .hardware import Request
from .table import require_own_table

Items = Sequence[Mapping[str, Any]]
"""an option that is a list of dictionaries"""


def read_device_pairs(items: Items) -> list[DevicePair]:
    """The option flush_connections; raises OffloadError."""
    for end in (end for pair in items for end in pair.values()):
        for device in end:
            if not DEVICE.match(device.removeprefix("!")) and not PATTERN.match(device.removeprefix("!")):
                raise OffloadError(
                    f"option flush_connections: from and to must be names of devices, got {device!r}", "correct it"
                )
        if len({device.startswith("!") for device in end}) > 1:
            raise OffloadError(
                f"option flush_connections: only some devices of a list have a ! before their name: {', '.join(end)}",
                "put it before each of them, for all other devices, or before none",
            )
    return [(" ".join(pair["from"]), " ".join(pair["to"])) for pair in items]


def _read_forwards(item: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The suboption forwards; raises OffloadError."""
    found = {}
    for name, below in item["forwards"].items():
        devices = below if isinstance(below, list) else [below]
        for device in (name, *devices):
            if not isinstance(device, str) or not (DEVICE.match(device) or PATTERN.match(device)):
                raise OffloadError(
                    f"option flowtables, {item['name']}: forwards must be names of devices, got {device!r}",
                    "correct it",
                )
        found[name] = tuple(sorted(devices))
    return found


def read_software_content(content: str, family: str, table: str, requests: Sequence[Request]) -> str:
    """The option software_content; raises OffloadError."""
    if not content.strip():
        return ""
    where = "option software_content"
    require_own_table(content, family, f"{table}{SOFTWARE}", where)
    if SOFTWARE_DEVICES not in content:
        raise OffloadError(
            f"{where}: no rule matches {SOFTWARE_DEVICES}, so it would take every flow",
            f"match iifname {SOFTWARE_DEVICES} in one rule, and oifname {SOFTWARE_DEVICES} in another one",
        )
    if len(requests) != 1:
        raise OffloadError(
            f"{where}: it needs exactly one flowtable in the option flowtables, got {len(requests)}",
            "leave software_content out, or declare one flowtable",
        )
    return content


def read_requests(items: Items) -> list[Request]:
    """The option flowtables; raises OffloadError."""
    requests = [
        Request(item["name"], tuple(sorted(item["devices"])), item["offload"], item["counter"], _read_forwards(item))
        for item in items
    ]
    used: dict[str, str] = {}
    for request in requests:
        if not NAME.match(request.name):
            raise OffloadError(
                f"option flowtables: name must be {NAME_RULE}, got {request.name!r}", "choose another name"
            )
        for device in request.devices:
            if not DEVICE.match(device) and not PATTERN.match(device):
                raise OffloadError(
                    f"option flowtables, {request.name}: devices must be names of devices, got {device!r}", "correct it"
                )
            if is_pattern(device) and request.offload == "hardware":
                raise OffloadError(
                    f"option flowtables, {request.name}: hardware offload was requested, and {device} may stand for "
                    "devices that cannot",
                    "name each device, or use offload: auto or software",
                )
            if device in used:
                raise OffloadError(
                    f"option flowtables: device {device} is listed twice (in {used[device]} and {request.name})",
                    "a device can be in one flowtable of a table only",
                )
            used[device] = request.name
    if overlap := find_overlap(used):
        pattern, other = overlap
        raise OffloadError(
            f"option flowtables: {pattern} (in {used[pattern]}) also stands for {other} (in {used[other]})",
            "list each device once",
        )
    if len({request.name for request in requests}) < len(requests):
        raise OffloadError("option flowtables: two of them have the same name", "give each its own name")
    return requests
