# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of the live table is confirmed over a new SSH connection, or the router undoes it.

``tests/safety`` has many more faults; these tests have one of each kind.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.plays import Task
from tests.lab.router import Live
from tests.lab.rulesets import CONTENT, FLOWTABLE

pytestmark = pytest.mark.router("trixie/offload", "tools")

HARDWARE = {**FLOWTABLE, "offload": "hardware"}
LOCK = "tcp dport 22 ct state new drop"
"""established connections still work, which would be a false confirmation"""


def rules(more: str = "") -> str:
    """CONTENT with an input chain, and a set that gets its elements at run time."""
    chain = f"chain input {{ type filter hook input priority 0; policy accept; {more}\n }}"
    return f"{CONTENT}table inet nft_offload {{\n set seen {{ type ipv4_addr; flags dynamic; }}\n {chain}\n}}\n"


def load(router: Live, content: str, **options: Any) -> Task:
    task = router.module("ruleset", content=content, **{"flowtables": [FLOWTABLE], **options})
    assert task.status == "ok", task.msg
    return task


def locked_out(router: Live, **options: Any) -> Task:
    """Load a table that accepts no new login; asserts that the router undoes it."""
    options = {"content": rules(LOCK), "flowtables": [FLOWTABLE], "confirm_timeout": 8, **options}
    return rolled_back(router.module("ruleset", host={"ansible_timeout": 5}, **options))


def rolled_back(task: Task) -> Task:
    change = task.result.get("change", {})
    assert task.status == "failed" and change.get("rolled_back") and not change["confirmed"], f"{change}: {task.msg}"
    assert task.result["ran"]["before"] == task.result["ran"]["after"]
    return task


def live(router: Live) -> str:
    return router.nft("-s list table inet nft_offload")


def test_at_most_three_execs(router: Live) -> None:
    checked = router.module("ruleset", check=True, content=rules(), flowtables=[FLOWTABLE])
    assert checked.changed
    assert not router.succeeds("test -e /run/nft-offload")
    router.is_untouched()
    first = load(router, rules())
    assert (first.actions, len(first.execs)) == (checked.actions, 3)
    assert first.result["change"]["confirmed"] and first.result["change"]["armed"]
    again = load(router, rules())
    assert not again.changed and len(again.execs) == 1
    assert set(router.sh("ls /run/nft-offload").split()) - {"boot"} == {"last", "pending", "used"}
    assert router.sh("ls /run/nft-offload/pending") == ""
    # the guard that stood by looks once a second
    router.sh("for n in 1 2 3 4 5 6 7 8 9; do pgrep -f '[g]uard watch' >/dev/null || break; sleep 1; done")
    assert router.sh("systemctl list-units --plain --no-legend --all 'nft-offload-guard*'") == ""


def test_a_lock_out_is_undone(router: Live) -> None:
    """The table is as it was, with the elements that its set got at run time; other tables are never touched."""
    router.nft("'table inet firewalld { chain x { counter; }; }; table ip filter { chain DOCKER { counter; }; }'")
    load(router, rules())
    router.nft("'add element inet nft_offload seen { 192.0.2.1 }'")
    before = router.nft("list ruleset")
    task = locked_out(router)
    for part in (router.name, "was rolled back", "before:", "during:", "now:", "Remedy"):
        assert part in task.msg
    assert "192.0.2.1" in before and router.nft("list ruleset") == before
    assert LOCK not in router.sh("cat /etc/nft-offload/ruleset.nft")
    assert router.sh("find /etc /usr/local -name '*.nft-offload-new'") == ""
    assert "rolled_back" in router.sh("journalctl -t nft-offload -o cat")
    assert not load(router, rules()).changed


def test_the_table_that_lets_the_controller_in_comes_back(router: Live) -> None:
    """Removing a table can lock the controller out, so a removal must be confirmed too."""
    load(router, rules("meta mark set 1"))
    router.nft("'table inet other { chain input { type filter hook input priority 10; "
               "tcp dport 22 ct state new mark != 1 drop; }; }'")  # fmt: skip
    before = live(router)
    locked_out(router, state="absent")
    assert live(router) == before
    assert router.succeeds("test -e /etc/nft-offload/ruleset.nft")


def test_sets_keep_elements_of_run_time(router: Live) -> None:
    load(router, rules())
    router.nft("'add element inet nft_offload seen { 192.0.2.1 }'")
    load(router, rules("tcp dport 9 drop"))
    assert "192.0.2.1" in live(router)
    task = load(router, rules(), sets="renew", confirm_timeout=0)
    assert "192.0.2.1" not in live(router)
    assert any("confirm_timeout is 0" in warning for warning in task.result["warnings"])
    assert (task.result["change"]["armed"], len(task.execs)) == (False, 2)


def test_checks(router: Live) -> None:
    checks = [
        {"reach": "203.0.113.2"},
        {"resolve": "localhost"},
        {"command": "ls /run/nft-offload/pending/*"},
        {"from": "controller", "command": "true"},
    ]
    assert load(router, rules(), checks=checks).result["change"]["confirmed"]
    before = live(router)
    for check, message in (
        ({"reach": "203.0.113.99", "timeout": 3}, "reach 203.0.113.99"),
        ({"from": "controller", "command": "echo not here >&2; false"}, "not here"),
    ):
        task = router.module("ruleset", content=rules("tcp dport 9 drop"), flowtables=[FLOWTABLE], checks=[check])
        assert message in rolled_back(task).msg
        assert len(task.execs) == 3, "undone at once, not by the timer"
        assert live(router) == before


def test_a_pending_change_is_reported(router: Live) -> None:
    router.sh(
        "mkdir -p /run/nft-offload/pending/7-00000007; cd /run/nft-offload/pending/7-00000007; "
        "read -r up _ </proc/uptime; echo 7-00000007 >id; echo 7-00000007 begun 1 0 ${up%.*} . >events"
    )
    task = router.module("ruleset", content=rules(), flowtables=[FLOWTABLE])
    assert task.status == "failed" and "change 7-00000007 is pending" in task.msg
    assert task.result["pending"]["id"] == "7-00000007"
    assert len(task.execs) == 1


def test_one_device_more_or_less_touches_no_other(router: Live) -> None:
    software = {**FLOWTABLE, "offload": "software"}
    more = {**software, "devices": [*FLOWTABLE["devices"], "mgmt0"]}
    load(router, rules(), flowtables=[software])
    lines = router.flows("OFFLOAD", seconds=900)  # longer than this test takes on a busy machine
    assert all("[OFFLOAD]" in line for line in lines)
    router.count_forwarded()
    for flowtable in (more, software):
        assert load(router, rules(), flowtables=[flowtable]).changed
        assert ("mgmt0" in live(router)) is (flowtable is more)
    assert router.sh("cat /proc/net/nf_conntrack").count("[OFFLOAD]") >= len(lines)
    assert router.forwarded() < len(lines), "a flow that left the fast path returns to it with one packet at least"


class TestHardware:
    """The lab's driver takes one flowtable for each device, so none of these changes can re-create the table."""

    @pytest.fixture(autouse=True)
    def loaded(self, router: Live) -> None:
        assert router.module("nic_features", devices=["lan0", "wan0"]).status == "ok"
        load(router, rules(), flowtables=[HARDWARE])

    def test_flows_stay(self, router: Live) -> None:
        """Flows survive a change that does not concern them, and one that is undone."""
        lines = router.flows("HW_OFFLOAD", seconds=900)  # longer than this test takes on a busy machine
        assert all("[HW_OFFLOAD]" in line for line in lines)
        router.count_forwarded()
        assert load(router, rules("tcp dport 9 drop"), flowtables=[HARDWARE]).changed
        locked_out(router, flowtables=[HARDWARE])
        assert router.sh("cat /proc/net/nf_conntrack").count("[HW_OFFLOAD]") >= len(lines)
        assert router.forwarded() < 50, "no flow left the fast path"

    def test_another_flowtable(self, router: Live) -> None:
        """A flowtable that replaces another: once undone, once confirmed."""
        before = live(router)
        locked_out(router, flowtables=[{**FLOWTABLE, "offload": "software"}])
        assert live(router) == before
        load(router, rules().replace("@ft", "@fast"), flowtables=[{**HARDWARE, "name": "fast"}])
        after = live(router)
        assert "flowtable fast" in after and "lan0" in after and "flags offload" in after


def test_rollback(router: Live) -> None:
    """The playbook goes back and forth between the last three rulesets, which are kept, and to none."""
    router.sh("mkdir -p /etc/nft-offload/history; cd /etc/nft-offload/history; "
              "touch 1-00000001.nft 2-00000002.nft 3-00000003.nft")  # fmt: skip
    first = load(router, rules()).result["ruleset"]
    before = live(router)
    second = load(router, rules("tcp dport 9 drop")).result
    assert second["kept"] == ["2-00000002", "3-00000003", first]
    assert router.sh("ls /etc/nft-offload/history").split() == [f"{kept}.nft" for kept in second["kept"]]

    def roll_back(to: str = "previous") -> Task:
        return router.playbook("rollback", "-e", f"flow_offload_rollback_to={to}").worked().task("ruleset")

    assert roll_back().result["ruleset"] == first
    assert live(router) == before
    assert not roll_back().changed
    assert roll_back(second["ruleset"]).result["ruleset"] == second["ruleset"]
    assert "dport 9" in live(router) and "dport 9" in router.sh("cat /etc/nft-offload/ruleset.nft")
    roll_back("none")
    assert not router.succeeds("nft list table inet nft_offload")
    assert not roll_back().changed
