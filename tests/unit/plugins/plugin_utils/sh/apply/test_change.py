# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change on a router, under each shell that routers have: it is confirmed, or what was there comes back."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import (
    ConfirmedPlan,
    raise_failed_change,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.verbs import StageListing
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Step, failed_step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Remove
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.verbs import FlushConnections

from tests.unit.helpers.sandbox import NEW, OLD, Sandbox, outcome


def test_loaded_and_confirmed(router: Sandbox) -> None:
    change = router.change()
    loaded = router.load(change)
    raise_failed_change(change, change.phases()[0], loaded)
    assert router.table() == NEW
    assert router.etc("ruleset.nft") is None, "the files for boot are the old ones until then"
    pending = router.state().pending
    assert pending is not None and pending.guarded and pending.deadline is not None
    assert 25 <= pending.deadline - pending.now <= 30
    confirmed = router.confirm(change)
    assert failed_step(change.phases()[1], confirmed) is None
    assert (router.table(), router.etc("ruleset.nft"), router.etc("listing")) == (NEW, NEW, NEW)
    assert router.settled(0)
    assert outcome(router) == ("confirmed", "")
    assert sorted(os.listdir(router.place / "etc")) == ["listing", "ruleset.nft"]
    assert sorted(os.listdir(router.home)) == ["last", "pending", "used"] and not router.pending.exists()


def test_a_cut_that_fails_is_owed_to_the_next_run(router: Sandbox) -> None:
    """It comes after the confirmation, and is no part of what is rolled back."""
    owed = str(router.place / "etc/cut")
    conntrack = router.place / "bin/conntrack"
    conntrack.write_text("#!/bin/sh\necho 'Operation failed: such is life' >&2\nexit 1\n")
    conntrack.chmod(0o755)
    closing = [Step("judge anew", FlushConnections(("", ""))), Step("note it", Remove(owed))]
    change = router.change(replace(router.plan(), records={owed: ("0644", ":\n")}, closing=closing))
    router.load(change)
    assert router.etc("cut") is None, "nothing is owed for rules that may be rolled back"
    with pytest.raises(OffloadError, match=r"could not judge anew: .*such is life; the change is confirmed"):
        raise_failed_change(change, change.phases()[1], router.confirm(change))
    assert (router.table(), router.etc("cut"), outcome(router)) == (NEW, ":\n", ("confirmed", ""))
    conntrack.write_text("#!/bin/sh\necho 'conntrack: 3 flow entries have been deleted.' >&2\n")
    later = router.change(ConfirmedPlan(closing=closing), name="2-00000002")
    (steps,) = later.phases()
    answer = router.run(later.calls(steps))
    assert failed_step(steps, answer) is None
    assert router.etc("cut") is None
    assert "flushed=9" in [part.text.strip() for part in answer.values()]


def test_a_cut_is_not_owed_for_what_is_rolled_back(router: Sandbox) -> None:
    owed = str(router.place / "etc/cut")
    change = router.change(replace(router.plan(), records={owed: ("0644", ":\n")}), timeout=1)
    router.load(change)
    assert router.settled()
    assert (router.table(), os.listdir(router.place / "etc")) == (OLD, [])


def test_not_confirmed(router: Sandbox) -> None:
    change = router.change(timeout=3)
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.settled()
    assert router.table() == OLD
    assert outcome(router) == ("rolled_back", "not confirmed within 3 s")
    assert os.listdir(router.place / "etc") == []
    assert sorted(os.listdir(router.home)) == ["last", "pending", "used"] and not router.pending.exists()


def test_too_late(router: Sandbox) -> None:
    change = router.change(timeout=1)
    router.load(change)
    assert router.settled()
    answer = router.confirm(change)
    failed = failed_step(change.phases()[1], answer)
    assert failed is not None and "rolled_back" in failed[1]
    assert (router.table(), router.etc("ruleset.nft")) == (OLD, None)


def test_nothing_was_there_before(router: Sandbox) -> None:
    (router.place / "tables/inet-t").unlink()
    change = router.change(timeout=3)
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.settled()
    assert router.table() is None


def test_what_is_there_cannot_be_read(router: Sandbox) -> None:
    """Taken for nothing, it would be deleted by a roll back."""
    nft = router.place / "bin/nft"
    nft.rename(router.place / "bin/real")
    nft.write_text(f'#!/bin/sh\n[ "$2" != list ] || {{ echo no buffer >&2; exit 1; }}\nexec {nft.parent}/real "$@"\n')
    nft.chmod(0o755)
    change = router.change()
    with pytest.raises(OffloadError, match=r"no buffer.*nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_refused_by_nft(router: Sandbox) -> None:
    change = router.change(router.plan("REFUSED\n"))
    with pytest.raises(OffloadError, match=r"could not load table inet t.*syntax error.*nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.settled()
    assert (router.table(), os.listdir(router.place / "etc")) == (OLD, [])
    assert outcome(router)[0] == "failed"


def test_the_second_of_two_transactions_is_refused(router: Sandbox) -> None:
    change = router.change(router.plan(NEW, "REFUSED\n"))
    with pytest.raises(OffloadError, match="nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.settled()
    assert router.table() == OLD


def test_two_controllers(router: Sandbox) -> None:
    first, second = router.change(), router.change(name="1-00000002")
    raise_failed_change(first, first.phases()[0], router.load(first))
    with pytest.raises(
        OffloadError, match=r"change 1-00000001 is pending: begun . s ago, its deadline is in .. s"
    ) as refused:
        raise_failed_change(second, second.phases()[0], router.load(second))
    assert refused.value.details["pending"]["id"] == "1-00000001"
    assert failed_step(first.phases()[1], router.confirm(first)) is None


def test_another_change_came_in_between(router: Sandbox) -> None:
    (router.place / "etc/confirmed").write_text("3-00000003\n")
    change = router.change()
    with pytest.raises(OffloadError, match="another change was confirmed since the router was read: 3-00000003"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_the_same_connection_confirms_nothing(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    answer = router.confirm(change, connection="192.0.2.1 1 192.0.2.2 22")
    failed = failed_step(change.phases()[1], answer)
    assert failed is not None and "proves nothing" in failed[1]
    assert router.settled(0)
    assert (router.table(), router.etc("ruleset.nft")) == (OLD, None)


FLOWTABLE = "table inet t {\n\tflowtable ft {\n\t\thook ingress priority filter\n\t\tdevices = { lo, new0 }\n\t}\n}\n"


def test_devices_may_come_and_go_before_the_confirmation(router: Sandbox) -> None:
    change = router.change(router.plan(FLOWTABLE))
    router.load(change)
    loaded = router.table() or ""
    assert "new0" in loaded
    router.set_table(loaded.replace("\t\tdevices = { lo, new0 }\n", ""))
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert outcome(router)[0] == "confirmed"


COUNTED = """table inet t {
	set limit_ssh {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 1h
	}

	flowtable ft {
		hook ingress priority filter
		devices = { "lan0" }
	}

	chain input {
		type filter hook input priority filter; policy drop;
		update @limit_ssh { ip saddr limit rate 10/minute burst 5 packets } accept comment "size 1	# count 5"
	}
}
"""


def test_the_login_that_confirms_may_fill_a_set(router: Sandbox) -> None:
    """nft 1.1.7 lists how many elements a set holds; with none, nothing."""
    change = router.change(router.plan(COUNTED))
    router.load(change)
    loaded = router.table() or ""
    router.set_table(loaded.replace("size 65535\n", "size 65535\t# count 1\n"))
    assert router.table() != loaded
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert outcome(router)[0] == "confirmed"


@pytest.mark.parametrize(
    ("loaded", "changed"), [("# count 5", "# count 6"), ("size 65535", "size 65534"), ("10/minute", "100/minute")]
)
def test_what_only_looks_like_a_count_is_a_change(router: Sandbox, loaded: str, changed: str) -> None:
    change = router.change(router.plan(COUNTED))
    router.load(change)
    router.set_table((router.table() or "").replace(loaded, changed))
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and "not what was loaded any more" in failed[1]
    assert outcome(router)[0] == "rolled_back"


def test_listings_that_cannot_be_compared_confirm_nothing(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    awk = router.place / "bin/awk"
    awk.write_text("#!/bin/sh\nexit 1\n")
    awk.chmod(0o755)
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and "not what was loaded any more" in failed[1]


def test_somebody_else_loads_in_the_window(router: Sandbox) -> None:
    """Such as the old ruleset: what nobody proved is not confirmed."""
    change = router.change()
    router.load(change)
    router.set_table(NEW.replace("policy drop", "policy accept"))
    answer = router.confirm(change)
    failed = failed_step(change.phases()[1], answer)
    assert failed is not None and "table inet t is not what was loaded any more" in failed[1]
    assert (router.table(), router.etc("ruleset.nft"), router.settled(0)) == (OLD, None, True)
    assert outcome(router)[0] == "rolled_back"


def test_a_dropped_table_comes_back_in_the_window(router: Sandbox) -> None:
    drop = replace(router.plan("delete table inet t\n"), files={}, listings=())
    change = router.change(drop)
    router.load(change)
    assert router.table() is None
    router.set_table(NEW)
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and "not what was loaded any more" in failed[1]
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_a_table_is_dropped(router: Sandbox) -> None:
    """What goes with it is on the disk before that is reported."""
    old = router.place / "etc/old"
    old.write_text("")
    sync = router.place / "bin/sync"
    sync.write_text(f'#!/bin/sh\necho "$(ls {old.parent} {router.home})" >{router.place}/synced\n')
    sync.chmod(0o755)
    drop = replace(router.plan("delete table inet t\n"), files={}, listings=(), removed=[str(old)])
    change = router.change(drop)
    router.load(change)
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert router.table() is None
    seen = (router.place / "synced").read_text()
    assert "pending" in seen and "last" not in seen and "old" not in seen


def test_the_answer_to_a_confirmation_is_lost(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    router.confirm(change)
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and "confirmed" in failed[1]
    assert (router.table(), outcome(router)[0]) == (NEW, "confirmed")


def test_given_up(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    router.run(change.give_up("a check failed"))
    assert router.settled(0)
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "a check failed"))


@pytest.mark.parametrize(("command", "says"), [("exit 3", ""), ("sleep 30", "no answer within 1 s"), ("no-such", "")])
def test_a_check_on_the_router_fails(router: Sandbox, command: str, says: str) -> None:
    change = replace(router.change(), checks=(Check(True, "command", command, 0, 1, name="the till"),))
    router.load(change)
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and failed[0].summary.endswith(": the till") and says in failed[1]
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_a_check_on_the_router_holds(router: Sandbox) -> None:
    change = replace(router.change(), checks=(Check(True, "command", "echo fine", 0, 5),))
    router.load(change)
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert router.table() == NEW


def test_no_confirmation_wanted(router: Sandbox) -> None:
    change = router.change(timeout=0)
    (steps,) = change.phases()
    raise_failed_change(change, steps, router.load(change))
    assert (router.table(), router.etc("ruleset.nft"), router.settled(0)) == (NEW, NEW, True)
    assert outcome(router)[0] == "confirmed"


def test_only_files_change(router: Sandbox) -> None:
    change = router.change(replace(router.plan(), texts=(), tables=(), listings=()))
    (steps,) = change.phases()
    raise_failed_change(change, steps, router.load(change))
    assert (router.table(), router.etc("ruleset.nft"), router.settled(0)) == (OLD, NEW, True)
    assert not router.log.exists()


def test_a_directory_where_the_file_should_be(router: Sandbox) -> None:
    (router.place / "etc/ruleset.nft").mkdir()
    change = router.change()
    with pytest.raises(OffloadError, match=r"Is a directory.*nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0)) == (OLD, True)
    assert not router.log.exists()


def test_a_staged_file_is_gone(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    (router.place / "etc/ruleset.nft.1-00000001.nft-offload-new").unlink()
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and "is gone" in failed[1]
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_the_next_change_finishes_what_a_killed_shell_left(router: Sandbox) -> None:
    """Else a boot would take what this one stages for confirmed."""
    etc = router.place / "etc"
    (etc / "ruleset.nft").write_text(OLD)
    (etc / "ruleset.nft.0-0badcafe.nft-offload-new").write_text("earlier")
    (etc / "committing").write_text(f".0-0badcafe.nft-offload-new {etc}/ruleset.nft\n")
    router.load(router.change(timeout=1))
    assert not (etc / "committing").exists()
    assert router.settled()
    assert (router.table(), router.etc("ruleset.nft")) == (OLD, "earlier")


def test_a_task_without_the_lock_leaves_what_a_change_staged(router: Sandbox) -> None:
    change = router.change()
    raise_failed_change(change, change.phases()[0], router.load(change))
    path = str(router.place / "etc/ruleset.nft")
    assert router.run([("step", "1", "stage", path, "0600", "of another task")])["step.1"].rc == 0
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert router.etc("ruleset.nft") == NEW


def test_a_directory_in_the_place_of_the_list_is_refused(router: Sandbox) -> None:
    """Moved into it, the list would be where nobody looks for it."""
    (router.place / "etc/committing").mkdir()
    change = router.change()
    with pytest.raises(OffloadError, match="committing: it is no file"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_boot_finishes_what_a_power_cut_left(router: Sandbox) -> None:
    etc = router.place / "etc"
    (etc / "ruleset.nft").write_text(OLD)
    (etc / "devices").write_text("")
    staged = ".0-0badcafe.nft-offload-new"
    (etc / f"ruleset.nft{staged}").write_text(NEW)
    (etc / "committing").write_text(f"{staged} {etc}/ruleset.nft\n{staged} {etc}/gone\n")
    script = paths.installed("ruleset.sh").replace("/etc/nft-offload", str(etc))
    (router.place / "boot.sh").write_text(script)
    mv = router.place / "bin/mv"
    mv.write_text("#!/bin/sh\nexit 1\n")
    mv.chmod(0o755)
    router.run([("sh", str(router.place / "boot.sh"))])
    assert (etc / "committing").exists(), "the next boot tries again"
    mv.unlink()
    router.run([("sh", str(router.place / "boot.sh"))])
    assert (router.table(), router.etc("ruleset.nft")) == (NEW, NEW)
    assert sorted(os.listdir(etc)) == ["devices", "ruleset.nft"]


def test_what_an_earlier_change_staged_and_left_goes(router: Sandbox) -> None:
    (router.place / "etc/history").mkdir()
    left = router.place / "etc/history/1-0badcafe.nft.1-0badcafe.nft-offload-new"
    left.write_text("staged")
    change = router.change()
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert not left.exists() and (router.place / "etc/ruleset.nft.1-00000001.nft-offload-new").exists()


def test_what_is_kept_of_a_change_is_for_root_only(router: Sandbox) -> None:
    """In its directory, and in that of the changes, which may be there already."""
    router.home.mkdir(mode=0o755)
    (router.place / "etc/nft-offload").mkdir(mode=0o755)
    listing = StageListing(str(router.place / "etc/nft-offload/listing"), "inet", "t")
    plan = replace(router.plan(), listings=[listing])
    change = replace(router.change(plan), checks=(Check(True, "command", "echo fine; false", 0, 5),))
    router.load(change)
    kept = [router.home, *router.home.rglob("*"), *(router.place / "etc/nft-offload").glob("*")]
    assert len(kept) > 10
    assert {str(path): oct(path.stat().st_mode) for path in kept if path.stat().st_mode & 0o077} == {}
    router.run([("hold", str(router.home), change.id), ("check_here", "5", "echo", "fine")])
    assert len(list(router.pending.glob("check.*.1.said"))) == len(list(router.pending.glob("check.*.1.code"))) == 1
    kept = list(router.home.rglob("*"))
    assert {str(path): oct(path.stat().st_mode) for path in kept if path.stat().st_mode & 0o077} == {}
    router.run(change.give_up("a check failed"))
    assert router.settled(5)
