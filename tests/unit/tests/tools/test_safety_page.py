# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the safety matrix."""

from __future__ import annotations

from datetime import date

from tests.tools.safety_page import NOTE, page, shorten

MADE = date(2026, 11, 30)
ROW = {"fault": "nft *hangs*", "kernel": "6.12", "runs": 2, "lost": 0, "longest_outage_s": 11.6, "note": "failed: why"}


def test_a_row_for_each_cell() -> None:
    text = page(
        {
            "planned": 2,
            "missing": [],
            "sources": 1,
            "lost_before": [],
            "rows": [ROW, {**ROW, "kernel": "7.2", "lost": 1}],
        },
        MADE,
    )
    assert (
        "**4 runs of 1 kinds of fault, 1 lost.** Of the 2 pairs of a fault and a system that it is for, 2 are made."
        in text
    )
    assert "Kernels: 6.12, 7.2. Made on 2026-11-30." in text
    assert "   * - nft \\*hangs\\*\n     - 6.12\n     - 2\n     - 0\n     - 12\n     - failed: why\n" in text


def test_what_is_missing() -> None:
    void = {**ROW, "runs": 0, "kernel": "7.2"}
    text = page(
        {"planned": 3, "missing": ["forky: nft *hangs*"], "sources": 2, "lost_before": [], "rows": [ROW, void]}, MADE
    )
    assert text.endswith("\n\n1 are not made:\n\n- forky: nft \\*hangs\\*\n")
    assert "7.2" not in text
    assert "\n\nThey are of 2 states of the source: " in text


def test_what_was_lost_before() -> None:
    lost = {"fault": "nft *hangs*", "kernel": "6.1", "lost": "safety-12-bookworm runs a mixture"}
    text = page({"planned": 1, "missing": [], "sources": 1, "lost_before": [lost], "rows": [ROW]}, MADE)
    assert "\n\nBefore that some were lost. They were made again" in text
    assert "\n- nft \\*hangs\\*, 6.1: the router runs a mixture\n\n" in text


def test_notes_are_short_and_do_not_change_without_reason() -> None:
    assert shorten("change 12-0123abcd of safety-77-trixie\nended") == "change ID of the router ended"
    assert shorten("a word " * 99).endswith((" a …", " word …")) and len(shorten("a word " * 99)) <= NOTE
