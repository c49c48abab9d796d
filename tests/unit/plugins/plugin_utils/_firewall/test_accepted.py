# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a description may hold, after public configurations: accepted, with the rules that must come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kmod.nft_offload.plugins.filter.router_ruleset import router_ruleset

ZONES = [{"name": name, "devices": [f"{name}0"]} for name in ("wan", "dmz")]
GOOD: dict[str, Any] = {"zones": [{"name": "lan", "devices": ["lan0"], "services": ["ssh"]}, *ZONES]}
CASES = yaml.safe_load(Path(__file__).with_name("accepted.yml").read_text())


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case['key']}" for number, case in enumerate(CASES)])
def test_accepted(case: dict[str, Any]) -> None:
    text = router_ruleset(GOOD | {case["key"]: case["value"]} | case.get("more", {}), login=["ssh"])
    lines = [line.strip() for line in text.splitlines()]
    missing = [rule for rule in case["rules"] if not any(line.endswith(rule) for line in lines)]
    assert not missing, text
