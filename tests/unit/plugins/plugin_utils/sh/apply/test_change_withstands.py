# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools that hang, fail or lie, and other people's processes and tables: the change is confirmed rightly or undone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm import change as change_module
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import raise_failed_change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import failed_step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer

from tests.unit.helpers.events import has_event, list_guards
from tests.unit.helpers.sandbox import NEW, OLD, Sandbox, outcome

FOREIGN = "table inet foreign {\n\tchain keep {\n\t\tcounter accept\n\t}\n}\n"


def wait_until(holds: Callable[[], bool]) -> None:
    """Until it does, or for a minute."""
    until = time.monotonic() + 60
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)


def find_processes(pattern: str) -> list[int]:
    """Those whose command line matches."""
    done = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    return [int(pid) for pid in done.stdout.split()]


# a load that hangs


@pytest.mark.parametrize("heard", [True, False], ids=["loaded all the same", "never loaded"])
def test_a_load_that_hangs_is_ended_and_undone(router: Sandbox, heard: bool) -> None:
    """With all that it started; the connection of who waits for it may be cut by what it loaded."""
    first = f'{router.place}/bin/nft.real "$@"; ' if heard else ""
    router.before("nft", f'case "$*" in "-f load.1") {first}sleep 300; exit 1 ;; esac')
    change = router.change(limit=3)
    with pytest.raises(OffloadError, match=r"it was not loaded within 3 s; nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert (router.table(), router.settled(0), outcome(router)[0]) == (OLD, True, "rolled_back")
    assert find_processes(f"{router.place}/bin/nft") == []


def test_the_undo_is_armed_before_the_load(router: Sandbox) -> None:
    """And whoever comes meanwhile reads the deadline."""
    router.before("nft", 'case "$*" in "-f load.1") sleep 300 ;; esac')
    change, second = router.change(limit=40), router.change(name="1-00000002")
    loading = threading.Thread(target=router.load, args=(change,))
    loading.start()
    wait_until(lambda: has_event(router.pending, "loading"))
    pending = router.state().pending
    assert pending is not None and pending.deadline is not None and pending.deadline > pending.now
    with pytest.raises(OffloadError, match=r"change 1-00000001 is pending: .* its deadline is in \d+ s"):
        raise_failed_change(second, second.phases()[0], router.load(second))
    router.run(change.give_up("no patience"))
    loading.join(60)
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "no patience"))


# tools that fail


@pytest.mark.parametrize("tool", ["mv", "awk", "grep", "cat", "rm", "logger", "sleep", "head"])
@pytest.mark.parametrize("how", ["once", "for ever"])
def test_a_tool_that_fails_at_the_deadline(router: Sandbox, tool: str, how: str) -> None:
    """What was there is there again; where the lock cannot be released without the tool, that waits for it."""
    change = router.change(timeout=3)
    raise_failed_change(change, change.phases()[0], router.load(change))
    once = f"[ -e {router.place}/once ] || {{ : >{router.place}/once; exit 1; }}"
    shim = router.before(tool, once if how == "once" else "exit 1")
    wait_until(lambda: router.table() == OLD)
    assert router.table() == OLD
    if tool in ("mv", "rm") and how == "for ever":
        wait_until(lambda: has_event(router.pending, "undone") or not router.pending.exists())
        shim.unlink()
    wait_until(lambda: not router.pending.exists())
    assert not router.pending.exists()
    shim.unlink(missing_ok=True)
    assert outcome(router) == ("rolled_back", "not confirmed within 3 s")


@pytest.mark.parametrize("before", [OLD, None], ids=["a table was there", "no table was there"])
def test_nft_fails_for_a_while_when_it_is_undone(router: Sandbox, before: str | None) -> None:
    """An nft that lists nothing because it fails is no sign that there is nothing."""
    if before is None:
        (router.place / "tables/inet-t").unlink()
    change = router.change(timeout=2)
    raise_failed_change(change, change.phases()[0], router.load(change))
    shim = router.before("nft", "echo 'Cannot allocate memory' >&2; exit 1")
    wait_until(lambda: "after attempt 3," in (router.pending / "outcome").read_text())
    assert router.table() == NEW
    shim.with_name("nft.real").rename(shim)
    assert router.settled()
    assert (router.table(), outcome(router)) == (before, ("rolled_back", "not confirmed within 2 s"))


def test_nft_hangs_when_it_is_undone(router: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt has a limit, and the next one a longer limit."""
    text = change_module.guard_script()
    soon = text.replace("(attempt < 10 ? attempt : 10) * 60", "(attempt < 10 ? attempt : 10) * 5")
    assert soon != text
    monkeypatch.setattr(change_module, "guard_script", lambda: soon)
    change = router.change(timeout=2)
    raise_failed_change(change, change.phases()[0], router.load(change))
    once = f"[ -e {router.place}/once ] || {{ : >{router.place}/once; sleep 300; }}"
    router.before("nft", f'case "$*" in *"-f -") {once} ;; esac')
    wait_until((router.place / "once").exists)
    assert router.table() == NEW
    wait_until(lambda: "it takes too long" in (router.pending / "outcome").read_text())
    assert router.settled()
    assert router.table() == OLD


# a stopped guard, and processes of other people


def test_a_guard_that_is_stopped(router: Sandbox) -> None:
    """The other one undoes it in its place."""
    router.load(router.change(timeout=4))
    guard = router.guard()
    os.kill(guard, signal.SIGSTOP)
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "not confirmed within 4 s"))
    wait_until(lambda: not Path(f"/proc/{guard}").exists())
    assert not Path(f"/proc/{guard}").exists()


@pytest.mark.skipif(not shutil.which("setsid"), reason="no setsid here")
def test_the_guards_are_in_sessions_of_their_own(router: Sandbox) -> None:
    """So that no signal to one group of processes ends both."""
    router.load(router.change())
    wait_until(lambda: len(list_guards(router.pending)) == 2)
    assert len({os.getsid(guard) for guard in list_guards(router.pending)}) == 2


def test_a_foreign_process_that_looks_like_a_load(router: Sandbox) -> None:
    """It neither delays the undo nor is it ended."""
    words = [sys.executable, "-c", "import time; time.sleep(60)", f"{router.pending}/load.1", "guard watch"]
    foreign = subprocess.Popen(words)
    try:
        router.load(router.change(timeout=2))
        started = time.monotonic()
        assert router.settled()
        assert time.monotonic() - started < 20
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_a_recycled_process_id_is_no_guard(router: Sandbox) -> None:
    router.load(router.change())
    router.end()
    other = subprocess.Popen(["sleep", "60"])
    try:
        events = router.pending / "events"
        lines = events.read_text().splitlines()
        change, word, _pid, start = next(line for line in lines if " guard " in line).removesuffix(" .").split()
        kept = [line for line in lines if " guard " not in line]
        events.write_text("\n".join([*kept, f"{change} {word} {other.pid} {start} ."]) + "\n")
        pending = router.state().pending
        assert pending is not None and not pending.guarded
    finally:
        other.kill()
        other.wait()


# checks


def test_a_check_that_hangs_is_ended_with_its_children(router: Sandbox) -> None:
    command = f"sleep 301.{os.getpid()} & sleep 302.{os.getpid()}; wait"
    change = replace(router.change(), checks=(Check(True, "command", command, 0, 1),))
    router.load(change)
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and "no answer within 1 s" in failed[1]
    assert find_processes(f"sleep 30[12].{os.getpid()}") == []


def test_a_check_that_prints_without_end(router: Sandbox) -> None:
    change = replace(router.change(), checks=(Check(True, "command", "yes", 0, 2),))
    router.load(change)
    failed = failed_step(change.phases()[1], router.confirm(change))
    assert failed is not None and len(failed[1]) < 5000
    assert sum(file.stat().st_size for file in router.home.rglob("check*")) < 5000


# what nft claims


def refusing(word: str) -> str:
    """Lines before an nft that refuses a text with the word in it, on its standard input."""
    return f"""case "$*" in *"-f -")
  text=$(cat)
  case $text in *{word}*) echo "Error: Range negative size {word}" >&2; exit 1 ;; esac
  printf '%s\\n' "$text" | "$0.real" "$@"
  exit ;;
esac"""


def test_a_copy_that_nft_cannot_load_is_refused_before_anything_is_loaded(router: Sandbox) -> None:
    """As nft 1.0.6 lists a map of port ranges: 5136-0."""
    router.set_table(OLD.replace("policy accept;", "policy accept; # 5136-0"))
    router.before("nft", refusing("5136-0"))
    change = router.change()
    refused = (
        r"nft could not load again what it lists of table inet t now, so this change could not be undone: .*5136-0"
    )
    with pytest.raises(OffloadError, match=f"(?s){refused}.*nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert "5136-0" in (router.table() or "")
    assert router.settled(0)


def test_the_text_that_made_a_table_undoes_a_change_where_its_listing_cannot(router: Sandbox) -> None:
    source = router.place / "etc/source.nft"
    source.write_text(OLD)
    shown = "s/policy accept;$/& # 5136-0/"
    lists = f'case "$*" in *"list table inet t") "$0.real" "$@" | sed "{shown}"; exit ;; esac'
    router.before("nft", f"{lists}\n{refusing('5136-0')}")
    change = router.change(replace(router.plan(), sources={("inet", "t"): str(source)}), timeout=2)
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.table() == NEW
    assert router.settled()
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


def test_a_change_that_was_never_loaded_is_not_confirmed(router: Sandbox) -> None:
    """nft answers 0 and does nothing."""
    router.before("nft", 'case "$*" in "-f load.1") exit 0 ;; esac')
    change = router.change()
    answer = router.load(change, wanted=NEW)
    with pytest.raises(OffloadError, match=r"table inet t is not what was to be loaded.*nothing was left changed"):
        raise_failed_change(change, change.phases()[0], answer)
    assert (router.table(), router.settled()) == (OLD, True)


def test_what_a_script_left_running_outlasts_an_undo(router: Sandbox) -> None:
    """A daemon that an include of fw4 starts again is no part of the change; what a load that hangs started is."""
    daemon = router.place / "daemon"
    script = f"#!/bin/sh\n[ $1 = load ] || exit 0\nsleep 300 >/dev/null 2>&1 &\necho $! >{daemon}\n"
    change = router.change(router.plan(script))
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.run(change.give_up("a check failed"))["abandon"].rc == 0
    pid = int(daemon.read_text())
    try:
        os.kill(pid, 0)
    finally:
        os.kill(pid, signal.SIGKILL)


# other people's tables


def test_a_load_that_touches_a_foreign_table_is_undone(router: Sandbox) -> None:
    """Whatever its text looked like; and what it took is put back."""
    router.set_table(FOREIGN, "foreign")
    router.set_table(FOREIGN.replace("inet foreign", "inet other"), "other")
    change = router.change(router.plan("delete table inet foreign\n" + NEW))
    changed = "it changed what is not its own: table inet foreign"
    with pytest.raises(OffloadError, match=rf"(?s){changed}.*nothing was left changed"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, FOREIGN)
    assert "table inet other" not in router.log.read_text()


def test_a_foreign_table_that_a_load_made_goes_again(router: Sandbox) -> None:
    change = router.change(router.plan(FOREIGN + NEW))
    with pytest.raises(OffloadError, match="it changed what is not its own: table inet foreign"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, None)


@pytest.mark.parametrize(
    "name", ["nft_offload_sample_900_1f", "nft_offload_witness_900_12", "nft_offload_rehearsal_1f"]
)
def test_a_look_of_another_run_at_the_same_time_is_no_change_of_others(router: Sandbox, name: str) -> None:
    """Which counts in a table of its own for a while."""
    change = router.change(router.plan(FOREIGN.replace("inet foreign", f"inet {name}") + NEW))
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert router.table() == NEW


@pytest.mark.parametrize("family", ["ip filter", "inet f2b_table"])
@pytest.mark.parametrize("there", [FOREIGN, None], ids=["changed", "new"])
def test_what_others_change_while_it_is_loaded_is_theirs(router: Sandbox, family: str, there: str | None) -> None:
    """Nothing that is loaded can mean their table."""
    file = router.place / f"tables/{family.replace(' ', '-')}"
    theirs = FOREIGN.replace("inet foreign", family)
    if there:
        file.write_text(theirs)
    later = theirs.replace("accept", "drop")
    (router.place / "later").write_text(later)
    router.before("nft", f'case "$*" in "-f load.1") cp {router.place}/later {file} ;; esac')
    change = router.change()
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.run(change.give_up("a check failed"))["abandon"].rc == 0
    assert (router.table(), file.read_text(), outcome(router)[0]) == (OLD, later, "rolled_back")


@pytest.mark.parametrize(
    "text", ["flush ruleset", "delete table inet handle 3", "define t = foreign\nflush table inet $t"]
)
def test_a_foreign_table_that_a_text_may_mean_is_put_back(router: Sandbox, text: str) -> None:
    """Without its name beside its family, too. Here the nft of the sandbox does what a real one would."""
    router.set_table(FOREIGN, "foreign")
    does = f"rm -f {router.place}/tables/inet-foreign; sed -n '/^table inet t/,$p' load.1 >only"
    router.before("nft", f'case "$*" in "-f load.1") {does}; exec "$0.real" -f only ;; esac')
    change = router.change(router.plan(f"{text}\n{NEW}"))
    with pytest.raises(OffloadError, match="it changed what is not its own: table inet foreign"):
        raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, FOREIGN)


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ('case "$(cat)" in *foreign*) exit 1 ;; esac', "; but somebody else's is lost: table inet foreign"),
        ('case "$*" in *ruleset) exit 1 ;; esac', "; but whether the tables of others are as before could not be seen"),
    ],
    ids=["it cannot be put back", "it cannot be looked at"],
)
def test_a_foreign_table_that_stays_lost_is_told(
    router: Sandbox, monkeypatch: pytest.MonkeyPatch, fails: str, told: str
) -> None:
    """By the task too, whatever else it could undo."""
    at_once = change_module.guard_script().replace("pause < 30 ? pause * 2 : 60", "1")
    monkeypatch.setattr(change_module, "guard_script", lambda: at_once)
    router.set_table(FOREIGN, "foreign")
    broken = router.place / "broken"
    does = f"rm -f {router.place}/tables/inet-foreign; touch {broken}; sed -n '/^table inet t/,$p' load.1 >only"
    text = router.place / "text"
    # the text that nft gets is read once
    tried = f'case "$*" in "-f -") cat >{text}; exec <{text} ;; esac; ' + fails.replace("$(cat)", f"$(cat {text})")
    router.before(
        "nft",
        f'case "$*" in "-f load.1") {does}; exec "$0.real" -f only ;; esac; [ ! -e {broken} ] || {{ {tried}; }}',
    )
    change = router.change(router.plan(f"flush ruleset\n{NEW}"))
    answer = router.load(change)
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, None)
    assert outcome(router)[1].endswith(told)
    seen = router.run([("read_change", paths.RUN)])
    with pytest.raises(OffloadError, match=re.escape(told)):
        raise_failed_change(change, change.phases()[0], Answer({**answer, **seen}))


def test_words_in_a_listing_are_no_sign_that_a_table_is_gone(router: Sandbox) -> None:
    (router.place / "tables/inet-t").unlink()
    change = router.change(router.plan(NEW.replace("policy", 'comment "Error: No such file or directory"; policy')))
    raise_failed_change(change, change.phases()[0], router.load(change))
    assert router.table()
    assert router.run(change.give_up("a check failed"))["abandon"].rc == 0
    assert (router.table(), outcome(router)[0]) == (None, "rolled_back")


def test_what_others_change_in_the_window_is_theirs(router: Sandbox) -> None:
    router.set_table(FOREIGN, "foreign")
    change = router.change(timeout=3)
    raise_failed_change(change, change.phases()[0], router.load(change))
    later = FOREIGN.replace("accept", "drop")
    router.set_table(later, "foreign")
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, later)


@pytest.mark.parametrize(
    ("tool", "fails"),
    [
        ("nft", 'case "$*" in "-s -t list ruleset") {once} ;; esac'),
        ("nft", 'case "$*" in "-f load.1") echo no >&2; exit 1 ;; "-s -t list ruleset") {once} ;; esac'),
        ("grep", "exit 1"),
        ("cat", "exit 1"),
        ("awk", "{once}"),
        ("tail", "{once}"),
        ("mv", "{once}"),
    ],
)
def test_a_tool_that_fails_while_others_are_looked_at_takes_nothing_from_them(
    router: Sandbox, monkeypatch: pytest.MonkeyPatch, tool: str, fails: str
) -> None:
    """A list that is not whole is no sign that there was nothing; nor is our own table one of somebody else."""
    router.set_table(FOREIGN, "foreign")
    change = router.change(timeout=3)
    once = f"[ -e {router.place}/once ] || {{ : >{router.place}/once; exit 1; }}"
    guard = change_module.guard_script()
    # from the load on: what comes before it has tests of its own
    struck = guard.replace("load() {", f"load() {{\nPATH={router.place}/failing:$PATH\n")
    (router.place / "failing").mkdir()
    real = router.place / "bin/nft" if tool == "nft" else shutil.which(tool)
    shim = router.place / "failing" / tool
    shim.write_text(f'#!/bin/sh\n{fails.format(once=once)}\nexec {real} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setattr(change_module, "guard_script", lambda: struck)
    router.load(change)
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, FOREIGN)


def test_a_shell_that_was_stopped_does_not_confirm_the_next_change(router: Sandbox) -> None:
    first, second = router.change(timeout=2), router.change(name="1-00000002", timeout=30)
    router.load(first)
    hold = [call for call in first.calls(first.phases()[1]) if "hold" in call]
    assert router.pending.exists()
    script = router.place / "meanwhile"
    script.write_text(f"#!/bin/sh\nwhile [ ! -e {router.place}/go ]; do sleep 0.1; done\n")
    script.chmod(0o755)
    calls = first.calls(first.phases()[1])
    calls.insert(calls.index(hold[0]) + 1, (str(script),))
    answers = []
    confirming = threading.Thread(target=lambda: answers.append(router.run(calls, "192.0.2.1 9 192.0.2.2 22")))
    confirming.start()
    assert router.settled()
    raise_failed_change(second, second.phases()[0], router.load(second))
    (router.place / "go").touch()
    confirming.join(60)
    assert not has_event(router.pending, "confirmed")
    failed = failed_step(first.phases()[1], answers[0])
    assert failed is not None and "change 1-00000001 is over" in failed[1]
    assert failed_step(second.phases()[1], router.confirm(second)) is None


def test_the_lock_is_released_where_only_half_of_that_came_through(router: Sandbox) -> None:
    change = router.change(timeout=2)
    raise_failed_change(change, change.phases()[0], router.load(change))
    once = f"[ -e {router.place}/once ] || {{ : >{router.place}/once; exit 1; }}"
    router.before("mv", f'case "$*" in *pending*) {once} ;; esac')
    assert router.settled()
    assert (router.place / "once").exists()
    assert outcome(router)[0] == "rolled_back"
