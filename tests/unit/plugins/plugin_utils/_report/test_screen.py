# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the fleet report looks on a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import FleetReport, compare_reports
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.format import Format
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.screen import FullScreen, Screen

from tests.unit.helpers.reports import BEFORE, BROKEN, FLEET, router_report

LONG = {
    name: FLEET.routers["edge-hw"]
    for name in ("router-of-a-site-with-a-very-long-name.example.org", "柏林" * 18, "柏林")
}


@pytest.mark.parametrize("width", [20, 60, 79, 200])
@pytest.mark.parametrize("screen", [Screen(), FullScreen()])
def test_no_line_is_wider_than_the_terminal(screen: Format, width: int) -> None:
    fleet = FleetReport({**FLEET.routers, **LONG})
    lines = [line for line, _color in screen.lines(compare_reports(fleet, BEFORE), width)]
    assert max(len(line) + line.count("柏") + line.count("林") for line in lines) <= max(width, 60)
    cells = [line for line in lines if "hardware    +++++?+" in line]
    assert len({line.index("hardware") + line.count("柏") + line.count("林") for line in cells}) == 1


def test_a_line_for_each_router_the_worst_first() -> None:
    lines = [line for line, _color in Screen().lines(FLEET, 100)]
    place = lines.index("router   verdict     1234567   slow  in flowtables")
    assert lines[place + 1 : place + 5] == [
        "edge-sw  loaded      ++x++?x",
        "gone     none",
        "edge-hw  hardware    +++++?+   <1 %  hardware lan0, wan0; software wg0",
        "+ proven, ? unproven, x failed, . not applicable",
    ]


def test_only_what_is_not_well_is_shown_in_full() -> None:
    text = Screen().render(FLEET)
    assert (
        "edge-sw: loaded (rung 2 of 7)\n  error configured.feature-off: " in text and "    remedy: turn it on" in text
    )
    assert "\ngone: none\n  error fleet.unreachable: " in text
    assert "edge-hw: " not in text and "7 hardware" not in text


def test_in_full_each_rung_has_its_evidence() -> None:
    text = FullScreen().render(FLEET)
    for words in ("edge-hw: hardware (rung 7 of 7)", "edge-sw: loaded (rung 2 of 7)", "7 hardware", "[HW_OFFLOAD]"):
        assert words in text


def test_totals_of_all_and_of_each_group() -> None:
    lines = [line for line, _color in Screen().lines(FLEET, 100)]
    assert lines[2:5] == [
        "all: 3 routers: 1 with errors, 1 without a verdict, 1 well",
        "berlin: 1 router: 1 well",
        "edge: 1 router: 1 well",
    ]
    only = FleetReport({name: replace(router, groups=("edge",)) for name, router in FLEET.routers.items()})
    assert "edge: " not in Screen().render(only), "one group is what all are"


def test_what_became_of_them_since() -> None:
    lines = [line for line, _color in Screen().lines(compare_reports(FLEET, BEFORE), 100)]
    for line in ("worse since 2026-11-01 12:00 UTC: edge-sw", "better since 2026-11-01 12:00 UTC: edge-hw"):
        assert line in lines
    assert (
        "not in this run since 2026-11-01 12:00 UTC: lost" in lines and "new since 2026-11-01 12:00 UTC: gone" in lines
    )


def test_a_list_of_names_has_an_end() -> None:
    many = FleetReport({f"r{number}": FLEET.routers["gone"] for number in range(1000)})
    (line,) = [
        line for line, _color in Screen().lines(compare_reports(many, FleetReport()), 200) if "and 980 more" in line
    ]
    assert line.startswith("new: r0, r1, ")


def test_the_status_colors_its_rung() -> None:
    report = FleetReport({"edge": router_report(BROKEN)})
    lines = FullScreen().lines(report, 200)
    colors = {line.split()[1]: color for line, color in lines if line[:3].strip().isdigit()}
    assert (colors["loaded"], colors["configured"], colors["bypassing"]) == ("green", "red", "yellow")


@pytest.mark.parametrize("screen", [Screen(), FullScreen()])
def test_nothing_is_shown_of_no_router(screen: Format) -> None:
    assert list(screen.lines(FleetReport(), 80)) == []
    assert screen.render(FleetReport()) == ""


def test_the_text_is_that_of_a_terminal_of_80_columns() -> None:
    lines = "".join(f"{line}\n" for line, _color in Screen().lines(FLEET, 80))
    assert Screen().render(FLEET) == lines
