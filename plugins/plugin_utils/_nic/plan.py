# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what a router says of its NICs to the plan that sets their features. Pure: no I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._core import paths
from .._core.errors import OffloadError
from .._core.files import Wanted, file_changes, read_files
from .._core.names import DEVICE
from .._core.plan import Diff, Plan, Step
from .._core.sections import Answer
from .._observe.parse.ethtool import parse_driver, parse_feature_record, parse_features, parse_netifd
from .._observe.parse.platform import parse_platform
from .._observe.state import Feature, Platform
from .._systems.init_system import InitSystem, ServiceState
from .._systems.registry import features_paths, find_init_system, reports_features
from .verbs import SetFeature

HW_TC = "hw-tc-offload"
FEATURE = re.compile(r"[A-Za-z0-9_.-]+")

Key = tuple[str, str]
"""(device, feature)"""


def own_files() -> tuple[str, ...]:
    """Every path that the nic_features module may have made on a router."""
    return (paths.FEATURES, *features_paths())


@dataclass(frozen=True)
class Nic:
    """One device, as ethtool tells it."""

    driver: str
    features: Mapping[str, Feature]


@dataclass(frozen=True)
class NicState:
    """What the router told of its devices and of our files."""

    platform: Platform
    names: frozenset[str]
    """every device there is"""
    nics: Mapping[str, Nic] = field(default_factory=dict)
    """those asked for, those in our record, and conduits"""
    conduits: Mapping[str, str] = field(default_factory=dict)
    """port of a switch (DSA) -> the NIC that the switch hangs on"""
    files: Mapping[str, str] = field(default_factory=dict)
    """path -> text"""

    @property
    def record(self) -> dict[Key, tuple[str, str]]:
        """(device, feature) -> (value wanted, value found), each on or off."""
        return parse_feature_record(self.files.get(paths.FEATURES, ""))


@dataclass(frozen=True)
class Want:
    """A feature of a device as the user asked for it, and the device that it must be set on."""

    device: str
    feature: str
    on: bool
    target: str

    @property
    def key(self) -> Key:
        return self.target, self.feature


def read_state(answer: Answer) -> NicState:
    """Sections of sh/read/nic.sh -> NicState."""
    lines = [line.partition("=") for line in answer["nics"].text.splitlines()]
    conduits = [value.split() for key, _equals, value in lines if key == "conduit"]
    nics = {
        name.removeprefix("driver "): Nic(
            driver=parse_driver(part.text),
            features=parse_features(answer[f"features {name.removeprefix('driver ')}"].text),
        )
        for name, part in answer.items()
        if name.startswith("driver ")
    }
    if "netifd" in answer:
        told = parse_netifd(answer["netifd"].text, {name: nic.driver for name, nic in nics.items()})
        nics |= {name: replace(nics[name], features={HW_TC: feature}) for name, feature in told.items() if name in nics}
    return NicState(
        platform=parse_platform(answer["platform"].text),
        names=frozenset(value for key, _equals, value in lines if key == "device"),
        nics=nics,
        conduits={words[0]: words[1] for words in conduits if len(words) == 2},
        files=read_files(answer),
    )


def word(on: bool) -> str:
    """As ethtool says it."""
    return "on" if on else "off"


def foreseen(state: NicState, features: Iterable[str]) -> NicState:
    """For check mode on a router where the real run would have installed ethtool by now.

    A NIC with a driver is taken for one whose features are off and can change: only ethtool could tell better.
    """
    off = {name: Feature(active=False) for name in features}
    nics = {name: replace(nic, features=off if nic.driver else {}) for name, nic in state.nics.items()}
    return replace(state, nics=nics)


def plan_present(state: NicState, devices: Sequence[str], features: Mapping[str, bool], skip: bool) -> Plan:
    """Plan for features as wanted, now and whenever a device appears; features no longer wanted go back."""
    away = [device for device in devices if device not in state.names and device in {key[0] for key in state.record}]
    here = [device for device in devices if device not in away]
    wants = [_want(state, device, feature, on) for device in here for feature, on in features.items()]
    unsupported: dict[str, str] = {}
    for want in wants:
        reason = _refusal(state, want)
        if reason and not skip:
            misspelt = want.feature != HW_TC and difflib.get_close_matches(want.feature, [HW_TC])
            raise OffloadError(
                f"option devices: {reason}",
                (f"did you mean {HW_TC!r}? Else " if misspelt else "")
                + "leave the device out, set unsupported: skip, or use a NIC whose driver can change the feature "
                f"('ethtool -k {want.target}' lists its features)",
                device=want.device,
            )
        if reason:
            unsupported.setdefault(want.device, reason)
    settable = {w.key: w for w in wants if not _refusal(state, w) and not _feature(state, w.key).fixed}
    if netifd_alone(state):
        # all is as wanted, by the driver's own will; what was set before an upgrade took ethtool away stays noted
        settable = {}
        away = [device for device, _feature in state.record]
    found = {
        key: state.record[key][1] if key in state.record else word(_feature(state, key).active) for key in settable
    }
    kept = {key: value for key, value in state.record.items() if key[0] in away}
    record = kept | {key: (word(want.on), found[key]) for key, want in settable.items()}
    dropped = {key: value for key, (_wanted, value) in state.record.items() if key not in record}
    return _plan(
        state,
        {**{key: value for key, (value, _found) in record.items()}, **dropped},
        record,
        result={
            "devices": _devices(state, [w for w in wants if w.device not in unsupported], found),
            "unsupported_devices": unsupported,
        },
    )


def plan_absent(state: NicState) -> Plan:
    """Plan that gives every feature back the value it was found with."""
    back = {key: found for key, (_wanted, found) in state.record.items()}
    alike = netifd_alone(state) and all(_now(state, key) == value for key, value in back.items())
    if not alike and any(device in state.names for device, _feature in back):
        require_ethtool(state, "restore a feature")
    return _plan(state, back, {}, result={"devices": {}, "unsupported_devices": {}})


def _plan(
    state: NicState, values: Mapping[Key, str], record: Mapping[Key, tuple[str, str]], result: Mapping[str, Any]
) -> Plan:
    """``values`` to set where a device is there and they differ, ``record`` to keep."""
    steps, undo, before, after = [], [], "", ""
    warnings: list[str] = []
    for (device, feature), value in sorted(values.items()):
        now = state.nics[device].features.get(feature) if device in state.nics else None
        if now is None or word(now.active) == value:
            continue
        if now.fixed:
            warnings.append(f"{feature} of {device} was {value} before, but its driver does not let it change any more")
            continue
        was = word(now.active)
        says = f"turn {feature} {value} for {device} (driver {state.nics[device].driver or 'unknown'})"
        wished = word(now.active if now.requested is None else now.requested)
        steps.append(Step(says, SetFeature(device, feature, value, wished)))
        undo.append(Step(f"turn {feature} {was} for {device}", SetFeature(device, feature, was, value)))
        before += f"{device} {feature}: {was}\n"
        after += f"{device} {feature}: {value}\n"
    init = find_init_system(state.platform.init)
    persistent = bool(record) and init is not None
    if record and not persistent:
        warnings.append(
            "the features are set now; setting them at boot needs systemd or OpenWrt, which it does not run"
        )
    changes = file_changes(state.files, _files(record, init))
    closing: list[Step] = []
    if init and record:
        closing = init.steps_after_writing(init.features, state.files, changes.written, ServiceState())
    elif init:
        closing = init.steps_after_removing(init.features, changes.removed, ServiceState())
    return Plan(
        steps=steps,
        files=changes.written,
        removed=changes.removed,
        closing=closing,
        undo=list(reversed(undo)),
        diffs=[*([Diff("features", before, after)] if steps else []), *changes.diffs],
        result={**result, "boot": {"persistent": persistent, "file": paths.FEATURES if record else ""}},
        warnings=warnings,
    )


def _files(record: Mapping[Key, tuple[str, str]], init: InitSystem | None) -> Wanted:
    """The record is kept where nothing uses it at boot too: it tells how the features were found."""
    if not record:
        return dict.fromkeys(own_files())
    head = "# Written by kmod.nft_offload: DEVICE FEATURE, its value from now on, its value before.\n"
    lines = "".join(f"{' '.join((*key, *values))}\n" for key, values in sorted(record.items()))
    return {paths.FEATURES: ("0644", head + lines), **(init.features.written if init else {})}


def has_ethtool(state: NicState) -> bool:
    return "ethtool" in state.platform.commands


def netifd_alone(state: NicState) -> bool:
    """OpenWrt without ethtool: what there is can be seen, and nothing can be set."""
    return reports_features(state.platform.init) and not has_ethtool(state)


def require_ethtool(state: NicState, what: str) -> None:
    if not has_ethtool(state):
        raise OffloadError(f"there is no ethtool on this router to {what} with", "run kmod.nft_offload.kernel_support")


def _want(state: NicState, device: str, feature: str, on: bool) -> Want:
    """What gates a switch port's flow offload is the NIC that the switch hangs on (net/dsa/user.c)."""
    if device not in state.names:
        near = difflib.get_close_matches(device, sorted(state.names), n=1)
        raise OffloadError(
            f"option devices: there is no device {device!r} on this router",
            (f"did you mean {near[0]!r}? " if near else "") + f"The devices are: {', '.join(sorted(state.names))}",
        )
    return Want(device, feature, on, state.conduits.get(device, device) if feature == HW_TC else device)


def _feature(state: NicState, key: Key) -> Feature:
    return state.nics[key[0]].features[key[1]]


def _now(state: NicState, key: Key) -> str:
    """on or off, as far as it is known."""
    feature = state.nics[key[0]].features.get(key[1]) if key[0] in state.nics else None
    return word(feature.active) if feature is not None else "unknown"


def _refusal(state: NicState, want: Want) -> str:
    """Why a feature cannot be as wanted; empty when it can."""
    nic = state.nics.get(want.target, Nic("", {}))
    driver = f"driver {nic.driver or 'unknown'}"
    feature = nic.features.get(want.feature)
    if feature is None:
        return f"{want.target} ({driver}) has no feature {want.feature}"
    if feature.active != want.on and netifd_alone(state):
        now, wanted = word(feature.active), word(want.on)
        return f"{want.feature} of {want.target} is {now}, and there is no ethtool to turn it {wanted}"
    if feature.fixed and feature.active != want.on:
        return f"{want.feature} of {want.target} is fixed {word(feature.active)} by its {driver}"
    return ""


def _devices(state: NicState, wants: Iterable[Want], found: Mapping[Key, str]) -> dict[str, Any]:
    """The result's devices: what is active now, and what was before this collection came."""
    told: dict[str, Any] = {}
    for want in wants:
        now = _feature(state, want.key)
        device = told.setdefault(want.device, {"driver": state.nics[want.target].driver, "features": {}})
        if want.target != want.device:
            device["conduit"] = want.target
        was = found.get(want.key, word(now.active)) == "on"
        device["features"][want.feature] = {"active": now.active, "fixed": now.fixed, "was": was}
    return told


def check_options(devices: Sequence[str], features: Mapping[str, Any]) -> dict[str, bool]:
    """The option features as booleans; raises OffloadError for what an argument spec cannot tell."""
    for device in devices:
        if not DEVICE.match(device):
            raise OffloadError(f"option devices: {device!r} is no device's name", "correct it")
    told: dict[str, bool] = {}
    for name, value in features.items():
        if not FEATURE.fullmatch(name):
            raise OffloadError(f"option features: {name!r} is no feature's name", "use a name that 'ethtool -k' lists")
        try:
            told[name] = boolean(value)
        except TypeError:
            raise OffloadError(f"option features, {name}: {value!r} is no boolean", "use true or false") from None
    if not told:
        raise OffloadError("option features is empty", "name a feature, such as hw-tc-offload: true")
    return told
