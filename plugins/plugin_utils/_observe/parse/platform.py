# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/platform.sh -> Platform."""

from __future__ import annotations

import re

from ..._core.text import iterate_lines, parse_count, read_number
from ..state import Platform


def parse_platform(text: str) -> Platform:
    """Key=value lines of read_platform -> Platform; unknown keys are ignored, missing ones keep their empty default."""
    values: dict[str, str] = {}
    commands: set[str] = set()
    for line in iterate_lines(text):
        key, _equals, value = line.partition("=")
        if key == "has":
            commands.add(value)
        else:
            values[key] = value.strip().strip("\"'")
    version = re.search(r"v([0-9]{1,4}(?:\.[0-9]{1,4}){1,4})", values.get("nft", ""))
    uid = parse_count(values.get("uid", ""))
    return Platform(
        uid=-1 if uid is None else uid,
        kernel=values.get("kernel", ""),
        os_id=values.get("os.ID", ""),
        os_like=tuple(values.get("os.ID_LIKE", "").split()),
        os_version=values.get("os.VERSION_ID", ""),
        os_name=values.get("os.PRETTY_NAME", ""),
        init=values.get("init", ""),
        commands=frozenset(commands),
        conntrack_file={"yes": True, "no": False}.get(values.get("conntrack_file", "")),
        nft_version=tuple(read_number(part) for part in version.group(1).split(".")) if version else None,
    )
