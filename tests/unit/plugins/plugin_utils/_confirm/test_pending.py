# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller that meets a change that is pending tells, and what it says to do."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import parse_change, refuse_pending
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

BEGUN = "now=100\nid=1-0000abcd\nbegan=90\nguard=alive\n"


@pytest.mark.parametrize(
    ("more", "says", "remedy"),
    [
        ("deadline=\n", "still loading", "wait until"),
        ("deadline=125\n", "its deadline is in 25 s, when the router undoes it by itself", "wait until"),
        ("deadline=125\ndecision=confirmed\n", "undone by the router unless its files are put in place", "wait until"),
        ("deadline=125\ndecision=committed\n", "confirmed, and its files are being put in place", "wait until"),
        ("deadline=95\ndecision=undo\n", "being undone", "wait until"),
        (
            "deadline=95\ndecision=undo\ntrouble=1-0000abcd broken 99 late; but what was there is not back\n",
            "being undone: late; but what was there is not back",
            "SECURITY.md",
        ),
    ],
)
def test_it_is_refused_with_what_becomes_of_it(more: str, says: str, remedy: str) -> None:
    with pytest.raises(OffloadError) as raised:
        refuse_pending(parse_change(BEGUN + more))
    assert says in raised.value.problem and remedy in raised.value.remedy
    assert raised.value.problem.startswith("change 1-0000abcd is pending: begun 10 s ago, ")
