# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches over a change is killed at every stage: what was there comes back all the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm import change as change_module
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import guard_script, raise_failed_change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import failed_step

from tests.unit.helpers.events import has_event, list_guards
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
    """As all of a session are, when it ends: that decides nothing, and the other one goes on."""
    change = router.change()
    router.load(change)
    first = router.guard()
    os.kill(first, signal.SIGTERM)
    wait_until(lambda: router.guard() != first)
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert (router.table(), outcome(router)[0]) == (NEW, "confirmed")


def test_the_guard_is_killed(router: Sandbox) -> None:
    router.load(router.change())
    first = router.guard()
    os.kill(first, signal.SIGKILL)
    assert router.table() == NEW
    wait_until(lambda: router.guard() != first)
    router.end_window()
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "not confirmed within 30 s"))


@pytest.mark.parametrize("where", ["watch() {\n", "while [ -e id ]; do\n", "else\nhold\n"])
def test_the_guard_cannot_fork(router: Sandbox, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A shell ends with 2 then. Here both do so once: before they load, before they are started, and in the window."""
    text = guard_script()
    assert text.count(where) == 1
    ends = f'[ -e "{router.place}/forked.$1" ] || {{ : >"{router.place}/forked.$1"; exit 2; }}\n'
    before = f'else\n[ -z "$load" ] || {ends}hold\n'
    struck = text.replace(where, before if where.startswith("else") else where + ends)
    monkeypatch.setattr(change_module, "guard_script", lambda: struck)
    change = router.change(timeout=3)
    raise_failed_change(change, change.phases()[0], router.load(change))
    wait_until(lambda: bool(list(router.place.glob("forked.*"))))
    assert list(router.place.glob("forked.*"))
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
    (router.home / "pending/1-00000009").mkdir(parents=True)
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
    """nft goes on without it: it is ended, and what it loaded is undone."""
    slow = router.plan(NEW.replace("policy drop", "policy drop; # SLOW"))
    loading = threading.Thread(target=router.load, args=(router.change(slow),))
    loading.start()
    wait_until(lambda: has_event(router.pending, "loading"))
    time.sleep(0.3)
    os.kill(router.guard(), signal.SIGKILL)
    loading.join(30)
    assert router.settled()
    time.sleep(2)
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


def test_the_guard_is_killed_while_it_undoes(router: Sandbox) -> None:
    router.set_table(SLOW)
    router.load(router.change(timeout=3))
    wait_until(lambda: has_event(router.pending, "undo"))
    time.sleep(1.5)
    os.kill(router.guard(), signal.SIGKILL)
    assert router.settled()
    assert (router.table(), outcome(router)) == (SLOW, ("rolled_back", "not confirmed within 3 s"))


@pytest.mark.parametrize("stage", ["undo", "window"])
def test_a_guard_that_hangs_is_replaced(router: Sandbox, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """It is not stopped, it waits for a command that never ends. Here the other one waits for seconds."""
    soon = guard_script().replace('"$idle" -ge 30', '"$idle" -ge 3')
    assert soon != guard_script()
    monkeypatch.setattr(change_module, "guard_script", lambda: soon)
    hanging, hung = router.place / "hanging", router.place / "hung"
    hangs = f'[ "$PPID" != "$(cat {hanging})" ] || {{ mv {hanging} {hung}; exec {shutil.which("sleep")} 300; }}'
    router.before("sleep", f"[ ! -e {hanging} ] || {hangs}")
    change = router.change(timeout=8)
    raise_failed_change(change, change.phases()[0], router.load(change))
    first = router.guard()
    if stage == "undo":
        nft = router.before("nft", "exit 1")
        router.end_window()
        wait_until(lambda: "broken" in (router.pending / "outcome").read_text())
    hanging.with_suffix(".new").write_text(str(first))
    hanging.with_suffix(".new").rename(hanging)
    wait_until(hung.exists)
    if stage == "undo":
        nft.with_name("nft.real").rename(nft)
    assert hung.exists()
    assert router.settled()
    assert first not in list_guards(router.pending)
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


def test_nobody_takes_over_while_it_is_undone(router: Sandbox) -> None:
    router.set_table(SLOW)
    change, second = router.change(), router.change(name="1-00000002")
    router.load(change)
    router.end()
    giving_up = threading.Thread(target=router.run, args=(change.give_up("a check failed"),))
    giving_up.start()
    wait_until(lambda: has_event(router.pending, "undo") and bool(list_guards(router.pending)))
    pending = router.state().pending
    assert pending is not None and pending.guarded and pending.undone
    with pytest.raises(OffloadError, match=r"1-00000001 is pending: begun \d+ s ago, and being undone"):
        raise_failed_change(second, second.phases()[0], router.load(second))
    giving_up.join(60)
    assert (router.table(), outcome(router)) == (SLOW, ("rolled_back", "a check failed"))


def test_a_guard_leaves_the_next_change_alone(router: Sandbox) -> None:
    router.load(router.change(timeout=4))
    (router.home / "pending/1-00000001").rename(router.home / "gone.1")
    (router.home / "pending/1-00000002").mkdir()
    (router.pending / "id").write_text("1-00000002\n")
    (router.pending / "events").write_text("1-00000002 begun 1 1 0 .\n")
    shutil.rmtree(router.home / "gone.1")
    time.sleep(6)
    assert (router.pending / "events").read_text() == "1-00000002 begun 1 1 0 .\n"
    assert router.table() == NEW


def test_what_cannot_be_undone_yet_is_told(router: Sandbox) -> None:
    """And tried again, with the lock held, until it is done; whoever comes meanwhile is told too."""
    change, second = router.change(), router.change(name="1-00000002")
    router.load(change)
    nft = router.place / "bin/nft"
    nft.rename(router.place / "bin/real")
    nft.write_text("#!/bin/sh\necho 'Cannot allocate memory' >&2\nexit 1\n")
    nft.chmod(0o755)
    answer = router.run(change.give_up("a check failed"))
    assert answer["abandon"].rc != 0
    assert "it is still being undone: " in answer["abandon"].text
    assert "Cannot allocate memory" in answer["abandon"].text
    with pytest.raises(
        OffloadError, match=r"(?s)being undone: a check failed; but .* attempt \d+.*Cannot allocate memory"
    ):
        raise_failed_change(second, second.phases()[0], router.load(second))
    (router.place / "bin/real").rename(nft)
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "a check failed"))


def test_whoever_began_a_change_is_ended_before_it_is_taken_over(router: Sandbox) -> None:
    """Stopped for long, it would go on in the next change."""
    stopped = subprocess.Popen(["sleep", "300"])
    try:
        stat = Path(f"/proc/{stopped.pid}/stat").read_text().rpartition(")")[2].split()[19]
        (router.home / "pending/1-00000009").mkdir(parents=True)
        (router.pending / "events").write_text(f"1-00000009 begun {stopped.pid} {stat} 0 .\n")
        change = router.change()
        raise_failed_change(change, change.phases()[0], router.load(change))
        assert (router.table(), stopped.wait(10)) == (NEW, -signal.SIGKILL)
    finally:
        stopped.kill()


def test_whoever_began_a_change_is_killed_before_there_is_a_guard(router: Sandbox) -> None:
    """Nobody could start one: who gives up releases the lock."""
    change = router.change()
    router.before("mv", 'case "$*" in *guard.new*) kill -9 $PPID; sleep 1; exit 1 ;; esac')
    with pytest.raises(OffloadError, match="cut off"):
        router.load(change)
    assert router.pending.exists() and not (router.pending / "guard").exists()
    started = time.monotonic()
    assert router.run(change.give_up("the connection was lost"))["abandon"].rc == 0
    assert (router.table(), router.settled(0)) == (OLD, True)
    assert time.monotonic() - started < 60


def test_one_that_is_just_begun_is_left_alone(router: Sandbox) -> None:
    other = subprocess.Popen(["sleep", "300"])
    try:
        stat = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[19]
        up = Path("/proc/uptime").read_text().split(".")[0]
        (router.home / "pending/1-00000009").mkdir(parents=True)
        (router.pending / "events").write_text(f"1-00000009 begun {other.pid} {stat} {up} .\n")
        (router.pending / "id").write_text("1-00000009\n")
        change = router.change()
        with pytest.raises(OffloadError, match="change 1-00000009 is pending: begun"):
            raise_failed_change(change, change.phases()[0], router.load(change))
        assert (router.table(), other.poll()) == (OLD, None)
    finally:
        other.kill()
        other.wait()


def test_whoever_puts_the_files_in_place_is_killed(router: Sandbox) -> None:
    """Confirmed is confirmed: the guard does the rest of it."""
    change = router.change()
    raise_failed_change(change, change.phases()[0], router.load(change))
    once = f"[ -e {router.place}/killed ] || {{ : >{router.place}/killed; kill -9 $PPID; sleep 1; exit 1; }}"
    router.before("mv", f'case "$*" in *committing.1-00000001*/committing) {once} ;; esac')
    with pytest.raises(OffloadError):
        router.confirm(change)
    assert (router.place / "killed").exists()
    assert router.settled()
    assert (router.table(), router.etc("ruleset.nft"), outcome(router)[0]) == (NEW, NEW, "confirmed")
    assert not (router.place / "etc/committing").exists()


@pytest.mark.parametrize("place", ["committing.1-00000001*/committing", "ruleset.nft.1-00000001.nft-offload-new*"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_file_cannot_be_put_in_place_at_first(router: Sandbox, place: str, times: int) -> None:
    """As on a file system that is read-only for a moment. The lock is let go only once a boot would do the rest."""
    change = router.change()
    raise_failed_change(change, change.phases()[0], router.load(change))
    failed = router.place / "failed"
    failed.touch()
    router.before(
        "mv",
        f'case "$*" in *{place}) [ "$(wc -l <{failed})" -ge {times} ] || {{ echo x >>{failed}; exit 1; }} ;; esac',
    )
    answer = router.run([*change.calls(change.phases()[1]), ("read_change", paths.RUN)], "192.0.2.1 2 192.0.2.2 22")
    kept = (
        "are not in place yet: the router goes on trying"
        if place.startswith("committing")
        else "the change is confirmed"
    )
    with pytest.raises(OffloadError, match=kept):
        raise_failed_change(change, change.phases()[1], answer)
    assert failed.read_text()
    assert router.settled()
    assert (router.table(), outcome(router)[0]) == (NEW, "confirmed")
    journal = router.place / "etc/committing"
    assert router.etc("ruleset.nft") == NEW or "ruleset.nft" in journal.read_text()
    assert not list(journal.parent.glob("committing.*"))


def test_whoever_confirmed_it_is_killed_before_the_files_are_in_place(
    router: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is live would not be what boots, so it is undone in the end."""
    soon = guard_script().replace("confirmed_at + 90", "confirmed_at + 3")
    monkeypatch.setattr(change_module, "guard_script", lambda: soon)
    change = router.change()
    raise_failed_change(change, change.phases()[0], router.load(change))
    router.before("sync", "kill -9 $PPID")
    with pytest.raises(OffloadError):
        router.confirm(change)
    assert has_event(router.pending, "confirmed")
    assert router.settled()
    assert (router.table(), router.etc("ruleset.nft"), outcome(router)[0]) == (OLD, None, "rolled_back")
