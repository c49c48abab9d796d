# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of how a change is loaded, confirmed and undone, and a search through everything that can happen in it.

The actors are the exec that loads, two that confirm, since a controller tries again where an answer was lost and the
first exec may live on, one that gives up, two guards, the program that loads, and the next controller. Each is a row of
small steps. Between any two of them any other actor may go on, be killed, or wait as long as it likes, time may pass,
and the power may be cut. ``explore`` visits every state that this can lead to, and returns what is wrong with one.
docs/docsite/rst/guarantee.rst explains it in words.

A step is as large as what the router does in one system call, where it matters: an append, a rename, a look.
usage: make model
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

RULES = {
    "first event counts": "a decision is one append to a file, and the first one in it counts",
    "confirmer reads back": "the confirming exec goes on only where its events were the first",
    "committed before files": "no file is where a boot finds it before the change is committed",
    "journal": "files are put in place all or none, over a power cut",
    "armed before the load": "the deadline is noted before anything is loaded",
    "guard ends only when done": "a guard whose command failed has not finished, and is started again",
    "one acts": "of all guards the first living one in the file acts, and none beside it",
    "stopped is killed": "a guard that is stopped, or hangs, when it is time is killed by the next one",
    "two guards": "there are two, since one may be gone for good",
    "load looks again": "the loading program looks for a decision once it can be found and killed",
    "undo ends the load": "an undo kills the loading program first",
    "undo goes on": "an undo that failed is tried again, with the lock held",
    "undo before release": "the lock is released when what was there is back",
    "withdrawn": "a change whose confirming exec was killed before it committed is undone",
    "finished": "a change whose confirming exec was killed after it committed is put in place by others",
    "kept until journalled": "a lock is released once a boot would finish what is confirmed, whatever failed",
    "confirmer counts": "nobody takes a change over while its confirming exec lives",
    "own directory": "an actor writes into its own change only",
    "begun once": "a change that was given up before it began is not begun",
    "one commits": "of those that committed a change the first one that lives puts its files in place",
}
"""what the protocol consists of; the search must find a fault when any one of them is left out"""

FREE, OURS, NEXT = "free", "ours", "next"
GUARDS = (0, 1)
TAKER = 2  # a further guard, which the next controller starts for a change that it finds left behind
DEAD = ("", "down", "gone", "end")
STOPPED = "stopped at "
EXECS = (0, 1)
"""the execs that confirm; the second one comes where the first one's answer was lost and it lives on"""
GUARD = 2
"""what a guard's number is among those that commit"""
COMMITTING = ("confirmed", "read", "committed", "read again", "journal", "place", "placed", "release")
"""the steps of a confirming exec"""


class State(NamedTuple):
    """Everything that a step may depend on; the defaults are a router at rest."""

    lock: str = FREE
    order: tuple[int, ...] = ()
    """guards in the order in which they registered, less those that died: the first one acts"""
    load: str = ""
    """loading, loaded; each only where it was noted before a decision"""
    armed: bool = False
    late: bool = False
    """the deadline that is noted has passed"""
    decision: str = ""
    """confirmed or undo, whichever was noted first; then committed, unless undo comes first"""
    journal: bool = False
    boot: str = "old"
    live: str = "old"
    program: str = ""
    """what loads: forked (nobody can tell what it is yet), seen, loading, loaded, done; empty: none"""
    loader: str = "begin"
    used: bool = False
    """its id is spent: it was begun, or given up before"""
    confirmers: tuple[str, str] = ("", "")
    committers: tuple[int, ...] = ()
    """who committed it, in that order, less those that died: EXECS, and guards from GUARD on"""
    quitter: str = ""
    guards: tuple[str, str, str] = ("", "", "")
    """where each is; down: killed, to be started again; gone: killed for good; end: ended by itself"""
    told: str = ""
    """what the task says: confirmed, undone"""
    kills: int = 0
    further: bool = False
    """the next controller has had its own change"""
    cut: bool = False
    """the power was cut"""
    wrong: str = ""


class Step(NamedTuple):
    """``fair`` steps are taken sooner or later where they stay possible; kills and power cuts need not happen."""

    what: str
    after: State
    fair: bool = True
    by_next: bool = False
    """done by the next controller, which may never come"""


def steps(s: State, rules: frozenset[str], kills: int) -> Iterator[Step]:
    """Everything that can happen next."""
    yield from _loader(s, rules)
    yield from _program(s, rules)
    yield from _confirmer(s, rules)
    yield from _quitter(s, rules)
    for who in (*GUARDS, TAKER):
        yield from _guard(s, who, rules)
    yield from _next(s, rules)
    if s.lock == OURS and s.armed and not s.late:
        yield Step("time passes", s._replace(late=True))
    yield from _faults(s, kills)


def _loader(s: State, rules: frozenset[str]) -> Iterator[Step]:
    if s.loader == "begin" and s.lock == FREE:
        yield Step("loader: takes the lock", s._replace(lock=OURS, loader="id"))
    elif s.loader == "id":
        yield Step("loader: puts its id there", _own(s, s._replace(loader="use"), rules))
    elif s.loader == "use":
        over = s.used and "begun once" in rules
        after = _released(s, rules)._replace(loader="") if over else s._replace(used=True, loader="write")
        yield Step("loader: spends its id", _own(s, after, rules))
    elif s.loader == "write":
        armed = "armed before the load" in rules
        yield Step("loader: notes all", _own(s, s._replace(armed=armed, loader="start"), rules))
    elif s.loader == "start":
        second = "register" if "two guards" in rules else ""
        after = s._replace(loader="", guards=("register", second, s.guards[TAKER]))
        yield Step("loader: starts the guards", _own(s, after, rules))


def _own(s: State, after: State, rules: frozenset[str]) -> State:
    """``after`` while our change has its place; else nothing happens, unless another change is meant by it."""
    if s.lock == OURS:
        return after
    stray = s.lock == NEXT and "own directory" not in rules
    return s._replace(loader="", wrong="wrote into another change" if stray else s.wrong)


def _program(s: State, rules: frozenset[str]) -> Iterator[Step]:
    if s.program == "forked":
        yield Step("program: can be seen", s._replace(program="seen"))
    elif s.program == "seen":
        stale = "load looks again" in rules and (s.decision == "undo" or s.lock != OURS)
        yield Step("program: looks again", s._replace(program="" if stale else "loading"))
    elif s.program == "loading":
        wrong = "" if s.lock == OURS else "loaded after the lock was released"
        if s.told == "undone":
            wrong = "loaded after the task said that it is undone"
        yield Step("program: loads", s._replace(program="loaded", live="new", wrong=wrong))
    elif s.program == "loaded":  # fair or not: it may hang for ever
        yield Step("program: ends", s._replace(program="done"), fair=False)


def _note(s: State, event: str, rules: frozenset[str]) -> State:
    """One event appended; it changes nothing where an earlier one counts."""
    counts = event in {"": ("confirmed", "undo"), "confirmed": ("committed", "withdrawn")}.get(s.decision, ())
    if not counts and "first event counts" in rules:
        return _own(s, s, rules)
    return _own(s, s._replace(decision="undo" if event == "withdrawn" else event), rules)


def _confirmer(s: State, rules: frozenset[str]) -> Iterator[Step]:
    first, second = s.confirmers
    works = s.lock == OURS and s.load == "loaded" and s.live == "new" and s.decision in ("", "confirmed", "committed")
    if works and not first and s.decision != "committed":
        # the controller may be gone
        yield Step("confirmer 0: everything works", _go(s, 0, COMMITTING[0]), fair=False)
    if works and first and not second:
        yield Step("confirmer 1: the answer was lost", _go(s, 1, COMMITTING[0]), fair=False)
    for who in EXECS:
        yield from _confirm(s, who, rules)


def _confirm(s: State, who: int, rules: frozenset[str]) -> Iterator[Step]:
    at = s.confirmers[who]
    name = f"confirmer {who}"
    following = dict(zip(COMMITTING, (*COMMITTING[1:], ""), strict=True)).get(at, "")
    if at in ("confirmed", "committed"):
        after = _go(_note(s, at, rules), who, following)
        if at == "committed" and after.lock == OURS and after.decision == "committed":
            after = after._replace(committers=(*after.committers, who))
        if "committed before files" not in rules and s.lock == OURS:
            after = after._replace(journal=True)
        yield Step(f"{name}: notes {at}", after)
    elif at == "read":
        goes_on = s.lock == OURS and (s.decision in ("confirmed", "committed") or "confirmer reads back" not in rules)
        yield Step(f"{name}: reads back", _go(s, who, following if goes_on else ""))
    elif at == "read again":
        goes_on = s.lock == OURS and (s.decision == "committed" or "confirmer reads back" not in rules)
        if not goes_on or "one commits" not in rules or s.committers[:1] in ((), (who,)):
            yield Step(f"{name}: reads back again", _go(s, who, following if goes_on else ""))
        else:
            yield Step(f"{name}: waits for its turn no longer", _go(s, who, ""))
    elif at:
        after = _go(_commit(s, at, rules), who, following)
        if not following and not after.wrong:
            after = after._replace(told=s.told or "confirmed")
        yield Step(f"{name}: {at}", after)
        if at != "release":
            goes_on = at != "journal" or "kept until journalled" not in rules
            # where the journal is not there, the task says that the files are not in place yet, which is no promise
            yield Step(f"{name}: {at} fails", _go(s, who, "release" if goes_on else ""), fair=False)


def _go(s: State, who: int, at: str) -> State:
    """A confirming exec goes on to a step; it has ended, or was killed, where that is empty."""
    first, second = (at if one == who else other for one, other in enumerate(s.confirmers))
    committers = s.committers if at else tuple(one for one in s.committers if one != who)
    return s._replace(confirmers=(first, second), committers=committers)


def _commit(s: State, at: str, rules: frozenset[str]) -> State:
    """One step of putting the files in place; each can be done once more."""
    if s.lock == NEXT:
        return s._replace(wrong="puts files in place beside another change")
    wrong = "confirmed and undone" if s.decision == "undo" and s.lock == OURS else ""
    if at == "journal":
        return s._replace(journal="journal" in rules, wrong=wrong)
    if at == "place":
        return s._replace(boot="half" if s.boot == "old" else s.boot, wrong=wrong)
    if at == "placed":
        return s._replace(boot="new", journal=False, wrong=wrong)
    return _released(s, rules)


def _released(s: State, rules: frozenset[str]) -> State:
    """The lock is gone with all that is in its directory. Who still writes there reaches nobody."""
    if s.lock == NEXT:
        return s if "own directory" in rules else s._replace(wrong="released another change's lock")
    return s._replace(lock=FREE, load="", armed=False, late=False, committers=())


def _quitter(s: State, rules: frozenset[str]) -> Iterator[Step]:
    """An exec that gives up, since a check failed or a connection was lost; and what the task learns in the end."""
    if s.quitter == "" and (s.loader == "begin" or s.lock == OURS) and not s.cut:
        yield Step("controller: gives up", s._replace(quitter="use"), fair=False)
    elif s.quitter == "use":
        yield Step("quitter: spends the id", s._replace(used=True, quitter="look"))
    elif s.quitter == "look":
        if s.lock == OURS and s.loader not in ("begin", "id"):
            yield Step("quitter: finds it pending", s._replace(quitter="decide"))
        else:
            told = s.told or ("" if s.decision else "undone")
            yield Step("quitter: finds nothing pending", s._replace(quitter="end", told=told))
    elif s.quitter == "decide":
        yield Step("quitter: notes undo", _note(s, "undo", rules)._replace(quitter="withdraw"))
    elif s.quitter == "withdraw":
        yield Step("quitter: notes withdrawn", _note(s, "withdrawn", rules)._replace(quitter="end"))
    if s.lock != OURS and s.decision in ("committed", "undo") and not s.told:
        told = {"committed": "confirmed", "undo": "undone"}[s.decision]
        yield Step("controller: asks how it ended", s._replace(told=told), fair=False)


def _set(s: State, who: int, at: str) -> State:
    first, second, taker = (at if one == who else other for one, other in enumerate(s.guards))
    if at in DEAD:
        order = tuple(one for one in s.order if one != who)
        committers = tuple(one for one in s.committers if one != GUARD + who)
        s = s._replace(order=order, committers=committers)
    return s._replace(guards=(first, second, taker))


def _guard(s: State, who: int, rules: frozenset[str]) -> Iterator[Step]:
    at = s.guards[who]
    name = f"guard {who}"
    if at == "register":
        yield Step(f"{name}: registers", _set(s, who, "look")._replace(order=(*s.order, who)))
    elif at == "look":
        yield from _look(s, who, rules)
    elif at in ("mark", "fork", "wait"):
        yield from _load(s, who)
    elif at:
        yield from _undo(s, who, rules)


def _load(s: State, who: int) -> Iterator[Step]:
    at = s.guards[who]
    name = f"guard {who}"
    if at == "mark":
        # what may be loaded has to be undone, so it is noted first
        after = s if s.decision or s.lock != OURS else s._replace(load="loading", armed=True)
        yield Step(f"{name}: notes loading", _set(after, who, "fork" if after.load else "look"))
    elif at == "fork":
        yield Step(f"{name}: starts the program", _set(s, who, "wait")._replace(program="forked"))
    elif s.program == "failed":
        yield Step(f"{name}: it is refused", _set(s, who, "decide"))
    elif s.program == "done":
        after = _set(s, who, "look")._replace(load="loaded", program="", late=False, armed=True)
        yield Step(f"{name}: notes loaded", after)
    elif s.decision == "undo" or s.late:
        yield Step(f"{name}: waits no longer", _set(s, who, "decide"))


def _undo(s: State, who: int, rules: frozenset[str]) -> Iterator[Step]:
    at = s.guards[who]
    name = f"guard {who}"
    if at == "decide":
        yield Step(f"{name}: notes undo", _set(_note(s, "undo", rules), who, "look"))
        if "guard ends only when done" not in rules:
            yield Step(f"{name}: a command fails", _set(s, who, "end"), fair=False)
    elif at == "kill":
        ends = "undo ends the load" in rules and s.program != "forked"
        early = "undo before release" not in rules
        after = s._replace(program="" if ends else s.program)
        yield Step(f"{name}: ends the program", _set(_released(after, rules) if early else after, who, "restore"))
    elif at == "restore":
        wrong = "confirmed and undone" if s.decision != "undo" or s.boot != "old" else ""
        if s.lock == NEXT:
            wrong = "undoes beside another change"
        yield Step(f"{name}: restores", _set(s._replace(live="old", wrong=wrong), who, "release"))
        if "undo goes on" not in rules:
            yield Step(f"{name}: it cannot be restored", _set(s, who, "release"), fair=False)
    elif at in ("journal", "place", "placed"):
        following = {"journal": "place", "place": "placed", "placed": "release"}[at]
        yield Step(f"{name}: {at} for the confirmer", _set(_commit(s, at, rules), who, following))
    elif at == "release":
        yield Step(f"{name}: releases", _set(_released(s, rules), who, "end"))


def _look(s: State, who: int, rules: frozenset[str]) -> Iterator[Step]:
    """What a guard does next."""
    name = f"guard {who}"
    if s.lock != OURS:
        yield Step(f"{name}: is done", _set(s, who, "end"))
    elif "one acts" in rules and s.order[0] != who:
        if "stopped is killed" in rules and _overdue(s, s.order[0]):
            yield Step(f"{name}: kills guard {s.order[0]}, which is stopped", _set(s, s.order[0], "down"))
    elif s.decision == "undo":
        yield Step(f"{name}: undoes", _set(s, who, "kill" if s.load else "release"))
    elif s.decision == "confirmed" and "withdrawn" in rules:
        # the guard cannot know that nobody goes on, so it waits for some minutes
        yield Step(f"{name}: notes withdrawn", _note(s, "withdrawn", rules), fair=not any(s.confirmers))
    elif s.decision == "committed":
        if "finished" in rules and (not set(s.committers) & set(EXECS) or "confirmer counts" not in rules):
            after = _set(s, who, "journal")
            yield Step(f"{name}: finishes", after._replace(committers=(*after.committers, GUARD + who)))
    elif not s.decision and not s.load:
        yield Step(f"{name}: loads", _set(s, who, "mark"))
    elif not s.decision and (s.load == "loading" or s.late):
        yield Step(f"{name}: it is time", _set(s, who, "decide"))


def _overdue(s: State, who: int) -> bool:
    return s.guards[who].startswith(STOPPED) and (s.late or bool(s.decision))


def _next(s: State, rules: frozenset[str]) -> Iterator[Step]:
    """A further controller: it takes over what nobody guards, and has a change of its own."""
    if s.lock == FREE and s.loader != "begin" and not s.further:
        # it finishes what a confirmed change has left to do
        finished = s._replace(boot="new", journal=False) if s.journal else s
        yield Step("next: takes the lock", finished._replace(lock=NEXT, further=True), by_next=True)
    elif s.lock == NEXT:
        yield Step("next: releases it", s._replace(lock=FREE), by_next=True)
    taken = s.guards[TAKER] and not s.guards[TAKER].startswith(STOPPED)
    if s.lock != OURS or taken or (any(s.confirmers) and "confirmer counts" in rules):
        return
    if s.order and _overdue(s, s.order[0]):
        yield Step(f"next: kills guard {s.order[0]}, which is stopped", _set(s, s.order[0], "down"), by_next=True)
    elif not s.order and (s.decision or s.late or not s.armed):
        # where nothing was loaded, nothing shall be
        after = s if s.load else _note(s, "undo", rules)
        yield Step("next: starts a guard", _set(after, TAKER, "register"), by_next=True)


def _kills(s: State) -> Iterator[Step]:
    """Every actor that may be killed or stopped now."""
    killed = s._replace(kills=s.kills + 1)
    if s.loader not in ("", "begin"):
        yield Step("loader killed", killed._replace(loader=""), fair=False)
    for who in EXECS:
        if s.confirmers[who]:
            yield Step(f"confirmer {who} killed", _go(killed, who, ""), fair=False)
    if s.quitter not in ("", "end"):
        yield Step("quitter killed", killed._replace(quitter="end"), fair=False)
    if s.program in ("forked", "seen", "loading", "loaded"):
        yield Step("program killed", killed._replace(program="failed"), fair=False)
    for who, at in enumerate(s.guards):
        if at not in DEAD:
            yield Step(f"guard {who} killed", _set(killed, who, "down"), fair=False)
            if not at.startswith(STOPPED):
                yield Step(f"guard {who} stopped", _set(killed, who, STOPPED + at), fair=False)


def _faults(s: State, kills: int) -> Iterator[Step]:
    if s.kills < kills:
        yield from _kills(s)
    for who in (*GUARDS, TAKER):
        if s.guards[who].startswith(STOPPED):
            yield Step(f"guard {who} goes on", _set(s, who, s.guards[who].removeprefix(STOPPED)), fair=False)
        if s.guards[who] == "down":
            yield Step(f"guard {who} starts again", _set(s, who, "register"))
            if who in GUARDS and s.guards[1 - who] != "gone":
                yield Step(f"guard {who} is gone for good", _set(s, who, "gone"), fair=False)
    if not s.cut and s.loader != "begin":
        boot = "new" if s.journal else s.boot
        rebooted = State(boot=boot, live=boot, loader="", told=s.told, kills=kills, cut=True, further=s.further)
        yield Step("power cut", rebooted, fair=False)


def wrong_with(s: State) -> str:
    """What must never be, in this very state."""
    if s.wrong:
        return s.wrong
    # a boot finishes what the journal lists
    boot = "new" if s.journal else s.boot
    if s.lock != OURS and s.told == "confirmed" and (s.live, boot) != ("new", "new"):
        return f"the task says confirmed; live is {s.live}, boot is {boot}"
    if s.lock != OURS and s.told == "undone" and (s.live, boot) != ("old", "old"):
        return f"the task says undone; live is {s.live}, boot is {boot}"
    if s.lock != OURS and s.live != boot:
        return f"the lock is free; live is {s.live}, boot is {boot}"
    if s.cut and s.boot == "half":
        return "it booted with files of both"
    if s.lock != NEXT and s.journal and s.decision != "committed":
        return "a power cut would boot what is not confirmed"
    return ""


@dataclass
class Found:
    """What a search found: ``trace`` are the steps to the first wrong state, empty where there is none."""

    states: int
    wrong: str = ""
    trace: tuple[str, ...] = ()


def explore(rules: frozenset[str] = frozenset(RULES), kills: int = 2) -> Found:
    """Visit every state that ``kills`` killed actors and one power cut can lead to."""
    start = State()
    came: dict[State, tuple[State, str] | None] = {start: None}
    before: dict[State, list[tuple[State, bool]]] = {}
    todo = deque([start])
    while todo:
        state = todo.popleft()
        if wrong := wrong_with(state):
            return Found(len(came), wrong, _trace(came, state))
        for step in steps(state, rules, kills):
            if step.fair:
                before.setdefault(step.after, []).append((state, step.by_next))
            if step.after not in came:
                came[step.after] = state, step.what
                todo.append(step.after)
    for with_next in (False, True):
        ended = _leading_to_an_end(came, before, with_next)
        for state in came:
            lost = sum(at == "gone" or at.startswith(STOPPED) for at in state.guards[:TAKER])
            if state not in ended and state.loader != "begin" and (with_next or (state.guards[0] and lost < 2)):
                return Found(len(came), "never ends", _trace(came, state))
    return Found(len(came))


def _leading_to_an_end(
    states: Iterable[State], before: Mapping[State, Sequence[tuple[State, bool]]], with_next: bool
) -> set[State]:
    """The states from which fair steps can lead to one where our change is over; then, being fair, they do."""
    ended = {state for state in states if state.lock != OURS}
    todo = list(ended)
    while todo:
        for state, by_next in before.get(todo.pop(), ()):
            if state not in ended and (with_next or not by_next):
                ended.add(state)
                todo.append(state)
    return ended


def _trace(came: Mapping[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    steps_back = []
    while (edge := came[state]) is not None:
        state, what = edge
        steps_back.append(what)
    return tuple(reversed(steps_back))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2, help="how many actors may be killed in one run of the model")
    kills = parser.parse_args().kills
    found = explore(kills=kills)
    print(f"{found.states} states with {kills} kills and a power cut: {found.wrong or 'nothing is wrong'}")
    print("".join(f"  {what}\n" for what in found.trace), end="")
    missed = False
    for rule, text in RULES.items():
        broken = explore(frozenset(RULES) - {rule}, kills)
        missed = missed or not broken.wrong
        print(f"without '{rule}' ({text}): {broken.wrong or 'NOT MISSED'}, after {len(broken.trace)} steps")
    return 1 if found.wrong or missed else 0


if __name__ == "__main__":
    sys.exit(main())
