# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What the options of the module ask for, checked for what an argument spec cannot express. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import OffloadError
from .._core.names import DEVICE, NAME
from .hardware import Request
from .plan import Way

Items = Sequence[Mapping[str, Any]]
"""an option that is a list of dictionaries"""


def read_pairs(items: Items) -> list[Way]:
    """The option cut; raises OffloadError."""
    for end in (end for way in items for end in way.values()):
        for device in end:
            if not DEVICE.match(device.removeprefix("!")):
                raise OffloadError(f"option cut: {device!r} is no device name", "correct it")
        if len({device.startswith("!") for device in end}) > 1:
            raise OffloadError(
                f"option cut: {', '.join(end)}: only some of them have a ! before their name",
                "put it before each of them, for all other devices, or before none",
            )
    return [(" ".join(way["from"]), " ".join(way["to"])) for way in items]


def read_requests(items: Items) -> list[Request]:
    """The option flowtables; raises OffloadError."""
    requests = [
        Request(item["name"], tuple(sorted(item["devices"])), item["offload"], item["counter"]) for item in items
    ]
    used: dict[str, str] = {}
    for request in requests:
        if not NAME.match(request.name):
            raise OffloadError(
                f"option flowtables: {request.name!r} is no name for a flowtable", "use letters and digits"
            )
        for device in request.devices:
            if not DEVICE.match(device):
                raise OffloadError(f"option flowtables, {request.name}: {device!r} is no device name", "correct it")
            if device in used:
                raise OffloadError(
                    f"option flowtables: device {device} is listed twice (in {used[device]} and {request.name})",
                    "a device can be in one flowtable of a table only",
                )
            used[device] = request.name
    if len({request.name for request in requests}) < len(requests):
        raise OffloadError("option flowtables: two of them have the same name", "give each its own name")
    return requests
