# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: OpenWrt's firewall, whose configuration, ruleset and live table can each be another one."""

from __future__ import annotations

import re

from ..._observe.state import FLOWTABLE_MODULES, Flowtable, OpenWrtFirewall
from ..finding import Finding, Kind
from ..subject import FW4_FLOWTABLE, Subject

NOT_LOADED = Kind(
    "configured.openwrt-not-loaded",
    "error",
    "OpenWrt's firewall is not in the live ruleset",
    "Stopping the firewall takes every table of the router, not only its own, and fw4 reload ends with success when nft"
    " refused the ruleset. After a load that failed its state file may be there all the same, and then it refuses to"
    " start.",
    "see the errors of 'fw4 check', then run /etc/init.d/firewall restart",
)
REFUSED = Kind(
    "configured.openwrt-refused",
    "error",
    "OpenWrt's whole firewall was refused: no rule of it is live",
    "fw4 loads its ruleset as a whole. With flow_offloading on there is a flowtable in it, and a kernel that has none"
    " makes nft refuse all of it, zones, NAT and port forwards too. What is live is an empty shell at most, whose"
    " policies alone decide.",
    "install kmod-nft-offload for exactly this kernel (kmod.nft_offload.kernel_support, or an image that has it), then"
    " run /etc/init.d/firewall restart; or turn offload off now: uci set firewall.@defaults[0].flow_offloading=0, uci"
    " commit firewall, /etc/init.d/firewall restart",
)
DIFFERS = Kind(
    "configured.openwrt-differs",
    "error",
    "The live flowtable is not the one that OpenWrt's firewall would make",
    "Devices that came after the firewall, as Wi-Fi does some 20 seconds later, join with its next load only"
    " (openwrt#22533). A load that failed leaves the old one in place without an error.",
    "run kmod.nft_offload.fw4_offload, or /etc/init.d/firewall reload",
)
FALLBACK = Kind(
    "configured.openwrt-fallback",
    "warning",
    "Hardware offload is configured, and fw4 falls back to software",
    "fw4 asks nft whether every device takes a hardware flowtable, and makes a software one when one of them does not.",
    "find the device that refuses and take it out of the zones' networks, or set flow_offloading_hw to 0",
)
HARDWARE_ALONE = Kind(
    "configured.openwrt-hardware-alone",
    "warning",
    "Hardware offload is configured, and offload itself is not",
    "Without flow_offloading there is no flowtable, and flow_offloading_hw means nothing.",
    "run kmod.nft_offload.fw4_offload",
)
NO_TRUTH = Kind(
    "configured.openwrt-no-truth",
    "error",
    "An option has a value that fw4 does not take",
    "fw4 takes 1, on, true and yes, and 0, off, false and no, in these letters only. Anything else ends it with an"
    " error before it prints a ruleset, so that the router has no firewall after its next start.",
    "run kmod.nft_offload.fw4_offload, or correct {option} in /etc/config/firewall",
)
ZONE_SKIPPED = Kind(
    "configured.openwrt-zone-skipped",
    "warning",
    "The next load of OpenWrt's firewall leaves a zone out",
    "A zone with a value that fw4 does not take is left out of its ruleset as a whole, with the rules, NAT and devices"
    " that are its own, and 'fw4 check' ends with success all the same. An interface that comes up has the firewall"
    " loaded again.",
    "correct the zone {zones} in /etc/config/firewall until 'fw4 print' prints no such line, then run"
    " /etc/init.d/firewall reload",
)
STAGED = Kind(
    "configured.openwrt-staged",
    "warning",
    "Changes of the firewall are staged and not committed",
    "fw4 uses what is staged in UCI like what is committed, and is reloaded whenever an interface comes up. So the"
    " changes become live by chance, and are gone after a reboot.",
    "commit them with 'uci commit firewall', or drop them with 'uci revert firewall'",
)
TWO_DEFAULTS = Kind(
    "configured.openwrt-defaults-twice",
    "warning",
    "There is more than one section of defaults",
    "fw4 uses the first one, with a warning that nobody sees; options in the others have no effect.",
    "make one section of them in /etc/config/firewall",
)
NOT_ENABLED = Kind(
    "configured.openwrt-not-enabled",
    "warning",
    "Boot does not start OpenWrt's firewall",
    "It is loaded now, and after a reboot there would be neither a firewall nor offload.",
    "run /etc/init.d/firewall enable",
)
EDITED = Kind(
    "configured.openwrt-edited",
    "info",
    "The rule that feeds OpenWrt's flowtable is not fw4's own",
    "The rule comes before everything that can be included, so those who want flows to stay on the slow path edit fw4's"
    " template. An upgrade of the image brings the template back as it was.",
    "keep the edited template through upgrades, or make the change again after each",
)
WED_OFF = Kind(
    "configured.openwrt-wed-off",
    "info",
    "Wi-Fi of MediaTek takes no flows in hardware",
    "Flows to and from its Wi-Fi bypass the CPU only by the Wireless Ethernet Dispatch (WED), which is off"
    " unless a parameter of the module turns it on. mt7621 and older have none.",
    "put 'mt7915e wed_enable=Y' (or the module that this Wi-Fi has) into /etc/modules.d/mt7915e, and reboot",
)
KINDS = (
    NOT_LOADED,
    REFUSED,
    DIFFERS,
    FALLBACK,
    HARDWARE_ALONE,
    NO_TRUTH,
    ZONE_SKIPPED,
    STAGED,
    TWO_DEFAULTS,
    NOT_ENABLED,
    EDITED,
    WED_OFF,
)

COMPLAINT = re.compile(r"Section (?P<section>\S+) (?:\((?P<name>[^)]*)\) )?(?P<what>.*)")
"""what fw4 prints of a section of UCI"""
OWN_RULE = "meta l4proto { tcp, udp } flow offload @ft"


def loads_at_boot(subject: Subject) -> bool:
    """Will boot have OpenWrt's firewall offload as it does now?"""
    seen = subject.state.fw4
    return bool(seen and seen.effective.get("flow_offloading") and "enabled" in seen.loaded and not seen.staged)


def find_live_differences(subject: Subject) -> list[Finding]:
    """A firewall that is not loaded, or loaded with another flowtable than it would load now."""
    seen = subject.state.fw4
    if seen is None or subject.state.flowtables is None:
        return []
    if refused := _explain_refusal(subject):
        return [REFUSED.found(*refused)]
    if not {"table"} & seen.loaded:
        thinks = "its state file shows it as loaded" if "state" in seen.loaded else "its state file is gone"
        return [NOT_LOADED.found("there is no table inet fw4", thinks)] if {"state", "enabled"} & seen.loaded else []
    if None in seen.effective.values():
        return []  # fw4 would make nothing at all
    now = next((f for f in subject.state.flowtables if f.path == FW4_FLOWTABLE), None)
    if _essence(now) == _essence(seen.desired):
        return []
    return [
        DIFFERS.found(
            f"live is {_describe_flowtable(now)}, and fw4 would make {_describe_flowtable(seen.desired)}",
            "fw4 print",
            "nft list",
        )
    ]


def _explain_refusal(subject: Subject) -> tuple[str, ...]:
    """Message and evidence where the whole ruleset was refused for its flowtable; empty where it was not."""
    seen = subject.state.fw4
    if seen is None or not seen.effective.get("flow_offloading") or subject.state.flowtables:
        return ()
    states = subject.state.kernel.modules
    missing = [name for name in FLOWTABLE_MODULES if states.get(name) == "missing"]
    shell = "the chains of table inet fw4 are there, without a single rule"
    if "empty" in seen.loaded:
        why = f", because the running kernel has no {', '.join(missing)}" if missing else ""
        return f"the live firewall is an empty shell{why}", shell, *seen.complaints[:2]
    if missing and "table" not in seen.loaded and {"state", "enabled"} & seen.loaded:
        return f"there is no table inet fw4, because the running kernel has no {', '.join(missing)}", *missing
    return ()


def find_setting_faults(subject: Subject) -> list[Finding]:
    """Options and sections of UCI that do not do what they seem to."""
    seen = subject.state.fw4
    if seen is None:
        return []
    found = [
        NO_TRUTH.found(f"{option} is {seen.values.get(option)!r}", *seen.complaints[:2], option=option)
        for option, truth in seen.effective.items()
        if truth is None
    ]
    if seen.effective.get("flow_offloading_hw") and seen.effective.get("flow_offloading") is False:
        found.append(HARDWARE_ALONE.found("flow_offloading_hw is on, and flow_offloading is not"))
    found += [FALLBACK.found("fw4 falls back to software", line) for line in seen.complaints if "falling back" in line]
    found += _find_skipped_zones(seen)
    if seen.staged:
        found.append(STAGED.found(f"staged and not committed: {', '.join(seen.staged[:3])}", *seen.staged[:4]))
    if seen.sections > 1:
        found.append(TWO_DEFAULTS.found(f"there are {seen.sections} sections of defaults"))
    if "table" in seen.loaded and "enabled" not in seen.loaded:
        found.append(NOT_ENABLED.found("boot does not start the firewall"))
    if seen.rule and seen.rule != OWN_RULE:
        found.append(EDITED.found(f"the rule is '{seen.rule}'", f"fw4's own: {OWN_RULE}"))
    return found


def _find_skipped_zones(seen: OpenWrtFirewall) -> list[Finding]:
    """Zones that fw4 leaves out, with all that it says of sections of zones."""
    complaints = [found for line in seen.complaints if (found := COMPLAINT.fullmatch(line))]
    of_zones = [
        found for found in complaints if found["section"].startswith("@zone[") or found["section"] in seen.zone_sections
    ]
    skipped = [found["name"] or found["section"] for found in of_zones if found["what"].startswith("skipped")]
    if not skipped:
        return []
    zones = ", ".join(skipped)
    lines = [found.string for found in of_zones]
    return [ZONE_SKIPPED.found(f"fw4 leaves out the zone {zones}", *lines[:6], zones=zones)]


def find_wed_off(subject: Subject) -> list[Finding]:
    """Wi-Fi devices of a hardware flowtable, where MediaTek's WED is off."""
    if subject.state.fw4 is None or "wed-off" not in subject.state.fw4.loaded:
        return []
    hardware = [device for f in subject.flowtables if f.hardware for device in subject.existing_devices(f)]
    names = sorted(device.name for device in hardware if device.kind == "wlan")
    return [WED_OFF.found(f"{', '.join(names)}: wed_enable is N", *names)] if names else []


CHECKS = (find_live_differences, find_setting_faults, find_wed_off)


def _essence(flowtable: Flowtable | None) -> tuple[tuple[str, ...], bool] | None:
    """What two flowtables must share to be the same: devices and flag."""
    return None if flowtable is None else (tuple(sorted(flowtable.devices)), flowtable.hardware)


def _describe_flowtable(flowtable: Flowtable | None) -> str:
    """A flowtable, or none, in a few words."""
    if flowtable is None:
        return "no flowtable"
    return f"{', '.join(flowtable.devices) or 'no devices'} in {'hardware' if flowtable.hardware else 'software'}"
