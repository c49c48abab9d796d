# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what was read of a router's NICs to the plan that sets their features. Pure: no I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._core import paths
from .._core.errors import OffloadError
from .._core.files import DesiredFiles, file_changes, read_files
from .._core.names import DEVICE
from .._core.plan import Diff, Plan, Step
from .._core.sections import Answer
from .._core.text import iterate_lines
from .._observe.parse.ethtool import parse_driver, parse_feature_record, parse_features, parse_netifd
from .._observe.parse.platform import parse_platform
from .._observe.state import Feature, Platform
from .._systems.init_registry import (
    find_init_scripts,
    find_init_system,
    list_features_paths,
    read_service_state,
    reports_features,
    require_init_system,
)
from .._systems.init_system import InitSystem, ServiceState
from .verbs import SetFeature

HW_TC = "hw-tc-offload"
FEATURE = re.compile(r"[A-Za-z0-9_.-]+")

Key = tuple[str, str]
"""(device, feature)"""


def list_own_files() -> tuple[str, ...]:
    """Every path that the nic_features module may have made on a router."""
    return (paths.FEATURES, *list_features_paths())


@dataclass(frozen=True)
class Nic:
    """One device: its driver, empty where it names none, and its features as ethtool or netifd reports them."""

    driver: str
    features: Mapping[str, Feature]


@dataclass(frozen=True)
class NicState:
    """What was read of a router's devices and of our files."""

    platform: Platform
    names: frozenset[str]
    """of every device"""
    nics: Mapping[str, Nic] = field(default_factory=dict)
    """those asked for, those in our record, and conduits"""
    conduits: Mapping[str, str] = field(default_factory=dict)
    """port of a switch (DSA) -> the NIC that the switch hangs on"""
    files: Mapping[str, str] = field(default_factory=dict)
    """path -> text"""
    service: ServiceState = field(default_factory=ServiceState)
    """what the init system reports of the one that sets features"""

    @property
    def record(self) -> dict[Key, tuple[str, str]]:
        """(device, feature) -> (value requested, value found), each on or off."""
        return parse_feature_record(self.files.get(paths.FEATURES, ""))


@dataclass(frozen=True)
class FeatureRequest:
    """A feature of a device as the user asked for it, and the device that it must be set on."""

    device: str
    feature: str
    on: bool
    target: str

    @property
    def key(self) -> Key:
        """What is set: the target and the feature."""
        return self.target, self.feature


def read_state(answer: Answer) -> NicState:
    """Sections of sh/read/nic.sh and of the init system -> NicState; raises OffloadError for an incomplete answer."""
    platform = parse_platform(answer.require("platform").text)
    lines = [line.partition("=") for line in iterate_lines(answer.require("nics").text)]
    conduits = [value.split() for key, _equals, value in lines if key == "conduit"]
    nics = {
        name: Nic(parse_driver(part.text), parse_features(answer.require(f"features {name}").text))
        for name, part in answer.each("driver ").items()
    }
    reported = parse_netifd(answer.text("netifd"), {name: nic.driver for name, nic in nics.items()})
    nics |= {name: replace(nics[name], features={HW_TC: seen}) for name, seen in reported.items() if name in nics}
    return NicState(
        platform=platform,
        names=frozenset(value for key, _equals, value in lines if key == "device"),
        nics=nics,
        conduits={words[0]: words[1] for words in conduits if len(words) == 2},
        files=read_files(answer),
        service=read_service_state(platform.init, answer, "features"),
    )


def format_value(on: bool) -> str:
    """As ethtool prints it."""
    return "on" if on else "off"


def assume_changeable(state: NicState, features: Iterable[str]) -> NicState:
    """For check mode on a router where the real run would have installed ethtool by now.

    Every NIC with a driver is assumed to have these features, off and changeable: only ethtool knows better.
    """
    off = {name: Feature(active=False) for name in features}
    nics = {name: replace(nic, features=off if nic.driver else {}) for name, nic in state.nics.items()}
    return replace(state, nics=nics)


def plan_present(state: NicState, devices: Sequence[str], features: Mapping[str, bool], skip: bool) -> Plan:
    """Plan for features as requested, now and whenever a device appears; features no longer requested are restored.

    ``skip``: a device that cannot have them as requested is left out and named in the result, instead of an
    OffloadError. A device that does not exist is an error either way, unless its features were set before, and so is
    an init system that nothing of ours can be started by.
    """
    require_init_system(state.platform.init)
    unplugged = [
        device for device in devices if device not in state.names and device in {key[0] for key in state.record}
    ]
    plugged = [device for device in devices if device not in unplugged]
    requests = [_build_request(state, device, feature, on) for device in plugged for feature, on in features.items()]
    unsupported: dict[str, str] = {}
    for request in requests:
        reason = _explain_refusal(state, request)
        if reason and not skip:
            misspelt = request.feature != HW_TC and difflib.get_close_matches(request.feature, [HW_TC])
            raise OffloadError(
                f"option devices: {reason}",
                (f"did you mean {HW_TC!r}? Else " if misspelt else "")
                + "leave the device out, set unsupported: skip, or use a NIC whose driver can change the feature "
                f"('ethtool -k {request.target}' lists its features)",
                device=request.device,
            )
        if reason:
            unsupported.setdefault(request.device, reason)
    settable = {
        request.key: request
        for request in requests
        if not _explain_refusal(state, request) and not _get_feature(state, request.key).fixed
    }
    if is_read_only(state):
        # all is as requested, the driver has it on by itself; what was set while ethtool was installed stays recorded
        settable = {}
        unplugged = [device for device, _feature in state.record]
    found = {
        key: state.record[key][1] if key in state.record else format_value(_get_feature(state, key).active)
        for key in settable
    }
    kept = {key: value for key, value in state.record.items() if key[0] in unplugged}
    record = kept | {key: (format_value(request.on), found[key]) for key, request in settable.items()}
    dropped = {key: was for key, (_requested, was) in state.record.items() if key not in record}
    return _plan(
        state,
        {**{key: value for key, (value, _found) in record.items()}, **dropped},
        record,
        result={
            "devices": _describe_devices(state, [one for one in requests if one.device not in unsupported], found),
            "unsupported_devices": unsupported,
        },
    )


def plan_absent(state: NicState) -> Plan:
    """Plan that restores every feature to the value it was found with, and leaves no file."""
    back = {key: was for key, (_requested, was) in state.record.items()}
    as_found = is_read_only(state) and all(_current_value(state, key) == value for key, value in back.items())
    if not as_found and any(device in state.names for device, _feature in back):
        require_ethtool(state, "restore a feature")
    return _plan(state, back, {}, result={"devices": {}, "unsupported_devices": {}})


def _plan(
    state: NicState, values: Mapping[Key, str], record: Mapping[Key, tuple[str, str]], result: Mapping[str, Any]
) -> Plan:
    """``values`` are set on devices that exist, where they differ; ``record`` is what the file holds then."""
    steps, undo, before, after = [], [], "", ""
    warnings: list[str] = []
    for (device, feature), value in sorted(values.items()):
        now = state.nics[device].features.get(feature) if device in state.nics else None
        if now is None or format_value(now.active) == value:
            continue
        if now.fixed:
            warnings.append(f"{feature} of {device} was {value} before, but its driver does not let it change any more")
            continue
        was = format_value(now.active)
        summary = f"turn {feature} {value} for {device} (driver {state.nics[device].driver or 'unknown'})"
        requested = format_value(now.active if now.requested is None else now.requested)
        steps.append(Step(summary, SetFeature(device, feature, value, requested)))
        undo.append(Step(f"turn {feature} {was} for {device}", SetFeature(device, feature, was, value)))
        before += f"{device} {feature}: {was}\n"
        after += f"{device} {feature}: {value}\n"
    init = find_init_system(state.platform.init)
    changes = file_changes(state.files, _files(record, init))
    leaving: list[Step] = []
    closing: list[Step] = []
    if init and record:
        closing = init.plan_after_writing(init.features, state.files, changes.written, state.service)
    elif init:
        leaving = init.plan_before_removing(init.features, state.service)
        closing = init.plan_after_removing(init.features, changes.removed, state.service)
    return Plan(
        steps=[*steps, *leaving],
        files=changes.written,
        removed=changes.removed,
        closing=closing,
        undo=list(reversed(undo)),
        diffs=[*([Diff("features", before, after)] if steps else []), *changes.diffs],
        result={**result, "boot": {"persistent": bool(record), "file": paths.FEATURES if record else ""}},
        warnings=warnings,
        system_scripts=find_init_scripts(state.platform.init),
    )


def _files(record: Mapping[Key, tuple[str, str]], init: InitSystem | None) -> DesiredFiles:
    """The record is kept where nothing uses it at boot too: it has the values that were found."""
    if not record:
        return dict.fromkeys(list_own_files())
    head = "# Written by kmod.nft_offload: DEVICE FEATURE, its value from now on, its value before.\n"
    lines = "".join(f"{' '.join((*key, *values))}\n" for key, values in sorted(record.items()))
    return {paths.FEATURES: (paths.PRIVATE, head + lines), **(init.features.written if init else {})}


def has_ethtool(state: NicState) -> bool:
    """Can features be read and set?"""
    return "ethtool" in state.platform.commands


def is_read_only(state: NicState) -> bool:
    """OpenWrt without ethtool: its features are reported, and cannot be set."""
    return reports_features(state.platform.init) and not has_ethtool(state)


def require_ethtool(state: NicState, what: str) -> None:
    """Raise OffloadError where there is no ethtool to do ``what`` with."""
    if not has_ethtool(state):
        raise OffloadError(
            f"ethtool is needed to {what}, and this router has none", "run kmod.nft_offload.kernel_support"
        )


def _build_request(state: NicState, device: str, feature: str, on: bool) -> FeatureRequest:
    """The flow offload of a switch port is gated by the NIC that the switch hangs on (net/dsa/user.c)."""
    if device not in state.names:
        similar = difflib.get_close_matches(device, sorted(state.names), n=1)
        raise OffloadError(
            f"option devices: there is no device {device!r} on this router",
            (f"did you mean {similar[0]!r}? " if similar else "")
            + f"The devices are: {', '.join(sorted(state.names))}",
        )
    return FeatureRequest(device, feature, on, state.conduits.get(device, device) if feature == HW_TC else device)


def _get_feature(state: NicState, key: Key) -> Feature:
    return state.nics[key[0]].features[key[1]]


def _current_value(state: NicState, key: Key) -> str:
    """on, off or unknown."""
    feature = state.nics[key[0]].features.get(key[1]) if key[0] in state.nics else None
    return format_value(feature.active) if feature is not None else "unknown"


def _explain_refusal(state: NicState, request: FeatureRequest) -> str:
    """Why a feature cannot be as requested; empty where it can."""
    nic = state.nics.get(request.target, Nic("", {}))
    driver = f"driver {nic.driver or 'unknown'}"
    feature = nic.features.get(request.feature)
    if feature is None and is_read_only(state):
        return (
            f"whether {request.target} ({driver}) has {request.feature} is not known: netifd does not show it on, and "
            "ethtool is not installed (run kmod.nft_offload.kernel_support)"
        )
    if feature is None:
        return f"{request.target} ({driver}) has no feature {request.feature}"
    if feature.active != request.on and is_read_only(state):
        now, requested = format_value(feature.active), format_value(request.on)
        return f"{request.feature} of {request.target} is {now}, and there is no ethtool to turn it {requested}"
    if feature.fixed and feature.active != request.on:
        return f"{request.feature} of {request.target} is fixed {format_value(feature.active)} by its {driver}"
    return ""


def _describe_devices(state: NicState, requests: Iterable[FeatureRequest], found: Mapping[Key, str]) -> dict[str, Any]:
    """The result's devices: what is active now, and what was before this collection came."""
    described: dict[str, Any] = {}
    for request in requests:
        now = _get_feature(state, request.key)
        device = described.setdefault(request.device, {"driver": state.nics[request.target].driver, "features": {}})
        if request.target != request.device:
            device["conduit"] = request.target
        was = found.get(request.key, format_value(now.active)) == "on"
        device["features"][request.feature] = {"active": now.active, "fixed": now.fixed, "was": was}
    return described


def check_options(devices: Sequence[str], features: Mapping[str, Any]) -> dict[str, bool]:
    """The option features with booleans for values; raises OffloadError for what an argument spec cannot refuse."""
    for device in devices:
        if not DEVICE.match(device):
            raise OffloadError(
                f"option devices: {device!r} is not the name of a device", "use a name that 'ip link' lists"
            )
    values: dict[str, bool] = {}
    for name, value in features.items():
        if not FEATURE.fullmatch(name):
            raise OffloadError(
                f"option features: {name!r} is not the name of a feature", "use a name that 'ethtool -k' lists"
            )
        try:
            values[name] = boolean(value)
        except TypeError:
            raise OffloadError(f"option features, {name}: {value!r} is not a boolean", "use true or false") from None
    if not values:
        raise OffloadError("option features is empty", "name a feature, such as hw-tc-offload: true")
    return values
