# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet report costs: each format's time and size, and the HTML page in a browser.

usage: make bench-report [REPORT_BENCH="ROUTERS..."]    how many routers; default: 10 100 1000 2000
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import FleetReport
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.html_file import HtmlFile
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.registry import FORMATS
from playwright.sync_api import Browser

from tests.unit.helpers.browser import open_browser, open_page
from tests.unit.helpers.reports import FLEET

RUNS = 5
FILTER = """
() => new Promise((done) => {
  const search = document.querySelector("input[name=search]");
  const began = performance.now();
  search.value = "edge-sw-0";
  search.dispatchEvent(new Event("input", { bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})
"""
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
MEMORY = "() => performance.memory.usedJSHeapSize"


def fleet(number: int) -> FleetReport:
    """So many routers, a third of each kind."""
    kinds = list(FLEET.routers.items())
    return FleetReport({f"{kinds[index % 3][0]}-{index:05}": kinds[index % 3][1] for index in range(number)})


def measure_formats(report: FleetReport) -> None:
    for format in FORMATS:
        seconds = []
        text = ""
        for _run in range(RUNS):
            began = time.perf_counter()
            text = format.render(report)
            seconds.append(time.perf_counter() - began)
        print(f"  {format.name:<15}{statistics.median(seconds):8.3f} s {len(text.encode()) / 1e6:8.2f} MB")


def measure_page(report: FleetReport, browser: Browser) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "fleet.html"
        path.write_text(HtmlFile().render(report), encoding="utf-8")
        found: list[tuple[float, float, float]] = []
        for _run in range(RUNS):
            page = open_page(browser, viewport={"width": 1280, "height": 800})
            page.goto(path.as_uri())
            # the browser notes a paint some frames after it
            page.wait_for_function(f"({PAINT.replace('[0].startTime', '.length > 0')})()")
            found.append((page.evaluate(PAINT), page.evaluate(FILTER), page.evaluate(MEMORY) / 1e6))
            page.close()
    paint, filtered, memory = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"  in a browser: first paint {paint:.0f} ms, filter {filtered:.0f} ms, heap of the script {memory:.1f} MB")


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:]] or [10, 100, 1000, 2000]
    with open_browser(["--enable-precise-memory-info"]) as browser:
        print(f"Chromium {browser.version}; medians of {RUNS}")
        for number in numbers:
            print(f"{number} routers")
            report = fleet(number)
            measure_formats(report)
            measure_page(report, browser)


if __name__ == "__main__":
    main()
