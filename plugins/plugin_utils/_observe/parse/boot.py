# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/boot.sh and the files of _core/paths.py -> Boot."""

from __future__ import annotations

import re

from ..._core import paths
from ..._core.names import NAME
from ..._core.sections import Answer
from ..._systems.registry import find_starters, read_service_state
from ..state import Boot
from .ethtool import parse_feature_record
from .nft import diff_listings, parse_filtered_families
from .platform import parse_platform

HEADER = "# Written by kmod.nft_offload.ruleset: changes by hand are put right. Devices join when they exist."
"""first line of the file that boot loads"""
READ = (paths.LISTING, paths.DEVICES, paths.FEATURES)
"""files that are needed whole; of RULESET the first 64 KiB will do"""


def read_boot(answer: Answer) -> Boot:
    """What this collection left for the next boot; Boot() for a router that it never touched.

    From the sections of ``read_boot`` and of the init system, the files of READ, and the live listing.
    """
    ruleset, live = _whole_text(answer, "boot.ruleset"), _whole_text(answer, "live")
    listing = _whole_text(answer, f"file.{paths.LISTING}")
    attachments = parse_attachments(_whole_text(answer, f"file.{paths.DEVICES}") or "")
    record = parse_feature_record(_whole_text(answer, f"file.{paths.FEATURES}") or "")
    features = {key: wanted for key, (wanted, _found) in record.items()}
    existing = answer.lines("boot.files") if answer.ok("boot.files") else []
    init = parse_platform(answer.text("platform")).init
    ruleset_enabled = read_service_state(init, answer, "ruleset").enabled
    enabled = {
        "ruleset": ruleset_enabled,
        "devices": ruleset_enabled,
        "features": read_service_state(init, answer, "features").enabled,
    }
    needed = {"ruleset": ruleset is not None, "devices": bool(attachments), "features": bool(features)}
    return Boot(
        ruleset=ruleset,
        filters=bool(parse_filtered_families(ruleset or "")),
        listing=listing,
        live=live,
        table=" ".join(parse_our_table(ruleset or "") or ()),
        differences=diff_listings(listing, live) if listing is not None and live is not None else (),
        attachments=attachments,
        features=features,
        enabled={
            starter.files[0]: starter.works(existing, enabled[what])
            for what, starter in find_starters(init).items()
            if needed[what] or any(path in existing for path in starter.files)
        },
    )


def parse_our_table(boot_text: str) -> tuple[str, str] | None:
    """(family, table) that the file for boot loads; None for a text that this collection did not write."""
    match = re.match(re.escape(HEADER) + r"\ntable (inet|ip6?) ([^\n]*)\n", boot_text)
    return (match[1], match[2]) if match and NAME.match(match[2]) else None


def parse_attachments(text: str) -> dict[str, str]:
    """paths.DEVICES, lines ``DEVICE COMMAND`` -> device -> nft command."""
    pairs = (line.partition(" ")[::2] for line in text.split("\n"))
    return {device: command.strip(" ") for device, command in pairs if device and command}


def _whole_text(answer: Answer, name: str) -> str | None:
    """A file or listing to its last line end, which the section protocol leaves out; None where it was not read."""
    return answer.text(name) + "\n" if answer.ok(name) else None
