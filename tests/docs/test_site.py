# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site is built without a warning, and works from a disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.unit.helpers.browser import open_browser, open_page

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build/site/html"


@pytest.fixture(scope="module", autouse=True)
def site() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "site"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser that is asked for no host; whatever it complains of fails the test."""
    said: list[str] = []
    with open_browser() as browser:
        page = open_page(browser)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
        yield page
    assert said == []


def test_the_menu_leads_to_every_page(page: Page) -> None:
    page.goto((SITE / "index.html").as_uri())
    targets = page.locator(".sidebar-tree a").evaluate_all("(links) => links.map((link) => link.href)")
    linked = {target.partition("#")[0] for target in targets}
    guides = sorted(path.stem for path in (ROOT / "docs/docsite/rst").glob("*.rst"))
    assert guides and not [name for name in guides if (SITE / f"docsite/{name}.html").as_uri() not in linked]


def test_the_search_needs_no_network(page: Page) -> None:
    page.goto(f"{(SITE / 'search.html').as_uri()}?q=masquerade")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li").count() > 1
