# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches over a change is killed at every stage: what was there comes back all the same."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import raise_failed_change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from tests.unit.helpers.sandbox import NEW, OLD, Sandbox, outcome

SLOW = OLD.replace("policy accept;", "policy accept; # SLOW")
"""takes 2 s to be put back"""


def wait_for(path: Path, pattern: str) -> None:
    """Until there is such a file."""
    wait_until(lambda: bool(list(path.glob(pattern))))


def wait_until(holds: Callable[[], bool]) -> None:
    """Until it does, or for a minute."""
    until = time.monotonic() + 60
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)


def test_the_guard_is_told_to_end(router: Sandbox) -> None:
    router.load(router.change())
    os.kill(router.guard(), signal.SIGTERM)
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "its guard was stopped"))


def test_the_guard_is_killed(router: Sandbox) -> None:
    router.load(router.change())
    os.kill(router.guard(), signal.SIGKILL)
    assert router.table() == NEW
    router.end_window()
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "not confirmed within 30 s"))


@pytest.mark.parametrize("where", ["watch() {\n", "  while here; do\n", "  while here && "])
def test_the_guard_cannot_fork(router: Sandbox, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A shell ends with 2 then. Here it does so once: before it loads, before it is started, and in the window."""
    text = paths.installed("guard.sh")
    assert text.count(where) == 1
    ends = f'[ -e "{router.place}/forked" ] || {{ : >"{router.place}/forked"; exit 2; }}\n'
    struck = text.replace(where, where + ends if where.endswith("\n") else ends + where)
    monkeypatch.setattr(paths, "installed", lambda _name: struck)
    change = router.change(timeout=3)
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert (router.place / "forked").exists()
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "not confirmed within 3 s"))


def test_the_guard_is_killed_for_good(router: Sandbox) -> None:
    """The next change finds nobody to wait for, once the deadline is over; until then it may still be confirmed."""
    router.load(router.change())
    router.end()
    second = router.change(name="1-00000002")
    pending = router.state().pending
    assert pending is not None and not pending.abandoned
    router.end_window()
    pending = router.state().pending
    assert pending is not None and pending.abandoned
    with pytest.raises(OffloadError, match="rolled back just now, because its guard had ended"):
        raise_failed_change(second, second.phases()[0], router.load(second))
    assert (router.table(), router.settled(0)) == (OLD, True)
    raise_failed_change(second, second.phases()[0], router.load(second))
    assert router.table() == NEW


def test_a_lock_that_nothing_came_of(router: Sandbox) -> None:
    router.pending.mkdir(parents=True)
    (router.pending / "began").write_text("0\n")
    change = router.change()
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.table() == NEW


def test_nft_is_killed_while_it_loads(router: Sandbox) -> None:
    change = router.change()
    (router.place / "bin/nft").rename(router.place / "bin/real")
    script = '#!/bin/sh\ncase $* in "-f "*load.1) kill -9 $$ ;; esac\nexec ' + f'{router.place}/bin/real "$@"\n'
    (router.place / "bin/nft").write_text(script)
    (router.place / "bin/nft").chmod(0o755)
    with pytest.raises(OffloadError, match="nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert (router.table(), router.settled()) == (OLD, True)


def test_the_guard_is_killed_while_it_loads(router: Sandbox) -> None:
    """nft goes on without it; what it loads is undone all the same. This grep reads no further than the first word."""
    grep = router.place / "bin/grep"
    real = shutil.which("grep")
    grep.write_text(f'#!/bin/sh\ncase $* in *cmdline*) exit 1 ;; esac\nexec {real} "$@"\n')
    grep.chmod(0o755)
    slow = router.plan(NEW.replace("policy drop", "policy drop; # SLOW"))
    loading = threading.Thread(target=router.load, args=(router.change(slow),))
    loading.start()
    wait_for(router.pending, "loading")
    time.sleep(0.3)
    os.kill(router.guard(), signal.SIGKILL)
    loading.join(30)
    assert router.settled()
    time.sleep(2)
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


def test_the_guard_is_killed_while_it_rolls_back(router: Sandbox) -> None:
    router.set_table(SLOW)
    router.load(router.change(timeout=3))
    wait_for(router.home, "pending/roll*")
    time.sleep(0.5)
    os.kill(router.guard(), signal.SIGKILL)
    assert router.settled()
    assert (router.table(), outcome(router)) == (SLOW, ("rolled_back", "not confirmed within 3 s"))


def test_what_rolls_back_is_killed(router: Sandbox) -> None:
    """The guard, which only looks on, does it."""
    router.set_table(SLOW)
    change = router.change()
    router.load(change)
    giving_up = threading.Thread(target=router.run, args=(change.give_up("a check failed"),))
    giving_up.start()
    wait_for(router.home, "pending/rolling.*")
    (rolling,) = router.pending.glob("rolling.*")
    os.kill(int(rolling.suffix[1:]), signal.SIGKILL)
    giving_up.join(30)
    assert router.settled()
    assert (router.table(), outcome(router)[0]) == (SLOW, "rolled_back")


def test_nobody_takes_over_while_it_is_rolled_back(router: Sandbox) -> None:
    router.set_table(SLOW)
    change, second = router.change(), router.change(name="1-00000002")
    router.load(change)
    router.end()
    giving_up = threading.Thread(target=router.run, args=(change.give_up("a check failed"),))
    giving_up.start()
    wait_for(router.home, "pending/rolling.*")
    time.sleep(0.3)
    pending = router.state().pending
    assert pending is not None and pending.guarded
    with pytest.raises(OffloadError, match="1-00000001 is pending"):
        raise_failed_change(second, second.phases()[0], router.load(second))
    giving_up.join(30)
    assert (router.table(), outcome(router)) == (SLOW, ("rolled_back", "a check failed"))


def test_a_guard_leaves_the_next_change_alone(router: Sandbox) -> None:
    """Which has the same place."""
    router.load(router.change(timeout=4))
    guard = router.guard()
    (router.pending / "id").write_text("1-00000002\n")
    wait_until(lambda: not Path(f"/proc/{guard}").exists())
    assert router.pending.exists()
    assert router.table() == NEW


def test_what_cannot_be_undone_is_told(router: Sandbox) -> None:
    change = router.change()
    router.load(change)
    (router.pending / "before.1").write_text("REFUSED\n")
    answer = router.run(change.give_up("a check failed"))
    assert answer["abandon"].rc != 0
    assert outcome(router)[0] == "broken"
