# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attacker found: shells that are stopped at the worst moment, tools that lie, guests who get in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.carry_out import carry_out
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import Change, raise_failed_change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import failed_step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call

from tests.unit.helpers.changes import THIRD, await_true, beside, load
from tests.unit.helpers.events import add_event, has_event
from tests.unit.helpers.sandbox import NEW, OLD, Sandbox, outcome


def hold_until(router: Sandbox, tool: str, pattern: str, name: str) -> None:
    """The first call of the tool that fits stops, once NAME is there, until NAME-go is."""
    flag = router.place / name
    waits = f"[ -e {flag} ] || {{ : >{flag}; while [ ! -e {flag}-go ]; do sleep 0.1; done; }}"
    router.before(tool, f'case "$*" in {pattern}) {waits} ;; esac')


def test_a_confirming_shell_that_was_stopped_puts_no_file_of_the_next_change_in_place(router: Sandbox) -> None:
    (router.place / "etc/ruleset.nft").write_text(OLD)
    first, second = router.change(), router.change(router.plan(THIRD), name="2-00000002", timeout=6)
    load(router, first)
    hold_until(router, "sync", "*", "hung")
    with beside(lambda: router.confirm(first)) as answers:
        await_true((router.place / "hung").exists)
        await_true(lambda: has_event(router.pending, "confirmed"))
        add_event(router.pending, "withdrawn its files were not put in place")  # as the guard does after 300 s
        assert router.settled()
        assert (router.table(), outcome(router)[0], router.etc("ruleset.nft")) == (OLD, "rolled_back", OLD)
        load(router, second)
        (router.place / "hung-go").touch()
    failed = failed_step(first.phases()[1], answers[0])
    assert failed is not None and failed[0].summary == "put the files in place"
    assert router.settled()
    assert (router.table(), outcome(router)[0], router.etc("ruleset.nft")) == (OLD, "rolled_back", OLD)
    assert not list((router.place / "etc").glob("committing*"))


def test_of_two_shells_that_confirm_one_puts_the_files_in_place(router: Sandbox) -> None:
    """The connection was lost, the shell lives on, and the controller tries again."""
    (router.place / "etc/ruleset.nft").write_text(OLD)
    first = router.change()
    load(router, first)
    hold_until(router, "sync", f"{router.place}/etc", "slow")
    with beside(lambda: router.confirm(first)) as one:
        await_true((router.place / "slow").exists)
        with beside(lambda: router.confirm(first, "192.0.2.1 3 192.0.2.2 22")) as two:
            time.sleep(2)
            assert not two and router.pending.exists(), "it waits"
            (router.place / "slow-go").touch()
    for answers in (one, two):
        assert failed_step(first.phases()[1], answers[0]) is None
    assert (router.table(), router.etc("ruleset.nft"), outcome(router)[0]) == (NEW, NEW, "confirmed")
    assert router.settled() and not list((router.place / "etc").glob("committing*"))


def test_a_second_shell_goes_on_where_the_first_was_killed(router: Sandbox) -> None:
    (router.place / "etc/ruleset.nft").write_text(OLD)
    first = router.change()
    load(router, first)
    flag = router.place / "killed"
    dies = f"[ -e {flag} ] || {{ : >{flag}; kill -9 $PPID; }}"
    router.before("mv", f'case "$*" in *committing.1-00000001*/committing) {dies} ;; esac')
    with pytest.raises(OffloadError):
        router.confirm(first)
    assert flag.exists() and router.etc("ruleset.nft") == OLD
    again = router.confirm(first, "192.0.2.1 3 192.0.2.2 22")
    assert failed_step(first.phases()[1], again) is None
    assert router.settled()
    assert (router.table(), router.etc("ruleset.nft"), outcome(router)[0]) == (NEW, NEW, "confirmed")


def test_a_guest_with_our_mark_does_not_keep_it_from_being_undone(router: Sandbox) -> None:
    """The id of a change stands in the arguments of its guard, for everybody to see; the mark is a secret."""
    change = router.change(timeout=3)
    loop = 'while :; do for i in 1 2 3 4 5 6; do X="NFT_OFFLOAD_CHANGE=$1" sleep 0.3 & done; sleep 0.05; done'
    mark = f"{router.pending} {change.id} restore"
    guest = subprocess.Popen(["sh", "-c", loop, "guest", mark], start_new_session=True)
    try:
        load(router, change)
        assert router.settled()
    finally:
        os.killpg(guest.pid, signal.SIGKILL)
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


def refused(router: Sandbox, change: Change) -> str:
    """Why it is not loaded; the router runs what it ran."""
    with pytest.raises(OffloadError) as raised:
        load(router, change)
    assert router.settled() and router.table() == OLD
    return str(raised.value)


@pytest.mark.parametrize("printed", ["", "table inet t {", "}"])
def test_a_listing_that_is_none_is_no_copy(router: Sandbox, printed: str) -> None:
    """nft exits with 0. Taken for a router without the table, an undo would delete it."""
    router.before("nft", f'case "$*" in "-s list table inet t") echo "{printed}"; exit 0 ;; esac')
    assert "has no beginning or no end" in refused(router, router.change(timeout=2))


def test_a_text_that_cannot_be_read_is_no_copy(router: Sandbox) -> None:
    """And nft cannot load what it lists."""
    text = router.place / "etc/ruleset.nft"
    text.write_text(OLD)
    refuses = 'case $(cat) in *"policy accept"*) echo "Error: syntax" >&2; exit 1 ;; esac; exit 0'
    router.before("nft", f'case "$*" in "-c -f -") {refuses} ;; esac')
    router.before("cat", f'[ "$1" != {text} ] || {{ echo "cat: I/O error" >&2; exit 1; }}')
    plan = replace(router.plan(), sources={("inet", "t"): str(text)})
    assert "so this change could not be undone" in refused(router, router.change(plan, timeout=3))


def test_a_change_that_is_live_is_not_called_undone(router: Sandbox) -> None:
    """cat cannot be run behind the load, so that the listing cannot be staged, nor anything else that needs it."""
    change = router.change(timeout=8)
    flag = router.place / "loaded"
    router.before("nft", f'case "$*" in "-f load.1") : >{flag} ;; esac')
    cat = router.before(
        "cat", f'[ ! -e {flag} ] || case $(tr "\\000" " " </proc/$PPID/cmdline) in *guard*) ;; *) exit 1 ;; esac'
    )
    answer = router.load(change)
    with pytest.raises(OffloadError) as raised:
        raise_failed_change(change, change.phases()[0], answer)
    assert router.table() == OLD or "nothing was left changed" not in str(raised.value)
    cat.unlink()
    assert router.settled() and router.table() == OLD


class Away:
    """A router whose connection needs nothing."""

    def reconnect(self, shared: bool = True) -> None:
        pass


def test_how_a_change_ended_that_was_overtaken_is_not_known(router: Sandbox) -> None:
    """It was confirmed, the answer was lost, and another controller's change was confirmed since."""
    first, second = router.change(), router.change(router.plan(THIRD), name="2-00000002")
    first = replace(first, plan=replace(first.plan, records={paths.CONFIRMED: ("0600", "1-00000001\n")}))
    records = {paths.CONFIRMED: ("0600", "2-00000002\n")}
    second = replace(second, plan=replace(second.plan, last_confirmed="1-00000001", records=records))
    execs: list[int] = []

    def run(calls: Sequence[Call]) -> Answer:
        execs.append(1)
        answer = router.run([*calls, ("read_change", paths.RUN)], f"192.0.2.1 {len(execs)} 192.0.2.2 22")
        if len(execs) == 2:
            load(router, second)
            assert failed_step(second.phases()[1], router.confirm(second, "192.0.2.1 99 192.0.2.2 22")) is None
            raise AnsibleConnectionFailure("reset by peer")
        return answer

    settled = carry_out(Away(), run, first)  # type: ignore[arg-type]  # of a Router it calls reconnect alone
    reason = settled.change["reason"]
    assert not settled.confirmed and reason.startswith(
        "how it ended is not known, for change 2-00000002 was made since"
    )


def test_a_connection_that_cannot_be_seen_proves_nothing(router: Sandbox) -> None:
    change = router.change(timeout=6)
    load(router, change)
    router.before("tr", "exit 1")
    failed = failed_step(change.phases()[1], router.confirm(change, "192.0.2.1 1 192.0.2.2 22"))
    assert failed is not None and "could not be seen" in failed[1]


def test_a_check_ends_what_it_started_and_nothing_of_another_change(router: Sandbox) -> None:
    daemon = f"sleep {900_000 + os.getpid()}"
    good = replace(router.change(), checks=[Check(True, "command", f"setsid {daemon} >/dev/null 2>&1 & true", 0, 5)])
    load(router, good)
    assert failed_step(good.phases()[1], router.confirm(good)) is None
    daemons = running(daemon)
    bad = replace(
        router.change(router.plan(THIRD), name="2-00000002"), checks=[Check(True, "command", "sleep 60", 0, 1)]
    )
    load(router, bad)
    router.confirm(bad)
    left = running(daemon)
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert daemons and left == daemons


def running(command: str) -> list[int]:
    """Processes with this command line, of this test alone: no other one has that number of seconds."""
    found = subprocess.run(["pgrep", "-xf", command], capture_output=True, text=True, check=False).stdout
    return [int(number) for number in found.split()]


def test_a_lock_that_was_only_begun_is_taken_by_who_writes_into_it_first(router: Sandbox) -> None:
    """No rename takes another shell's change away: the first one was stopped right behind making the directory."""
    first, second = router.change(timeout=5), router.change(name="1-00000002", timeout=5)
    flag = router.place / "made"
    stops = f'[ -e {flag} ] || {{ : >{flag}; /bin/mkdir "$@"; while [ ! -e {flag}-go ]; do sleep 0.1; done; exit 0; }}'
    router.before("mkdir", f'case "$*" in *pending/*) {stops} ;; esac')
    with beside(lambda: router.load(first)) as answers:
        await_true(flag.exists)
        load(router, second)
        assert has_event(router.pending, "loaded")
        (router.place / "made-go").touch()
    failed = failed_step(first.phases()[0], answers[0])
    assert failed is not None and failed[0].summary == "keep a copy of what the router runs"
    assert (router.pending / "id").read_text() == "1-00000002\n"
    assert router.settled() and router.table() == OLD


def test_guests_with_large_environments_do_not_keep_it_from_being_undone(router: Sandbox) -> None:
    """To look through those of all processes takes less time than the other guard waits for a sign of life."""
    large = {f"V{number}": "\n" * 130_000 for number in range(14)}
    words = ["/bin/sleep", "600"]
    guests = [subprocess.Popen(words, env=large, start_new_session=True, user=65534) for _ in range(20)]
    try:
        load(router, router.change(timeout=2))
        assert router.settled(90)
    finally:
        for guest in guests:
            guest.kill()
            guest.wait()
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


@pytest.mark.parametrize("fails", ["sleep 300", "exit 1", "exit 127"])
def test_a_grep_that_does_not_answer_keeps_no_load_alive(router: Sandbox, fails: str) -> None:
    """As where the environment of one process cannot be read; the shell looks by itself then."""
    router.before("grep", f'case "$*" in *environ*) {fails} ;; esac')
    router.before("nft", f'case "$*" in "-f load.1") sleep 302.{os.getpid()} & sleep 301.{os.getpid()} ;; esac')
    with pytest.raises(OffloadError):
        load(router, router.change(limit=3))
    assert router.settled(90)
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")
    assert not [number for number in (301, 302) if list_processes(f"sleep\x00{number}.{os.getpid()}\x00")]


def list_processes(line: str) -> list[int]:
    """Those of that command line, with zero bytes behind its words."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if file.read_bytes().decode(errors="replace") == line:
                found.append(int(file.parent.name))
    return found


@pytest.mark.parametrize("cut", ["confirmed 12 34 5", "undo", "committed 1", "deadline 9"])
def test_an_event_that_was_cut_off_is_none(router: Sandbox, cut: str) -> None:
    """A page was full, then there was room again; what comes next joins it."""
    load(router, router.change(timeout=4))
    with (router.pending / "events").open("a") as events:
        events.write(f"1-00000001 {cut}")
    assert router.settled()
    assert (router.table(), outcome(router)) == (OLD, ("rolled_back", "not confirmed within 4 s"))


def test_a_table_that_was_away_while_it_was_copied(router: Sandbox) -> None:
    """The system's firewall is being restarted: an undo would delete what comes back."""
    (router.place / "tables/inet-t").rename(router.place / "kept")
    back = f"[ -e {router.place}/tables/inet-t ] || cp {router.place}/kept {router.place}/tables/inet-t"
    router.before("chmod", f'case "$*" in *ruleset.nft*) {back} ;; esac')
    with pytest.raises(OffloadError, match="table inet t was changed since it was copied; run the play again"):
        load(router, router.change(timeout=3))
    assert router.settled()
    assert router.table() == OLD


@pytest.mark.parametrize("table", ["mangle", "input", "t", "forward"])
def test_an_object_of_ours_with_the_name_of_their_table(router: Sandbox, table: str) -> None:
    """What they change while ours is loaded is theirs, and no reason to undo it."""
    file = router.place / f"tables/ip-{table}"
    text = f"table ip {table} {{\n\tchain {table} {{\n\t\taccept\n\t}}\n}}\n"
    file.write_text(text)
    (router.place / "later").write_text(text.replace("accept", "drop"))
    router.before("nft", f'case "$*" in "-f load.1") cp {router.place}/later {file} ;; esac')
    content = NEW.replace("chain forward", f"chain {table}")
    if table == "mangle":
        router.set_table(OLD.replace("chain forward", "chain mangle"))
        content = f"delete chain inet t mangle\n{NEW}"
    change = router.change(router.plan(content))
    if table == "t":  # in doubt
        with pytest.raises(OffloadError, match="changed what is not its own: table ip t"):
            load(router, change)
        return
    load(router, change)
    assert "drop" in file.read_text()


def test_a_quote_of_theirs_hides_no_table(router: Sandbox) -> None:
    """nft lists one in a comment as it is; what stands behind it is looked at all the same."""
    (router.place / "tables/inet-a").write_text('table inet a {\n\tchain c {\n\t\taccept comment "19" rack"\n\t}\n}\n')
    foreign = "table inet foreign {\n\tchain c {\n\t\taccept\n\t}\n}\n"
    router.set_table(foreign, "foreign")
    does = f"rm -f {router.place}/tables/inet-foreign; sed -n '/^table inet t/,$p' load.1 >only"
    router.before("nft", f'case "$*" in "-f load.1") {does}; exec "$0.real" -f only ;; esac')
    with pytest.raises(OffloadError, match="it changed what is not its own: table inet foreign"):
        load(router, router.change(router.plan(f"delete table inet foreign\n{NEW}")))
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, foreign)
