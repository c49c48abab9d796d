# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the fleet report looks on a terminal."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import FleetReport
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.screen import Screen

from tests.unit.helpers.reports import BROKEN, FLEET, router_report


@pytest.mark.parametrize("width", [20, 60, 79, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = [line for line, _color in Screen().lines(FLEET, width)]
    assert max(len(line) for line in lines) <= max(width, 60)
    text = "\n".join(lines)
    for words in ("edge-hw: hardware (rung 7 of 7)", "edge-sw: loaded (rung 2 of 7)", "7 hardware", "[HW_OFFLOAD]"):
        assert words in text
    assert "error configured.feature-off: " in text and "    remedy: turn it on" in text
    assert "\ngone: none\n  error fleet.unreachable: " in text


def test_the_status_colors_its_rung() -> None:
    report = FleetReport({"edge": router_report(BROKEN)})
    colors = {line.split()[1]: color for line, color in Screen().lines(report, 200) if line[:3].strip().isdigit()}
    assert (colors["loaded"], colors["configured"], colors["bypassing"]) == ("green", "red", "yellow")


def test_nothing_is_shown_of_no_router() -> None:
    assert list(Screen().lines(FleetReport(), 80)) == []
    assert Screen().render(FleetReport()) == ""


def test_the_text_is_that_of_a_terminal_of_80_columns() -> None:
    lines = "".join(f"{line}\n" for line, _color in Screen().lines(FLEET, 80))
    assert Screen().render(FLEET) == lines
