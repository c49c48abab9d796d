# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: what boot will load is what is live. Only our own table can be judged, and OpenWrt's firewall."""

from __future__ import annotations

from ..._core.names import is_pattern, stands_for
from ..._core.text import iterate_lines
from ..._observe.state import Flowtable
from ..finding import LONGEST_EVIDENCE, Finding, Kind
from ..subject import Names, Subject
from .openwrt import loads_at_boot

NOT_LIVE = Kind(
    "configured.not-live",
    "error",
    "The table that boot loads is not in the live ruleset",
    "The table was loaded and then removed, by hand or by a firewall that flushes the whole ruleset when it reloads.",
    "load it again with kmod.nft_offload.ruleset (systemctl restart nft-offload), and find what flushed it",
)
NOT_PERSISTED = Kind(
    "configured.not-persisted",
    "error",
    "The table is live, but boot will not load it",
    "After a reboot there would be no offload: nothing on the router loads this table at boot.",
    "load the table with kmod.nft_offload.ruleset, which also keeps it for boot",
)
LIVE_DIFFERS = Kind(
    "configured.live-differs",
    "error",
    "The live table is not what boot loads",
    "The table was changed by hand since it was loaded. A reboot would silently undo that, so one of the two is wrong."
    " Devices, counters and elements of sets come and go and are not compared.",
    "run kmod.nft_offload.ruleset again; put a change that is meant into its content",
)
BOOT_FALLBACK = Kind(
    "configured.boot-fallback",
    "error",
    "The router started with an older ruleset",
    "nft refused the ruleset that was confirmed when the router started, such as one that names a device, a host or a"
    " file that was not there yet. Boot then loads the newest ruleset confirmed before that loads.",
    "correct what nft complains of, and run kmod.nft_offload.ruleset again: it loads what is desired, and refuses a"
    " text that boot would not load",
)
EMERGENCY = Kind(
    "configured.emergency",
    "error",
    "The router runs its emergency ruleset",
    "nft refused every ruleset that was confirmed when the router started, and our table is the router's filter. So"
    " boot loaded /etc/nft-offload/emergency.nft: SSH, ICMP, DHCP and answers come in, and nothing is forwarded where"
    " our table filters that too.",
    "correct what nft complains of, and run kmod.nft_offload.ruleset again: it loads what is desired, and refuses a"
    " text that boot would not load",
)
BOOT_DISABLED = Kind(
    "configured.boot-disabled",
    "error",
    "Boot will not use what was left for it",
    "The files are there, but the unit or rule that uses them at boot is disabled or gone.",
    "run kmod.nft_offload.ruleset and kmod.nft_offload.nic_features again (systemctl enable {pieces})",
)
ATTACHMENT_MISSING = Kind(
    "configured.attachment-missing",
    "error",
    "A device is in the flowtable now, but will not be after a reboot",
    "The persisted table has its flowtables without devices, because a missing device would keep the whole table from"
    " loading. Each device joins when it appears, and nothing is left for this one.",
    "run kmod.nft_offload.ruleset again with {device} among the devices of the flowtable",
)
NOT_JUDGED = Kind(
    "configured.boot-not-judged",
    "info",
    "Whether boot loads this flowtable is not known",
    "The flowtable belongs to another firewall, and how that one loads its ruleset at boot is not known here.",
    "nothing needs to be done; a verification after a reboot shows it",
)
FOREIGN_TABLE = Kind(
    "configured.foreign-table",
    "warning",
    "A table of our name was made by somebody else",
    "Each table that this collection makes has a comment that says so, or its files on the router do. This one has"
    " neither, so it is not changed, and disabling offload leaves it there.",
    "give it another name, or have kmod.nft_offload.ruleset replace it: adopt: true (flow_offload_adopt_table: true in"
    " the role), which shows with --check --diff what would be lost",
)
KINDS = (
    NOT_LIVE,
    NOT_PERSISTED,
    LIVE_DIFFERS,
    BOOT_FALLBACK,
    EMERGENCY,
    BOOT_DISABLED,
    ATTACHMENT_MISSING,
    NOT_JUDGED,
    FOREIGN_TABLE,
)


def find_unpersisted_table(subject: Subject) -> list[Finding]:
    """Does boot load the table that is judged, and is it live?"""
    flowtables = subject.flowtables
    if subject.state.flowtables is None:
        return []
    if subject.boot_table == subject.expectation.table:
        boot = subject.state.boot
        if subject.table_exists and boot.software_table and boot.software_live is None:
            tried = "boot loads it together with the other one"
            return [NOT_LIVE.found(f"table {boot.software_table} is not in the live ruleset", tried)]
        if subject.table_exists:
            return []
        tried = f"boot could not load it: {boot.complaint}" if boot.loaded == "none" else "boot would load it"
        return [NOT_LIVE.found(f"table {subject.expectation.table} is not in the live ruleset", tried)]
    if not flowtables:
        return []
    names = ", ".join(flowtable.path for flowtable in flowtables)
    if loads_at_boot(subject) and {(flowtable.family, flowtable.table) for flowtable in flowtables} == {
        ("inet", "fw4")
    }:
        return []
    if subject.is_ours:
        return [NOT_PERSISTED.found(f"nothing loads table {subject.expectation.table} at boot", f"live: {names}")]
    firewall = f"firewall: {', '.join(subject.state.firewalls) or 'unknown'}"
    return [NOT_JUDGED.found(f"what loads {names} at boot is not known", firewall)]


def find_foreign_table(subject: Subject) -> list[Finding]:
    """Is the expected table one that this collection did not make?"""
    if not subject.state.boot.foreign:
        return []
    lines = [line.strip() for line in iterate_lines(subject.state.boot.live or "") if line.startswith("\t")]
    heads = [line for line in lines if line.endswith("{")]
    return [FOREIGN_TABLE.found(f"table {subject.expectation.table} was made by somebody else", *heads[:8])]


def find_changed_table(subject: Subject) -> list[Finding]:
    """Is the table still listed as it was when boot's text was loaded?"""
    table, changes = subject.expectation.table, subject.state.boot.differences
    if subject.boot_table != table or not changes or find_boot_fallback(subject):
        return []
    evidence = [*changes[:8], *([f"... and {len(changes) - 8} more lines"] if len(changes) > 8 else [])]
    message = f"table {table} was changed since it was loaded: {' / '.join(changes[:2])}"
    return [LIVE_DIFFERS.found(message, *evidence)]


def find_boot_fallback(subject: Subject) -> list[Finding]:
    """Is what boot loaded in place of the confirmed ruleset still live?"""
    boot, table = subject.state.boot, subject.expectation.table
    if subject.boot_table not in ("", table) or not subject.table_exists:
        return []
    if boot.listing is not None and boot.live is not None and not boot.differences:
        return []
    why = f"nft said of the confirmed one: {boot.complaint or 'nothing'}"
    if boot.loaded == "emergency":
        return [EMERGENCY.found(f"table {table} is the emergency ruleset, since the router started", why)]
    if boot.loaded.startswith("kept "):
        kept = boot.loaded.removeprefix("kept ")
        return [BOOT_FALLBACK.found(f"table {table} is ruleset {kept}, since the router started", why)]
    return []


def find_disabled_pieces(subject: Subject) -> list[Finding]:
    """Pieces that boot will not use, as far as the login may ask."""
    off = sorted(_file_name(piece) for piece, on in subject.state.boot.enabled.items() if not on)
    if subject.boot_table != subject.expectation.table or not off or subject.state.platform.uid != 0:
        return []
    pieces = ", ".join(off)
    return [BOOT_DISABLED.found(f"boot will not use {pieces}", *(f"{piece}: off" for piece in off), pieces=pieces)]


def find_missing_attachments(subject: Subject) -> list[Finding]:
    """Listed devices that nothing attaches to the flowtable at boot."""
    if subject.boot_table != subject.expectation.table:
        return []
    left = sorted(subject.state.boot.attachments)
    names = Names(left)
    patterns = [one for one in left if is_pattern(one)]
    joining = f"devices that will: {', '.join(left[:LONGEST_EVIDENCE]) or 'none'}"
    return [
        ATTACHMENT_MISSING.found(
            f"device {device} will not join flowtable {flowtable.path} at boot",
            joining,
            device=device,
        )
        for flowtable in subject.flowtables
        for device in flowtable.devices
        if not any(_joins(subject, name, flowtable) for name in names.match(device))
        and not any(stands_for(pattern, device) and _joins(subject, pattern, flowtable) for pattern in patterns)
    ]


CHECKS = (
    find_unpersisted_table,
    find_foreign_table,
    find_changed_table,
    find_boot_fallback,
    find_disabled_pieces,
    find_missing_attachments,
)


def _joins(subject: Subject, device: str, flowtable: Flowtable) -> bool:
    """Does boot add the device to that flowtable? Where there is one table, the device has one to join."""
    command = subject.state.boot.attachments[device]
    return not subject.software_table or f"flowtable {flowtable.path} " in command


def describe_boot(subject: Subject) -> list[str]:
    """What was seen of boot where all is well."""
    if subject.boot_table != subject.expectation.table or any(check(subject) for check in CHECKS):
        return []
    compared = (
        "as listed when it was loaded"
        if subject.state.boot.listing is not None
        else "not compared: no listing was kept"
    )
    return [
        f"table {subject.expectation.table} is {compared}",
        f"boot will use {', '.join(sorted(map(_file_name, subject.state.boot.enabled))) or 'its text'}",
        f"devices that will join: {', '.join(sorted(subject.state.boot.attachments)) or 'none'}",
    ]


def _file_name(piece: str) -> str:
    """Name of a unit or rules file without its directory."""
    return piece.rsplit("/", 1)[-1]
