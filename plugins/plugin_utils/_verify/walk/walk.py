# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Abstract packets through the base chains of a ruleset, as nf_tables evaluates them (nf_tables_core.c: nft_do_chain).

All classes go at once, as a set of bits, and are split where a condition tells them apart. Where it is not known
whether one holds, the packets go on both ways. So what surely happens has happened on every way, and what is said to
never happen has happened on none. Every rule is evaluated once for each way to its chain; above a limit the result is
that nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..._observe.ruleset import Chain, Condition, ObjectKey, Rule, Ruleset, Statement, Verdict, VerdictMap
from .match import Matcher, Packet, Place
from .packet import FAMILIES, Mask, Space

HOOKS = ("prerouting", "forward", "postrouting")
"""of forwarded packets, in order"""
LAYER_3 = {"ip": ("ip",), "ip6": ("ip6",), "inet": FAMILIES}
"""family of a table -> of packets that traverse its chains"""
CONNTRACK = -200
"""priority at which connections are looked up (NF_IP_PRI_CONNTRACK)"""
MOST_PARTS = 60_000
"""parts of rules that are evaluated, in about half a second"""
DEEPEST = 24
"""jumps into each other; nf_tables itself allows 16 (NFT_JUMP_STACK_SIZE)"""
MOST_PACKETS = 12
"""kinds of packets, by marks and tracking, at one place; above it their marks are not known"""


@dataclass(frozen=True, eq=False)
class RulePlace:
    """A rule, and how packets get there."""

    chain: Chain
    rule: Rule
    above: RulePlace | None = None
    """the rule that led to its chain"""
    leads: bool = False
    """is there a rule with 'flow add' behind it, in its chain or below"""

    @property
    def decider(self) -> RulePlace:
        """The rule in the chain that would have led to 'flow add': this one, or one that led here."""
        place: RulePlace | None = self
        while place is not None and not place.leads:
            place = place.above
        return place or self

    def __str__(self) -> str:
        """'chain NAME: RULE'"""
        return f"chain {self.chain.name}: {self.rule.text}" if self.rule.text else f"chain {self.chain.name}: policy"


@dataclass(frozen=True)
class Cause:
    """Why packets of these classes passed by what would have offloaded them."""

    classes: Mask
    place: RulePlace
    kind: str
    """decided: the rule accepts, or leads elsewhere; condition: it is a rule with 'flow add' whose condition does not
    hold; untracked: its packets have no connection"""
    condition: str = ""
    """that condition, or those of the rule that it is not known of whether they hold"""


@dataclass
class Record:
    """What has happened to which classes."""

    fed: dict[tuple[RulePlace, str], Mask] = field(default_factory=dict)
    """(rule with 'flow add', path of the flowtable) -> classes that are not offloaded yet and may get there"""
    first_fed: dict[str, Mask] = field(default_factory=dict)
    """path of a flowtable -> classes that may get to a rule which feeds it, whatever else has taken them"""
    causes: dict[tuple[int, str], Cause] = field(default_factory=dict)
    """by rule and kind, in the order in which packets came to them"""
    drops: dict[int, tuple[Mask, RulePlace]] = field(default_factory=dict)
    """rules that drop, or the chains whose policy does -> classes"""
    untracked: list[tuple[Mask, RulePlace]] = field(default_factory=list)
    """rules with notrack that have an effect -> classes that may get there"""
    helped: list[tuple[Mask, RulePlace]] = field(default_factory=list)
    """the same of rules with ct helper"""
    tracked: Mask = 0
    """classes that may have a connection when they come to the forward hook"""
    arriving: Mask = 0
    """classes that may come to the forward hook at all"""
    statements: dict[tuple[int, str], tuple[Mask, RulePlace, Statement, bool]] = field(default_factory=dict)
    """rules that police, mark, count or log, and whether they do more than count where they do"""
    anything: Mask = 0
    """classes that may get to rules which were not read"""

    def add_cause(self, cause: Cause) -> None:
        """One more reason why packets passed by."""
        key = (id(cause.place.rule), cause.kind)
        known = self.causes.get(key)
        self.causes[key] = replace(known, classes=known.classes | cause.classes) if known else cause

    def add_drop(self, classes: Mask, place: RulePlace) -> None:
        """Packets of these classes end here."""
        key = id(place.rule if place.rule.text else place.chain)
        self.drops[key] = (self.drops.get(key, (0,))[0] | classes, place)

    def add_statement(self, classes: Mask, place: RulePlace, statement: Statement, decides: bool) -> None:
        """A rule did something to packets of these classes."""
        key = (id(place.rule), statement.text)
        self.statements[key] = (self.statements.get(key, (0,))[0] | classes, place, statement, decides)


class TooLong(Exception):
    """More ways through the ruleset than are looked at."""


Crowd = tuple[Mask, ...]
"""classes that are here; of these, that were not offloaded yet; of these again, by flowtable, not by that one"""
State = dict[Packet, Crowd]


class Walk:
    """One traversal; ``run`` once."""

    def __init__(self, ruleset: Ruleset, space: Space, flowtables: Sequence[str], state: str = "established") -> None:
        """``flowtables``: paths, 'family table name'; ``state`` is that of connection tracking."""
        self._ruleset = ruleset
        self._space = space
        self._state = state
        self._indices = {path: at for at, path in enumerate(flowtables, 2)}
        self._width = 2 + len(flowtables)
        self._matcher = Matcher(space, ruleset, state)
        self._parts = 0
        self._leads = _find_leading_chains(ruleset)
        self.record = Record()

    def run(self) -> Crowd:
        """What is accepted at the forward hook; raises TooLong."""
        state: State = {Packet(): (self._space.every,) * self._width}
        forwarded: Crowd = (0,) * self._width
        for hook in HOOKS:
            if hook == "forward":
                self.record.arriving = _gather(state.values())
                self.record.tracked = _gather(crowd for packet, crowd in state.items() if packet.tracked)
            for chain in self._list_base_chains(hook):
                state = self._traverse_base(chain, hook, state)
            if hook == "forward":
                for crowd in state.values():
                    forwarded = _join(forwarded, crowd)
        return forwarded

    def pass_by_ingress(self, hooked: Mapping[str, int]) -> None:
        """Record what rules at ingress do behind a flowtable: ``hooked`` has the priority of its hook, by device."""
        for chain in self._ruleset.chains.values():
            late = [name for name in chain.devices if chain.priority > hooked.get(name, chain.priority)]
            if chain.hook == "ingress" and late:
                state: State = {Packet(): (self._space.every, *(0,) * (self._width - 1))}
                self._traverse(chain, Place(chain, "ingress", True), state, {}, None, False, 0)

    def _list_base_chains(self, hook: str) -> list[Chain]:
        """In the order in which packets traverse them; only the first packet of a connection does those of type nat.

        Of chains with one priority the one that came last is first (net/netfilter/core.c: nf_hook_entries_grow), and
        nft lists them as they came.
        """
        found = [
            chain
            for chain in self._ruleset.chains.values()
            if chain.hook == hook and chain.family in LAYER_3 and (chain.type != "nat" or self._state == "new")
        ]
        return sorted(reversed(found), key=lambda chain: chain.priority)

    def _traverse_base(self, chain: Chain, hook: str, state: State) -> State:
        """What goes on to the next base chain."""
        own = sum(self._space.families[family] for family in LAYER_3[chain.family])
        place = Place(chain, hook, hook == "prerouting" and chain.priority < CONNTRACK)
        accepted: State = _limit(state, ~own)
        through = self._traverse(chain, place, _limit(state, own), accepted, None, False, 0)
        policy = RulePlace(chain, Rule("", ()))
        for packet, crowd in through.items():
            if chain.drops:
                self.record.add_drop(crowd[0], policy)
            else:
                _add(accepted, packet, crowd)
        return accepted

    def _traverse(
        self,
        chain: Chain,
        place: Place,
        state: State,
        accepted: State,
        above: RulePlace | None,
        ahead: bool,
        depth: int,
    ) -> State:
        """What returns from a chain, or comes to its end. ``ahead``: may what returns still get to 'flow add'?"""
        returned: State = {}
        leads = self._leads.get((chain.family, chain.table, chain.name), ())
        for number, rule in enumerate(chain.rules):
            if not state:
                break
            later = number + 1 < len(leads) and leads[number + 1]
            here = RulePlace(chain, rule, above, later)
            frame = _Frame(here, place, accepted, returned, ahead, depth)
            state = _shrink(self._evaluate(rule, frame, state))
        for packet, crowd in state.items():
            _add(returned, packet, crowd)
        return returned

    def _evaluate(self, rule: Rule, frame: _Frame, state: State) -> State:
        """What goes on to the next rule."""
        passed: State = {}  # by a condition that does not hold
        inside = dict(state)
        unsure: list[str] = []
        feeds = any(isinstance(part, Statement) and part.kind == "flow" for part in rule.parts)
        for number, part in enumerate(rule.parts):
            self._parts += 1 + len(inside)
            if self._parts > MOST_PARTS:
                raise TooLong
            if not inside:
                break
            if isinstance(part, Condition):
                inside = self._compare(part, frame, inside, passed, unsure, feeds)
            elif isinstance(part, VerdictMap):
                inside = self._look_up(part, frame, inside, unsure)
            elif isinstance(part, Verdict):
                inside = self._decide(part, frame, inside, unsure)
            else:
                inside = self._do(part, rule.parts[number + 1 :], frame, inside, passed)
        for packet, crowd in inside.items():
            _add(passed, packet, crowd)
        return passed

    def _compare(
        self, part: Condition, frame: _Frame, inside: State, passed: State, unsure: list[str], feeds: bool
    ) -> State:
        """What a condition holds for; the rest goes to ``passed``."""
        held: State = {}
        for packet, crowd in inside.items():
            fit = self._matcher.condition(part, packet, frame.place)
            _add(held, packet, _keep(crowd, fit.may))
            left = _keep(crowd, ~fit.yes)
            _add(passed, packet, left)
            if feeds and left[1]:
                kind = "condition" if packet.tracked else "untracked"
                self.record.add_cause(Cause(left[1], frame.here, kind, part.text))
            if crowd[0] & fit.may & ~fit.yes and part.text not in unsure:
                unsure.append(part.text)
        return held

    def _look_up(self, part: VerdictMap, frame: _Frame, inside: State, unsure: list[str]) -> State:
        """What finds no element of a verdict map."""
        key = (frame.place.chain.family, frame.place.chain.table, part.name)
        elements = part.elements or self._ruleset.maps.get(key)
        if elements is None:
            self._reach_anything(frame, inside)
            return inside
        missed: State = {}
        for packet, crowd in inside.items():
            left = crowd
            vague = 0
            taken: dict[Verdict, Crowd] = {}
            for value, verdict in elements:
                self._parts += 1
                if value == "*" and part.keys:  # what no other element is for
                    continue
                fit = self._matcher.element(part.keys, value, packet, frame.place)
                if crowd[0] & fit.may:
                    taken[verdict] = _join(taken.get(verdict, (0,) * self._width), _keep(crowd, fit.may))
                    left = _keep(left, ~fit.yes)
                    vague |= fit.may & ~fit.yes & crowd[0]
            if key in self._ruleset.partial:
                self._reach_anything(frame, {packet: left})
            for value, verdict in elements:
                if value == "*" and part.keys:
                    taken[verdict] = _join(taken.get(verdict, (0,) * self._width), left)
                    left = (0,) * self._width
            _add(missed, packet, left)
            why = [*unsure, part.text] if vague else unsure
            for verdict, some in taken.items():
                for after, found in self._decide(verdict, frame, {packet: some}, why).items():
                    _add(missed, after, found)
        if self._parts > MOST_PARTS:
            raise TooLong
        return missed

    def _reach_anything(self, frame: _Frame, inside: State) -> None:
        """Any verdict may be taken: of a map that was not listed, of a chain that was not read."""
        for packet, crowd in inside.items():
            self.record.anything |= crowd[0]
            self._note_escape(frame, crowd, packet, ["what was not read"])
            _add(frame.accepted, packet, crowd)

    def _decide(self, verdict: Verdict, frame: _Frame, inside: State, unsure: list[str]) -> State:
        """What goes on in the rule behind a verdict."""
        if verdict.kind == "continue":
            return inside
        if verdict.kind in {"jump", "goto"}:
            return self._lead(verdict, frame, inside, unsure)
        for packet, crowd in inside.items():
            if verdict.kind == "drop":
                self.record.add_drop(crowd[0], frame.here)
                continue
            if verdict.kind == "return":
                if frame.here.leads:
                    self._note_escape(frame, crowd, packet, unsure)
                _add(frame.returned, packet, crowd)
            else:
                if verdict.kind == "queue":  # the program may send it through the chain again (NF_REPEAT)
                    self.record.anything |= crowd[0]
                if frame.here.leads or frame.ahead:
                    self._note_escape(frame, crowd, packet, unsure)
                _add(frame.accepted, packet, crowd)
        return {}

    def _note_escape(self, frame: _Frame, crowd: Crowd, packet: Packet, unsure: Iterable[str]) -> None:
        if crowd[1]:
            kind = "decided" if packet.tracked else "untracked"
            self.record.add_cause(Cause(crowd[1], frame.here, kind, " ".join(unsure)))

    def _lead(self, verdict: Verdict, frame: _Frame, inside: State, unsure: list[str]) -> State:
        """What comes back from another chain."""
        key: ObjectKey = (frame.place.chain.family, frame.place.chain.table, verdict.target)
        target = self._ruleset.chains.get(key)
        if target is None or frame.depth >= DEEPEST:
            self._reach_anything(frame, inside)
            return inside
        jumps = verdict.kind == "jump"
        if not jumps and frame.here.leads and not any(self._leads.get(key, ())):
            for packet, crowd in inside.items():
                self._note_escape(frame, crowd, packet, unsure)
        ahead = frame.ahead or (jumps and frame.here.leads)
        back = self._traverse(target, frame.place, inside, frame.accepted, frame.here, ahead, frame.depth + 1)
        if jumps:
            return back
        for packet, crowd in back.items():
            _add(frame.returned, packet, crowd)
        return {}

    def _do(
        self,
        part: Statement,
        rest: Sequence[object],
        frame: _Frame,
        inside: State,
        passed: State,
    ) -> State:
        """What goes on in the rule behind a statement."""
        result: State = {}
        for packet, crowd in inside.items():
            if part.kind == "flow" and packet.tracked:
                fed = self._feed(part, frame, crowd)
                _add(result, packet, fed)
                if rest:  # a flow that is in a flowtable already ends the rule here
                    _add(passed, packet, fed)
            elif part.kind == "flow":
                self.record.add_cause(Cause(crowd[1], frame.here, "untracked"))
                _add(passed, packet, crowd)
            else:
                self._note_statement(part, rest, frame, crowd)
                _add(result, _change(packet, part, frame.place), crowd)
        return result

    def _note_statement(self, part: Statement, rest: Sequence[object], frame: _Frame, crowd: Crowd) -> None:
        """Something was done to packets of these classes."""
        if part.kind == "notrack" and frame.place.early:
            self.record.untracked.append((crowd[0], frame.here))
        elif part.kind == "helper":
            self.record.helped.append((crowd[0], frame.here))
        elif part.kind in {"mark", "ct mark", "priority", "dscp", "police", "count", "log"}:
            decides = any(isinstance(one, (Verdict, VerdictMap)) for one in rest)
            self.record.add_statement(crowd[0], frame.here, part, decides)

    def _feed(self, part: Statement, frame: _Frame, crowd: Crowd) -> Crowd:
        """The crowd, once a rule has added its flows to a flowtable."""
        chain = frame.place.chain
        path = f"{chain.family} {chain.table} {part.value}"
        fed = self.record.fed
        fed[frame.here, path] = fed.get((frame.here, path), 0) | crowd[1]
        self.record.first_fed[path] = self.record.first_fed.get(path, 0) | crowd[0]
        index = self._indices.get(path, 1)
        return tuple(0 if at in {1, index} else mask for at, mask in enumerate(crowd))


@dataclass(frozen=True)
class _Frame:
    """Where a rule is evaluated, and where packets go from there."""

    here: RulePlace
    place: Place
    accepted: State
    returned: State
    ahead: bool
    """may what leaves this chain still get to 'flow add'?"""
    depth: int


def _change(packet: Packet, part: Statement, place: Place) -> Packet:
    """The packet behind a statement."""
    if part.kind == "notrack" and place.early:
        return replace(packet, tracked=False)
    if part.kind == "mark":
        return replace(packet, marks=(part.value or "?", packet.marks[1]))
    if part.kind == "ct mark":
        return replace(packet, marks=(packet.marks[0], part.value or "?"))
    return packet


def _keep(crowd: Crowd, mask: Mask) -> Crowd:
    return tuple(one & mask for one in crowd)


def _gather(crowds: Iterable[Crowd]) -> Mask:
    """The classes that are in any of them."""
    found = 0
    for crowd in crowds:
        found |= crowd[0]
    return found


def _join(one: Crowd, other: Crowd) -> Crowd:
    return tuple(first | second for first, second in zip(one, other, strict=True))


def _add(state: State, packet: Packet, crowd: Crowd) -> None:
    if crowd[0]:
        known = state.get(packet)
        state[packet] = crowd if known is None else _join(known, crowd)


def _limit(state: State, mask: Mask) -> State:
    return {packet: _keep(crowd, mask) for packet, crowd in state.items() if crowd[0] & mask}


def _shrink(state: State) -> State:
    """With less kinds of packets, where they have become too many."""
    if len(state) <= MOST_PACKETS:
        return state
    merged: State = {}
    for packet, crowd in state.items():
        _add(merged, replace(packet, marks=("?", "?")), crowd)
    return merged


def _find_leading_chains(ruleset: Ruleset) -> Mapping[ObjectKey, list[bool]]:
    """Chain -> by rule: may packets that get to this one or a later one come to a 'flow add' in it, or below it?"""
    targets: dict[ObjectKey, list[set[ObjectKey]]] = {}
    feeding: dict[ObjectKey, list[bool]] = {}
    for key, chain in ruleset.chains.items():
        targets[key] = [set(_list_targets(key, rule, ruleset)) for rule in chain.rules]
        feeding[key] = [any(isinstance(p, Statement) and p.kind == "flow" for p in rule.parts) for rule in chain.rules]
    callers: dict[ObjectKey, list[ObjectKey]] = {}
    for key, rules in targets.items():
        for target in set().union(*rules) if rules else ():
            callers.setdefault(target, []).append(key)
    reaching = {key for key, rules in feeding.items() if any(rules)}
    pending = list(reaching)
    while pending:
        for caller in callers.get(pending.pop(), ()):
            if caller not in reaching:
                reaching.add(caller)
                pending.append(caller)
    found: dict[ObjectKey, list[bool]] = {}
    for key in reaching & ruleset.chains.keys():
        leads = False
        leading: list[bool] = []
        for feeds, those in zip(reversed(feeding[key]), reversed(targets[key]), strict=True):
            leads = leads or feeds or bool(those & reaching)
            leading.append(leads)
        found[key] = leading[::-1]
    return found


def _list_targets(key: ObjectKey, rule: Rule, ruleset: Ruleset) -> Iterator[ObjectKey]:
    """Chains to which a rule may lead."""
    for part in rule.parts:
        verdicts: list[Verdict] = []
        if isinstance(part, Verdict):
            verdicts = [part]
        elif isinstance(part, VerdictMap):
            elements = part.elements or ruleset.maps.get((key[0], key[1], part.name), ())
            verdicts = [verdict for _value, verdict in elements]
        for verdict in verdicts:
            if verdict.kind in {"jump", "goto"}:
                yield (key[0], key[1], verdict.target)
