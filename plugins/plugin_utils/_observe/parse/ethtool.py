# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""ethtool -k, ethtool -i, devlink (sh/read/nic.sh) and netifd -> Feature, driver name, embedded switch's mode.

The text form is read: JSON came with ethtool 5.17, and Debian 11 has 5.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..._core.text import iterate_lines, split_words
from ..state import Feature

CHANGEABLE = frozenset({"mtk_soc_eth", "airoha_eth", "mlx5_core"})
"""Drivers that always let hw-tc-offload be turned on, so that where it is not on, it is off and not missing."""
LINE = re.compile(r"\s*([^:\s]+): (on|off)(?: \[(fixed|requested (on|off))\])?\s*")


def parse_features(text: str) -> dict[str, Feature]:
    """``ethtool -k``, lines such as ``hw-tc-offload: off [fixed]`` -> name -> Feature.

    Whatever else ethtool prints, such as headers and errors, is left out.
    """
    found: dict[str, Feature] = {}
    for line in iterate_lines(text):
        match = LINE.fullmatch(line)
        if match:
            name, state, note, requested = match.groups()
            found[name] = Feature(
                active=state == "on",
                fixed=note == "fixed",
                requested=requested == "on" if requested else None,
            )
    return found


def parse_netifd(text: str, drivers: Mapping[str, str]) -> dict[str, Feature]:
    """Lines ``DEVICE true|false`` -> device -> hw-tc-offload. netifd prints false for off as for missing."""
    lines = (line.split(" ") for line in iterate_lines(text))
    values = {words[0]: words[1] for words in lines if len(words) == 2}
    return {
        device: Feature(active=value == "true")
        for device, value in values.items()
        if value == "true" or (value == "false" and drivers.get(device) in CHANGEABLE)
    }


def parse_driver(text: str) -> str:
    """``ethtool -i`` -> the driver's name, empty when it has none."""
    match = re.search(r"^driver: *(\S+)", text, re.MULTILINE)
    return match.group(1) if match else ""


def parse_eswitch(text: str) -> str:
    """``pci/0000:03:00.0: mode legacy inline-mode none encap-mode basic`` -> legacy; empty when it has none."""
    match = re.search(r"^pci/\S+: mode (legacy|switchdev)\b", text, re.MULTILINE)
    return match.group(1) if match else ""


def parse_feature_record(text: str) -> dict[tuple[str, str], tuple[str, str]]:
    """paths.FEATURES, lines ``DEVICE FEATURE VALUE FOUND`` -> (device, feature) -> (value, found), each on or off."""
    words = (split_words(line) for line in iterate_lines(text) if not line.startswith("#"))
    return {(w[0], w[1]): (w[2], w[3]) for w in words if len(w) == 4 and {w[2], w[3]} <= {"on", "off"}}
