# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which steps does a request take on the router that was seen? Refuses what it cannot have. Pure: no I/O.

Steps are plain JSON types: ``order`` and ``ruleset.tasks`` name files below the role's tasks/, the rest are options of
modules. The module flow_offload_plan documents them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..._core.errors import OffloadError
from ..._core.names import expand, is_pattern, stands_for
from ..._observe.forwarding import explain_idle, is_forwarding
from ..._observe.parse.ethtool import CHANGEABLE
from ..._observe.paths import Undelivered, list_below, list_undelivered
from ..._observe.state import Device, RouterState
from ..._observe.topology import find_guest_ports, map_hook_devices, pick_flowtable_devices, sees_lowers
from ..._systems.init_registry import reports_features
from ..._verify.advisories import Situation, find_advisories
from ..offload import exclude_device
from .request import (
    RULESETS,
    UNFILTERED,
    Request,
    refuse_exclusions,
    refuse_flush,
)
from .variables import Values

TEMPLATES = {"overlay": "overlay.nft.j2", "router": "router.nft.j2"}
"""ruleset -> the role's template, which holds nothing but the text of the request"""
FAMILY, TABLE, FLOWTABLE = "inet", "nft_offload", "ft"
NO_PORTS = "it has no port that is up but those of containers and virtual machines"
MOST_IDLE = 8
"""devices that an error explains"""


def change_options(values: Values) -> dict[str, Any]:
    """What every change of a firewall is given: when it is undone, and what it must leave in place.

    Not the checks, since a result is shown and a check may hold a password: tasks take those from their variable.
    """
    return {
        "keep_firewall": not values["flow_offload_remove_firewall"],
        "adopt": values["flow_offload_adopt_table"],
        "confirm_timeout": values["flow_offload_confirm_timeout"],
        "load_pending": values["flow_offload_load_pending"],
        "traffic_witness": values["flow_offload_traffic_witness"],
    }


def verify_options(values: Values, expect: str, devices: Iterable[str] = ()) -> dict[str, Any]:
    """What offload_verify is given; ``expect`` is empty where the ruleset's own task tells."""
    return {
        "expect": expect,
        "devices": list(devices),
        "require": values["flow_offload_require"],
        "sample": values["flow_offload_sample"],
        "slow_share": values["flow_offload_slow_share"],
    }


def plan_removal(request: Request) -> dict[str, Any]:
    """The steps of flow_offload_mode: disabled, for which a router need not be seen first."""
    return {
        "order": "disabled",
        "kernel": {"state": "absent"},
        "nic": {"state": "absent"},
        "measure": 0,
        "ruleset": {"kind": "none", "tasks": "absent"},
        "change": change_options(request.values),
        "verify": verify_options(request.values, "disabled"),
        "watch": {"state": "absent"},
    }


def plan_steps(request: Request, state: RouterState) -> tuple[dict[str, Any], list[str]]:
    """(The steps, warnings) of a request other than for ``disabled``; ``state`` is the reading for a choice.

    Raises OffloadError for what this router cannot have.
    """
    _refuse_removal(request, state)
    _refuse_absent_devices(request, state)
    undelivered = _list_undelivered(request, state)
    uses_fw4 = _uses_fw4(request, state, undelivered)
    request, advice = _heed_advisories(request, state)
    mode = request.mode
    if uses_fw4 and request.ruleset == "auto":
        if request.values["flow_offload_exclude"]:
            refuse_exclusions("fw4")
        refuse_flush(request.values["flow_offload_flush_connections"])
    if uses_fw4 and (request.guests or any(map(is_pattern, request.devices or ()))):
        raise OffloadError(
            "the firewall of OpenWrt picks the devices of its flowtable itself: flow_offload_guests, and patterns in "
            "flow_offload_devices, have no effect on it",
            "leave them out, or use flow_offload_ruleset: overlay or router",
        )
    asks_nics = mode in ("auto", "hardware")
    devices = _listed_devices(request, state) if asks_nics or not uses_fw4 else []
    kind = _name_kind(request, uses_fw4)
    if kind == "template" and request.devices is None:
        devices = leave_out_lowers(state.devices, undelivered, devices)
        undelivered = list_undelivered(state.devices, state.platform.kernel_version, devices)
    leaving = _leaving(state, devices) if asks_nics else []
    ruleset = _ruleset_step(request, state, devices, kind, undelivered)
    steps = {
        "order": _order(asks_nics, bool(leaving), ruleset["kind"]),
        "measure": 0
        if state.flowtables or not request.values["flow_offload_measure"]
        else request.values["flow_offload_sample"],
        "kernel": {"state": "present", "packages": _packages(request, state)},
        "nic": {"state": "absent"},
        "ruleset": ruleset,
        "change": change_options(request.values),
        "verify": verify_options(
            request.values, "", [] if uses_fw4 else [device for device in devices if device in state.devices]
        ),
        "watch": _watch_step(request.values, state),
    }
    if asks_nics:
        steps["nic"] = {
            "state": "present",
            "devices": [device for device in devices if not is_pattern(device)],
            "leaving": leaving,
            # fw4 puts devices that can and others into one flowtable
            "unsupported": "fail" if mode == "hardware" and not uses_fw4 else "skip",
        }
    return steps, [*_zone_warnings(request, state.devices), *_delivery_warnings(kind, undelivered), *advice]


def _watch_step(values: Values, state: RouterState) -> dict[str, Any]:
    """Options of the module watch; ``none`` for a router that is not watched, and shall not be."""
    if values["flow_offload_watch"]:
        directory, interval = values["flow_offload_watch_directory"], values["flow_offload_watch_interval"]
        return {"state": "present", "interval": interval, **({"directory": directory} if directory else {})}
    return {"state": "absent" if state.boot.watched else "none"}


def _list_undelivered(request: Request, state: RouterState) -> tuple[Undelivered, ...]:
    """What the desired flowtable would take and not deliver; fw4, which picks devices itself, likewise."""
    kernel, listed = state.platform.kernel_version, request.devices
    if listed is None:
        listed = tuple(pick_flowtable_devices(state.devices, sees_lowers(kernel)))
    return list_undelivered(state.devices, kernel, listed)


def leave_out_lowers(
    devices: Mapping[str, Device], undelivered: Sequence[Undelivered], listed: Sequence[str]
) -> list[str]:
    """The listed devices without those below a tunnel whose flows would be lost, as long as two are left.

    An IPv6 gateway is no matter of what is listed: only rules keep such flows out.
    """
    tunnels = [
        found.device for found in undelivered if found.device in listed and not devices[found.device].ipv6_gateways
    ]
    below = {lower for name in tunnels for lower in list_below(devices, name)}
    left = [name for name in listed if name not in below]
    return left if len(left) > 1 else list(listed)


def describe_undelivered(found: Undelivered) -> str:
    """What has to stay out of the flowtable, and why; the beginning of a warning."""
    return f"IPv{found.family[-1]} through {found.device} must stay out of the flowtable, or it is lost: {found.reason}"


def _delivery_warnings(kind: str, undelivered: Iterable[Undelivered]) -> list[str]:
    """What becomes of flows that a flowtable would take and not deliver."""
    if kind == "template":
        end = "leave it out in the template, by 'meta nfproto {0} iifname \"{1}\" return' and the same with oifname, "
        end += "before its rule 'flow add @ft'"
    else:
        end = "rules keep it on the slow path"
    return [f"{describe_undelivered(found)}; {end.format(found.family, found.device)}" for found in undelivered]


def _uses_fw4(request: Request, state: RouterState, undelivered: Sequence[Undelivered]) -> bool:
    """Is it OpenWrt's own firewall that offloads, which makes its flowtable and picks the devices?

    It offloads every flow. Where some must stay out, it is our table beside it for ``auto``; raises OffloadError where
    fw4 was asked for by name.
    """
    if request.ruleset == "fw4" and undelivered:
        raise OffloadError(
            f"{describe_undelivered(undelivered[0])}; flow_offload_ruleset is fw4, which offloads every flow",
            "use flow_offload_ruleset: auto or overlay, which leave these flows out",
        )
    return request.ruleset == "fw4" or (
        request.ruleset == "auto" and "fw4" in state.platform.commands and not undelivered
    )


def _name_kind(request: Request, uses_fw4: bool) -> str:
    """overlay, router, template or fw4"""
    if uses_fw4:
        return "fw4"
    return "overlay" if request.ruleset == "auto" else request.ruleset if request.ruleset in RULESETS else "template"


def _refuse_removal(request: Request, state: RouterState) -> None:
    """The module refuses it too, but after the kernel and the NICs were prepared for the other ruleset."""
    if state.boot.filters and request.ruleset in UNFILTERED and not request.values["flow_offload_remove_firewall"]:
        raise OffloadError(
            f"this would remove the router's firewall: table {FAMILY} {TABLE} filters its input, and "
            f"flow_offload_ruleset: {request.ruleset} does not",
            "give the variables that describe its firewall; or, to remove it anyway, set "
            "flow_offload_remove_firewall: true for this run",
        )


def _refuse_absent_devices(request: Request, state: RouterState) -> None:
    """A device that was there in an earlier run may be away now."""
    known = state.devices.keys() | state.boot.attachments.keys()
    named = {name for name in (*(request.devices or ()), *request.guests) if not is_pattern(name)}
    if absent := sorted(named - known):
        variable = "flow_offload_devices" if request.devices is not None else "flow_offload_guests"
        raise OffloadError(
            f"{variable}: there is no device {', '.join(absent)} on this router",
            f"correct the name; the devices are {', '.join(sorted(state.devices))}",
        )


def _heed_advisories(request: Request, state: RouterState) -> tuple[Request, list[str]]:
    """For ``auto``, the request in software where hardware offload is known to do harm, and the warnings of that."""
    if request.mode != "auto":
        return request, []
    situation = Situation(state, tuple(expand(_listed_devices(request, state), state.devices)), hardware=True)
    ignored = request.values["flow_offload_ignore_advisories"]
    heeded = [
        (advisory, evidence)
        for advisory, evidence in find_advisories(situation)
        if advisory.forbids_hardware and advisory.id not in ignored
    ]
    warnings = [
        f"{advisory.id}: {advisory.title} ({', '.join(evidence)}), so flow_offload_mode: auto offloads in software; "
        f"see {advisory.link}, and name {advisory.id} in flow_offload_ignore_advisories to ask the NICs all the same"
        for advisory, evidence in heeded
    ]
    return (
        replace(request, values={**request.values, "flow_offload_mode": "software"}) if heeded else request
    ), warnings


def _listed_devices(request: Request, state: RouterState) -> list[str]:
    if request.devices is not None:
        return list(request.devices)
    picked = pick_devices(state.devices, state.platform.kernel_version, request.guests)
    return picked + [name for name in request.guests if name not in picked]


def pick_devices(devices: Mapping[str, Device], kernel: tuple[int, int], guests: tuple[str, ...] = ()) -> list[str]:
    """Names, sorted, for a flowtable for all forwarded traffic; raises OffloadError unless two devices forward.

    ``guests``: names and patterns that are listed besides, so that no name that they stand for is picked.
    """
    found = pick_flowtable_devices(devices, sees_lowers(kernel))
    hooks = map_hook_devices(devices, sees_lowers(kernel))
    by_guests = {
        name
        for name in hooks
        for port in (name, *find_guest_ports(devices, name))
        if any(stands_for(guest, port) for guest in guests)
    }
    forwarding = [name for name, below in hooks.items() if below or name in by_guests]
    # Two VLANs of one NIC are both directions, although the flowtable lists only the NIC.
    if len(forwarding) < 2:
        idle = {name: why for name, device in devices.items() if (why := explain_idle(devices, device))}
        idle |= {name: NO_PORTS for name in hooks if name not in forwarding}
        others = "; ".join(f"{name}: {why}" for name, why in sorted(idle.items())[:MOST_IDLE])
        raise OffloadError(
            f"a flowtable needs the devices of both directions, found: {_names(found)} "
            f"(devices that forward: {_names(forwarding)}; others: {others or 'none'})",
            "turn forwarding on, or name the devices yourself (flow_offload_devices in the role, flowtables in the "
            "module ruleset)"
            + (
                "; flow_offload_guests adds ports of containers and virtual machines"
                if set(hooks) - set(forwarding)
                else ""
            ),
        )
    return [name for name in found if not any(stands_for(guest, name) for guest in guests)]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _leaving(state: RouterState, devices: Sequence[str]) -> list[str]:
    """Devices that leave our hardware flowtable. They keep the feature until then, for a driver may refuse before."""
    listed = {
        device
        for flowtable in state.flowtables or ()
        if (flowtable.family, flowtable.table) == (FAMILY, TABLE) and flowtable.hardware
        for device in flowtable.devices
    }
    return sorted((listed & state.devices.keys()) - set(devices))


def _packages(request: Request, state: RouterState) -> list[str]:
    """Where the feature is reported without ethtool, flash is small, and ethtool of use only where it is off, or where
    a driver that has it is one of which it is not reported.

    Without conntrack's file only the command conntrack shows which flows are offloaded.
    """
    is_off = any(
        not device.hw_tc_offload.active if device.hw_tc_offload is not None else device.driver in CHANGEABLE
        for device in state.devices.values()
    )
    is_needed = request.mode in ("auto", "hardware") and is_off
    ethtool = ["ethtool"] if is_needed or not reports_features(state.platform.init) else []
    flushes = request.values["flow_offload_flush_connections"] != "none"
    conntrack = ["conntrack"] if flushes or state.platform.conntrack_file is False else []
    return ["nftables", *ethtool, *conntrack]


def _ruleset_step(
    request: Request, state: RouterState, devices: Sequence[str], kind: str, undelivered: Iterable[Undelivered]
) -> dict[str, Any]:
    """``kind`` is overlay, router, template or fw4; ``tasks`` a file of the role's tasks/ruleset."""
    if kind == "fw4":
        tasks = "fw4_after_table" if state.boot.ruleset is not None else "fw4"
        return {"kind": "fw4", "tasks": tasks, "offload": request.mode}
    further = [
        exclude_device(found.family, found.device, f"a flowtable loses it: {found.reason}") for found in undelivered
    ]
    text, software_text = request.render(further)
    return {
        "kind": kind,
        "tasks": "table_before_fw4" if "fw4" in state.platform.commands else "table",
        "src": TEMPLATES.get(kind, request.ruleset),
        "text": text,
        # hardware for all, or software for all, needs one table
        "software_text": software_text if request.mode == "auto" else "",
        "flowtables": [
            {
                "name": FLOWTABLE,
                "devices": list(devices),
                "offload": request.mode,
                "counter": request.values["flow_offload_counter"],
                "forwards": _map_forwarding(state, devices),
            }
        ],
        "flush": list(request.flush),
    }


def _map_forwarding(state: RouterState, listed: Sequence[str]) -> dict[str, list[str]]:
    """Devices that rules see -> the listed devices and others that their packets come in through.

    What is listed of guests serves the bridge that they are ports of. Empty where each listed device is what rules see.
    """
    found = map_hook_devices(state.devices, sees_lowers(state.platform.kernel_version))
    guests = {
        name: [one for one in listed if any(stands_for(one, port) for port in find_guest_ports(state.devices, name))]
        for name in found
    }
    served = {
        name: [*below, *guests[name]] for name, below in found.items() if guests[name] or set(below) & set(listed)
    }
    return {} if all(below == [name] for name, below in served.items()) else served


def _order(asks_nics: bool, leaving: bool, kind: str) -> str:
    """A file of the role's tasks/order."""
    if not asks_nics:
        return "software"
    return "leaving" if leaving else "template" if kind == "template" else "hardware"


def _zone_warnings(request: Request, devices: Mapping[str, Device]) -> list[str]:
    """Devices that only the zones, or only the router, have.

    No error: a tunnel or a PPP link may come up later. But a wrong name cuts off what is behind it, and the change is
    confirmed all the same where the controller comes in by another device. A bridge's ports and the devices below a
    VLAN have no address of their own: their packets are forwarded under its name. Packets to a VRF come in under it.
    """
    if not request.zoned:
        return []
    warnings = [*request.warnings]
    absent = sorted(name for name in set(request.zoned) - devices.keys() if not is_pattern(name))
    zoned = set(expand(request.zoned, devices.keys()))
    unzoned = sorted(
        name
        for name, device in devices.items()
        if device.up
        and device.forwarding
        and (device.addresses or is_forwarding(devices, device))
        and device.kind not in ("loopback", "dummy")
        and name not in zoned
    )
    if absent:
        warnings.append(f"flow_offload_router.zones: not on this router now: {', '.join(absent)}")
    if unzoned:
        warnings.append(f"in no zone, so what comes from there is dropped: {', '.join(unzoned)}")
    return warnings
