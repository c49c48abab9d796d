# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/platform.sh -> Platform."""

from __future__ import annotations

import re

from ..state import Platform


def parse_platform(text: str) -> Platform:
    """Key=value lines of read_platform -> Platform; unknown keys are ignored, missing ones keep their empty default."""
    values: dict[str, str] = {}
    commands: set[str] = set()
    for line in text.splitlines():
        key, _equals, value = line.partition("=")
        if key == "has":
            commands.add(value)
        else:
            values[key] = value.strip().strip("\"'")
    version = re.search(r"v(\d+(?:\.\d+)+)", values.get("nft", ""))
    uid = values.get("uid", "")
    return Platform(
        uid=int(uid) if uid.isdigit() else -1,
        kernel=values.get("kernel", ""),
        os_id=values.get("os.ID", ""),
        os_version=values.get("os.VERSION_ID", ""),
        os_name=values.get("os.PRETTY_NAME", ""),
        init=values.get("init", ""),
        commands=frozenset(commands),
        nft_version=tuple(int(part) for part in version.group(1).split(".")) if version else None,
    )
