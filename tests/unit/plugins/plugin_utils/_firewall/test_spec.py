# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's argument_specs.yml says what the filters accept, down to the leaves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm import checks
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.services import SERVICES
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.spec import SPEC
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe import reading as _observe

from tests.tools.argument_docs import option_differences

ROLE = Path(__file__).resolve().parents[5] / "roles/flow_offload"


def documented(options: dict[str, Any]) -> dict[str, Any]:
    """A role's options with the name that modules have for those within."""
    return {
        name: {**option, "suboptions": documented(option["options"])} if "options" in option else option
        for name, option in options.items()
    }


def test_the_role_documents_what_the_filters_take() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert option_differences(documented({name: specs[name] for name in SPEC}), SPEC) == []


def test_the_role_takes_the_checks_and_the_samples_that_the_modules_do() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    name = "flow_offload_checks"
    assert option_differences(documented({name: specs[name]}), {name: checks.SPEC}) == []
    assert f"choose 0 to {_observe.LONGEST_SAMPLE} seconds" in (ROLE / "vars/main.yml").read_text()


def test_the_role_lists_every_service() -> None:
    (listed,) = re.findall(r"^Services have names: ([^.]*)\.$", (ROLE / "README.md").read_text(), re.MULTILINE)
    assert listed.replace("\n", " ").split(", ") == sorted(SERVICES)


def test_the_role_knows_each_of_its_variables() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    known = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__flow_offload_known"]
    assert sorted(specs) == sorted(defaults)
    assert set(known) >= set(specs)
