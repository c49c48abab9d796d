# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""``nft list hooks netdev device X`` -> the hooks on a device's ingress (nft: src/mnl.c, mnl_nft_dump_nf_hooks)."""

from __future__ import annotations

import re

from ..._core.text import iterate_lines
from ..state import Hook

_PLACE = re.compile(r"\s*hook ingress device (\S+) \{")
_HOOK = re.compile(r"\s*[+-]?[0-9]+ (?P<what>\S.*?)(?: \[\w+\])?")
"""a signed priority of ten digits, what is called, and the module that it is from"""
_FRAME = re.compile(r"\s*(?:family \w+ (?:device \S+ )?\{|\}|)")


def parse_hooks(text: str, unknown: list[str] | None = None) -> tuple[Hook, ...]:
    """Hooks of every device in the listing; no error, whatever the text. Other lines are appended to ``unknown``."""
    unknown = unknown if unknown is not None else []
    found: list[Hook] = []
    device: str | None = None
    for line in iterate_lines(text):
        if place := _PLACE.fullmatch(line):
            device = place[1].strip('"')
        elif (hook := _HOOK.fullmatch(line)) and device is not None:
            found.append(_hook(device, hook["what"]))
        elif not _FRAME.fullmatch(line):
            unknown.append(line.strip())
    return tuple(found)


def _hook(device: str, what: str) -> Hook:
    """One hook, from the text between its priority and its module."""
    match what.split():
        case ["flowtable", family, table, name]:  # Linux 6.17 on: NFNL_HOOK_TYPE_NFT_FLOWTABLE
            return Hook(device, "flowtable", f"{family} {table} {name}")
    return Hook(device, what)
