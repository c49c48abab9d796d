# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 3, configured: flowtable, flags, devices and a rule that feeds it are live, and boot will load the same.

What boot will load is judged in at_boot.py, the NICs' features in nic.py, what else handles packets in conflicts.py.
"""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder import at_boot, conflicts, nic
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.finding import (
    Expectation,
    Finding,
    Kind,
    RungResult,
    rung,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.scope import (
    boot_table,
    feeding,
    judged,
    matching,
    ours,
    table_exists,
    words,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import Flowtable, RouterState

PATHS_THROUGH_LOWERS = {"bridge", "vlan", "ppp"}
"""Kinds of device that flows are taken around, by the devices below them, since Linux 5.13 (nf_flowtable.rst)."""

UNREADABLE = Kind(
    "configured.unreadable",
    "warning",
    "The ruleset could not be read",
    "nft is there and the login is root, but listing the ruleset failed, as in a container without CAP_NET_ADMIN.",
    "run 'nft list flowtables' on the router and see what it says",
)
NO_FLOWTABLE = Kind(
    "configured.no-flowtable",
    "error",
    "There is no flowtable",
    "Without a flowtable every forwarded packet walks the forward chain.",
    "declare one with kmod.nft_offload.ruleset or the role kmod.nft_offload.flow_offload",
)
FLAG_MISSING = Kind(
    "configured.flag-missing",
    "error",
    "Hardware offload is expected, but the flowtable is a software one",
    "Only a flowtable with 'flags offload' hands its flows to the NIC. The flag cannot be added to a live flowtable.",
    "give the flowtable offload: hardware in kmod.nft_offload.ruleset (flow_offload_mode: hardware in the role)",
)
FLAG_UNEXPECTED = Kind(
    "configured.flag-unexpected",
    "error",
    "Software offload is expected, but the flowtable is a hardware one",
    "The flowtable has 'flags offload': its flows go to the NIC where the NIC takes them, past the router's own"
    " queueing and counters.",
    "give the flowtable offload: software in kmod.nft_offload.ruleset (flow_offload_mode: software in the role)",
)
NO_DEVICES = Kind(
    "configured.no-devices",
    "error",
    "The flowtable has no device",
    "A flowtable takes packets only where they come in through one of its devices. Without any it takes none. Up to"
    " Linux 6.15 a device that is re-created drops out of the list for good.",
    "give the devices of both directions to kmod.nft_offload.ruleset and run it again",
)
DEVICE_UNKNOWN = Kind(
    "configured.device-unknown",
    "error",
    "A named device does not exist",
    "Since Linux 6.16 a flowtable takes any name without a word and waits for such a device to appear, so a misspelt"
    " name looks as good as a right one. A NIC whose driver refuses the flowtable when it appears, as with its feature"
    " off, cannot appear at all while the name is listed.",
    "correct the name {device!r}, or bring that device up; if it cannot come back, take its name out of the flowtable"
    " first",
)
DEVICE_MISSING = Kind(
    "configured.device-missing",
    "error",
    "An expected device is in no flowtable",
    "Packets that come in through a device that is not in the flowtable stay on the slow path. Conntrack can still"
    " show such flows as offloaded, because the other direction is. Since Linux 5.13 a bridge or VLAN counts as listed"
    " when the devices below it are.",
    "add {device} with kmod.nft_offload.ruleset; up to Linux 6.15 a device that was re-created must be added again",
)
NO_RULE = Kind(
    "configured.no-rule",
    "error",
    "No rule feeds the flowtable",
    "Flows get into a flowtable by a rule 'flow add @name' that their packets reach. There is none.",
    "add a rule such as 'ct state established meta l4proto {{ tcp, udp }} flow add @{flowtable}' to a chain at the"
    " forward hook",
)
RULE_UNREACHABLE = Kind(
    "configured.rule-unreachable",
    "error",
    "The rule that feeds the flowtable is never reached",
    "A 'flow add' rule works only in a chain that forwarded packets walk: a base chain at the forward hook, or a chain"
    " that one jumps to.",
    "put the rule into a chain at the forward hook, or jump to chain {chain} from one",
)
KINDS = (
    UNREADABLE,
    NO_FLOWTABLE,
    FLAG_MISSING,
    FLAG_UNEXPECTED,
    NO_DEVICES,
    DEVICE_UNKNOWN,
    DEVICE_MISSING,
    NO_RULE,
    RULE_UNREACHABLE,
    *at_boot.KINDS,
    *nic.KINDS,
    *conflicts.KINDS,
)


def ruleset(state: RouterState, expectation: Expectation) -> list[Finding]:
    """Is there a ruleset with a flowtable at all?"""
    if state.flowtables is None:
        explained = state.platform.uid != 0 or "nft" not in state.platform.commands
        return (
            [] if explained else [UNREADABLE.found("the live ruleset could not be read", *words(state, "flowtables"))]
        )
    live = table_exists(state, expectation.table)
    flushed = boot_table(state) == expectation.table and not live  # at_boot tells
    if judged(state, expectation) or flushed:
        return []
    where = f"table {expectation.table}" if live else "the live ruleset"
    return [NO_FLOWTABLE.found(f"there is no flowtable in {where}", "nft list flowtables shows none")]


def flags(state: RouterState, expectation: Expectation) -> list[Finding]:
    found = []
    for flowtable in judged(state, expectation):
        if expectation.expect == "hardware" and not flowtable.hardware:
            message = f"flowtable {flowtable.path} offloads in software, expected is hardware"
            found.append(FLAG_MISSING.found(message, f"{_described(flowtable)}: no 'flags offload'"))
        if expectation.expect == "software" and flowtable.hardware:
            message = f"flowtable {flowtable.path} offloads in hardware, expected is software"
            found.append(FLAG_UNEXPECTED.found(message, _described(flowtable)))
    return found


def listed_devices(state: RouterState, expectation: Expectation) -> list[Finding]:
    """Devices that flowtables name."""
    found = []
    for flowtable in judged(state, expectation):
        if not flowtable.devices:
            found.append(NO_DEVICES.found(f"flowtable {flowtable.path} has no device", _described(flowtable)))
        found += [
            _unknown(state, device, f"flowtable {flowtable.path} names")
            for device in flowtable.devices
            if state.devices and not matching(device, state.devices)
        ]
    return found


def expected_devices(state: RouterState, expectation: Expectation) -> list[Finding]:
    """Devices that the user names, or that join our flowtable at boot."""
    flowtables = judged(state, expectation)
    if not flowtables or not state.devices:
        return []
    listed = {device for flowtable in flowtables for device in flowtable.devices}
    found = [
        _unknown(state, device, "the option devices names")
        for device in dict.fromkeys(expectation.devices)
        if device not in state.devices and device not in listed
    ]
    wanted = dict.fromkeys(device for device in expectation.devices if device in state.devices)
    if ours(flowtables, state, expectation):
        wanted |= dict.fromkeys(device for device in state.boot.attachments if device in state.devices)
    evidence = [_described(flowtable) for flowtable in flowtables]
    return found + [
        DEVICE_MISSING.found(f"device {device} is in no flowtable", *evidence, device=device)
        for device in wanted
        if not _covered(state, device, listed)
    ]


def rules(state: RouterState, expectation: Expectation) -> list[Finding]:
    unread = words(state, "ruleset", "maps")
    if unread and judged(state, expectation):
        return [UNREADABLE.found("the rules could not be read whole", *unread)]
    found = []
    for flowtable in judged(state, expectation):
        feeders = feeding(state, flowtable)
        if not feeders:
            message = f"no rule feeds flowtable {flowtable.path}"
            evidence = f"no 'flow add @{flowtable.name}' in table {flowtable.family} {flowtable.table}"
            found.append(NO_RULE.found(message, evidence, flowtable=flowtable.name))
        elif not any(rule.reachable for rule in feeders):
            chains = ", ".join(dict.fromkeys(rule.chain for rule in feeders))
            message = f"no forwarded packet reaches the rule that feeds flowtable {flowtable.path}, in chain {chains}"
            texts = [f"chain {rule.chain}: {rule.text}" for rule in feeders]
            found.append(RULE_UNREACHABLE.found(message, *texts, chain=chains))
    return found


CHECKS = (ruleset, flags, listed_devices, expected_devices, rules, *at_boot.CHECKS, *nic.CHECKS, *conflicts.CHECKS)


def judge(state: RouterState, expectation: Expectation) -> RungResult:
    flowtables = judged(state, expectation)
    evidence = [_described(flowtable) for flowtable in flowtables]
    evidence += [
        f"chain {rule.chain}: {rule.text}" for flowtable in flowtables for rule in feeding(state, flowtable)[:2]
    ]
    evidence += at_boot.evidence(state, expectation)
    if state.firewall:
        evidence.append(f"in charge beside it: {state.firewall}")
    evidence += [f"not understood: {line}" for line in state.not_understood[:3]]
    holds = bool(flowtables) and not words(state, "ruleset", "maps")
    return rung("configured", holds, evidence, [f for check in CHECKS for f in check(state, expectation)])


def _described(flowtable: Flowtable) -> str:
    kind = "hardware" if flowtable.hardware else "software"
    return f"flowtable {flowtable.path}: {kind}, devices {', '.join(flowtable.devices) or 'none'}"


def _unknown(state: RouterState, device: str, who: str) -> Finding:
    others = ", ".join(sorted(name for name, known in state.devices.items() if known.kind != "loopback"))
    return DEVICE_UNKNOWN.found(f"{who} {device}, which does not exist", f"devices: {others}", device=device)


def _covered(state: RouterState, device: str, listed: set[str], above: tuple[str, ...] = ()) -> bool:
    """Is the device in the list, or, where flows are taken around it, everything below it?"""
    if any(matching(name, [device]) for name in listed):
        return True
    known = state.devices.get(device)
    if known is None or device in above or known.kind not in PATHS_THROUGH_LOWERS:
        return False
    if state.platform.kernel_version < (5, 13):
        return False
    return bool(known.lowers) and all(_covered(state, lower, listed, (*above, device)) for lower in known.lowers)
