# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the documentation page of all findings from the tables in the code.

usage: make findings
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report import fleet
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Kind
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import list_kinds

from tests.tools import rst

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "docsite" / "rst" / "findings.rst"
SOURCE: Final = "Written by tests/tools/findings_page.py from plugins/plugin_utils/_verify: change it there."
INTRODUCTION: Final = """\
Every finding that ``kmod.nft_offload.offload_verify`` and the fleet report can have, in the order of the evidence
ladder. The name before the dot is the rung that the finding belongs to. Words in capitals in a remedy stand for the
router's own names.

- An **error** fails its rung, and the task.
- A **warning** is about something that works, but not as it should, or will not stay so. The task succeeds.
- An **info** is worth knowing. It is never about a fault.

.. contents::
   :local:
   :depth: 2
"""

GROUPS: Final = {
    "supported": "The running kernel and its tools can do flow offload.",
    "loaded": "The kernel modules are in, and will be after a reboot.",
    "configured": (
        "The flowtable, its flags and devices and a rule that feeds it are in the live ruleset, equal to what boot will"
        " load, and the NICs have what hardware offload needs."
    ),
    "bound": "The flowtable's ingress hook sits on every one of its devices.",
    "offloading": "Connection tracking shows flows with the offload bit.",
    "bypassing": "Forwarded packets stay out of the forward chain.",
    "hardware": "Connection tracking shows flows with the hardware bit.",
    "known": (
        "Not a rung: faults of others, of a kernel, a driver or nft, that such a router may have. They come with rung"
        " configured. Where one forbids hardware, flow_offload_mode: auto keeps to software."
    ),
    "fleet": (
        "Not a rung: what the fleet report adds, for a router without a verdict, and for one of which more was demanded"
        " than is shown."
    ),
}


class _Capitals(dict[str, str]):
    """A mapping for the names that only a router has: {device} -> DEVICE."""

    def __missing__(self, name: str) -> str:
        return name.upper()


def page() -> str:
    """The whole text of docs/docsite/rst/findings.rst."""
    by_group = groupby([*list_kinds(), *fleet.KINDS], key=lambda kind: kind.id.partition(".")[0])
    parts = [rst.head("findings", "Findings", SOURCE), INTRODUCTION]
    for group, members in by_group:
        parts += [f"\n{rst.underline(group, '-')}\n{rst.escape(GROUPS[group])}\n", *(_entry(kind) for kind in members)]
    return "".join(parts)


def _entry(kind: Kind) -> str:
    return "\n" + "\n".join(_lines(kind)) + "\n"


def _lines(kind: Kind) -> Iterator[str]:
    yield f".. _{rst.LABEL}.findings.{kind.id}:\n"
    yield rst.underline(kind.id, "~")
    yield f"**{kind.severity}**: {rst.escape(kind.title)}\n"
    yield f"{rst.escape(kind.explanation)}\n"
    yield f"**Remedy**: {_fill(kind.remedy)}"
    if kind.under_fw4:
        yield f"\n**Remedy where the flowtable is that of OpenWrt's fw4**: {_fill(kind.under_fw4)}"


def _fill(remedy: str) -> str:
    return rst.escape(re.sub("!r", "", remedy).format_map(_Capitals()))


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
