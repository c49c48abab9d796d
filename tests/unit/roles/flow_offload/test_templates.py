# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's templates hold nothing but the text of the request: their comment leaves no trace on a router."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

ROOT = Path(__file__).resolve().parents[4]
TEMPLATES = sorted((ROOT / "roles/flow_offload/templates").glob("*.j2"))
BARE = "{{ __flow_offload_plan.ruleset.text }}\n"


def render(template: Path, text: str) -> str:
    variables = {"__flow_offload_plan": {"ruleset": {"text": text}}}
    loader = DataLoader()
    templar = Templar(loader=loader, variables=variables)
    lookup = lookup_loader.get("template", loader=loader, templar=templar)
    return str(lookup.run([str(template)], variables=variables)[0])


def test_there_are_two_templates() -> None:
    assert [path.name for path in TEMPLATES] == ["overlay.nft.j2", "router.nft.j2"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
@pytest.mark.parametrize("text", ["table inet nft_offload {\n}\n", "\n\t# first\ntable inet nft_offload {\n}"])
def test_a_template_renders_the_text_and_nothing_else(template: Path, text: str, tmp_path: Path) -> None:
    bare = tmp_path / "bare.j2"
    bare.write_text(BARE)
    assert render(template, text) == render(bare, text)
    assert render(template, text).strip("\n") == text.strip("\n")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_names_the_file_that_renders_its_text(template: Path) -> None:
    (path,) = re.findall(r"rendered by (\S+)", template.read_text())
    assert (ROOT / path).is_file()
