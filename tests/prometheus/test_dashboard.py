# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard: as its table says, with queries that Prometheus can read. No Grafana saw it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths

from tests.prometheus.programs import run
from tests.tools.dashboard import PLACE, list_queries, render


def test_it_is_what_make_dashboard_writes() -> None:
    assert PLACE.read_text(encoding="utf-8") == render(), "run make dashboard"


def test_prometheus_can_read_its_queries(promtool: str, tmp_path: Path) -> None:
    queries = [query.replace("$job", "node").replace("$instance", ".+") for query in list_queries()]
    assert len(queries) > 15 and "$" not in "".join(queries)
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(queries)} rules found" in run(promtool, "check", "rules", file)


def test_it_shows_what_the_watch_writes() -> None:
    written = {f"nft_offload_{name}" for name in re.findall(r"gauge ([a-z_]+) ", paths.installed("watch.sh"))}
    asked = set(re.findall(r"\bnft_offload_[a-z_]+", " ".join(list_queries())))
    assert asked <= written


def test_its_panels_fit_beside_each_other() -> None:
    panels = json.loads(PLACE.read_text(encoding="utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells
    assert all(panel["title"] and panel["description"] for panel in panels)
