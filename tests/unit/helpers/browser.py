# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser without a window: Debian's Chromium."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

MILLISECONDS = 180_000
"""for anything that a page is waited for: a busy machine is slow"""


@contextmanager
def open_browser(arguments: Sequence[str] = ()) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # root has no sandbox
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", *arguments], timeout=MILLISECONDS
        )
        yield browser
        browser.close()


def open_page(browser: Browser, **options: Any) -> Page:
    """An empty page of a profile of its own; options are those of ``Browser.new_page``."""
    page = browser.new_page(**options)
    page.set_default_timeout(MILLISECONDS)
    return page
