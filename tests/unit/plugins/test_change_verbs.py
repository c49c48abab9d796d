# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change on a router, under each shell that routers have: it is confirmed, or what was there comes back."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils import _boot
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._change import check_loaded, failed_step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._check import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._errors import OffloadError

from tests.unit.plugins.sandbox import NEW, OLD, SHELLS, Sandbox


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def router(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"no {request.param[0]} here")
    monkeypatch.setattr(_boot, "RUN", str(tmp_path / "run/nft-offload"))
    monkeypatch.setattr(_boot, "CONFIRMED", str(tmp_path / "etc/confirmed"))
    monkeypatch.setattr(_boot, "COMMITTING", str(tmp_path / "etc/committing"))
    sandbox = Sandbox(tmp_path, request.param)
    sandbox.set_table(OLD)
    yield sandbox
    sandbox.end()


def outcome(router: Sandbox) -> tuple[str, str]:
    last = router.state().last
    assert last is not None
    return last.word, last.reason


def test_loaded_and_confirmed(router: Sandbox) -> None:
    change = router.change()
    loaded = router.load(change)
    check_loaded(change.phases()[0], loaded)
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
    assert os.listdir(router.home) == ["last"]


def test_not_confirmed(router: Sandbox) -> None:
    router.load(router.change(timeout=1))
    assert router.table() == NEW
    assert router.settled()
    assert router.table() == OLD
    assert outcome(router) == ("rolled_back", "not confirmed within 1 s")
    assert os.listdir(router.place / "etc") == []
    assert os.listdir(router.home) == ["last"]


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
    router.load(router.change(timeout=1))
    assert router.table() == NEW
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
        check_loaded(change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_refused_by_nft(router: Sandbox) -> None:
    change = router.change(router.plan("REFUSED\n"))
    with pytest.raises(OffloadError, match=r"could not load table inet t.*syntax error.*nothing was left changed"):
        check_loaded(change.phases()[0], router.load(change))
    assert router.settled(2)
    assert (router.table(), os.listdir(router.place / "etc")) == (OLD, [])
    assert outcome(router)[0] == "failed"


def test_the_second_of_two_transactions_is_refused(router: Sandbox) -> None:
    change = router.change(router.plan(NEW, "REFUSED\n"))
    with pytest.raises(OffloadError, match="nothing was left changed"):
        check_loaded(change.phases()[0], router.load(change))
    assert router.settled(2)
    assert router.table() == OLD


def test_two_controllers(router: Sandbox) -> None:
    first, second = router.change(), router.change(name="1-00000002")
    check_loaded(first.phases()[0], router.load(first))
    with pytest.raises(
        OffloadError, match=r"change 1-00000001 is pending: begun . s ago, its deadline is in .. s"
    ) as told:
        check_loaded(second.phases()[0], router.load(second))
    assert told.value.details["pending"]["id"] == "1-00000001"
    assert failed_step(first.phases()[1], router.confirm(first)) is None


def test_another_change_came_in_between(router: Sandbox) -> None:
    (router.place / "etc/confirmed").write_text("3-00000003\n")
    change = router.change()
    with pytest.raises(OffloadError, match="another change was confirmed since the router was read: 3-00000003"):
        check_loaded(change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_the_same_connection_confirms_nothing(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    answer = router.confirm(change, connection="192.0.2.1 1 192.0.2.2 22")
    failed = failed_step(change.phases()[1], answer)
    assert failed is not None and "proves nothing" in failed[1]
    assert router.settled(0)
    assert (router.table(), router.etc("ruleset.nft")) == (OLD, None)


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
    change = replace(router.change(), checks=(Check(True, "command", command, 0, 1),))
    router.load(change)
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and command in failed[0].says and says in failed[1]
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_a_check_on_the_router_holds(router: Sandbox) -> None:
    change = replace(router.change(), checks=(Check(True, "command", "echo fine", 0, 5),))
    router.load(change)
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert router.table() == NEW


def test_the_guard_is_told_to_end(router: Sandbox) -> None:
    router.load(router.change())
    os.kill(router.guard(), signal.SIGTERM)
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "its guard was told to end"))


def test_the_guard_is_killed(router: Sandbox) -> None:
    router.load(router.change(timeout=3))
    os.kill(router.guard(), signal.SIGKILL)
    assert router.table() == NEW
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "not confirmed within 3 s"))


def test_the_guard_is_killed_for_good(router: Sandbox) -> None:
    """The next change finds nobody to wait for, once the deadline is over; until then it may still be confirmed."""
    router.load(router.change(timeout=2))
    router.end()
    second = router.change(name="1-00000002")
    time.sleep(3)
    pending = router.state().pending
    assert pending is not None and pending.abandoned
    with pytest.raises(OffloadError, match="rolled back just now, because its guard had ended"):
        check_loaded(second.phases()[0], router.load(second))
    assert (router.table(), router.settled(0)) == (OLD, True)
    check_loaded(second.phases()[0], router.load(second))
    assert router.table() == NEW


def test_a_lock_that_nothing_came_of(router: Sandbox) -> None:
    router.pending.mkdir(parents=True)
    (router.pending / "began").write_text("0\n")
    change = router.change()
    check_loaded(change.phases()[0], router.load(change))
    assert router.table() == NEW


def test_nft_is_killed_while_it_loads(router: Sandbox) -> None:
    change = router.change()
    (router.place / "bin/nft").rename(router.place / "bin/real")
    script = '#!/bin/sh\ncase $* in "-f "*load.1) kill -9 $$ ;; esac\nexec ' + f'{router.place}/bin/real "$@"\n'
    (router.place / "bin/nft").write_text(script)
    (router.place / "bin/nft").chmod(0o755)
    with pytest.raises(OffloadError, match="nothing was left changed"):
        check_loaded(change.phases()[0], router.load(change))
    assert (router.table(), router.settled(2)) == (OLD, True)


def test_the_guard_is_killed_while_it_loads(router: Sandbox) -> None:
    """nft goes on without it; what it loads is undone all the same."""
    slow = router.plan(NEW.replace("policy drop", "policy drop; # SLOW"))
    loading = threading.Thread(target=router.load, args=(router.change(slow),))
    loading.start()
    until = time.monotonic() + 10
    while not (router.pending / "loading").exists() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    os.kill(router.guard(), signal.SIGKILL)
    loading.join(30)
    assert router.settled()
    time.sleep(2)
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


def test_no_confirmation_wanted(router: Sandbox) -> None:
    change = router.change(timeout=0)
    (steps,) = change.phases()
    check_loaded(steps, router.load(change))
    assert (router.table(), router.etc("ruleset.nft"), router.settled(0)) == (NEW, NEW, True)
    assert outcome(router)[0] == "confirmed"


def test_only_files_change(router: Sandbox) -> None:
    change = router.change(replace(router.plan(), texts=(), tables=(), listing=None))
    (steps,) = change.phases()
    check_loaded(steps, router.load(change))
    assert (router.table(), router.etc("ruleset.nft"), router.settled(0)) == (OLD, NEW, True)
    assert not router.log.exists()


def test_a_directory_where_the_file_should_be(router: Sandbox) -> None:
    (router.place / "etc/ruleset.nft").mkdir()
    change = router.change()
    with pytest.raises(OffloadError, match=r"Is a directory.*nothing was left changed"):
        check_loaded(change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0)) == (OLD, True)
    assert not router.log.exists()


def test_a_staged_file_is_gone(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    (router.place / "etc/ruleset.nft.nft-offload-new").unlink()
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and "is gone" in failed[1]
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_the_next_change_finishes_what_a_killed_shell_left(router: Sandbox) -> None:
    """Else a boot would take what this one stages for confirmed."""
    etc = router.place / "etc"
    (etc / "ruleset.nft").write_text(OLD)
    (etc / "ruleset.nft.nft-offload-new").write_text("earlier")
    (etc / "committing").write_text(f"{etc}/ruleset.nft\n")
    router.load(router.change(timeout=1))
    assert not (etc / "committing").exists()
    assert router.settled()
    assert (router.table(), router.etc("ruleset.nft")) == (OLD, "earlier")


def test_boot_finishes_what_a_power_cut_left(router: Sandbox) -> None:
    etc = router.place / "etc"
    (etc / "ruleset.nft").write_text(OLD)
    (etc / "devices").write_text("")
    (etc / "ruleset.nft.nft-offload-new").write_text(NEW)
    (etc / "committing").write_text(f"{etc}/ruleset.nft\n{etc}/gone\n")
    script = _boot.installed("ruleset.sh").replace("/etc/nft-offload", str(etc))
    (router.place / "boot.sh").write_text(script)
    router.run([("sh", str(router.place / "boot.sh"))])
    assert (router.table(), router.etc("ruleset.nft")) == (NEW, NEW)
    assert sorted(os.listdir(etc)) == ["devices", "ruleset.nft"]
