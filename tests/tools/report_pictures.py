# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the pictures of the HTML report that the guide shows, of made-up routers: make report-pictures."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import FleetReport, compare_reports
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.html_file import HtmlFile

from tests.unit.helpers.browser import open_browser, open_page
from tests.unit.helpers.reports import FLEET

PLACE = Path(__file__).resolve().parents[2] / "docs/docsite/images"
Scheme = Literal["light", "dark"]
PICTURES: dict[str, tuple[str, int, Scheme]] = {
    "report": ("", 1100, "light"),
    "report-router": ("#berlin-edge-02", 1100, "light"),
    "report-dark": ("", 1100, "dark"),
}
"""name -> what is opened, width, color scheme"""


def make_fleet() -> FleetReport:
    """Nine routers of three sites, and what they were the day before."""
    well, failed, gone = FLEET.routers.values()
    kinds = {"berlin-edge-01": failed, "oslo-edge-03": gone}
    names = [f"{site}-edge-{number:02}" for site in ("berlin", "lima", "oslo") for number in (1, 2, 3)]
    routers = {name: replace(kinds.get(name, well), groups=(name.split("-")[0],)) for name in names}
    before = {**routers, "berlin-edge-01": well, "lima-edge-02": failed}
    made = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)
    return compare_reports(FleetReport(routers, made), FleetReport(before, made.replace(day=1, month=11)))


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, open_browser() as browser:
        path = Path(place) / "fleet.html"
        path.write_text(HtmlFile().render(make_fleet()), encoding="utf-8")
        for name, (fragment, width, scheme) in PICTURES.items():
            page = open_page(browser, viewport={"width": width, "height": 680}, color_scheme=scheme)
            page.goto(f"{path.as_uri()}{fragment}")
            page.screenshot(path=PLACE / f"{name}.png")
            page.close()


if __name__ == "__main__":
    main()
