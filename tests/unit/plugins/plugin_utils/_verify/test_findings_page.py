# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the findings is that of the code, and every kind of finding is fit to be documented."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._report import fleet
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import RUNGS, Kind
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import list_kinds

from tests.tools import rst
from tests.tools.findings_page import PAGE, page

KINDS = [*list_kinds(), *fleet.KINDS]


def test_the_page_is_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make findings"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_each_kind_is_explained(kind: Kind) -> None:
    assert re.fullmatch(rf"({'|'.join(RUNGS)}|known|fleet)\.[a-z0-9]+(-[a-z0-9]+)*", kind.id)
    assert kind.severity in {"info", "warning", "error"}
    assert kind.title[0].isupper() and not kind.title.endswith(".")
    assert kind.explanation.endswith(".") and "  " not in kind.explanation
    assert kind.remedy[0].islower() and not kind.remedy.endswith(".") and "  " not in kind.remedy
    assert (
        f"\n.. _{rst.LABEL}.findings.{kind.id}:\n\n{kind.id}\n{'~' * len(kind.id)}\n\n**{kind.severity}**: " in page()
    )


def test_no_id_is_used_twice() -> None:
    ids = [kind.id for kind in KINDS]
    assert len(set(ids)) == len(ids)


def test_no_name_of_a_router_is_left_open() -> None:
    body = page()
    assert "{device" not in body and "{pieces" not in body
    assert "DEVICE" in body
