# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: the devices that a flowtable lists, and those that it is expected to list."""

from __future__ import annotations

from itertools import islice

from ..finding import LONGEST_EVIDENCE, Finding, Kind
from ..fw4_remedies import list_network
from ..subject import ListedNames, Subject, describe_flowtable

NO_DEVICES = Kind(
    "configured.no-devices",
    "error",
    "The flowtable has no device",
    "A flowtable takes packets only where they come in through one of its devices. Without any it takes none. Up to"
    " Linux 6.15 a device that is re-created drops out of the list for good.",
    "give the devices of both directions to kmod.nft_offload.ruleset and run it again",
    under_fw4="have a zone of the firewall with a network that is on a device (uci show firewall, uci show network),"
    " then run /etc/init.d/firewall reload",
)
DEVICE_UNKNOWN = Kind(
    "configured.device-unknown",
    "error",
    "A named device does not exist",
    "Since Linux 6.16 a flowtable takes any name without an error and waits for such a device to appear, so a misspelt"
    " name looks as good as a right one. A NIC whose driver refuses the flowtable when it appears, as with its feature"
    " off, cannot appear at all while the name is listed.",
    "correct the name {device!r}, or bring that device up; if it cannot come back, take its name out of the flowtable"
    " first",
    under_fw4="correct the name {device!r} where it is an option's; else bring that device up, or run"
    " /etc/init.d/firewall reload: fw4 leaves out what does not exist",
)
DEVICE_MISSING = Kind(
    "configured.device-missing",
    "error",
    "An expected device is in no flowtable",
    "Packets that come in through a device that is not in the flowtable stay on the slow path. Conntrack can still"
    " show such flows as offloaded, because the other direction is. Since Linux 5.13 a bridge or VLAN counts as listed"
    " when the devices below it are.",
    "add {device} with kmod.nft_offload.ruleset; up to Linux 6.15 a device that was re-created must be added again",
    under_fw4=list_network("{device}"),
)
KINDS = (NO_DEVICES, DEVICE_UNKNOWN, DEVICE_MISSING)


def find_unknown_devices(subject: Subject) -> list[Finding]:
    """Devices that flowtables name."""
    found = []
    for flowtable in subject.flowtables:
        if not flowtable.devices:
            found.append(NO_DEVICES.found(f"flowtable {flowtable.path} has no device", describe_flowtable(flowtable)))
        found += [
            _report_unknown_device(subject, device, f"flowtable {flowtable.path} names")
            for device in flowtable.devices
            if subject.devices and not subject.device_names.match(device)
        ]
    return found


def find_missing_devices(subject: Subject) -> list[Finding]:
    """Devices that the user names, or that join our flowtable at boot."""
    flowtables = subject.flowtables
    if not flowtables or not subject.devices:
        return []
    listed = ListedNames(device for flowtable in flowtables for device in flowtable.devices)
    names = {device for flowtable in flowtables for device in flowtable.devices}
    found = [
        _report_unknown_device(subject, device, "the option devices names")
        for device in dict.fromkeys(subject.expectation.devices)
        if device not in subject.devices and device not in names
    ]
    wanted = dict.fromkeys(device for device in subject.expectation.devices if device in subject.devices)
    if subject.is_ours:
        joining = subject.state.boot.attachments
        wanted |= dict.fromkeys(device for listed in joining for device in subject.device_names.match(listed))
    evidence = [describe_flowtable(flowtable) for flowtable in flowtables[:4]]
    return found + [
        DEVICE_MISSING.found(f"device {device} is in no flowtable", *evidence, device=device)
        for device in wanted
        if not _is_covered(subject, device, listed)
    ]


CHECKS = (find_unknown_devices, find_missing_devices)


def _is_covered(subject: Subject, device: str, listed: ListedNames) -> bool:
    """Is the device in the list, or where flows are taken around it, all below it that the filter would pick?"""
    lower = subject.hook_devices(device) if subject.sees_lowers else (device,)
    return device in listed or (bool(lower) and all(name in listed for name in lower))


def _report_unknown_device(subject: Subject, device: str, who: str) -> Finding:
    """The finding on a name that no device has; ``who`` names it."""
    known = (name for name in subject.device_names if subject.devices[name].kind != "loopback")
    others = ", ".join(islice(known, LONGEST_EVIDENCE))
    evidence = [f"devices: {others}"]
    if spaces := ", ".join(subject.state.other_handlers.namespaces[:4]):
        evidence.append(f"it may be in another network namespace: {spaces}")
    return DEVICE_UNKNOWN.found(f"{who} {device}, which does not exist", *evidence, device=device)
