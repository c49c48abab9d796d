# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that an earlier version configured is read, and taken as it is.

``trixie.converged.txt`` is the answer of such a router, after kernel_support, nic_features and two rulesets by the tree
of commit d522477. It stays as it is: where a test here fails, what is written to routers has changed, so that the next
run changes each of them and writes to its flash. What has changed since is named in these tests.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import ConfirmedPlan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import history
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.hardware import Request
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.state import TableState, read_state

from tests.unit.helpers.captures import answer
from tests.unit.helpers.ruleset_states import TOKEN

FIRST, SECOND = "1-e500437c", "2-a2af89b7"
REQUEST = Request("ft", ("lan0", "wan0"), "auto")
TABLE = ("inet", "nft_offload")


@pytest.fixture
def state() -> TableState:
    return read_state(answer("trixie", "converged"))


def content(state: TableState) -> str:
    """The user's text of the ruleset that the router runs."""
    return _ruleset.read_kept_table(state.files[paths.RULESET], state.files[paths.DEVICES]).content


STARTED_AT_BOOT = (
    paths.EMERGENCY,
    paths.RULESET_UNIT,
    paths.NFTABLES_DROP_IN,
    paths.DEVICE_RULES,
    paths.DEVICE_SCRIPT,
    paths.RULESET_SCRIPT,
)
"""what another version left otherwise"""


def test_it_is_read(state: TableState) -> None:
    assert (state.confirmed, state.kept, state.tampered) == (SECOND, (FIRST,), False)
    assert [flowtable.name for flowtable in state.flowtables] == ["ft"]
    assert state.service.enabled and state.service.active


@pytest.mark.parametrize("check_mode", [True, False])
def test_nothing_is_left_to_change_but_what_boot_falls_back_to(state: TableState, check_mode: bool) -> None:
    """The script for boot and its units are others since then. Nothing is loaded for it, and once is enough."""
    plan = _plan(state, check_mode)
    writes = [f"write {path}" for path in STARTED_AT_BOOT]
    assert (plan.actions(), plan.texts) == ([*writes, "make systemd and udev read their files again"], [])
    files = {**state.files, **{path: text for path, (_mode, text) in plan.files.items()}}
    plan = _plan(replace(state, files=files), check_mode)
    assert (plan.actions(), plan.changed) == ([], False)


def _plan(state: TableState, check_mode: bool) -> ConfirmedPlan:
    return _ruleset.plan_present(
        state, *TABLE, content(state), (REQUEST,), check_mode=check_mode, token=TOKEN, flush=[("lan0", "wan0")]
    )


def test_another_ruleset_keeps_the_one_of_before(state: TableState) -> None:
    text = content(state).replace("tcp dport 9 drop", "tcp dport 10 drop")
    plan = _ruleset.plan_present(state, *TABLE, text, (REQUEST,), check_mode=False, token=TOKEN)
    assert set(plan.files) == {*STARTED_AT_BOOT, paths.RULESET}
    assert re.match(rf"3-{TOKEN} [0-9a-f]{{16}}\n", plan.records[paths.CONFIRMED][1])
    assert plan.result["kept"] == [FIRST, SECOND]
    assert "delete set" not in plan.texts[0].text, "what came into its sets stays"


def test_its_kept_ruleset_comes_back(state: TableState) -> None:
    plan = _ruleset.plan_restored(state, "previous", *TABLE, check_mode=False, token=TOKEN)
    assert plan.result["ruleset"] == FIRST
    assert "dport" not in plan.files[paths.RULESET][1]
    assert history.path(SECOND) in plan.records


def test_it_is_given_back_as_it_was_found(state: TableState) -> None:
    plan = _ruleset.plan_absent(state, *TABLE, TOKEN)
    assert set(plan.removed) == {path for path in state.files if not path.startswith(paths.HISTORY)}
    assert list(plan.forgotten) == [history.path(FIRST)]
