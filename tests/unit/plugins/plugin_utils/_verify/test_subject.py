# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subject of the checks: what follows from a router's state and what is expected of it, each computed once."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Flowtable, RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import ListedNames, Names, Subject
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import judge

from tests.unit.helpers.ladder_case import HARD, NOT_THERE, TWO, VYOS
from tests.unit.helpers.routers import bare, foreign, parsed, with_flowtable


def test_the_expected_table_decides_which_flowtables_are_judged() -> None:
    both = replace(HARD, flowtables=(*(HARD.flowtables or ()), Flowtable("inet", "other", "ft", ("lan0",))))
    assert [flowtable.path for flowtable in Subject(both).flowtables] == ["inet nft_offload ft"]
    other = Subject(replace(both, boot=replace(both.boot, live=None)), Expectation(table="inet other"))
    assert [flowtable.path for flowtable in other.flowtables] == ["inet other ft"]


def test_every_flowtable_is_judged_where_the_expected_table_does_not_exist() -> None:
    assert Subject(VYOS).flowtables == VYOS.flowtables
    assert len(Subject(TWO).flowtables) == 2
    assert Subject(NOT_THERE).flowtables == ()


@pytest.mark.parametrize(("state", "ours"), [(HARD, True), (foreign(), False), (bare(), True)])
def test_whose_the_flowtables_are(state: RouterState, ours: bool) -> None:
    assert Subject(parsed(state)).is_ours is ours


def test_a_table_that_boot_loads_is_ours_whatever_its_name() -> None:
    state = parsed(with_flowtable(HARD, table="mine"))
    state = replace(state, boot=replace(state.boot, table="inet mine"))
    assert Subject(state, Expectation(table="inet mine")).is_ours
    assert not Subject(state, Expectation(table="inet other")).is_ours


def test_devices_of_a_flowtable_are_those_that_the_router_has() -> None:
    flowtable = Flowtable("inet", "t", "ft", ("wan*", "gone0", "lan0", "wan0"))
    assert [device.name for device in Subject(HARD).existing_devices(flowtable)] == ["wan0", "lan0"]
    assert list(Subject(HARD).listed_devices) == ["lan0", "wan0"]


def test_rules_of_a_flowtable_are_those_of_its_table_that_name_it() -> None:
    subject = Subject(HARD)
    assert [rule.chain for rule in subject.feeding_rules(subject.flowtables[0])] == ["forward"]
    assert subject.feeding_rules(replace(subject.flowtables[0], table="other")) == []
    assert subject.feeding_rules(replace(subject.flowtables[0], name="other")) == []


def test_only_what_was_not_read_has_an_error() -> None:
    assert Subject(NOT_THERE).read_errors("conntrack", "ruleset") == [
        "ruleset: Operation not permitted (you must be root)"
    ]


@pytest.mark.parametrize(
    ("listed", "found"), [("lan0", ["lan0"]), ("lan*", ["lan*", "lan0"]), ("wan0*", ["wan0"]), ("x*", []), ("", [])]
)
def test_a_name_with_a_star_stands_for_every_match(listed: str, found: list[str]) -> None:
    names = ["lan0", "lan*", "wan0"]
    assert Names(names).match(listed) == found
    assert [name for name in sorted(names) if name in ListedNames([listed])] == found


def test_what_follows_is_computed_once() -> None:
    subject = Subject(HARD)
    for name in ("flowtables", "hardware_flowtables", "listed_devices", "modules_in_use"):
        assert getattr(subject, name) is getattr(subject, name)


def test_no_check_can_change_the_subject() -> None:
    subject = Subject(HARD)
    with pytest.raises(FrozenInstanceError):
        subject.state = NOT_THERE  # type: ignore[misc]  # what mypy refuses is what is tested
    before = repr(subject.state)
    judge(subject)
    assert repr(subject.state) == before
