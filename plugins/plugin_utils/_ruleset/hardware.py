# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which flowtables can be in hardware, and why not. Pure: no I/O."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core import paths
from .._core.errors import OffloadError
from .._core.names import is_pattern
from .._core.text import iterate_lines
from .state import FEATURE, TableState
from .table import SOFTWARE_PRIORITY, DesiredFlowtable

PATTERNS_IN_SETS = (1, 0, 6)
"""nft that was seen to take a name that ends in * beside others, in a rule"""


@dataclass(frozen=True)
class Request:
    """One flowtable as the task requests it."""

    name: str
    devices: tuple[str, ...]
    offload: str
    """auto, hardware or software"""
    counter: bool = False
    forwards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """name that rules see -> the devices of the flowtable that its packets come in through; one that is not named
    stands for itself"""

    @property
    def carriers(self) -> dict[str, tuple[str, ...]]:
        """``forwards``, with every device in it."""
        carrying = {device for below in self.forwards.values() for device in below}
        return {**{device: (device,) for device in self.devices if device not in carrying}, **self.forwards}


@dataclass(frozen=True)
class Decision:
    """Where one flowtable offloads."""

    flowtable: DesiredFlowtable
    """in hardware or in software"""
    result: dict[str, Any]
    """as the task returns it"""
    software: DesiredFlowtable | None = None
    """the one of the second table, with all devices, where some are not for hardware"""
    left: tuple[str, ...] = ()
    """what goes through that one, as rules see it, sorted"""


def explain_refusal(state: TableState, device: str, check_mode: bool) -> str:
    """Why a device cannot be in a hardware flowtable; empty when it can, as far as can be known before loading.

    The driver's own answer to a dry run decides. In check mode a changeable feature that is still off proves nothing:
    the real run turns it on before it asks, and a router without ethtool gets it before. A device that a hardware
    flowtable of ours holds was taken once; it leaves that one before it joins another.
    """
    feature = state.features.get(device)
    driver = state.drivers.get(device) or "none"
    probe = state.probes.get(device)
    held = any(old.hardware and device in old.devices for old in state.flowtables)
    if held or (probe is not None and probe.rc == 0):
        return ""
    off = feature is not None and not feature.active
    if check_mode and off and feature is not None and not feature.fixed:
        return ""
    if check_mode and "ethtool" not in state.platform.commands and state.drivers.get(device):
        return ""
    if probe is None:
        return "" if feature is not None and not feature.fixed else f"its driver ({driver}) has no changeable {FEATURE}"
    if "Device or resource busy" in probe.text:
        return "it is in another hardware flowtable already, and its driver takes only one"
    if off and feature is not None:
        return f"{FEATURE} is off" + (f" and fixed by its driver ({driver})" if feature.fixed else "")
    if "Operation not supported" in probe.text:
        return f"its driver ({driver}) takes no flowtables"
    return next(iterate_lines(probe.text.strip()), f"nft exit code {probe.rc}")


def _explain_absence(state: TableState, device: str) -> str:
    """Why a device that is away now keeps its flowtable in software; empty when it was taken by hardware before.

    So does a pattern: no device can appear that refuses the hardware flowtable that its name is in (Linux 7.2).
    """
    if is_pattern(device):
        return "devices of any driver may have such a name"
    recorded = f"\n{state.files.get(paths.DEVICES, '')}".partition(f"\n{device} ")[2].partition("\n")[0]
    return "" if "flags offload" in recorded else "it is away now, and was offloaded in software before"


def _is_certain(state: TableState, device: str) -> bool:
    """Whether the device would be taken now, without what a real run does before."""
    return not explain_refusal(state, device, check_mode=False)


def _split(request: Request, refused: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(devices for hardware, what is left for software as rules see it), both sorted.

    No device where fewer than two of those that forward could have hardware: it takes both ends of a flow.
    """
    carriers = request.carriers
    left = {name for name, below in carriers.items() if refused.keys() & {name, *below}}
    able = carriers.keys() - left
    devices = {device for name in able for device in carriers[name] if device in request.devices}
    if len(able) < 2 or not devices:
        return (), ()
    # a rule may see a device under its own name too
    return tuple(sorted(devices)), tuple(sorted(left | refused.keys()))


def decide_offload(state: TableState, request: Request, check_mode: bool, splits: bool = False) -> Decision:
    """The flowtable in hardware, in software, or in both, and why.

    With ``splits`` devices that refuse hardware do not keep the others from it. In check mode what the real run would
    do before counts as done. Raises OffloadError where hardware is requested and a device refuses.
    """
    here = [device for device in request.devices if device in state.links]
    refused = (
        {}
        if request.offload == "software"
        else {d: why for d in here if (why := explain_refusal(state, d, check_mode))}
    )
    if request.offload == "auto":
        refused |= {d: why for d in request.devices if d not in here and (why := _explain_absence(state, d))}
    why_not = "; ".join(f"{device}: {why}" for device, why in refused.items())
    if refused and request.offload == "hardware":
        raise OffloadError(
            f"option flowtables, {request.name}: hardware offload was requested, but {why_not}",
            "turn the feature on with nic_features, leave the device out, or use offload: auto or software",
            refused=refused,
        )
    devices, left = _split(request, refused) if refused and splits and request.offload == "auto" else ((), ())
    if len(left) > 1 and any(map(is_pattern, left)) and (state.platform.nft_version or (0,)) < PATTERNS_IN_SETS:
        devices, left = (), ()
    hardware = bool(devices) or request.offload == "hardware"
    hardware |= request.offload == "auto" and bool(request.devices) and not refused
    devices = devices or request.devices
    if hardware and check_mode and not all(_is_certain(state, device) for device in devices if device in here):
        every = "foreseen: the real run asks the drivers"
    else:
        every = "every device takes it"
    reasons = {
        "software": "requested",
        "hardware": f"requested; {every}",
        "auto": f"{every}, the others do not: {why_not}" if left else every if hardware else why_not,
    }
    result = {
        "name": request.name,
        "devices": list(devices),
        "offload": "hardware" if hardware else "software",
        "reason": reasons[request.offload] or "no devices",
        "refused": refused,
    }
    desired = DesiredFlowtable(request.name, devices, hardware, request.counter)
    if not left:
        return Decision(desired, result)
    rest = DesiredFlowtable(request.name, request.devices, False, request.counter, SOFTWARE_PRIORITY)
    return Decision(desired, result, rest, left)


def warn_of_absent_devices(state: TableState, requests: Sequence[Request]) -> list[str]:
    """Warnings for devices that are away now and known from before; raises OffloadError for an unknown device."""
    known = {line.split(" ", 1)[0] for line in state.files.get(paths.DEVICES, "").split("\n")}
    away = []
    for request in requests:
        for device in request.devices:
            if device in state.links or is_pattern(device):
                continue
            if device in known:
                away.append(f"device {device} is away now; it joins flowtable {request.name} when it is back")
                continue
            near = difflib.get_close_matches(device, sorted(state.links), n=1)
            raise OffloadError(
                f"option flowtables, {request.name}: there is no device {device!r} on this router",
                (f"did you mean {near[0]!r}? " if near else "") + f"The devices are: {', '.join(sorted(state.links))}",
            )
    return away
