# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAME=SUITE/NIC, as people type it."""

from __future__ import annotations

import pytest

from lab.host import LabError
from lab.spec import Spec, parse, parse_all


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("edge", Spec("edge", "trixie", "offload")),
        ("edge=forky", Spec("edge", "forky", "offload")),
        ("edge-hw=trixie/offload", Spec("edge-hw", "trixie", "offload")),
        ("e2=bookworm/plain", Spec("e2", "bookworm", "plain")),
        ("edge=alpine-3.23", Spec("edge", "alpine-3.23", "plain")),
    ],
)
def test_what_is_left_out_is_trixie_and_the_best_nic(text: str, spec: Spec) -> None:
    assert parse(text) == spec


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a name"),
        ("=trixie/plain", "not a name"),
        ("Edge", "not a name"),
        ("edge_1", "not a name"),
        ("../edge", "not a name"),
        ("-edge", "not a name"),
        ("edge-", "not a name"),
        ("e" * 33, "not a name"),
        ("edge=", "unknown suite"),
        ("edge=sid/plain", "unknown suite: sid"),
        ("edge=trixie/", "unknown kind of NIC"),
        ("edge=trixie/e1000", "unknown kind of NIC: e1000"),
        ("edge=trixie/plain/more", "unknown kind of NIC"),
        ("edge=alpine-3.23/offload", "no NIC of the kind offload"),
    ],
)
def test_a_bad_spec_is_refused_with_a_remedy(text: str, complaint: str) -> None:
    with pytest.raises(LabError, match=complaint) as caught:
        parse(text)
    assert caught.value.remedy


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(LabError, match="named twice: edge"):
        parse_all(["edge=trixie/plain", "other", "edge=trixie/offload"])
