# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/boot.sh and the files of _core/paths.py -> Boot."""

from __future__ import annotations

from collections.abc import Collection

from ..._core import paths as _boot
from ..._core.sections import Sections
from ..state import Boot
from .ethtool import parse_feature_record
from .nft import families_filtered
from .platform import parse_platform

READ = (_boot.LISTING, _boot.DEVICES, _boot.FEATURES)
"""files that are needed whole; of RULESET the first 64 KiB will do"""
UNIT = _boot.RULESET_UNIT.rsplit("/", 1)[-1]
PIECES = {
    _boot.RULESET_UNIT: (_boot.RULESET_UNIT, _boot.RULESET_SCRIPT),
    _boot.DEVICE_RULES: (_boot.DEVICE_RULES, _boot.DEVICE_UNIT, _boot.DEVICE_SCRIPT),
    _boot.FEATURES_RULES: (_boot.FEATURES_RULES, _boot.FEATURES_UNIT, _boot.FEATURES_SCRIPT),
}
"""what boot starts from -> every file that it takes; the unit must be enabled as well"""
PROCD_PIECES = {
    _boot.RULESET_INIT: (_boot.RULESET_INIT, _boot.RULESET_RC, _boot.RULESET_SCRIPT),
    _boot.DEVICE_HOTPLUG: (_boot.DEVICE_HOTPLUG, _boot.DEVICE_SCRIPT),
    _boot.FEATURES_INIT: (_boot.FEATURES_INIT, _boot.FEATURES_RC, _boot.FEATURES_HOTPLUG, _boot.FEATURES_SCRIPT),
}
"""the same for OpenWrt"""
FILES = tuple(dict.fromkeys(file for files in (*PIECES.values(), *PROCD_PIECES.values()) for file in files))


def parse_boot(answer: Sections) -> Boot:
    """What this collection left for the next boot; a router that it never touched has nothing."""
    live = answer.get("live")
    ruleset = _text(answer, "boot.ruleset")
    attachments = parse_attachments(_text(answer, f"file.{_boot.DEVICES}") or "")
    features = {
        key: wanted
        for key, (wanted, _found) in parse_feature_record(_text(answer, f"file.{_boot.FEATURES}") or "").items()
    }
    there = (_text(answer, "boot.files") or "").splitlines()
    procd = "platform" in answer and parse_platform(answer["platform"].text).init == "procd"
    pieces = PROCD_PIECES if procd else PIECES
    needed = dict(zip(pieces, (ruleset is not None, bool(attachments), bool(features)), strict=True))
    return Boot(
        ruleset=ruleset,
        filters=bool(families_filtered(ruleset or "")),
        listing=_text(answer, f"file.{_boot.LISTING}"),
        live=live.text + "\n" if live is not None and live.rc == 0 else None,
        attachments=attachments,
        features=features,
        enabled={
            piece: all(file in there for file in files) and (piece != _boot.RULESET_UNIT or _unit_enabled(answer))
            for piece, files in pieces.items()
            if needed[piece] or _any(files, there)
        },
    )


def parse_attachments(text: str) -> dict[str, str]:
    """_boot.DEVICES, lines ``DEVICE STATEMENT`` -> device -> statement."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _text(answer: Sections, name: str) -> str | None:
    """A file as it is; the section protocol leaves its last line end out."""
    section = answer.get(name)
    return section.text + "\n" if section is not None and section.rc == 0 else None


def _any(files: Collection[str], there: Collection[str]) -> bool:
    return any(file in there for file in files)


def _unit_enabled(answer: Sections) -> bool:
    return (_text(answer, "boot.enabled") or "").strip() == "enabled"
