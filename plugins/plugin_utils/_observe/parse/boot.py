# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/boot.sh and the files of _core/paths.py -> Boot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..._core import paths
from ..._core.names import NAME, SOFTWARE
from ..._core.sections import Answer
from ..._core.text import iterate_lines
from ..._systems.init_registry import find_starters, read_service_state
from ..state import Boot
from .ethtool import parse_feature_record
from .nft import diff_listings, normalise_listing, parse_filtered_families, parse_statements
from .platform import parse_platform

HEADER = "# Written by kmod.nft_offload.ruleset: changes by hand are put right. Devices join when they exist."
"""first line of the file that boot loads"""
MARK = 'comment "kmod.nft_offload"'
"""The statement by which a live table shows that this collection made it. The kernel keeps it from Linux 5.10 on, and
takes it only when it makes the table: one that is there keeps the comment that it has, or none."""
_HEAD = re.compile(re.escape(HEADER) + r"\ntable (inet|ip6?) ([^\n]*?)( \{ " + re.escape(MARK) + r"; \})?\n")
_NO_TABLE = re.compile(
    r"^((\S+:\d+:[-0-9]+|netlink): )?Error:.*(No such file or directory|not supported)"
    r"|^Unable to initialize Netlink socket: .*not supported|\bnft: (command )?not found",
    re.MULTILINE,
)
"""what is printed where there is no such table, no tables at all, or no nft; one that cannot start says otherwise"""
READ = (paths.LISTING, paths.SOFTWARE_LISTING, paths.DEVICES, paths.FEATURES)
"""files that are needed whole; of RULESET the first 64 KiB will do"""


@dataclass(frozen=True)
class BootRecord:
    """What sh/installed/ruleset.sh loaded when it ran last."""

    loaded: str = ""
    """confirmed, ``kept ID``, emergency, none; empty: there is no record of it"""
    complaint: str = ""
    """the first line of what nft printed about the text that was confirmed"""

    @property
    def fell_back(self) -> bool:
        """Whether it could not load what was confirmed."""
        return self.loaded not in ("", "confirmed")

    @property
    def replaced(self) -> bool:
        """Whether it loaded something else in its place, which is ours too."""
        return self.fell_back and self.loaded != "none"


UNKNOWN = BootRecord()


def parse_boot_record(text: str) -> BootRecord:
    """paths.BOOT_RECORDS, lines KEY=VALUE -> BootRecord; what is not understood is UNKNOWN."""
    values = dict(line.split("=", 1) for line in iterate_lines(text) if "=" in line)
    loaded = values.get("loaded", "")
    if not re.match(r"(confirmed|kept [0-9]{1,9}-[0-9a-f]{8}|emergency|none)\Z", loaded):
        return UNKNOWN
    return BootRecord(loaded, values.get("complaint", "").strip())


def read_boot(answer: Answer) -> Boot:
    """What this collection left for the next boot; Boot() for a router that it never touched.

    From the sections of ``read_boot`` and of the init system, the files of READ, and the live listing.
    """
    ruleset, live = _whole_text(answer, "boot.ruleset"), _whole_text(answer, "live")
    listing = _whole_text(answer, f"file.{paths.LISTING}")
    named, listed = parse_our_table(ruleset or ""), parse_listed_table(live or "")
    attachments = parse_attachments(_whole_text(answer, f"file.{paths.DEVICES}") or "")
    requested = parse_feature_record(_whole_text(answer, f"file.{paths.FEATURES}") or "")
    features = {key: wanted for key, (wanted, _found) in requested.items()}
    existing = answer.lines("boot.files") if answer.ok("boot.files") else []
    init = parse_platform(answer.text("platform")).init
    ruleset_enabled = read_service_state(init, answer, "ruleset").enabled
    enabled = {
        "ruleset": ruleset_enabled,
        "devices": ruleset_enabled,
        "features": read_service_state(init, answer, "features").enabled,
    }
    record = parse_boot_record(answer.text("boot.record"))
    software_table = f"{' '.join(named)}{SOFTWARE}" if named else ""
    loads_software = any(f" {software_table} " in f"{command} " for command in attachments.values() if software_table)
    software_live = _whole_text(answer, "live_software")
    software_listing = _whole_text(answer, f"file.{paths.SOFTWARE_LISTING}")
    if software_live is not None and not is_marked(software_live) and software_listing is None:
        software_live = None
    needed = {"ruleset": ruleset is not None, "devices": bool(attachments), "features": bool(features)}
    return Boot(
        ruleset=ruleset,
        filters=bool(parse_filtered_families(ruleset or "")),
        listing=listing,
        live=live,
        foreign=not (record.replaced and named == listed) and is_foreign(listed, live, ruleset or "", listing or ""),
        table=" ".join(named or ()),
        differences=_diff_recorded(listing, live) + _diff_recorded(software_listing, software_live),
        software_table=software_table if loads_software else "",
        software_live=software_live,
        loaded=record.loaded,
        complaint=record.complaint,
        attachments=attachments,
        features=features,
        enabled={
            starter.files[0]: starter.works(existing, enabled[what])
            for what, starter in find_starters(init).items()
            if needed[what] or any(path in existing for path in starter.files)
        },
        watched=paths.WATCH_SCRIPT in existing,
    )


def parse_our_table(boot_text: str) -> tuple[str, str] | None:
    """(family, table) that the file for boot loads; None for a text that this collection did not write."""
    match = _HEAD.match(boot_text)
    return (match[1], match[2]) if match and NAME.match(match[2]) else None


def makes_marked(boot_text: str) -> bool:
    """Whether a table that the file for boot makes has our mark."""
    match = _HEAD.match(boot_text)
    return match is not None and match[3] is not None


def is_marked(listing: str) -> bool:
    """Whether a table, as nft lists it, has our mark."""
    mark = tuple(MARK.split())
    return any(statement.words == mark for statement in parse_statements(listing) if not statement.kind)


def parse_listed_table(listing: str) -> tuple[str, str] | None:
    """(family, table) of the listing of a table; None for a text without one."""
    return next(((found.family, found.table) for found in parse_statements(listing) if found.table), None)


def is_no_table(complaint: str) -> bool:
    """Whether what nft printed in place of the listing of a table says that there is none."""
    return _NO_TABLE.search(complaint) is not None


def is_foreign(table: tuple[str, str] | None, live: str | None, ruleset: str, listing: str) -> bool:
    """Whether somebody else made a live table: it has no mark of ours, and no record on the router calls it ours.

    ``live`` is its listing, None where there is no such table; ``ruleset`` and ``listing`` are the texts of
    paths.RULESET and paths.LISTING. The record will do for a table that was recorded without a mark, which older
    versions made, and kernels before Linux 5.10 have. One that was recorded with a mark has lost it where somebody made
    it again. It is ours all the same where nothing else has changed: some tools leave comments out when they save.
    Where that listing is lost, it cannot be seen whether anything has.
    """
    if live is None or is_marked(live):
        return False
    if table is None or parse_our_table(ruleset) != table:
        return True
    if not is_marked(listing):
        return makes_marked(ruleset) and not listing
    return normalise_listing(listing).replace(f"\t{MARK}\n", "", 1) != normalise_listing(live)


def parse_attachments(text: str) -> dict[str, str]:
    """paths.DEVICES, lines ``DEVICE COMMAND`` -> device -> nft command, several of them with a semicolon between."""
    found: dict[str, str] = {}
    for line in iterate_lines(text):
        device, _space, command = line.partition(" ")
        if device and command:
            found[device] = "; ".join(filter(None, (found.get(device, ""), command.strip(" "))))
    return found


def _diff_recorded(listing: str | None, live: str | None) -> tuple[str, ...]:
    """What differs between a recorded listing and the live one; nothing where either is missing."""
    return diff_listings(listing, live) if listing is not None and live is not None else ()


def _whole_text(answer: Answer, name: str) -> str | None:
    """A file or listing to its last line end, which the section protocol leaves out; None where it was not read."""
    return answer.text(name) + "\n" if answer.ok(name) else None
