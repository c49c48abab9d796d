# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After test_router.py, where a scenario asks for it: a full firewall that limits SSH per source.

Only nft 1.1.7, which forky has, lists how many elements a set holds, and the login that confirms is the first one.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from tests.lab.limited import LIMITED
from tests.lab.plays import ROLE, Run, run_playbook

PLACE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], "build", "molecule", os.environ["MOLECULE_SCENARIO_NAME"])


def run_role() -> Run:
    inventory = yaml.safe_load((PLACE / "inventory.yml").read_text(encoding="utf-8"))
    play = {"hosts": "all", "gather_facts": False, "roles": [{"role": ROLE}], "vars": LIMITED}
    return run_playbook([play], inventory).worked()


def test_a_limit_per_source_on_ssh_is_confirmed() -> None:
    first = run_role().task("ruleset")
    assert first.changed and first.result["change"]["confirmed"]
    assert run_role().changed == []
