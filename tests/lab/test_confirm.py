# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of the live table is confirmed over a new SSH connection, or the router undoes it."""

from __future__ import annotations

from typing import Any

import pytest

from lab import api
from tests.lab.plays import Task
from tests.lab.router import Live
from tests.lab.test_bad_input import CONTENT, FT

pytestmark = pytest.mark.router("trixie/offload", "tools")

HARDWARE = {**FT, "offload": "hardware"}


def rules(more: str = "") -> str:
    """The table of the tests with an input chain."""
    chain = f"chain input {{ type filter hook input priority 0; policy accept; {more}\n }}"
    return f"{CONTENT}table inet nft_offload {{\n {chain}\n}}\n"


def load(router: Live, content: str, **options: Any) -> Task:
    task = router.module("ruleset", content=content, flowtables=[FT], **options)
    assert task.status == "ok", task.msg
    return task


def rolled_back(task: Task) -> None:
    change = task.result.get("change", {})
    assert task.status == "failed" and change.get("rolled_back") and not change["confirmed"], f"{change}: {task.msg}"


def live(router: Live) -> str:
    return router.nft("-s list table inet nft_offload")


def test_at_most_three_execs(router: Live) -> None:
    first = load(router, rules())
    assert len(first.execs) == 3
    assert first.result["change"]["confirmed"] and first.result["change"]["armed"]
    again = load(router, rules())
    assert not again.changed and len(again.execs) == 1
    assert router.sh("ls /run/nft-offload").split() == ["last"]
    assert "nft-offload-guard" not in router.sh("systemctl list-units --plain 'nft-offload-guard*'").replace(
        "0 loaded", ""
    )


def test_check_mode_arms_nothing(router: Live) -> None:
    task = router.module("ruleset", check=True, content=rules(), flowtables=[FT])
    assert task.changed
    assert not router.succeeds("test -e /run/nft-offload")
    router.is_untouched()


@pytest.mark.parametrize("lock", ["tcp dport 22 ct state new drop", "tcp dport 22 drop", "tcp dport 22 reject"])
def test_a_lock_out_is_undone(router: Live, lock: str) -> None:
    load(router, rules())
    before = live(router)
    task = router.module("ruleset", content=rules(lock), flowtables=[FT], confirm_timeout=10)
    rolled_back(task)
    assert task.result["ran"]["before"] == task.result["ran"]["after"]
    for part in (router.name, "was rolled back", "before:", "during:", "now:", "Remedy"):
        assert part in task.msg
    assert live(router) == before
    assert lock not in router.sh("cat /etc/nft-offload/ruleset.nft")
    assert not load(router, rules()).changed
    assert "rolled_back" in router.sh("journalctl -t nft-offload -o cat")


def test_nothing_before_is_nothing_after(router: Live) -> None:
    task = router.module("ruleset", content=rules("tcp dport 22 drop"), flowtables=[FT], confirm_timeout=10)
    rolled_back(task)
    assert not router.succeeds("nft list table inet nft_offload")
    assert not router.succeeds("test -e /etc/nft-offload/ruleset.nft")


def test_without_a_timer_the_result_warns(router: Live) -> None:
    task = load(router, rules(), confirm_timeout=0)
    assert any("confirm_timeout is 0" in warning for warning in task.result["warnings"])
    assert not task.result["change"]["armed"]
    assert len(task.execs) == 2


class TestChecks:
    def test_they_hold(self, router: Live) -> None:
        checks = [
            {"reach": "203.0.113.2"},
            {"resolve": "localhost"},
            {"command": "test -e /run/nft-offload/pending"},
            {"from": "controller", "command": "true"},
        ]
        assert load(router, rules(), checks=checks).result["change"]["confirmed"]

    @pytest.mark.parametrize(
        ("check", "says"),
        [
            ({"reach": "203.0.113.99", "timeout": 3}, "reach 203.0.113.99"),
            ({"resolve": "nowhere.invalid", "timeout": 8}, "resolve nowhere.invalid"),
            ({"command": "echo not today; false"}, "not today"),
            ({"from": "controller", "command": "echo nor here >&2; false"}, "nor here"),
        ],
    )
    def test_one_fails(self, router: Live, check: dict[str, Any], says: str) -> None:
        load(router, rules())
        before = live(router)
        task = router.module("ruleset", content=rules("tcp dport 9 drop"), flowtables=[FT], checks=[check])
        assert says in task.msg
        rolled_back(task)
        assert len(task.execs) == 3, "undone at once, not by the timer"
        assert live(router) == before


def test_a_pending_change_is_told(router: Live) -> None:
    router.sh("mkdir -p /run/nft-offload/pending; cut -d . -f 1 /proc/uptime >/run/nft-offload/pending/began")
    router.sh("echo 7-00000007 >/run/nft-offload/pending/id")
    task = router.module("ruleset", content=rules(), flowtables=[FT])
    assert task.status == "failed" and "change 7-00000007 is pending" in task.msg
    assert task.result["pending"]["id"] == "7-00000007"
    assert len(task.execs) == 1


class TestHardware:
    """The lab's driver takes one flowtable a device, so none of this can be a table that is made anew."""

    def flows_stay(self, router: Live) -> int:
        return sum("[HW_OFFLOAD]" in line for line in router.sh("cat /proc/net/nf_conntrack").splitlines())

    @pytest.fixture(autouse=True)
    def features(self, router: Live) -> None:
        assert router.module("nic_features", devices=["lan0", "wan0"]).status == "ok"

    def test_an_unrelated_change_keeps_flows(self, router: Live) -> None:
        router.module("ruleset", content=rules(), flowtables=[HARDWARE])
        lines = router.flows("HW_OFFLOAD", seconds=60)
        assert all("[HW_OFFLOAD]" in line for line in lines)
        router.count_forwarded()
        task = router.module("ruleset", content=rules("tcp dport 9 drop"), flowtables=[HARDWARE])
        assert task.changed, task.msg
        assert self.flows_stay(router) >= len(lines)
        assert router.forwarded() < 50, "no flow left the fast path"

    def test_a_roll_back_keeps_flows(self, router: Live) -> None:
        router.module("ruleset", content=rules(), flowtables=[HARDWARE])
        lines = router.flows("HW_OFFLOAD", seconds=60)
        task = router.module("ruleset", content=rules("tcp dport 22 drop"), flowtables=[HARDWARE], confirm_timeout=8)
        rolled_back(task)
        assert self.flows_stay(router) >= len(lines)

    def test_to_software_and_rolled_back_to_hardware(self, router: Live) -> None:
        router.module("ruleset", content=rules(), flowtables=[HARDWARE])
        before = live(router)
        software = {**FT, "offload": "software"}
        task = router.module("ruleset", content=rules("tcp dport 22 drop"), flowtables=[software], confirm_timeout=8)
        rolled_back(task)
        assert live(router) == before

    def test_a_flowtable_with_another_name(self, router: Live) -> None:
        router.module("ruleset", content=rules(), flowtables=[HARDWARE])
        other = {**HARDWARE, "name": "fast"}
        task = router.module("ruleset", content=rules().replace("@ft", "@fast"), flowtables=[other])
        assert task.status == "ok", task.msg
        assert "flowtable fast" in live(router) and "lan0" in live(router)


def test_sets_keep_what_came_at_run_time(router: Live) -> None:
    declared = "table inet nft_offload {\n set seen { type ipv4_addr; flags dynamic; }\n}\n"
    load(router, declared + rules())
    router.nft("'add element inet nft_offload seen { 192.0.2.1 }'")
    load(router, declared + rules("tcp dport 9 drop"))
    assert "192.0.2.1" in live(router)
    task = router.module("ruleset", content=declared + rules("tcp dport 22 drop"), flowtables=[FT], confirm_timeout=8)
    rolled_back(task)
    assert "192.0.2.1" in live(router)
    load(router, declared + rules(), sets="renew")
    assert "192.0.2.1" not in live(router)


def test_other_tables_are_never_touched(router: Live) -> None:
    router.nft("'table inet firewalld { chain x { counter; }; }; table ip filter { chain DOCKER { counter; }; }'")
    before = router.nft("list table inet firewalld") + router.nft("list table ip filter")
    load(router, rules())
    router.module("ruleset", content=rules("tcp dport 22 drop"), flowtables=[FT], confirm_timeout=8)
    router.module("ruleset", state="absent")
    assert router.nft("list table inet firewalld") + router.nft("list table ip filter") == before


class TestRollbackPlaybook:
    def test_to_the_one_before(self, router: Live) -> None:
        first = load(router, rules()).result["ruleset"]
        before = live(router)
        second = load(router, rules("tcp dport 9 drop")).result
        assert second["kept"] == [first]
        run = router.playbook("rollback").worked()
        assert run.changed and run.task("ruleset").result["ruleset"] == first
        assert live(router) == before
        assert router.playbook("rollback").worked().changed == []
        forth = router.playbook("rollback", "-e", f"flow_offload_rollback_to={second['ruleset']}").worked()
        assert forth.task("ruleset").result["ruleset"] == second["ruleset"]
        api.reboot(router.name)
        assert "dport 9" in live(router)

    def test_to_none(self, router: Live) -> None:
        load(router, rules())
        router.playbook("rollback", "-e", "flow_offload_rollback_to=none").worked()
        assert not router.succeeds("nft list table inet nft_offload")
        assert router.playbook("rollback").worked().changed == []

    def test_three_are_kept(self, router: Live) -> None:
        ids = [load(router, rules(f"tcp dport {port} drop")).result["ruleset"] for port in range(1, 7)]
        names = router.sh("ls /etc/nft-offload/history").split()
        assert sorted(names) == [f"{name}.nft" for name in sorted(ids[2:5])]


def test_the_table_that_lets_the_controller_in_comes_back(router: Live) -> None:
    """Taking the table out locks the controller out, so that is a change to be confirmed too."""
    load(router, rules("meta mark set 1"))
    router.nft("'table inet other { chain input { type filter hook input priority 10; "
               "tcp dport 22 ct state new mark != 1 drop; }; }'")  # fmt: skip
    task = router.module("ruleset", state="absent", confirm_timeout=8)
    rolled_back(task)
    assert "mark set" in live(router)
    assert router.succeeds("test -e /etc/nft-offload/ruleset.nft")
