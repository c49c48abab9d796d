# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules, by Prometheus' own promtool, and what they ask for held against what the watch writes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths

from tests.prometheus.programs import run

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[1] / "extensions/prometheus/nft_offload.rules.yml"
TESTS = HERE / "rules_test.yml"
ALERTS = {rule["alert"]: rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}


def test_prometheus_takes_them(promtool: str) -> None:
    assert f"{len(ALERTS)} rules found" in run(promtool, "check", "rules", RULES)


def test_each_fires_and_falls_silent(promtool: str, tmp_path: Path) -> None:
    for file in (RULES, TESTS):
        shutil.copy(file, tmp_path)
    assert "SUCCESS" in run(promtool, "test", "rules", tmp_path / TESTS.name)


def test_each_has_a_router_that_raises_it_and_one_that_does_not() -> None:
    checks = [check for test in yaml.safe_load(TESTS.read_text())["tests"] for check in test["alert_rule_test"]]
    for fires in (True, False):
        assert {check["alertname"] for check in checks if bool(check["exp_alerts"]) is fires} == ALERTS.keys()


def test_they_ask_for_what_the_watch_writes() -> None:
    written = {f"nft_offload_{name}" for name in re.findall(r"gauge ([a-z_]+) ", paths.installed("watch.sh"))}
    asked = {name for rule in ALERTS.values() for name in re.findall(r"\bnft_offload_[a-z_]+", rule["expr"])}
    assert asked <= written
