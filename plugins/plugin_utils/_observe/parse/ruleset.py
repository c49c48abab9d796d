# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A ruleset, whole or reduced by sh/read/nftables.sh -> Ruleset. No function raises, whatever the text.

What is not understood becomes a condition without keys, which may hold or not; the verdicts behind it are kept. A line
``_ N addresses VERDICT`` or ``_ N conditions VERDICT`` stands for N rules that the router left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..._core.text import read_number
from ..ruleset import (
    LEFT_OUT,
    LEFT_OUT_ADDRESSES,
    Chain,
    Condition,
    ObjectKey,
    Operator,
    Part,
    Rule,
    Ruleset,
    Statement,
    Verdict,
    VerdictMap,
    read_priority,
)
from .nft import Statement as Line
from .nft import parse_statements

LONGEST_TEXT = 300
"""characters of a rule that is shown"""

_ALONE = {"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup", "iiftype", "oiftype", "mark", "skuid", "skgid"}
"""keys of one word; nft lists others of meta behind that word"""
_HEADERS = {
    *("meta", "ip", "ip6", "tcp", "udp", "th", "ether", "vlan", "icmp", "icmpv6", "igmp", "arp", "sctp", "dccp", "gre"),
    *("udplite", "esp", "ah", "comp", "rt", "rt0", "rt2", "rt4", "hbh", "frag", "dst", "mh", "socket", "osf", "vxlan"),
    *("geneve", "gretap", "srh"),
}
"""keys of two words begin with one of these"""
_CT_DIRECTIONS = {"original", "reply"}
_CT_ADDRESSES = {"ip", "ip6"}
_LOG_OPTIONS = {"prefix", "level", "flags", "group", "snaplen", "queue-threshold"}
_NAT = {"masquerade", "snat", "dnat", "redirect"}
_ENDINGS = {
    "accept": Verdict("accept"),
    "drop": Verdict("drop"),
    "return": Verdict("return"),
    "continue": Verdict("continue"),
}
_LEADS = {"jump": Verdict("jump"), "goto": Verdict("goto")}
_SIGNS: tuple[Operator, ...] = ("==", "!=", "<=", ">=")
_BITS = {"&", "|", "^", "<<", ">>", "and", "or", "xor", "lshift", "rshift"}
_UNITS = {"bytes", "kbytes", "mbytes", "gbytes", "packets"}
_GAPS = re.compile(r" (,)|(?<=[!=<>]) (?==)")


def parse_ruleset(text: str) -> Ruleset:
    """The chains, sets and verdict maps of a listing; elements may follow in tables of the same name."""
    reader = _Reader()
    for line in parse_statements(text):
        reader.take(line)
    return reader.finish()


@dataclass
class _Chain:
    """A chain while it is read."""

    heads: list[tuple[str, ...]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


class _Reader:
    """Statements one after the other -> Ruleset."""

    def __init__(self) -> None:
        self._chains: dict[ObjectKey, _Chain] = {}
        self._sets: dict[ObjectKey, list[str]] = {}
        self._maps: dict[ObjectKey, list[tuple[str, Verdict]]] = {}
        self._partial: set[ObjectKey] = set()
        self._dormant: set[tuple[str, str]] = set()
        self._anonymous: list[ObjectKey] = []

    def take(self, line: Line) -> None:
        """One more statement."""
        key = (line.family, line.table, line.name)
        if not line.kind:
            if line.words[:1] == ("flags",) and "dormant" in line.words:
                self._dormant.add(key[:2])
        elif line.kind == "chain":
            self._take_rule(key, line)
        elif line.kind in {"set", "map"} and line.words[:2] == ("elements", "="):
            self._take_elements(key, line)
        elif line.kind in {"set", "map"} and line.words[:1] == ("_",):
            self._partial.add(key)

    def _take_elements(self, key: ObjectKey, line: Line) -> None:
        elements = list(_split_elements(_strip_braces(line.words[2:])))
        if line.kind == "set":
            self._sets.setdefault(key, []).extend(_join_value(words) for words in elements)
        else:
            self._maps.setdefault(key, []).extend(_parse_map_elements(elements))

    def _take_rule(self, key: ObjectKey, line: Line) -> None:
        if not line.words:
            self._chains.setdefault(key, _Chain())
            self._anonymous = []
            return
        del self._anonymous[line.depth :]
        chain = self._chains.setdefault(self._anonymous[-1] if line.depth and self._anonymous else key, _Chain())
        if line.words[0] in {"type", "policy", "comment", "flags"} and not line.depth:
            chain.heads.append(line.words)
            return
        target = f"{{{len(self._chains)}}}"
        chain.rules.append(Rule(line.text[:LONGEST_TEXT], parse_parts(line.words, target)))
        if line.words[-1] in {"jump", "goto"}:
            self._anonymous.append((line.family, line.table, target))
            self._chains[self._anonymous[-1]] = _Chain()

    def finish(self) -> Ruleset:
        """What was read."""
        return Ruleset(
            {key: self._finish_chain(key, chain) for key, chain in self._chains.items()},
            {key: tuple(elements) for key, elements in self._sets.items()},
            {key: tuple(elements) for key, elements in self._maps.items()},
            frozenset(self._partial),
        )

    def _finish_chain(self, key: ObjectKey, read: _Chain) -> Chain:
        chain = Chain(*key, tuple(read.rules))
        if key[:2] in self._dormant:
            return chain
        for words in read.heads:
            if words[0] == "type" and len(words) > 1:
                named = dict(pairwise(words))
                chain = replace(
                    chain,
                    type=words[1],
                    hook=named.get("hook", ""),
                    priority=read_priority(words),
                    devices=_list_devices(words),
                )
            elif words[0] == "policy":
                chain = replace(chain, drops="drop" in words)
        return chain


def _list_devices(words: tuple[str, ...]) -> tuple[str, ...]:
    """``device "eth0"``, ``devices = { eth0, eth1 }``"""
    if "devices" in words:
        listed = words[words.index("devices") : words.index("priority") if "priority" in words else None]
        return tuple(_unquote(word) for word in listed[1:] if word not in "={},")
    return tuple(_unquote(device) for word, device in pairwise(words) if word == "device")


def parse_parts(words: tuple[str, ...], target: str = "") -> tuple[Part, ...]:
    """The parts of a rule; ``target`` is what an anonymous chain at its end is called."""
    if words[:1] == ("_",):
        return tuple(_parse_left_out(words))
    reader = _Words(_join_parentheses(words), target)
    parts: list[Part] = []
    while reader.left:
        start = reader.at
        part = _parse_part(reader)
        if reader.at == start:  # not understood: what is left may hold or not, and decides what it names
            parts += _salvage(reader)
            break
        parts += part
    if "counter" in words and not any(isinstance(part, (Verdict, VerdictMap, Statement)) for part in parts):
        parts.append(Statement("count", text="counter"))  # it is there for nothing else
    return tuple(parts)


def _parse_left_out(words: tuple[str, ...]) -> Iterator[Part]:
    """``_ 12 addresses accept``, ``_ 3 conditions jump x``, ``_ 40 conditions any``: a chain that is not there"""
    key = LEFT_OUT_ADDRESSES if "addresses" in words[2:3] else LEFT_OUT
    number = read_number(words[1]) if len(words) > 1 else 0
    yield Condition((key,), text=f"{number or 'some'} rules left out here")
    if words[3:] == ("any",):
        yield Verdict("jump", "")
    else:
        yield from parse_parts(words[3:])


class _Words:
    """The words of a rule, and how far they are read."""

    def __init__(self, words: tuple[str, ...], target: str) -> None:
        self.words = words
        self.at = 0
        self.target = target

    @property
    def left(self) -> bool:
        """Is there any left?"""
        return self.at < len(self.words)

    def peek(self, offset: int = 0) -> str:
        """A word; empty behind the end."""
        return self.words[self.at + offset] if self.at + offset < len(self.words) else ""

    def next(self) -> str:
        """The next word, taken."""
        word = self.peek()
        self.at += 1
        return word

    def take(self, *choices: str) -> str:
        """The next word if it is one of these, taken; else nothing."""
        return self.next() if self.left and self.peek() in choices else ""

    def since(self, start: int) -> str:
        """The words from there as one text."""
        return _GAPS.sub(r"\1", " ".join(self.words[start : self.at]))

    def block(self) -> tuple[str, ...]:
        """What stands between the braces that come next, taken; empty where none do."""
        if self.peek() != "{":
            return ()
        start, depth = self.at + 1, 0
        while self.left:
            word = self.next()
            depth += {"{": 1, "}": -1}.get(word, 0)
            if not depth:
                return self.words[start : self.at - 1]
        return self.words[start:]


def _parse_part(words: _Words) -> list[Part]:
    """The next part, none for what has no effect; nothing is taken of what is not understood."""
    word = words.peek()
    if (word, words.peek(1)) == ("ct", "count"):
        return _parse_ct_count(words)
    if word in _PARSERS:
        return _PARSERS[word](words)
    if word in _ENDINGS:
        words.next()
        return [_ENDINGS[word]]
    if word in _NAT:  # of chains that established packets do not traverse; ends the rule
        words.at = len(words.words)
        return [Verdict("accept")]
    return _parse_condition(words)


def _parse_counter(words: _Words) -> list[Part]:
    start = words.at
    words.next()
    if words.take("name"):
        words.next()
        return [Statement("count", text=words.since(start))]
    if words.take("packets"):
        words.at += 3
    return []


def _parse_comment(words: _Words) -> list[Part]:
    words.at += 2
    return []


def _parse_log(words: _Words) -> list[Part]:
    start = words.at
    words.next()
    while words.peek() in _LOG_OPTIONS:
        words.at += 2
        while words.take(","):
            words.next()
    return [Statement("log", text=words.since(start))]


def _parse_reject(words: _Words) -> list[Part]:
    words.at = len(words.words)
    return [Verdict("drop")]


def _parse_jump(words: _Words) -> list[Part]:
    kind = words.next()
    target = words.next() if words.left else words.target
    return [Verdict("jump" if kind == "jump" else "goto", target)]


def _parse_queue(words: _Words) -> list[Part]:
    words.at = len(words.words)
    return [Statement("police", text="queue"), Verdict("queue")]


def _parse_flow(words: _Words) -> list[Part]:
    if words.peek(1) not in {"add", "offload"} or not words.peek(2).startswith("@"):
        return []
    start = words.at
    words.at += 3
    return [Statement("flow", words.peek(-1)[1:], words.since(start))]


def _parse_notrack(words: _Words) -> list[Part]:
    words.next()
    return [Statement("notrack", text="notrack")]


def _parse_limit(words: _Words) -> list[Part]:
    """``limit rate over 12 mbytes/second burst 1 mbytes``, ``limit name "x"``; it holds for a part of the packets."""
    start = words.at
    words.next()
    if words.take("name"):
        words.next()
    else:
        words.take("rate")
        words.take("over")
        words.next()
        if "/" in words.peek() or words.peek() in _UNITS:
            words.next()
        if words.take("burst"):
            words.next()
            words.take(*_UNITS)
    return _police(words, start)


def _parse_quota(words: _Words) -> list[Part]:
    """``quota over 1 gbytes used 5 bytes``, ``quota name "x"``"""
    start = words.at
    words.next()
    if words.take("name"):
        words.next()
        return _police(words, start)
    words.take("over", "until")
    words.at += 2
    if words.take("used"):
        words.at += 2
    return _police(words, start)


def _parse_ct_count(words: _Words) -> list[Part]:
    """``ct count over 20``"""
    start = words.at
    words.at += 2
    words.take("over")
    words.next()
    return _police(words, start)


def _police(words: _Words, start: int) -> list[Part]:
    text = words.since(start)
    return [Statement("police", text=text), Condition((), text=text)]


def _parse_dynamic(words: _Words) -> list[Part]:
    """``update @set { ip saddr limit rate over 5/second }``: adds an element, and does what stands behind its key."""
    start = words.at
    words.next()
    if not words.peek().startswith("@"):
        words.at = start
        return []
    words.next()
    block = words.block()
    polices = bool({"limit", "quota", "count"} & set(block))
    text = words.since(start)
    # nothing is added where the packet has no such key, or the set is full
    return [Statement("police" if polices else "count", text=text), Condition((), text=text)]


def _parse_meter(words: _Words) -> list[Part]:
    """``meter name size 65535 { ip saddr limit rate 10/second }``, as nft lists it up to 0.9"""
    start = words.at
    while words.left and words.peek() != "{":
        words.next()
    words.block()
    return _police(words, start)


def _parse_other(words: _Words) -> list[Part]:
    """What ends the part of a rule that can be read, and goes on to a program or a copy: tproxy, synproxy, dup."""
    start = words.at
    words.at = len(words.words)
    return [Statement("police", text=words.since(start)), Condition((), text=words.since(start)), Verdict("queue")]


_PARSERS = {
    "counter": _parse_counter,
    "comment": _parse_comment,
    "log": _parse_log,
    "reject": _parse_reject,
    "jump": _parse_jump,
    "goto": _parse_jump,
    "queue": _parse_queue,
    "flow": _parse_flow,
    "notrack": _parse_notrack,
    "limit": _parse_limit,
    "quota": _parse_quota,
    "add": _parse_dynamic,
    "update": _parse_dynamic,
    "delete": _parse_dynamic,
    "meter": _parse_meter,
    "tproxy": _parse_other,
    "synproxy": _parse_other,
    "fwd": _parse_other,
}


def _take_ct_key(words: _Words) -> None:
    """``ct state``, ``ct original ip saddr``"""
    if words.take(*_CT_DIRECTIONS):
        words.take(*_CT_ADDRESSES)
    words.next()


def _take_fib_key(words: _Words) -> None:
    """``fib saddr . iif oif``"""
    words.next()
    while words.take("."):
        words.next()
    words.next()


def _take_generated_key(words: _Words) -> None:
    """``numgen inc mod 2 offset 1``, ``jhash ip saddr . ip daddr mod 4 seed 0x1``"""
    while words.left and words.peek() != "mod":
        words.next()
    words.at += 2
    while words.take("offset", "seed"):
        words.next()


def _take_ipsec_key(words: _Words) -> None:
    """``ipsec in spnum 1 ip saddr``"""
    words.take("in", "out")
    if words.take("spnum"):
        words.next()
    words.take("ip", "ip6")
    words.next()


def _take_exthdr_key(words: _Words) -> None:
    """``exthdr frag``"""
    words.next()


_LONG_KEYS = {
    "ct": _take_ct_key,
    "fib": _take_fib_key,
    "numgen": _take_generated_key,
    "jhash": _take_generated_key,
    "symhash": _take_generated_key,
    "ipsec": _take_ipsec_key,
    "exthdr": _take_exthdr_key,
}
_OPTION_FIELDS = {"size", "left", "right", "tsval", "tsecr", "count", "ptr", "addr", "kind", "length"}


def _parse_key(words: _Words) -> str:
    """What is compared or set, as one text; empty, and nothing taken, where it is not known."""
    start = words.at
    word = words.next()
    if word in _LONG_KEYS:
        _LONG_KEYS[word](words)
    elif word in {"tcp", "ip", "ip6", "sctp", "dccp"} and words.peek() in {"option", "chunk"}:
        words.at += 2
        words.take(*_OPTION_FIELDS)
    elif word in _HEADERS:
        words.next()
    elif word not in _ALONE:
        words.at = start
        return ""
    words.at = min(words.at, len(words.words))
    return words.since(start)


_CANONICAL = {"mark": "meta mark"}
_EXISTENCE = {"exists": "1", "missing": "0"}


def _parse_condition(words: _Words) -> list[Part]:
    """A comparison, a verdict map, or a key that is set."""
    start = words.at
    key = _parse_key(words)
    if not key:
        return []
    keys = [_CANONICAL.get(key, key)]
    while words.take("."):
        key = _parse_key(words)
        if not key:
            words.at = start
            return []
        keys.append(_CANONICAL.get(key, key))
    if words.take("set"):
        _skip_expression(words)
        return _parse_set(keys[0], words, start)
    mask = ""
    if words.peek() in {"&", "and"}:
        words.next()
        mask = words.next()
    if words.take("vmap"):
        return _parse_verdict_map(tuple(keys), bool(mask), words, start)
    operator = _parse_operator(words)
    if words.take("!"):
        operator = "!="
    values = _parse_values(words, len(keys))
    if words.take("/"):  # tcp flags syn / fin,syn,rst,ack
        mask = "|".join(_parse_values(words, 1))
    if not values or words.peek() in _BITS:
        words.at = start
        return []
    return [Condition(tuple(keys), values, operator, mask, words.since(start))]


def _parse_operator(words: _Words) -> Operator:
    """nft's sign of comparison, in one or two words: == where there is none."""
    for sign in _SIGNS:
        if words.peek() == sign:
            words.next()
            return sign
        if words.peek() == sign[0] and words.peek(1) == sign[1]:
            words.at += 2
            return sign
    return "<" if words.take("<") else ">" if words.take(">") else "=="


def _parse_values(words: _Words, keys: int) -> tuple[str, ...]:
    """``{ a, b }``, ``@set``, ``a,b``, ``a . b``"""
    if words.peek() == "{":
        return tuple(_join_value(element) for element in _split_elements(words.block()))
    if not words.left or words.peek() in "};,:=":
        return ()
    found = [_parse_value(words, keys)]
    while words.take(","):
        found.append(_parse_value(words, keys))
    return tuple(found)


def _parse_value(words: _Words, keys: int) -> str:
    start = words.at
    words.next()
    if words.peek() in {"-"}:
        words.at += 2
    for _more in range(keys - 1):
        if words.take("."):
            words.next()
    return _join_value(words.words[start : words.at])


def _parse_set(key: str, words: _Words, start: int) -> list[Part]:
    """``meta mark set 0x1``, ``ip dscp set ef``, ``ct helper set "ftp"``"""
    text = words.since(start)
    value = words.words[words.at - 1] if words.at - start == len(key.split()) + 2 else ""
    value = value if re.fullmatch(r"0x[0-9a-fA-F]+|[0-9]+", value) else ""
    match key.split():
        case ["meta", "mark"]:
            return [Statement("mark", value, text)]
        case ["ct", "mark"]:
            return [Statement("ct mark", value, text)]
        case ["ct", "helper"]:
            return [Statement("helper", text=text)]
        case ["meta", "priority"]:
            return [Statement("priority", text=text)]
        case [_, "dscp" | "ecn" | "ttl" | "hoplimit"]:
            return [Condition((key,), ("*",), text=text), Statement("dscp", text=text)]
        case ["ct" | "meta", *_]:
            return [Statement("other", text=text)]
    return [Condition((key,), ("*",), text=text), Statement("other", text=text)]


def _skip_expression(words: _Words) -> None:
    """Take a value that is set: ``0x1``, ``ct mark & 0xff | 0x1``, ``ip saddr map @x``, ``numgen inc mod 2``"""
    while words.left:
        if words.peek() == "{":
            words.block()
        elif not _parse_key(words):
            words.next()
            if words.take(":"):
                words.next()
        if words.peek() in {*_BITS, ".", "map", ","}:
            words.next()
        elif words.peek() != "{":
            return


def _parse_verdict_map(keys: tuple[str, ...], masked: bool, words: _Words, start: int) -> list[Part]:
    keys = keys if not masked else ()
    if words.peek().startswith("@"):
        name = words.next()[1:]
        return [VerdictMap(keys, name=name, text=words.since(start))]
    elements = tuple(_parse_map_elements(list(_split_elements(words.block()))))
    return [VerdictMap(keys, elements, text=words.since(start))]


def _parse_map_elements(elements: list[tuple[str, ...]]) -> Iterator[tuple[str, Verdict]]:
    """``established : accept``, ``"lan0" . "wan0" : jump x``; an element without a verdict is left out."""
    for words in elements:
        if ":" not in words:
            continue
        at = len(words) - 1 - words[::-1].index(":")
        match words[at + 1 :]:
            case ("jump" | "goto" as kind, target, *_):
                yield _join_value(words[:at]), Verdict(kind, target)
            case ("accept" | "drop" | "return" | "continue" as kind, *_):
                yield _join_value(words[:at]), Verdict(kind)
            case ("queue", *_):
                yield _join_value(words[:at]), Verdict("queue")


def _split_elements(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The elements between commas."""
    element: list[str] = []
    depth = 0
    for word in (*words, ","):
        depth += {"{": 1, "}": -1}.get(word, 0)
        if word == "," and depth <= 0:
            if element:
                yield tuple(element)
            element = []
        else:
            element.append(word)


def _join_value(words: tuple[str, ...]) -> str:
    """One element without quotes, and without what nft shows behind it: its age, counter and comment."""
    kept: list[str] = []
    for word in words:
        if word in {"timeout", "expires", "counter", "comment", "limit", "quota", "last"}:
            break
        kept.append(_EXISTENCE.get(word, _unquote(word)))
    text = " ".join(kept)
    return text.replace(" - ", "-")


def _unquote(word: str) -> str:
    return word.removeprefix('"').removesuffix('"')


def _strip_braces(words: tuple[str, ...]) -> tuple[str, ...]:
    return words[1:-1] if words[:1] == ("{",) and words[-1:] == ("}",) else words[1:]


def _join_parentheses(words: tuple[str, ...]) -> tuple[str, ...]:
    """``(established | related)`` as one word."""
    if not any("(" in word for word in words):
        return words
    joined: list[str] = []
    opened = 0
    for word in words:
        if opened and joined:
            joined[-1] += word
        else:
            joined.append(word)
        if not word.startswith('"'):
            opened = max(0, opened + word.count("(") - word.count(")"))
    return tuple(word if word.startswith('"') else word.strip("()") for word in joined)


def _salvage(words: _Words) -> Iterator[Part]:
    """The rest of a rule that is not understood: it may hold, and then decides in any of the ways that it names."""
    rest = words.words[words.at :]
    yield Condition((), text=" ".join(rest)[:LONGEST_TEXT])
    named: list[Part] = []
    for word, following in zip(rest, (*rest[1:], ""), strict=True):
        if word in _LEADS:
            named.append(replace(_LEADS[word], target=following or words.target))
        elif word in {"accept", "drop", "return"}:
            named.append(_ENDINGS[word])
        elif word == "vmap" and following.startswith("@"):
            named.append(VerdictMap((), name=following[1:], text=f"vmap {following}"))
        elif word in {"notrack"}:
            named.append(Statement("notrack", text="notrack"))
        elif word in {"reject", "masquerade", "snat", "dnat", "redirect", "queue", "tproxy"}:
            named.append(Verdict("drop" if word == "reject" else "queue"))
    flows = [
        Statement("flow", name[1:], f"{flow} {verb} {name}")
        for flow, verb, name in zip(rest, rest[1:], rest[2:], strict=False)
        if flow == "flow" and verb in {"add", "offload"} and name.startswith("@")
    ]
    yield from flows
    for part in named:  # each of them may or may not be what is done
        if isinstance(part, Verdict):
            yield VerdictMap((), (("*", part),), text=part.target)
        else:
            yield part
