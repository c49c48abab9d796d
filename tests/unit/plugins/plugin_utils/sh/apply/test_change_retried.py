# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exec whose connection was lost lives on, and is made again: two shells of one change, or one that is too late."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm import change as change_module
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import Change, raise_failed_change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Step, failed_step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Remove

from tests.unit.helpers.changes import await_true, beside, load
from tests.unit.helpers.events import add_event, has_event
from tests.unit.helpers.sandbox import NEW, OLD, Sandbox, outcome

OTHER, AGAIN = "192.0.2.1 2 192.0.2.2 22", "192.0.2.1 3 192.0.2.2 22"
"""other connections of the controller's"""


def test_a_check_of_one_shell_is_no_answer_for_the_other(router: Sandbox) -> None:
    """The first shell waits in its second check while the second one's first check holds."""
    first, second = router.place / "first", router.place / "second"
    good = f"[ -e {first} ] || {{ : >{first}; exit 0; }}; while [ ! -e {second} ]; do sleep 0.1; done"
    bad = f": >{second}; sleep 4; false"
    checks = (Check(True, "command", good, 0, 20, name="good"), Check(True, "command", bad, 0, 20, name="bad"))
    change = replace(router.change(timeout=40), checks=checks)
    load(router, change)
    with beside(lambda: router.confirm(change)) as one:
        await_true(second.exists)
        with beside(lambda: router.confirm(change, AGAIN)) as two:
            await_true(lambda: bool(one))
    for answers in (one, two):
        failed = failed_step(change.phases()[1], answers[0])
        assert failed is not None and failed[0].summary.endswith((": bad", "go on with the change")), failed
    assert router.settled()
    assert (router.table(), outcome(router)[0]) == (OLD, "rolled_back")


def test_a_check_that_fails_after_another_try_has_confirmed_it_is_told_so(router: Sandbox) -> None:
    once = router.place / "once"
    change = router.change(timeout=40)
    load(router, change)
    waits = f"[ -e {once} ] || {{ : >{once}; exit 0; }}; while [ -e {router.pending} ]; do sleep 0.1; done; exit 1"
    change = replace(change, checks=(Check(True, "command", waits, 0, 10, name="the till"),))
    calls = [*change.calls(change.phases()[1]), ("read_change", paths.RUN)]
    with beside(lambda: router.run(calls, OTHER)) as one, beside(lambda: router.run(calls, AGAIN)) as two:
        await_true(lambda: bool(one) or bool(two))
    good, bad = sorted((one[0], two[0]), key=lambda answer: failed_step(change.phases()[1], answer) is not None)
    assert failed_step(change.phases()[1], good) is None
    with pytest.raises(OffloadError, match="the change stays: another try of this run, whose answer was lost, has con"):
        raise_failed_change(change, change.phases()[1], bad)
    assert (router.table(), outcome(router)[0]) == (NEW, "confirmed")


def test_a_change_that_was_given_up_before_it_began_is_not_begun(router: Sandbox) -> None:
    """The connection was lost while the router tried the text: the shell there goes on."""
    change = router.change()
    router.run(change.give_up("the connection was lost"))
    with pytest.raises(OffloadError, match="it was over before it began; nothing was left changed"):
        load(router, change)
    assert (router.table(), router.settled(0)) == (OLD, True)
    load(router, router.change(name="1-00000002"))
    assert router.table() == NEW


def test_a_change_that_is_over_is_not_begun_again(router: Sandbox) -> None:
    """Ansible ran the exec again, that one was given up, and the first one still has not begun."""
    change = router.change()
    load(router, change)
    router.run(change.give_up("Ansible ran it again"))
    assert router.settled() and router.table() == OLD
    with pytest.raises(OffloadError, match="it was over before it began"):
        load(router, change)
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_what_was_given_up_is_forgotten_after_a_day(router: Sandbox) -> None:
    change = router.change()
    router.run(change.give_up("the connection was lost"))
    (used,) = router.home.glob("used/*/*")
    used.rename(used.with_name("-86500"))
    (router.home / "used/nonsense/no number").mkdir(parents=True)
    load(router, router.change(name="1-00000002"))
    assert {path.name for path in router.home.glob("used/*")} == {"1-00000002", "nonsense"}


def test_one_that_was_undone_by_another_shell_is_not_begun_later(router: Sandbox) -> None:
    """Whatever became of it, and however many changes ended since."""
    first = router.change(timeout=2)
    load(router, first)
    assert router.settled()
    load(router, router.change(name="1-00000002", timeout=1))
    assert router.settled()
    with pytest.raises(OffloadError, match="it was over before it began"):
        load(router, first)
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_it_is_undone_at_once_where_no_word_can_be_left(router: Sandbox) -> None:
    """As where /run is full: its events have their page already."""
    change = router.change(timeout=60)
    load(router, change)
    router.before("mkdir", f'case "$*" in *{router.home}/used*) echo "No space left on device" >&2; exit 1 ;; esac')
    answer = router.run(change.give_up("a check failed"))
    assert answer["abandon"].rc == 0
    assert (router.table(), router.settled(0)) == (OLD, True)


def test_where_no_word_can_be_left_it_is_told(router: Sandbox) -> None:
    change = router.change()
    router.before("mkdir", f'case "$*" in *{router.home}/used*) exit 1 ;; esac')
    answer = router.run(change.give_up("the connection was lost"))
    assert answer["abandon"].rc == 1 and "to say that it is over" in answer["abandon"].text


def test_one_that_comes_late_takes_nothing_from_the_one_that_was_first(router: Sandbox) -> None:
    """Both are execs of one task; the first one was stopped while it made its directory."""
    change = router.change()
    flag = router.place / "stopped"
    waits = f"while [ ! -e {flag}-go ]; do sleep 0.1; done; exit 0"
    first = f'{shutil.which("mkdir")} "$@"'
    waits = f"[ -e {flag} ] || {{ : >{flag}; {first}; {waits}; }}"
    router.before("mkdir", f'case "$*" in *pending/{change.id}) {waits} ;; esac')
    calls = change.calls(change.phases()[0])
    with beside(lambda: router.run(calls)) as late:
        await_true(flag.exists)
        load(router, change)
        (router.place / "stopped-go").touch()
    failed = failed_step(change.phases()[0], late[0])
    assert failed is not None and "its events could not be written" in failed[1]
    assert router.state().pending is not None, "the one that was loaded is guarded as before"
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert (router.table(), outcome(router)[0]) == (NEW, "confirmed")


def test_what_starts_at_boot_stays_where_a_removal_is_undone(router: Sandbox) -> None:
    """It is stopped once nothing can be undone any more."""
    link = router.place / "etc/link"
    link.touch()
    stopping = [Step("disable it", Remove(str(link)))]
    change = router.change(replace(router.plan(), stopping=stopping), timeout=3)
    load(router, change)
    assert router.settled() and link.exists()
    change = router.change(replace(router.plan(), stopping=stopping), name="1-00000002")
    load(router, change)
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert not link.exists() and router.table() == NEW


def test_who_hangs_while_files_are_put_in_place_is_replaced(router: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (router.place / "etc/ruleset.nft").write_text(OLD)
    guard = change_module.guard_script()
    assert guard.count("up + 300))\n") == 1
    monkeypatch.setattr(change_module, "guard_script", lambda: guard.replace("up + 300))\n", "up + 4))\n"))
    change = router.change()
    load(router, change)
    flag = router.place / "stopped"
    stops = f"[ -e {flag} ] || {{ : >{flag}; kill -STOP $PPID; }}"
    router.before("mv", f'case "$*" in *committing.1-00000001*/committing) {stops} ;; esac')
    with beside(lambda: _confirm_in_vain(router, change)):
        await_true(lambda: has_event(router.pending, "committed"))
        waiting = router.state().pending
        assert waiting is not None and "confirmed, and its files are being put in place" in str(waiting)
        assert router.settled()
    assert (router.table(), router.etc("ruleset.nft"), outcome(router)[0]) == (NEW, NEW, "confirmed")


def _confirm_in_vain(router: Sandbox, change: Change) -> Answer:
    with pytest.raises(OffloadError):
        router.confirm(change)
    return Answer({"killed": Section("", 0)})


@pytest.mark.parametrize("text", ["flush ruleset\\\n", "delete table inet foreign\\\n"])
def test_a_line_that_goes_on_in_the_next_means_what_it_says(router: Sandbox, text: str) -> None:
    foreign = "table inet foreign {\n\tchain c {\n\t\taccept\n\t}\n}\n"
    router.set_table(foreign, "foreign")
    does = f"rm -f {router.place}/tables/inet-foreign; sed -n '/^table inet t/,$p' load.1 >only"
    router.before("nft", f'case "$*" in "-f load.1") {does}; exec "$0.real" -f only ;; esac')
    with pytest.raises(OffloadError, match="it changed what is not its own: table inet foreign"):
        load(router, router.change(router.plan(f"{text}\n{NEW}")))
    assert router.settled()
    assert (router.table(), router.table("foreign")) == (OLD, foreign)
    assert outcome(router) == ("failed", "it changed what is not its own: table inet foreign")


def test_a_second_table_that_was_not_loaded_is_not_confirmed(router: Sandbox) -> None:
    """nft answers 0 for the second one alone, and does nothing."""
    second = NEW.replace("table inet t ", "table inet t_software ")
    plan = router.plan()
    (listing,) = plan.listings
    twice = replace(listing, path=f"{listing.path}.software", table="t_software")
    change = router.change(replace(plan, listings=[listing, twice], tables=[("inet", "t"), ("inet", "t_software")]))
    old = OLD.replace("table inet t ", "table inet t_software ")
    router.set_table(old, "t_software")
    answer = router.load(change, f"{NEW.rstrip()}\n@@\n{second.rstrip()}")
    with pytest.raises(OffloadError, match="table inet t_software is not what was to be loaded"):
        raise_failed_change(change, change.phases()[0], answer)
    assert router.settled()
    assert (router.table(), router.table("t_software")) == (OLD, old)


def test_the_reason_is_that_of_what_failed(router: Sandbox) -> None:
    change = router.change()
    warns = 'echo "# Warning: table ip nat is managed by iptables-nft, do not touch!" >&2'
    router.before("nft", f'{warns}; case "$*" in "-s -t list ruleset") exit 1 ;; esac')
    with pytest.raises(OffloadError, match="what the other tables hold could not be kept"):
        load(router, change)
    assert router.settled()
    assert outcome(router) == ("failed", "what the other tables hold could not be kept")


def test_one_that_confirms_itself_and_is_left_behind_says_so(router: Sandbox) -> None:
    """Nobody had a time in which to confirm it."""
    change = router.change()
    load(router, change)
    (router.pending / "timeout").write_text("0\n")
    add_event(router.pending, "deadline 0")
    assert router.settled()
    assert outcome(router) == ("rolled_back", "it was left behind")
