# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No remedy names what a router does not have whose flowtable is that of OpenWrt's own firewall."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Boot, RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation, Kind
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import list_kinds

from tests.unit.helpers.ladder_case import Case
from tests.unit.helpers.ladder_cases_openwrt import OPENWRT, STOCK
from tests.unit.helpers.ladder_tables import CASES
from tests.unit.helpers.routers import router, verdict_on, with_boot

NOT_THERE = re.compile(
    r"kmod\.nft_offload\.(?:ruleset|flowtable_devices)|flow_offload_(?:devices|exclude|guests|adopt)|systemctl|apt\b"
    r"|'[^']*flow add|give the flowtable|have the flowtable|\blist (?:its|the bridge's|\{)"
    r"|\b(?:add|take|keep|leave|exclude)\b[^;,]*(?:to|out of|from) the (?:hardware )?flowtables?\b"
)
"""modules, filters and options that do nothing for fw4, and what nobody can do to its flowtable and its rule"""
OVERLAY = re.compile(r"flow_offload_ruleset: overlay.*", re.DOTALL)
"""what follows is done to a table of ours"""
ONLY_OURS = {
    *(f"configured.{name}" for name in ("not-live", "not-persisted", "live-differs", "boot-fallback", "emergency")),
    *(f"configured.{name}" for name in ("boot-disabled", "attachment-missing", "foreign-table")),
    *(f"configured.{name}" for name in ("feature-not-at-boot", "firewall-beside")),
    *(f"configured.{name}" for name in ("leftover-table", "leftover-boot")),
}
"""findings about a table of this collection, or about what it left"""


NOT_FW4S = {"configured.bridge-unfed"}
"""about a flowtable that fw4 does not make"""


def names_what_is_not_there(remedy: str) -> str:
    found = NOT_THERE.search(OVERLAY.sub("", remedy))
    return found[0] if found else ""


def as_fw4s(state: RouterState) -> RouterState:
    """The same router with its flowtables in fw4's table, and nothing of this collection."""
    flowtables = tuple(replace(one, family="inet", table="fw4", name="ft") for one in state.flowtables or ())
    rules = tuple(replace(rule, family="inet", table="fw4", flowtable="ft") for rule in state.rules)
    return replace(
        state,
        flowtables=flowtables if state.flowtables is not None else None,
        rules=rules,
        boot=Boot(),
        firewalls=("fw4",),
        fw4=replace(STOCK, desired=flowtables[0] if flowtables else None),
    )


@pytest.mark.parametrize("kind", list(list_kinds()), ids=lambda kind: kind.id)
def test_every_kind_of_finding(kind: Kind) -> None:
    if kind.id in ONLY_OURS | NOT_FW4S:
        return
    assert names_what_is_not_there(kind.under_fw4 or kind.remedy) == ""


def test_what_is_only_ours_is_a_kind_of_finding() -> None:
    assert {kind.id for kind in list_kinds()} >= ONLY_OURS
    assert not any(kind.under_fw4 for kind in list_kinds() if kind.id in ONLY_OURS)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_case_under_fw4(case: Case) -> None:
    """What is only ours is not found there, and what is found has the remedy for it."""
    if case.expectation.expect == "disabled":
        return
    state = as_fw4s(case.state)
    expectation = replace(case.expectation, table=Expectation().table)
    assert Subject(state, expectation).is_fw4s
    kinds = {kind.id: kind for kind in list_kinds()}
    for finding in verdict_on(state, expectation).findings:
        assert finding.id not in ONLY_OURS
        assert names_what_is_not_there(finding.remedy) == ""
        kind = kinds[finding.id]
        assert not kind.under_fw4 or finding.remedy.startswith(kind.under_fw4.partition("{")[0])


def test_a_table_of_ours_beside_fw4_keeps_its_remedies() -> None:
    state = with_boot(replace(router(), fw4=STOCK, firewalls=("fw4",)), attachments={})
    found = {one.id: one.remedy for one in verdict_on(state, Expectation("software")).findings}
    assert "kmod.nft_offload.ruleset" in found["configured.flag-unexpected"]


def test_the_remedy_that_was_not_chosen_does_not_travel() -> None:
    (result,) = verdict_on(replace(OPENWRT, fw4=replace(STOCK, sections=2))).as_result()["findings"]
    assert set(result) == {"id", "severity", "message", "evidence", "remedy"}
