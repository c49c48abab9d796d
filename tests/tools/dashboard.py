# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the dashboard for Grafana of what the watch measures.

usage: make dashboard
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PLACE: Final = Path(__file__).resolve().parents[2] / "extensions/grafana/nft_offload.json"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
WHOSE: Final = '{job=~"$job",instance=~"$instance"}'
"""of the routers that are chosen"""
OFFLOADED: Final = WHOSE.replace("{", '{path!="slow",')
IN_HARDWARE: Final = WHOSE.replace("{", '{path="hardware",')


@dataclass(frozen=True)
class Query:
    """PromQL, with ``@`` for the labels of the routers that are chosen; ``legend`` names a series, or a column."""

    expr: str
    legend: str = ""

    @property
    def whole(self) -> str:
        return self.expr.replace("@", WHOSE)


@dataclass(frozen=True)
class Panel:
    """One panel; ``unit`` is Grafana's word for it, ``bad`` the value from which a number is red; 0: it never is."""

    title: str
    queries: Sequence[Query]
    help: str
    unit: str = "short"
    bad: float = 0


SILENT = "time() - nft_offload_last_read_timestamp_seconds@ > 3 * nft_offload_interval_seconds@"
SHORT = "nft_offload_verdict_rung@ < nft_offload_verdict_required_rung@"
BOUND = "count by (job, instance) (nft_offload_device_bound@)"
GONE = f"count by (job, instance) (nft_offload_device_expected@) unless {BOUND}"
OFF = "count by (job, instance) (nft_offload_feature@ != nft_offload_feature_expected@)"
NUMBERS: Final = (
    Panel("Routers", [Query("count(nft_offload_info@) or vector(0)")], "Routers with the watch."),
    Panel(
        "In hardware",
        [Query(f"count(nft_offload_connections{IN_HARDWARE} > 0) or vector(0)")],
        "Routers with a connection that a NIC forwards.",
    ),
    Panel("Offload gone", [Query(f"count({GONE}) or vector(0)")], "No flowtable has a device, and one should.", bad=1),
    Panel(
        "Fell short", [Query(f"count({SHORT}) or vector(0)")], "The last verification proved less than demanded.", bad=1
    ),
    Panel("Feature off", [Query(f"count({OFF}) or vector(0)")], "A feature of a NIC is not as it was set.", bad=1),
    Panel("Silent", [Query(f"count({SILENT}) or vector(0)")], "Nothing was measured for three intervals.", bad=1),
)
CURVES: Final = (
    Panel(
        "Connections by path",
        [Query("sum by (path) (nft_offload_connections@)", "{{path}}")],
        "Of TCP and UDP, of the first 20,000 of each router. On the slow path are those of the router itself too.",
    ),
    Panel(
        "Connections that are offloaded",
        [
            Query(
                f"sum by (instance) (nft_offload_connections{OFFLOADED})"
                " / sum by (instance) (nft_offload_connections@)",
                "{{instance}}",
            )
        ],
        "In software or in hardware. A number of connections, which says nothing of packets: verify measures those.",
        unit="percentunit",
    ),
    Panel(
        "Connection tracking",
        [Query("nft_offload_connections_tracked@ / nft_offload_connections_limit@", "{{instance}}")],
        "How full it is. New connections are dropped where it is full.",
        unit="percentunit",
    ),
    Panel(
        "Devices in flowtables",
        [Query("count by (instance, path) (nft_offload_device_bound@)", "{{instance}} {{path}}")],
        "A step down is a device that left its flowtable.",
    ),
)
ROUTERS: Final = Panel(
    "Routers",
    [
        Query("nft_offload_verdict_rung@", "rung"),
        Query("nft_offload_verdict_required_rung@", "demanded"),
        Query("time() - nft_offload_verdict_timestamp_seconds@", "verified"),
        Query("time() - nft_offload_last_read_timestamp_seconds@", "measured"),
        Query(BOUND, "devices"),
        Query("nft_offload_boot_enabled@", "boots with it"),
    ],
    "The rung of the last verification, from 1 to 7, how long ago it was, and what the watch measured since.",
)
FINDINGS: Final = Panel(
    "Findings of the last verification",
    [Query("nft_offload_finding@")],
    "What each means and what to do stands in the documentation of the collection, page findings.",
)


def list_queries() -> list[str]:
    """The PromQL of every panel, with variables of Grafana in it."""
    return [query.whole for panel in (*NUMBERS, *CURVES, ROUTERS, FINDINGS) for query in panel.queries]


def render() -> str:
    """The whole file."""
    whole = (
        builders.Dashboard("Flow offload")
        .uid("kmod-nft-offload")
        .description("What kmod.nft_offload.watch measures on routers. It measures, and judges nothing.")
        .tags(["network", "nftables", "kmod.nft_offload"])
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_variable("job", "label_values(nft_offload_info, job)"))
        .with_variable(_variable("instance", 'label_values(nft_offload_info{job=~"$job"}, instance)'))
    )
    for number in NUMBERS:
        whole = whole.with_panel(_number(number))
    for curve in CURVES:
        whole = whole.with_panel(_curve(curve))
    whole = whole.with_panel(_routers(ROUTERS)).with_panel(_findings(FINDINGS))
    return JSONEncoder(sort_keys=True, indent=2).encode(whole.build()) + "\n"


def _variable(name: str, query: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(name)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
    )


def _queries(panel: Panel, *, now: bool = False, rows: bool = False) -> list[prometheus.Dataquery]:
    queries = []
    for number, query in enumerate(panel.queries):
        made = prometheus.Dataquery().datasource(SOURCE).expr(query.whole).ref_id(chr(ord("A") + number))
        made = made.instant() if now else made.range()
        made = made.format(PromQueryFormat.TABLE) if rows else made
        queries.append(made.legend_format(query.legend) if query.legend else made)
    return queries


def _number(panel: Panel) -> stat.Panel:
    steps = [Threshold(value=None, color="green")]
    if panel.bad:
        steps.append(Threshold(value=panel.bad, color="red"))
    made = stat.Panel().title(panel.title).description(panel.help).unit(panel.unit).datasource(SOURCE).height(4).span(4)
    made = made.thresholds(builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    for query in _queries(panel, now=True):
        made = made.with_target(query)
    return made


def _curve(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.help)
        .unit(panel.unit)
        .min(0)
        .datasource(SOURCE)
        .height(8)
        .span(12)
        .legend(legend.placement(LegendPlacement.BOTTOM))
    )
    if panel.unit == "percentunit":
        made = made.max(1)
    elif "by (path)" in panel.queries[0].expr:
        made = made.fill_opacity(40).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for query in _queries(panel):
        made = made.with_target(query)
    return made


def _routers(panel: Panel) -> table.Panel:
    made = table.Panel().title(panel.title).description(panel.help).datasource(SOURCE).height(10).span(14)
    for query in _queries(panel, now=True, rows=True):
        made = made.with_target(query)
    columns = {f"Value #{chr(ord('A') + number)}": query.legend for number, query in enumerate(panel.queries)}
    made = made.with_transformation(_transformation("joinByField", {"byField": "instance", "mode": "outer"}))
    hidden = {f"{name} {number}": True for name in ("Time", "job", "__name__") for number in range(1, 7)}
    hidden |= {"Time": True, "__name__": True, "job": True}
    made = made.with_transformation(_transformation("organize", {"excludeByName": hidden, "renameByName": columns}))
    for name in ("verified", "measured"):
        made = made.override_by_name(name, [DynamicConfigValue(id_val="unit", value="s")])
    return made


def _findings(panel: Panel) -> table.Panel:
    made = table.Panel().title(panel.title).description(panel.help).datasource(SOURCE).height(10).span(10)
    for query in _queries(panel, now=True, rows=True):
        made = made.with_target(query)
    hidden = {"Time": True, "__name__": True, "Value": True, "job": True}
    return made.with_transformation(_transformation("organize", {"excludeByName": hidden}))


def _transformation(name: str, options: dict[str, object]) -> DataTransformerConfig:
    return DataTransformerConfig(id_val=name, options=options)


if __name__ == "__main__":
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{PLACE}\n")
