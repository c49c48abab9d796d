# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of devices, and patterns that stand for many."""

from __future__ import annotations

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.names import (
    DEVICE,
    PATTERN,
    expand,
    find_overlap,
    stands_for,
)


@pytest.mark.parametrize(
    ("text", "device", "pattern"),
    [
        ("ppp0", True, False),
        ("ppp*", False, True),
        ("br-lan.*", False, True),
        ("abcdefghijklmn*", False, True),
        ("abcdefghijklmno*", False, False),
        ("*", False, False),
        ("p*p", False, False),
        ("ppp**", False, False),
        ("ppp+", True, False),
        ("a b*", False, False),
        ('a"*', False, False),
    ],
)
def test_what_is_a_pattern(text: str, device: bool, pattern: bool) -> None:
    assert (bool(DEVICE.match(text)), bool(PATTERN.match(text))) == (device, pattern)


def test_what_they_stand_for() -> None:
    assert stands_for("ppp*", "ppp0") and stands_for("ppp*", "ppp") and stands_for("ppp0", "ppp0")
    assert not stands_for("ppp*", "pp") and not stands_for("ppp0", "ppp00")
    there = {"lan0", "ppp1", "ppp0", "veth1"}
    assert expand(["wan0", "ppp*", "lan0", "wg*"], there) == ["ppp0", "ppp1", "lan0"]
    assert expand(["ppp0", "ppp*"], there) == ["ppp0", "ppp1"]
    assert expand(["ppp*"], {*there, 'ppp"};#', "ppp,x"}) == ["ppp0", "ppp1"], "what nft would read as something else"


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (["lan0", "ppp*", "wg*"], None),
        (["ppp0", "lan0", "ppp*"], ("ppp*", "ppp0")),
        (["ppp*", "pp*"], ("pp*", "ppp*")),
        ([], None),
    ],
)
def test_overlaps(listed: list[str], found: tuple[str, str] | None) -> None:
    assert find_overlap(listed) == found
