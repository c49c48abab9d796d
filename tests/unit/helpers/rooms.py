# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of plugin_utils, and which may import from which."""

from __future__ import annotations

from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
PLUGIN_UTILS = PLUGINS / "plugin_utils"
# Room -> the rooms that it may import from. Read it from the top: no room rests on one that stands below it. A folder
# of a room that answers a question of its own has a row of its own.
ARROWS = {
    "_core": set(),
    "_systems": {"_core"},
    "_observe": {"_core", "_systems"},
    "_verify": {"_core", "_systems", "_observe"},
    "_report": {"_core", "_verify"},
    "_confirm": {"_core"},
    "_kernel": {"_core", "_systems", "_observe"},
    "_nic": {"_core", "_systems", "_observe"},
    "_watch": {"_core", "_systems", "_observe", "_verify"},
    "_ruleset": {"_core", "_systems", "_observe", "_confirm"},
    "_fw4": {"_core", "_systems", "_observe", "_confirm"},
    "_firewall": {"_core"},
    "_firewall/role": {"_core", "_systems", "_observe", "_verify", "_confirm", "_firewall"},
}
# (room, part of another room that it may not import from, what to do instead)
CLOSED = (
    (
        "_verify",
        "_observe/parse",
        "Judging parses nothing: parse the text where the router is read (_observe/reading.py: read_state), keep what "
        "it means in a field of RouterState (_observe/state.py), and have the check take it from Subject.state.",
    ),
)
SCRIPTS = "sh"
