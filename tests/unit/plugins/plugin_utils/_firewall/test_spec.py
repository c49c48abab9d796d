# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's argument_specs.yml says what is accepted, down to the leaves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.role.variables import FOR_PLAYBOOKS, SPEC
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.services import SERVICES

from tests.tools.argument_docs import option_differences

ROLE = Path(__file__).resolve().parents[5] / "roles/flow_offload"


def documented(options: dict[str, Any]) -> dict[str, Any]:
    """A role's options with the name that modules have for those within."""
    return {
        name: {**option, "suboptions": documented(option["options"])} if "options" in option else option
        for name, option in options.items()
    }


def as_the_role_reads_them(options: dict[str, Any]) -> dict[str, Any]:
    """``documented``, with the types of those that Ansible leaves to the role's own check: raw, with options."""
    found = {}
    for name, option in options.items():
        assert "options" not in option or option["type"] == "raw"
        meant = {"type": "dict"} if name == "flow_offload_router" else {"type": "list", "elements": "dict"}
        found[name] = {**option, **meant} if "options" in option else option
    return documented(found)


def test_the_role_documents_what_it_takes() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert option_differences(as_the_role_reads_them(specs), SPEC) == []


def test_the_playbooks_document_what_they_take() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    options = specs["check_play"]["options"]
    taken = {**FOR_PLAYBOOKS, **{name: SPEC[name] for name in options if name in SPEC}}
    assert option_differences(as_the_role_reads_them(options), taken) == []


def test_the_readme_lists_every_variable() -> None:
    """With its default, but for the one whose default is not to describe anything."""
    readme = (ROLE.parents[1] / "README.md").read_text()
    rows = dict(re.findall(r"^\| `(flow_offload_\w+)` \| (?:`([^`]*)`)? ?\|", readme, re.MULTILINE))
    defaults = {name: option["default"] for name, option in {**SPEC, **FOR_PLAYBOOKS}.items()}
    assert rows.pop("flow_offload_router") == ""
    assert {name: yaml.safe_load(text) for name, text in rows.items()} | {
        "flow_offload_router": {"zones": []}
    } == defaults


def test_the_role_lists_every_service() -> None:
    (listed,) = re.findall(r"^Services have names: ([^.]*)\.$", (ROLE / "README.md").read_text(), re.MULTILINE)
    assert listed.replace("\n", " ").split(", ") == sorted(SERVICES)


def test_the_role_knows_each_of_its_variables() -> None:
    """With the same default where Ansible sets it and where the role's own check does."""
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert defaults == {name: option["default"] for name, option in SPEC.items()}
