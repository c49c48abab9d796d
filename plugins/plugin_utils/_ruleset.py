# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what the router says of our table to the plan that makes it as wanted. Pure: no I/O."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils import _boot
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._files import file_changes, read_files
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._parse.ethtool import parse_driver, parse_features
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._parse.nft import (
    listing_without_devices,
    parse_flowtables,
    parse_table,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._parse.nft_errors import parse_errors
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._parse.platform import parse_platform
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._plan import Diff, Plan, Step, StepError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._sections import Section, Sections
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import (
    OLDEST_KERNEL,
    OLDEST_NFT,
    Feature,
    Flowtable,
    Platform,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._table import (
    WantedFlowtable,
    WantedTable,
    device_changes,
    owned_table,
    transaction,
)

UNIT = "nft-offload.service"
FEATURE = "hw-tc-offload"
BOOT_PIECES = {
    _boot.RULESET_SCRIPT: ("0755", _boot.installed("ruleset.sh")),
    _boot.DEVICE_SCRIPT: ("0755", _boot.installed("flowtable.sh")),
}
SYSTEMD_PIECES = {
    _boot.RULESET_UNIT: ("0644", _boot.installed("ruleset.service")),
    _boot.NFTABLES_DROP_IN: ("0644", _boot.installed("nftables.conf")),
    _boot.DEVICE_UNIT: ("0644", _boot.installed("flowtable.service")),
    _boot.DEVICE_RULES: ("0644", _boot.installed("flowtable.rules")),
}
OWN_FILES = (_boot.RULESET, _boot.LISTING, _boot.DEVICES, *BOOT_PIECES, *SYSTEMD_PIECES)


@dataclass(frozen=True)
class Request:
    """One flowtable as the user asked for it."""

    name: str
    devices: tuple[str, ...]
    offload: str
    """auto, hardware or software"""
    counter: bool = False


@dataclass(frozen=True)
class TableState:
    """What the router told of our table, its files and the devices."""

    platform: Platform
    table: str | None
    """live listing; None: there is none"""
    flowtables: tuple[Flowtable, ...]
    files: Mapping[str, str]
    """path -> text, of OWN_FILES that exist"""
    links: frozenset[str]
    """devices that exist"""
    drivers: Mapping[str, str]
    features: Mapping[str, Feature]
    """device -> hw-tc-offload, where ethtool knows it"""
    probes: Mapping[str, Section]
    """device -> what a hardware flowtable's dry run said"""
    enabled: bool
    """boot starts our unit"""
    active: bool
    outdated: bool
    """systemd has yet to read its files as they are now"""


def require_nft(platform: Platform, checking: bool) -> None:
    """Raise OffloadError unless kernel and nft can do what our table needs (facts: 05abe4456fa3, nft 8e6cc9f3).

    A check run may meet a router on which the real run would have installed nft before.
    """
    if platform.kernel_version < OLDEST_KERNEL:
        raise OffloadError(
            f"Linux {platform.kernel} cannot hold a flowtable without devices",
            "flowtables need Linux 5.8 or later here",
        )
    if platform.nft_version is None and not checking:
        raise OffloadError("there is no nft on this router", "install it with kmod.nft_offload.kernel_support")
    if platform.nft_version is not None and platform.nft_version < OLDEST_NFT:
        version = ".".join(str(part) for part in platform.nft_version)
        raise OffloadError(f"nft {version} is too old for flowtable flags", "install nftables 0.9.9 or later")


def located(error: StepError, content: str, where: str) -> OffloadError:
    """The same error with nft's complaint shown where it belongs in the user's text.

    The kernel goes on after its first complaint, so only the first one is told; the others may be its echoes.
    """
    complaint = next(iter(parse_errors(error.said)), None)
    loaded = error.step.call[-1]
    lines = content.splitlines()
    if complaint is None or content not in loaded:
        return error
    line = complaint.line - loaded[: loaded.index(content)].count("\n")
    if not 1 <= line <= len(lines):
        return error
    return OffloadError(
        f"nft refuses {where}, line {line} as rendered, column {complaint.column}: {complaint.says}: "
        f"{lines[line - 1].strip()!r}; nothing was changed",
        "correct that line",
        **error.details,
    )


def read_state(answer: Sections) -> TableState:
    """Sections of scripts/ruleset.sh and scripts/nic.sh -> TableState."""

    def told(prefix: str) -> dict[str, Section]:
        return {name.removeprefix(prefix): part for name, part in answer.items() if name.startswith(prefix)}

    table = answer.get("table")
    unit = answer["unit"].text.splitlines() if "unit" in answer else []
    listing = table.text + "\n" if table is not None and table.rc == 0 else None
    features = {
        device: feature
        for device, part in told("features ").items()
        if (feature := parse_features(part.text).get(FEATURE)) is not None
    }
    return TableState(
        platform=parse_platform(answer["platform"].text),
        table=listing,
        flowtables=tuple(parse_flowtables(listing)) if listing else (),
        files=read_files(answer),
        links=frozenset(answer["links"].text.split()),
        drivers={device: parse_driver(part.text) for device, part in told("driver ").items() if part.rc == 0},
        features=features,
        probes=told("probe "),
        enabled="UnitFileState=enabled" in unit,
        active="ActiveState=active" in unit,
        outdated="NeedDaemonReload=yes" in unit,
    )


def refusal(state: TableState, flowtable: str, device: str, checking: bool) -> str:
    """Why a device cannot be in a hardware flowtable; empty when it can, as far as can be known before loading.

    The driver's own answer to a dry run decides. In check mode a changeable feature that is still off says nothing yet:
    the real run turns it on before it asks, and a router without
    ethtool gets it before.
    """
    feature = state.features.get(device)
    driver = state.drivers.get(device) or "none"
    probe = state.probes.get(device)
    held = any(old.hardware and old.name == flowtable and device in old.devices for old in state.flowtables)
    if held or (probe is not None and probe.rc == 0):
        return ""
    off = feature is not None and not feature.active
    if checking and off and feature is not None and not feature.fixed:
        return ""
    if checking and "ethtool" not in state.platform.commands and state.drivers.get(device):
        return ""
    if probe is None:
        return "" if feature is not None and not feature.fixed else f"its driver ({driver}) has no changeable {FEATURE}"
    if "Device or resource busy" in probe.text:
        return "it is in another hardware flowtable already, and its driver takes only one"
    if off and feature is not None:
        return f"{FEATURE} is off" + (f" and fixed by its driver ({driver})" if feature.fixed else "")
    if "Operation not supported" in probe.text:
        return f"its driver ({driver}) takes no flowtables"
    return probe.text.strip().splitlines()[0] if probe.text.strip() else f"nft exit code {probe.rc}"


def _absence(state: TableState, device: str) -> str:
    """Why a device that is away now keeps its flowtable in software; empty when it was taken by hardware before."""
    recorded = f"\n{state.files.get(_boot.DEVICES, '')}".partition(f"\n{device} ")[2].partition("\n")[0]
    return "" if "flags offload" in recorded else "it is away now, and was offloaded in software before"


def _sure(state: TableState, flowtable: str, device: str) -> bool:
    """Would the device be taken now, without what a real run does before?"""
    return not refusal(state, flowtable, device, checking=False)


def decide(state: TableState, request: Request, checking: bool) -> tuple[WantedFlowtable, dict[str, Any]]:
    """Hardware or software, and why; raises OffloadError when hardware is demanded and a device refuses."""
    here = [device for device in request.devices if device in state.links]
    refused = (
        {}
        if request.offload == "software"
        else {d: why for d in here if (why := refusal(state, request.name, d, checking))}
    )
    if request.offload == "auto":
        refused |= {d: why for d in request.devices if d not in here and (why := _absence(state, d))}
    if refused and request.offload == "hardware":
        told = "; ".join(f"{device}: {why}" for device, why in refused.items())
        raise OffloadError(
            f"option flowtables, {request.name}: hardware offload was asked for, but {told}",
            "turn the feature on with nic_features, leave the device out, or use offload: auto or software",
            refused=refused,
        )
    hardware = request.offload == "hardware" or (request.offload == "auto" and bool(request.devices) and not refused)
    wanted = WantedFlowtable(request.name, request.devices, hardware, request.counter)
    if hardware and checking and not all(_sure(state, request.name, device) for device in here):
        every = "foreseen: what the drivers take is asked in the real run"
    else:
        every = "every device takes it"
    reasons = {
        "software": "asked for",
        "hardware": f"asked for; {every}",
        "auto": every if hardware else "; ".join(f"{d}: {why}" for d, why in refused.items()),
    }
    return wanted, {
        "name": request.name,
        "devices": list(request.devices),
        "offload": "hardware" if hardware else "software",
        "reason": reasons[request.offload] or "no devices",
        "refused": refused,
    }


def check_devices(state: TableState, requests: Sequence[Request]) -> list[str]:
    """Raise OffloadError for a device that does not exist; a known one that is away now is only worth a warning."""
    known = {line.split(" ", 1)[0] for line in state.files.get(_boot.DEVICES, "").splitlines()}
    away = []
    for request in requests:
        for device in request.devices:
            if device in state.links:
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


def plan_present(
    state: TableState, family: str, table: str, content: str, requests: Sequence[Request], checking: bool
) -> Plan:
    """Plan for our table as wanted: live, for boot, and for devices that come and go."""
    warnings = check_devices(state, requests)
    decisions = [decide(state, request, checking) for request in requests]
    wanted = WantedTable(family, table, content, tuple(flowtable for flowtable, _why in decisions))
    systemd = state.platform.init == "systemd"
    if not systemd:
        warnings.append("the table is live, but only systemd is known here to load it at boot")
    files = {
        _boot.RULESET: ("0644", wanted.boot_text()),
        _boot.DEVICES: ("0644", wanted.attachments()),
        **BOOT_PIECES,
        **(SYSTEMD_PIECES if systemd else {}),
    }
    changes = file_changes(state.files, files)
    differing = changes.written
    load = _live_change(state, wanted)
    steps: list[Step] = []
    if load:
        steps = [
            Step(f"keep a copy of table {wanted.path}", ("snapshot", family, table)),
            *_drop_renamed(state, wanted),
            Step(f"load table {wanted.path}", ("load", load)),
            Step(f"note how the kernel lists table {wanted.path}", ("stage_listing", _boot.LISTING, family, table)),
            *([] if differing else [Step("put the listing in place", ("commit",))]),
        ]
    closing: list[Step] = []
    if systemd and (state.outdated or set(differing) & set(SYSTEMD_PIECES)):
        closing.append(Step("make systemd and udev read their files again", ("reload_managers",)))
    if systemd and not (state.enabled and state.active):
        closing.append(Step(f"enable {UNIT}", ("enable_unit", UNIT)))
    checks = []
    if load and "nft" in state.platform.commands:
        checks = [Step(f"validate table {wanted.path}", ("dry_load", _without_devices(state, wanted)))]
    return Plan(
        steps=steps,
        files=differing,
        closing=closing,
        undo=_undo(state, wanted) if load else [],
        checks=checks,
        diffs=[*_live_diffs(state, wanted, load), *changes.diffs],
        result={"table": wanted.path, "flowtables": [why for _flowtable, why in decisions]},
        warnings=warnings,
    )


def _live_change(state: TableState, wanted: WantedTable) -> str:
    """The nft text that makes the live table as wanted; empty when it is."""
    if state.table is None:
        return transaction(wanted, state.links, None, ())
    recorded = state.files.get(_boot.LISTING, "")
    as_loaded = listing_without_devices(recorded) == listing_without_devices(state.table)
    if as_loaded and state.files.get(_boot.RULESET) == wanted.boot_text():
        return device_changes(wanted, state.links, state.flowtables)
    return transaction(wanted, state.links, parse_table(state.table), state.flowtables)


def _without_devices(state: TableState, wanted: WantedTable) -> str:
    """The transaction for a dry run: devices stay out, because their features may still be off in check mode."""
    live = parse_table(state.table) if state.table is not None else None
    return transaction(wanted, frozenset(), live, state.flowtables)


def _renamed(state: TableState, wanted: WantedTable) -> tuple[str, str] | None:
    """The table that the boot file still names, when that is another one."""
    old = owned_table(state.files.get(_boot.RULESET, ""))
    return None if old == (wanted.family, wanted.name) else old


def _drop_renamed(state: TableState, wanted: WantedTable) -> list[Step]:
    """When the table has a new name, the old one goes, but not before nft has judged the new one."""
    old = _renamed(state, wanted)
    if old is None:
        return []
    path = " ".join(old)
    return [
        Step(f"keep a copy of table {path}", ("snapshot", *old)),
        Step(f"validate table {wanted.path}", ("dry_load", _without_devices(state, wanted))),
        Step(f"drop table {path}", ("drop_table_if_there", *old)),
    ]


def _undo(state: TableState, wanted: WantedTable) -> list[Step]:
    """What brings every table back that the plan touches."""
    old = _renamed(state, wanted)
    tables = [(wanted.family, wanted.name), *([old] if old else [])]
    return [Step(f"bring table {' '.join(pair)} back", ("restore", *pair)) for pair in tables]


def _live_diffs(state: TableState, wanted: WantedTable, load: str) -> list[Diff]:
    """What was changed by hand, and the devices that come and go."""
    header = f"live table {wanted.path}"
    recorded = state.files.get(_boot.LISTING, "")
    drifted = listing_without_devices(state.table or "") != listing_without_devices(recorded)
    diffs = []
    if load and drifted and recorded:
        diffs.append(Diff(header, listing_without_devices(state.table or ""), listing_without_devices(recorded)))
    held = {f.name: f for f in state.flowtables}
    before, after = "", ""
    for flowtable in wanted.flowtables:
        old = held.get(flowtable.name)
        before += _device_line(old.name, old.devices, old.hardware) if old else ""
        there = [device for device in flowtable.devices if device in state.links]
        after += _device_line(flowtable.name, there, flowtable.hardware)
    if before != after:
        diffs.append(Diff(f"{header}: devices", before, after))
    return diffs


def _device_line(name: str, devices: Sequence[str], hardware: bool) -> str:
    return (
        f"flowtable {name}: {', '.join(sorted(devices)) or 'no devices'} ({'hardware' if hardware else 'software'})\n"
    )


def plan_absent(state: TableState, family: str, table: str) -> Plan:
    """Plan that leaves no trace of our table: live, files, units."""
    written = owned_table(state.files.get(_boot.RULESET, ""))
    owned = {(family, table), *([written] if written else [])}
    live = state.table is not None
    changes = file_changes(state.files, dict.fromkeys(OWN_FILES))
    steps = []
    if state.enabled or state.active:
        steps.append(Step(f"disable {UNIT}", ("disable_unit", UNIT)))
    if live:
        steps.append(Step(f"drop table {family} {table}", ("drop_table", family, table)))
    steps += [
        Step(f"drop table {' '.join(old)}", ("drop_table_if_there", *old)) for old in sorted(owned - {(family, table)})
    ]
    systemd = state.platform.init == "systemd" and (state.outdated or bool(set(changes.removed) & set(SYSTEMD_PIECES)))
    diffs = [Diff(f"live table {family} {table}", listing_without_devices(state.table or ""), "")] if live else []
    return Plan(
        steps=steps,
        removed=changes.removed,
        closing=[Step("make systemd and udev read their files again", ("reload_managers",))] if systemd else [],
        diffs=[*diffs, *changes.diffs],
        result={"table": f"{family} {table}", "flowtables": []},
    )
