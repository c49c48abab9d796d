# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller makes of a change: over which connections, and what it tells when the router undid it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm import carry_out as _confirm
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.carry_out import Settled, carry_out
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import (
    Change,
    ConfirmedPlan,
    Transaction,
    parse_change,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.checks import Check
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.witness import STOPPED, Witness
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.router import Router
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.history import ids_to_forget

ID = "1-00000001"
PLAN = ConfirmedPlan(id=ID, texts=[Transaction("load table inet t", "text")], tables=[("inet", "t")])


class FakeRouter(Router):
    """A stand-in: counts the connections that it is asked to open."""

    def __init__(self) -> None:
        self.connections: list[bool] = []

    def reconnect(self, *, shared: bool = True) -> None:
        self.connections.append(shared)


def change(timeout: int = 30, *checks: Check) -> Change:
    return Change(PLAN, timeout, checks)


def ended(word: str, reason: str = "") -> Section:
    return Section(f"now=100\nlast={ID} {word} 99 {reason}", 0)


def loaded(calls: Sequence[Call]) -> Answer:
    number = next(str(call[1]) for call in calls if call[2:3] == ("load_guarded",))
    return Answer({f"step.{number}": Section("deadline=77", 0)})


class Line:
    """What the router answers, one after the other; an exception is a connection that fails."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[Sequence[Call]] = []

    def __call__(self, calls: Sequence[Call]) -> Answer:
        self.seen.append(calls)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer(calls) if callable(answer) else answer)

    def verbs(self) -> list[set[str]]:
        return [{call[2] for call in calls if call[0] in ("step", "section")} for calls in self.seen]


def carried(line: Callable[[Sequence[Call]], Answer], what: Change) -> tuple[Settled, list[bool]]:
    router = FakeRouter()
    return carry_out(router, line, what), router.connections


def test_two_execs_over_two_connections() -> None:
    line = Line(loaded, {"change": ended("confirmed")})
    settled, connections = carried(line, change())
    assert settled.confirmed
    assert connections == [True, False]
    assert settled.change == {
        "id": ID,
        "armed": True,
        "deadline": 77,
        "confirmed": True,
        "rolled_back": False,
        "reason": "",
    }
    assert "confirm" not in line.verbs()[0] and "load_guarded" not in line.verbs()[1]


def test_without_a_timer_it_is_one() -> None:
    line = Line({"change": ended("confirmed")})
    settled, connections = carried(line, change(0))
    assert settled.confirmed and not settled.change["armed"]
    assert connections == []
    assert {"load_guarded", "confirm", "commit_change"} <= line.verbs()[0]


def test_a_connection_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    settled, connections = carried(
        Line(loaded, AnsibleConnectionFailure("x"), {"change": ended("confirmed")}), change()
    )
    assert settled.confirmed
    assert connections == [True, False, False]


def test_no_connection_until_the_router_undid_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    answer = {"step.0": Section("last=", 1), "change": ended("rolled_back", "not confirmed within 30 s")}
    settled, _connections = carried(Line(loaded, AnsibleConnectionFailure("x"), answer), change())
    assert not settled.confirmed
    assert settled.change["rolled_back"]
    assert "no new SSH connection" in settled.change["reason"]
    assert "not confirmed within 30 s" in settled.change["reason"]


def test_the_answer_to_the_confirmation_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    answer = {"step.0": Section("last=...", 1), "change": ended("confirmed")}
    settled, _connections = carried(Line(loaded, AnsibleConnectionFailure("x"), answer), change())
    assert settled.confirmed


def test_a_router_that_stays_away_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr(_confirm, "PATIENCE", -40)
    with pytest.raises(AnsibleConnectionFailure, match="the router undoes it by itself"):
        carried(Line(loaded, AnsibleConnectionFailure("gone")), change())


@pytest.mark.parametrize("error", [AnsibleConnectionFailure("reset"), OffloadError("cut off", "again")])
def test_a_connection_lost_while_it_loads_confirms_nothing(error: Exception) -> None:
    line = Line(error, {"change": ended("rolled_back", "the connection")})
    settled, _connections = carried(line, change())
    assert not settled.confirmed and settled.change["rolled_back"]
    assert "lost while it was loaded" in settled.change["reason"]
    assert line.verbs()[1] == {"give_up"}


def test_a_router_that_restarted_knows_nothing() -> None:
    settled, _connections = carried(
        Line(loaded, {"step.0": Section("last=", 1), "change": Section("now=9", 0)}), change()
    )
    assert not settled.confirmed and not settled.change["rolled_back"]
    assert "as after a restart" in settled.change["reason"]


def test_a_check_of_the_controller_fails() -> None:
    check = Check(False, "command", "f() { echo $1 $2 >&2; }; f no one; exit 4", 0, 5)
    line = Line(loaded, {"change": ended("rolled_back", "check")})
    settled, _connections = carried(line, change(30, check))
    assert settled.change["rolled_back"]
    assert "no one" in settled.change["reason"]
    assert line.verbs()[1] == {"give_up"}


def test_a_check_of_the_router_fails() -> None:
    check = Check(True, "resolve", "www.example.org", 0, 5)

    def fails(calls: Sequence[Call]) -> Answer:
        number = next(str(call[1]) for call in calls if call[2:3] == ("check_here",))
        return Answer(
            {f"step.{number}": Section("not found", 2), "change": ended("rolled_back", "a step of it failed")}
        )

    settled, _connections = carried(Line(loaded, fails), change(30, check))
    assert settled.change["rolled_back"]
    assert "check from the router: resolve www.example.org: not found" in settled.change["reason"]


def test_the_command_of_a_check_is_in_no_message() -> None:
    """Nor does what it echoed of itself reach the router."""
    command = "echo login hunter22-4711; exit 1"
    line = Line(loaded, {"change": ended("rolled_back", "a check from the controller failed")})
    settled, _connections = carried(line, change(30, Check(False, "command", command, 0, 5, name="the till")))
    assert "hunter22" not in str(line.seen)
    assert settled.change["reason"].endswith("check from the controller: the till: login ***")


def fails(verb: str, output: str, **more: Section) -> Callable[[Sequence[Call]], Answer]:
    """The step of that verb fails."""

    def answer(calls: Sequence[Call]) -> Answer:
        number = next(str(call[1]) for call in calls if call[2:3] == (verb,))
        return Answer({f"step.{number}": Section(output, 1), **more})

    return answer


def test_an_exec_that_ran_twice_meets_itself() -> None:
    again = fails("begin", f"now=9\nid={ID}\nbegan=8\ndeadline=38\nguard=alive")
    line = Line(again, {"change": ended("rolled_back", "the connection was lost while it was loaded")})
    settled, _connections = carried(line, change())
    assert settled.change["rolled_back"]
    assert line.verbs()[1] == {"give_up"}


def test_another_change_is_pending() -> None:
    other = fails("begin", "now=9\nid=7-00000007\nbegan=8\ndeadline=38\nguard=alive")
    with pytest.raises(OffloadError, match="7-00000007 is pending: begun 1 s ago"):
        carried(Line(other), change())


def test_an_abandoned_change_was_undone_instead() -> None:
    undone = fails("begin", "it was rolled back just now, because its guard had ended\nnow=9\nlast=")
    with pytest.raises(OffloadError, match="it was rolled back just now") as caught:
        carried(Line(undone), change())
    assert "run the play again" in str(caught.value)


def test_what_could_not_be_brought_back_is_told() -> None:
    broken = fails("load_guarded", "refused", change=ended("broken", "nft refused it; but the table could not"))
    with pytest.raises(OffloadError, match="but the table could not"):
        carried(Line(broken), change())


def test_files_that_are_half_in_place_are_told() -> None:
    half = fails("commit_change", "mv: cannot move", change=ended("confirmed"))
    with pytest.raises(OffloadError, match="the change is confirmed"):
        carried(Line(loaded, half), change())


def test_files_that_are_not_in_place_yet_are_told() -> None:
    """The guard goes on trying; nobody calls that undone, or done."""
    waits = Section(f"now=9\nbegan=1\ndeadline=99\nid={ID}\n", 0)
    with pytest.raises(OffloadError, match="the change stays, but the files for boot are not in place yet"):
        carried(Line(loaded, fails("commit_change", "mv: cannot move", change=waits)), change())


def test_a_power_cut_after_the_files_were_in_place() -> None:
    marked = replace(change(), plan=replace(PLAN, records={paths.CONFIRMED: ("0644", f"{ID} 0123\n")}))
    there = {"step.0": Section("last=", 1), "change": Section("now=9", 0)}
    for text, confirmed in ((f"{ID} 0123", True), ("0-00000000 4567", False)):
        settled, _connections = carried(Line(loaded, {**there, f"file.{paths.CONFIRMED}": Section(text, 0)}), marked)
        assert settled.confirmed is confirmed


def test_what_the_router_tells_of_a_change() -> None:
    state = parse_change(f"now=50\nid={ID}\nbegan=40\ndeadline=70\ntimeout=30\nguard=alive\nlast=0-x confirmed 4 ")
    assert state.pending is not None and state.last is not None
    assert str(state.pending) == (
        f"change {ID} is pending: begun 10 s ago, its deadline is in 20 s, when the router undoes it by itself"
    )
    assert (state.last.word, state.last.at) == ("confirmed", 4)
    loading = parse_change("now=50\nid=\nbegan=\ndeadline=\ntimeout=")
    assert loading.pending is not None and "still loading" in str(loading.pending)
    assert parse_change("now=50\nlast=made up") == parse_change("")


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000])
def test_a_number_that_is_none(number: str) -> None:
    """What int raises at, and what it takes, is no time of a router."""
    state = parse_change(f"now={number}\nid={ID}\nbegan={number}\ndeadline={number}\nlast={ID} confirmed {number} ")
    assert state.pending is not None and (state.pending.deadline, state.pending.now) == (None, 0)
    assert state.last is None


def test_how_many_are_kept() -> None:
    one, two, three, four, five, six = (f"{number}-0000000{number}" for number in range(1, 7))
    kept = [one, two, three]
    assert ids_to_forget(kept, five, four) == [one]
    assert ids_to_forget(kept, two, four) == [two]
    assert ids_to_forget([*kept, four], six, five) == [one, two]
    assert ids_to_forget(kept, four) == []


BUSY = """seconds 4.00
delivered down 4 400
offered up 4 400
heard down 4 100
said down 4 100
tried down 4 20
answered down 4 20
"""
DEAD = """seconds 12.00
delivered down 4 0
offered up 4 90
heard down 4 0
said down 4 50
tried down 4 30
answered down 4 0
"""


def watched(before: str, after: str) -> Callable[[Sequence[Call]], Answer]:
    """Loaded, with what was counted before and after it."""

    def answer(calls: Sequence[Call]) -> Answer:
        numbers = {call[2]: str(call[1]) for call in calls if call[0] == "step"}
        counts = {f"step.{numbers['watch_before']}": before, f"step.{numbers['watch_after']}": after}
        return Answer({**loaded(calls), **{name: Section(text, 0) for name, text in counts.items()}})

    return answer


def test_traffic_that_stopped_is_not_confirmed() -> None:
    """Although the controller would come in. It costs no exec of its own, and is undone at once."""
    line = Line(watched(BUSY, DEAD), {"change": ended("rolled_back", STOPPED)})
    settled, connections = carried(line, replace(change(), witness=Witness()))
    assert not settled.confirmed and settled.change["rolled_back"]
    assert "IPv4 to the LAN side: 400 packets in 4 s before, 0 packets in 12 s after" in settled.change["reason"]
    assert settled.change["traffic"]["verdict"] == "stopped"
    assert settled.change["traffic"]["after"]["ipv4"]["to_lan"] == 0
    assert line.verbs()[1] == {"give_up"} and connections == [True, False]


def test_traffic_that_goes_on_is_confirmed() -> None:
    line = Line(watched(BUSY, BUSY), {"change": ended("confirmed")})
    settled, _connections = carried(line, replace(change(), witness=Witness()))
    assert settled.confirmed and settled.change["traffic"]["verdict"] == "kept"
    assert len(line.seen) == 2
    first = [call[2] for call in line.seen[0] if call[0] == "step"]
    assert first.index("watch_before") < first.index("begin"), "nobody is locked out while it counts"
    assert first.index("watch_after") > first.index("load_guarded")


@pytest.mark.parametrize("timeout", [0, 30])
def test_nothing_is_counted_where_nothing_waits_or_is_live(timeout: int) -> None:
    plan = PLAN if timeout == 0 else replace(PLAN, texts=[])
    steps = [step.verb.function() for phase in Change(plan, timeout, (), Witness()).phases() for step in phase]
    assert not {"watch_before", "watch_after"} & set(steps)
