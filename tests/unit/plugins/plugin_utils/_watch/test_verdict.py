# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the watch is told of a verdict, as sh/installed/watch.sh reads it."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import (
    RUNGS,
    Expectation,
    Finding,
    RungResult,
    Status,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import Verdict
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._watch.verdict import format_verdict

SLOW = Finding("bypassing.slow-share", "error", "71 % slow\nrung 7", (), "look")


def verdict(*findings: Finding) -> Verdict:
    statuses: tuple[Status, ...] = (*("proven",) * 5, "failed", "unproven")
    rungs = zip(RUNGS, statuses, strict=True)
    return Verdict(
        tuple(RungResult(name, status, (), findings if name == "bypassing" else ()) for name, status in rungs)
    )


def test_lines_that_the_watch_reads() -> None:
    lines = format_verdict(verdict(SLOW, SLOW), Expectation(require="bypassing"))
    assert lines == "rung 5\nrequired 6\nfinding bypassing.slow-share error", "words of a router are in none of them"


def test_nothing_is_demanded_where_offload_is_off() -> None:
    assert format_verdict(verdict(), Expectation(expect="disabled", require="bound")) == "rung 5\nrequired 0"
