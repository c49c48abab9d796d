# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTML report in a browser: what it shows, how it is worked with, and what a hostile router can do in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.fleet import (
    Expected,
    FleetReport,
    ListedDevices,
    compare_reports,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report.html_file import HtmlFile
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.unit.helpers.browser import open_browser, open_page
from tests.unit.helpers.reports import BEFORE, FLEET, HOSTILE, hostile

COMPARED = replace(compare_reports(FLEET, BEFORE), made=datetime(2026, 11, 30, 22, 30, tzinfo=UTC))
MANY = FleetReport({f"{name}-{number:03}": router for number in range(667) for name, router in FLEET.routers.items()})
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report from the disk; whatever its page complains of, or connects to, fails the test."""
    pages: list[Page] = []
    said: list[str] = []

    def open_it(report: FleetReport, fragment: str = "", **options: Any) -> Page:
        path = tmp_path / "fleet.html"
        path.write_text(HtmlFile().render(report), encoding="utf-8")
        page = open_page(browser, **options)
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: said.append(request.url) if request.url != "about:blank" else None)
        page.goto(f"{path.as_uri()}{fragment}")
        said[:] = [text for text in said if text.partition("#")[0] != path.as_uri()]
        return page

    yield open_it
    for page in pages:
        page.close()
    assert said == []


def names(page: Page) -> list[str]:
    """Of the routers that are shown, in their order."""
    return page.locator("#routers tbody tr:visible th").all_inner_texts()


def test_the_table_has_a_sign_for_each_rung(open_report: Open) -> None:
    page = open_report(COMPARED)
    assert names(page) == ["edge-hw", "edge-sw", "gone"]
    cells = page.locator("#routers tbody tr").first.locator("td").all_text_contents()
    assert cells[:9] == ["well", "hardware", *["proven"] * 5, "unproven", "proven"]
    signs = page.evaluate(
        "[...document.querySelectorAll('td.rung')].map((cell) => getComputedStyle(cell, '::before').content)"
    )
    shapes = [sign.split('"')[1] if '"' in sign else "" for sign in signs]
    assert shapes[:14] == [*"✔✔✔✔✔?✔", *"✔✔✖✔✔?✖"] and set(shapes[14:]) == {""}
    totals = page.locator(".totals").inner_text().split("\n")
    for total in ("3 routers", "1 with errors", "1 without a verdict", "1 well", "1 worse", "1 not in this run"):
        assert total in totals
    assert "lost (hardware)" in page.locator("main").inner_text()
    legend = page.locator(".legend .status").all_inner_texts()
    assert legend == ["proven", "unproven", "failed", "not applicable"]


def test_filters_and_order(open_report: Open) -> None:
    page = open_report(COMPARED)
    page.get_by_label("search").fill("BERLIN labnic")
    assert names(page) == ["edge-hw"] and page.get_by_role("status").inner_text() == "1 of 3 routers"
    page.get_by_label("search").fill("")
    page.get_by_label("finding").select_option("configured.feature-off")
    assert names(page) == ["edge-sw"]
    page.get_by_label("state").select_option("well")
    assert names(page) == []
    page.get_by_label("finding").select_option("")
    page.get_by_label("state").select_option("")
    head = page.get_by_role("columnheader", name="verdict")
    for order, sort in ((["gone", "edge-sw", "edge-hw"], "ascending"), (["edge-hw", "edge-sw", "gone"], "descending")):
        head.get_by_role("button").click()
        assert (names(page), head.get_attribute("aria-sort")) == (order, sort)


def test_the_page_of_a_router_by_keyboard(open_report: Open) -> None:
    page = open_report(COMPARED)
    page.get_by_role("link", name="edge-hw").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="edge-hw")
    text = dialog.inner_text()
    for words in (
        "better than in the earlier report (failed, loaded)",
        "7 hardware: proven",
        "[HW_OFFLOAD]",
        "lan0 labnic",
    ):
        assert words in text
    picture = dialog.get_by_role("img").get_attribute("aria-label")
    assert picture == (
        "ipv4 eth9 to wan0: not in one flowtable, 2 slow packets; "
        "ipv4 br-lan to wg0: flowtable, in software, 0 slow packets; "
        "ipv4 br-lan to wan0: hardware flowtable, 0 slow packets"
    )
    lines = [row.split("\t") for row in dialog.locator("tbody tr").all_inner_texts()]
    assert lines[:3] == [
        ["flowtables", "hardware", "hardware: lan0, wan0; software: wg0"],
        ["rung", "bound", "proven"],
        ["devices", "lan0, wan0", "lan0, wan0, wg0"],
    ]
    page.keyboard.press("Escape")
    assert not dialog.is_visible() and not page.url.endswith("edge-hw")
    assert page.evaluate("document.activeElement.textContent") == "edge-hw"


def test_a_link_opens_the_page_of_a_router(open_report: Open) -> None:
    page = open_report(FLEET, "#edge-sw")
    assert "Remedy: turn it on with" in page.get_by_role("dialog", name="edge-sw").inner_text()
    page.get_by_role("button", name="close").click()
    for fragment in ("#none", "#%", "#toString"):
        page.evaluate("(fragment) => { location.hash = fragment }", fragment)
        assert not page.get_by_role("dialog").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_nothing_stands_in_the_way_of_a_screen_reader(open_report: Open, scheme: str, width: int) -> None:
    """axe-core's rules, contrast among them, for the table and for a router's page."""
    for fragment in ("", "#edge-hw", "#edge-sw"):
        page = open_report(COMPARED, fragment, color_scheme=scheme, viewport={"width": width, "height": 800})
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_a_router_that_is_to_be_off_is_not_asked_for_a_rung(open_report: Open) -> None:
    off = replace(FLEET.routers["edge-hw"], verdict="none", rung=0, expected=Expected("disabled", "bound", ()))
    page = open_report(FleetReport({"off": replace(off, offload=ListedDevices())}), "#off")
    wanted = page.get_by_role("dialog").locator("section", has_text="Desired and actual")
    lines = wanted.locator("tbody tr").all_inner_texts()
    assert [line.split("\t") for line in lines] == [
        ["flowtables", "disabled", "none"],
        ["drivers", "", "lan0 labnic, wan0 labnic"],
    ]
    assert page.locator("#routers tbody td").nth(1).inner_text() == "off"


def test_a_narrow_page_scrolls_the_table_alone(open_report: Open) -> None:
    for fragment in ("", "#edge-hw"):
        page = open_report(COMPARED, fragment, viewport={"width": 360, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drivers = {f"interface{number:05}": "a_driver_with_a_long_name" for number in range(30)}
    page = open_report(FleetReport({"r": replace(FLEET.routers["edge-hw"], drivers=drivers)}), "#r")
    assert page.evaluate(
        "(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(document.querySelector('dialog'))"
    )


@pytest.mark.parametrize(
    "text", [*HOSTILE, "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "__proto__"]
)
def test_a_hostile_router_is_text(open_report: Open, text: str) -> None:
    """In every field, and its name too: nothing runs, nothing is loaded, and what it wrote is there to read."""
    router = hostile(text)
    everywhere = replace(
        FLEET.routers["edge-hw"],
        rungs=router.rungs,
        findings=router.findings,
        verdict=text,
        groups=(text,),
        kernel=text,
        firewall=text,
        drivers={text: text},
    )
    report = compare_reports(FleetReport({text or "r": everywhere, "other": FLEET.routers["gone"]}), BEFORE)
    page = open_report(report)
    name = next(iter(report.routers))
    assert len(names(page)) == 2
    assert page.locator("script, img, iframe, style, link").count() == 3, "the report's own"
    page.locator("#routers a").first.click()
    shown = page.get_by_role("dialog").locator("h2").evaluate("(head) => head.textContent")
    assert shown == name.replace("\r", "\n")
    assert page.locator("script, img, iframe, style, link").count() == 3


def test_without_scripts_the_table_is_there(open_report: Open) -> None:
    page = open_report(COMPARED, java_script_enabled=False)
    assert names(page) == ["edge-hw", "edge-sw", "gone"]
    text = page.locator("main").inner_text()
    assert not page.locator("form").is_visible() and "need scripts" in text
    assert "error configured.feature-off: hw-tc-offload is off on wan0" in text and "Remedy: turn it on" in text


def test_in_print_there_are_all_rows_and_no_form(open_report: Open) -> None:
    page = open_report(COMPARED, color_scheme="dark")
    page.emulate_media(media="print")
    assert len(names(page)) == 3 and not page.locator("form").is_visible()
    ground, text = page.evaluate(
        "(({backgroundColor, color}) => [backgroundColor, color])(getComputedStyle(document.documentElement))"
    )
    assert (ground, text) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")


def test_in_print_a_router_has_its_page_alone(open_report: Open) -> None:
    page = open_report(COMPARED, "#edge-hw", viewport={"width": 800, "height": 300})
    page.emulate_media(media="print")
    assert not page.locator("main").is_visible() and page.get_by_text("7 hardware: proven").is_visible()
    assert page.evaluate(
        "(({scrollHeight, clientHeight}) => scrollHeight <= clientHeight)(document.querySelector('dialog'))"
    )


def test_two_thousand_routers(open_report: Open) -> None:
    """Whole and to be filtered; how long it takes is measured by the bench, for a machine may be busy."""
    page = open_report(MANY)
    assert page.locator("#routers tbody tr").count() == 2001
    page.get_by_label("search").fill("edge-sw-0")
    page.wait_for_function("document.getElementById('shown').textContent === '100 of 2001 routers'")
    assert len(names(page)) == 100


def test_the_policy_is_of_this_style_and_script() -> None:
    text = HtmlFile().render(FLEET)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    assert (
        policy.startswith("default-src &#39;none&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;;")
        and "unsafe" not in policy
    )
    assert "http://www.w3.org/2000/svg" in text and not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
