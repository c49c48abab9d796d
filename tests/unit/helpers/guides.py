# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the guides, taken from their pages."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
GUIDES = sorted(path.stem.removeprefix("guide_") for path in (ROOT / "docs/docsite/rst").glob("guide_*.rst"))


def blocks(guide: str, language: str) -> list[str]:
    """The texts of the guide's code blocks in that language."""
    text = (ROOT / f"docs/docsite/rst/guide_{guide}.rst").read_text()
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def example(guide: str) -> dict[str, Any]:
    """The role's variables in the guide's play."""
    (play,) = yaml.safe_load(blocks(guide, "yaml")[0])
    return dict(play["vars"])


def recipes() -> dict[str, dict[str, Any]]:
    """Title of each recipe -> the role's variables, which are those of the guide's play with its own lines."""
    text = (ROOT / "docs/docsite/rst/guide_recipes.rst").read_text()
    titles = re.findall(r"^(.+)\n-{3,}\n", text, re.MULTILINE)
    found = {}
    with_example = [
        title for title in titles if ".. code-block:: yaml" in text.split(f"\n{title}\n---")[1].split("\n---")[0]
    ]
    for title, block in zip(with_example, blocks("recipes", "yaml")[1:], strict=True):
        variables = example("recipes")
        router = variables["flow_offload_router"]
        own = yaml.safe_load(block)
        variables |= {name: own.pop(name) for name in list(own) if name.startswith("flow_offload_")}
        zones = {zone["name"]: zone for zone in (*router["zones"], *own.pop("zones", ()))}
        variables["flow_offload_router"] = {**router, **own, "zones": list(zones.values())}
        found[title] = variables
    return found
