# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""dpkg and apt (sh/read/kernel.sh), opkg and apk (sh/read/feeds.sh) -> packages."""

from __future__ import annotations

import re


def parse_statuses(text: str) -> dict[str, str]:
    """Lines ``PACKAGE STATUS`` (dpkg-query's db:Status-Status); an unknown package has no status."""
    words = (line.split() for line in text.splitlines())
    return {w[0]: w[1] if len(w) > 1 else "" for w in words if w}


def parse_candidates(text: str) -> dict[str, str]:
    """apt-cache policy -> the version that apt would install of each package, left out where it knows none."""
    found: dict[str, str] = {}
    package = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"(\S+):", line):
            package = match.group(1)
        elif package and (match := re.fullmatch(r"  Candidate: ([^(\s]\S*)", line)):
            found[package] = match.group(1)
    return found


def parse_removals(text: str) -> frozenset[str]:
    """apt-get -s remove, lines such as ``Remv nftables [1.1.3-1]`` -> names."""
    return frozenset(re.findall(r"^Remv (\S+)", text, re.MULTILINE))


def parse_feed_removals(text: str) -> frozenset[str]:
    """What opkg or apk say to the removal of a package -> names of those that keep it.

    What apk would purge is no such: nobody needs that any more. It tells ``  PACKAGE: KEEPER KEEPER`` up to an empty
    line, in lines of 50 columns.
    """
    keepers = re.findall(r"print_dependents_warning:\s+(\S+)$", text, re.MULTILINE)
    held = re.search(r"not removed due to:\n((?:  .+\n?)*)", text)
    words = held[1].split() if held else []
    return frozenset([*keepers, *(word for word in words if not word.endswith(":"))])


def upstream_version(version: str) -> tuple[int, ...]:
    """1:1.1.3-1 -> (1, 1, 3); empty when it does not start with a number (deb-version(7))."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()
