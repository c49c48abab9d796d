# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Does a change keep forwarding what was forwarded before it? Judges what sh/apply/witness.sh counted. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import OffloadError
from .._core.text import iterate_lines, read_decimal, read_number, split_words
from .._core.text import parse_count as parse_number

SECONDS = 4
"""seconds that are counted before the change, and at least after it"""
LONGEST = 12
"""seconds that are counted after it where less is forwarded: what was sent may just have ended"""
SHORTEST = 3
"""seconds after it without which nothing is counted"""
RESERVE = 6
"""seconds of confirm_timeout that are left for flows to settle and for the new connection"""
SHARE = 0.1
"""of the packets before the change; a direction that has less of them after it has collapsed"""

ALIVE = 20
"""packets before the change by which a direction was alive"""
CONNECTIONS = 5
"""new connections before the change whose end says something, and unanswered ones after it that show a demand"""
STUCK = 1 / 3
"""of the packets before the change: fewer may be what the world sends unasked, which rules may drop as early"""
HEARD = 10
"""packets with what TCP carries, before the change, by which its connections were alive"""
SAID = 5
"""such packets in vain after it that show a demand"""
FAMILIES = {4: "IPv4", 6: "IPv6"}
SIDES = {"up": "wan", "down": "lan"}
SIDE_NAMES = {"up": "the WAN side", "down": "the LAN side"}

STOPPED = "users' traffic stopped"
"""the reason in the router's log"""
SILENT = (
    "users' {traffic} traffic, which was there before the change, all but ended with it or just then: {came}, so it "
    "does not show that forwarding still works"
)
NOTHING_CAME = "no packet came in to be forwarded while it was counted"


@dataclass(frozen=True)
class Witness:
    """How users' traffic is watched."""

    share: float = SHARE
    longest: int = LONGEST
    """seconds after the change"""


def read_witness(value: Any, timeout: int, needed: int, name: str = "option traffic_witness") -> Witness | None:
    """The option traffic_witness: ``auto``, ``off`` or a share; None where nothing is watched.

    ``timeout`` is confirm_timeout, ``needed`` what the checks may take of it, both in seconds. Raises OffloadError for
    a value that is none of these, and where a share was given and confirm_timeout leaves no time to watch.
    """
    text = str(value).strip().lower()
    # YAML reads a bare off as false
    if text in ("off", "false", "no"):
        return None
    longest = min(LONGEST, timeout - needed - RESERVE)
    if text == "auto":
        return Witness(longest=longest) if longest >= SHORTEST else None
    share = read_decimal(text)
    if not 0 < share <= 1:
        raise OffloadError(
            f"{name}: must be auto, off or a share above 0 and up to 1, got {value!r}",
            f"write auto to watch where there is traffic, or a share such as {SHARE}: what is left of the packets "
            "below which a change is not confirmed",
        )
    if timeout > 0 and longest < SHORTEST:
        raise OffloadError(
            f"{name}: confirm_timeout is {timeout} s, which leaves no time to watch the traffic",
            f"set confirm_timeout to {needed + RESERVE + SHORTEST} s or more, or write auto or off",
        )
    return Witness(share, longest) if timeout > 0 else None


@dataclass(frozen=True)
class Count:
    """What was counted in one go. Numbers are packets.

    Keys are (side, family): the side of the default route, ``up``, or the other one, ``down``; 4 or 6.
    """

    seconds: float = 0.0
    offered: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """what came in from that side and met the rules for what is forwarded, or was taken by the fast path"""
    stuck: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """what came in from that side to be forwarded and met neither, for want of a route or by a rule before these"""
    delivered: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """what left to that side, forwarded"""
    tried: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """opening packets of connections that came from that side"""
    to_router: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """those to the router itself"""
    answered: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """answers to them that were forwarded to that side"""
    said: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """packets with what TCP connections carry that came from that side to be forwarded"""
    heard: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """such packets that left to that side, forwarded"""
    acked: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """packets of open TCP connections that left to that side, forwarded; also one without data acknowledges"""
    taken: Mapping[int, int] = field(default_factory=dict)
    """by family: what the kernel's fast path took"""
    left: Mapping[int, int] = field(default_factory=dict)
    """what left the router of that"""
    hardware: Mapping[str, int] = field(default_factory=dict)
    """by side: what left by a NIC's own doing, as far as its counters show it"""
    gateways: Mapping[tuple[int, str, str], bool] = field(default_factory=dict)
    """(family, address, device) of default routes -> does it answer"""
    quiet: bool = False
    """nothing was forwarded, so nothing was counted"""
    unwatched: str = ""
    """why nothing could be counted"""

    def rate(self, packets: float) -> float:
        """Packets a second."""
        return packets / self.seconds if self.seconds else 0.0

    def as_result(self) -> dict[str, Any]:
        """For the task's result."""
        families = {
            FAMILIES[family].lower(): {
                **{f"to_{SIDES[side]}": self.delivered.get((side, family), 0) for side in SIDES},
                **{f"from_{SIDES[side]}": self.offered.get((side, family), 0) for side in SIDES},
                **{f"stuck_from_{SIDES[side]}": self.stuck.get((side, family), 0) for side in SIDES},
                "connections_tried": sum(self.tried.get((side, family), 0) for side in SIDES),
                "connections_to_router": sum(self.to_router.get((side, family), 0) for side in SIDES),
                "connections_answered": sum(self.answered.get((side, family), 0) for side in SIDES),
                **{f"data_to_{SIDES[side]}": self.heard.get((side, family), 0) for side in SIDES},
                **{f"data_from_{SIDES[side]}": self.said.get((side, family), 0) for side in SIDES},
                **{f"acknowledged_to_{SIDES[side]}": self.acked.get((side, family), 0) for side in SIDES},
                "fast_path_taken": self.taken.get(family, 0),
                "fast_path_left": self.left.get(family, 0),
            }
            for family in FAMILIES
        }
        hardware = {f"to_{SIDES[side]}": self.hardware.get(side, 0) for side in SIDES}
        gateways = [
            {"family": FAMILIES[family].lower(), "address": address, "device": device, "answers": answers}
            for (family, address, device), answers in self.gateways.items()
        ]
        return {"seconds": self.seconds, **families, "hardware": hardware, "gateways": gateways}


BY_SIDE = ("offered", "stuck", "delivered", "tried", "to_router", "answered", "said", "heard", "acked")
"""fields of Count with a number for each side and family"""


def parse_count(text: str) -> Count | None:
    """Lines of sh/apply/witness.sh -> Count; None where nothing was counted. Lines of another form are skipped."""
    words = [words for line in iterate_lines(text) if (words := split_words(line))]
    if not words:
        return None
    numbers: dict[str, dict[Any, int]] = {name: {} for name in (*BY_SIDE, "taken", "left", "hardware")}
    gateways: dict[tuple[int, str, str], bool] = {}
    seconds, quiet, unwatched = 0.0, False, ""
    for line in words:
        match line:
            case ["seconds", value] if re.fullmatch(r"\d{1,6}\.\d+", value, re.ASCII):
                seconds = read_decimal(value)
            case ["quiet"]:
                quiet = True
            case ["unwatched", *why]:
                unwatched = " ".join(why)
            case [name, ("up" | "down") as side, "4" | "6", value] if name in BY_SIDE:
                numbers[name][side, read_number(line[2])] = parse_number(value) or 0
            case [("taken" | "left") as name, "fast", "4" | "6", value]:
                numbers[name][read_number(line[2])] = parse_number(value) or 0
            case ["hardware", ("up" | "down") as side, value]:
                numbers["hardware"][side] = parse_number(value) or 0
            case ["gateway", "4" | "6", address, device, ("yes" | "no") as answers]:
                gateways[read_number(line[1]), address, device] = answers == "yes"
    return Count(seconds, **numbers, gateways=gateways, quiet=quiet, unwatched=unwatched)


@dataclass(frozen=True)
class TrafficVerdict:
    """What traffic says of a change."""

    verdict: str
    """kept; stopped; silent: nothing more was sent; quiet: nothing was forwarded before either; unwatched"""
    reasons: tuple[str, ...] = ()
    before: Count | None = None
    after: Count | None = None
    warnings: tuple[str, ...] = ()
    """what it does not show of a change that it does not speak against"""

    def as_result(self) -> dict[str, Any]:
        """The task's ``change.traffic``."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "before": self.before.as_result() if self.before else None,
            "after": self.after.as_result() if self.after else None,
        }


def judge(before: Count | None, after: Count | None, share: float = SHARE) -> TrafficVerdict:
    """Compare what was forwarded before and after a change.

    Less traffic alone is no collapse, because a transfer may just have ended: there must also be packets that wait in
    vain for being forwarded, or for an answer.
    """
    verdict, reasons = _compare(before, after, share)
    warnings = () if verdict == "stopped" else tuple(_warnings(before, after, share, verdict, reasons))
    return TrafficVerdict(verdict, reasons, before, after, warnings)


def _compare(before: Count | None, after: Count | None, share: float) -> tuple[str, tuple[str, ...]]:
    """The verdict, and why."""
    if before is None or after is None:
        return "quiet" if before is not None and before.quiet else "unwatched", ()
    reasons = [*_gateway_reasons(before, after)]
    unwatched = before.unwatched or after.unwatched
    if not unwatched and not before.quiet and before.seconds and after.seconds:
        for family in FAMILIES:
            reasons += _fast_path_reasons(before, after, family)
            reasons += _packet_reasons(before, after, family, share)
            reasons += _stuck_reasons(before, after, family, share)
            reasons += _data_reasons(before, after, family, share)
            reasons += _connection_reasons(before, after, family)
    if reasons:
        return "stopped", tuple(reasons)
    if before.quiet:
        return "quiet", ()
    if unwatched or not before.seconds or not after.seconds:
        return "unwatched", (unwatched or "the router's numbers did not arrive",)
    alive = [family for family in FAMILIES if _of(before, family, before.delivered) >= ALIVE]
    return "silent" if alive and alive == _silent_families(before, after, share) else "kept", ()


def _silent_families(before: Count, after: Count, share: float) -> list[int]:
    """Families that were forwarded before and of which nothing more came in. What is on its way then still leaves."""
    return [
        family
        for family in FAMILIES
        if _of(before, family, before.delivered) >= ALIVE
        and not _of(after, family, after.offered)
        and after.rate(_of(after, family, after.delivered) + sum(after.hardware.values()))
        < share * before.rate(_of(before, family, before.delivered))
    ]


def _list_ended(before: Count, after: Count, share: float) -> list[tuple[int, str]]:
    """(family, side) to which next to nothing more is forwarded, and nothing shows that it would be.

    Where packets come in that meet the rules for what is forwarded, other checks see what becomes of them.
    """
    silent = _silent_families(before, after, share)
    ended = []
    for family in FAMILIES:
        tunnels = after.taken.get(family, 0) >= ALIVE and _may_tunnel(after, family)
        for side, other in (("up", "down"), ("down", "up")):
            was, now = before.delivered.get((side, family), 0), after.delivered.get((side, family), 0)
            gone = after.rate(now + after.hardware.get(side, 0)) < share * before.rate(was)
            offered, stuck = after.offered.get((other, family), 0), after.stuck.get((other, family), 0)
            unshown = gone and not tunnels and (not offered or stuck > offered)
            if was >= ALIVE and (unshown or family in silent):
                ended.append((family, side))
    return ended


def _describe_ended(after: Count, ended: Sequence[tuple[int, str]]) -> str:
    """What came in of it."""
    families = {family: [side for one, side in ended if one == family] for family, _side in ended}
    traffic = " and ".join(
        FAMILIES[family] if len(sides) == len(SIDES) else f"{FAMILIES[family]} to {SIDE_NAMES[sides[0]]}"
        for family, sides in families.items()
    )
    from_there = [("up" if side == "down" else "down", family) for family, side in ended]
    offered, stuck = (sum(packets.get(key, 0) for key in from_there) for packets in (after.offered, after.stuck))
    came = f"{offered} packets came in that met the rules for what is forwarded, and {stuck} that got no further"
    return SILENT.format(traffic=traffic, came=came if offered or stuck else NOTHING_CAME)


def _warnings(
    before: Count | None, after: Count | None, share: float, verdict: str, reasons: Sequence[str]
) -> Iterator[str]:
    if before is not None and after is not None:
        for family, address, device in _lost_gateways(before, after):
            yield (
                f"the gateway of an {FAMILIES[family]} default route, {address} on {device}, answered before the "
                "change and does not any more; another one does"
            )
        if verdict in ("silent", "kept") and (ended := _list_ended(before, after, share)):
            yield _describe_ended(after, ended)
    if verdict == "unwatched" and before is not None and before.seconds:
        why = f" ({reasons[0]})" if reasons else ""
        when = "could not be counted before the change" if before.unwatched else "could not be counted after the change"
        yield f"users' traffic {when}{why}, so it does not show that forwarding still works"


def _of(count: Count, family: int, packets: Mapping[tuple[str, int], int]) -> int:
    return sum(packets.get((side, family), 0) for side in SIDES)


def _lost_gateways(before: Count, after: Count) -> list[tuple[int, str, str]]:
    return [
        gateway for gateway, answered in before.gateways.items() if answered and not after.gateways.get(gateway, True)
    ]


def _gateway_reasons(before: Count, after: Count) -> Iterator[str]:
    """One of several may have gone by itself, such as a modem for want of the other ones."""
    lost = _lost_gateways(before, after)
    for family, address, device in lost:
        if any(answers for (other, _address, _device), answers in after.gateways.items() if other == family):
            continue
        yield (
            f"the gateway of the {FAMILIES[family]} default route, {address} on {device}, answered before and does "
            "not any more"
        )


def _fast_path_reasons(before: Count, after: Count, family: int) -> Iterator[str]:
    """What a flowtable takes is never dropped on purpose. A tunnel may turn one family into the other."""
    taken, left = after.taken.get(family, 0), after.left.get(family, 0)
    lost = _lost_by_fast_path(after, family)
    if taken >= ALIVE and lost > taken / 2 and after.rate(lost) > 3 * before.rate(_lost_by_fast_path(before, family)):
        yield f"{FAMILIES[family]}: the fast path took {taken} packets, and {left} of them left the router"


def _lost_by_fast_path(count: Count, family: int) -> int:
    """What it took and did not let go, in this family or in the other one."""
    more_left = sum(max(0, count.left.get(n, 0) - count.taken.get(n, 0)) for n in FAMILIES if n != family)
    return max(0, count.taken.get(family, 0) - count.left.get(family, 0) - more_left)


def _packet_reasons(before: Count, after: Count, family: int, share: float) -> Iterator[str]:
    lost_before = max(0, _of(before, family, before.offered) - _of(before, family, before.delivered))
    # the fast path may have put one family into a tunnel of the other
    lost = min(
        _of(after, family, after.offered) - _of(after, family, after.delivered),
        sum(after.offered.values()) - sum(after.delivered.values()),
    )
    lost_here = lost >= 3 and after.rate(lost) > 2 * before.rate(lost_before) + 0.5
    for side in SIDES:
        was = before.delivered.get((side, family), 0)
        now = after.delivered.get((side, family), 0)
        # what a NIC forwards by itself shows no family
        counted = now + after.hardware.get(side, 0)
        if was < ALIVE or after.rate(counted) >= share * before.rate(was):
            continue
        if lost_here:
            yield (
                f"{FAMILIES[family]} to {SIDE_NAMES[side]}: {_packets(was, before)} before, {_packets(now, after)} "
                f"after, and {lost} that came in were not forwarded"
            )


def _stuck_reasons(before: Count, after: Count, family: int, share: float) -> Iterator[str]:
    """What users send still comes, gets no longer as far as the rules for what is forwarded, and none of it leaves."""
    for side, other in (("up", "down"), ("down", "up")):
        was, now = before.delivered.get((other, family), 0), after.delivered.get((other, family), 0)
        stuck = after.stuck.get((side, family), 0)
        grew = after.rate(stuck) > 2 * before.rate(before.stuck.get((side, family), 0)) + 0.5
        gone = was >= ALIVE and after.rate(now + after.hardware.get(other, 0)) < share * before.rate(was)
        many = after.rate(stuck) > STUCK * before.rate(was)
        # from this side comes nothing that the world sends unasked
        if side == "down":
            many = many or stuck > 0.8 * (stuck + after.offered.get((side, family), 0))
        if gone and grew and stuck >= ALIVE and many:
            yield (
                f"{FAMILIES[family]} to {SIDE_NAMES[other]}: {_packets(was, before)} before, {_packets(now, after)} "
                f"after, and {stuck} that came in got no further than a rule before they are forwarded, or had no route"
            )


def _data_reasons(before: Count, after: Count, family: int, share: float) -> Iterator[str]:
    """What TCP connections carry is acknowledged, so what is said again and again into silence is lost somewhere."""
    dead = [
        side
        for side in SIDES
        if before.heard.get((side, family), 0) >= HEARD
        and after.rate(after.heard.get((side, family), 0) + after.hardware.get(side, 0))
        < share * before.rate(before.heard.get((side, family), 0))
    ]
    tunnel = _may_tunnel(after, family)
    if len(dead) == 1 and tunnel:
        # where one side hears, the other one was heard
        return
    for side in dead:
        other = "down" if side == "up" else "up"
        was, now = before.heard.get((side, family), 0), after.heard.get((side, family), 0)
        vain = max(
            _in_vain(before, after, family, side, _unanswered),
            _in_vain(before, after, family, other, _unanswered if tunnel else _undelivered),
        )
        if vain:
            yield (
                f"{FAMILIES[family]}: TCP connections brought {SIDE_NAMES[side]} {_packets(was, before)} before, "
                f"{_packets(now, after)} after, while {vain} were sent in vain"
            )


def _may_tunnel(after: Count, family: int) -> bool:
    """Whether the fast path may have put it into a tunnel, where it leaves as another family, and TCP is not seen."""
    taken, left = sum(after.taken.values()), sum(after.left.values())
    kept = _lost_by_fast_path(after, family) <= 0.2 * after.taken.get(family, 0)
    return kept and taken >= ALIVE and left >= 0.8 * taken


def _in_vain(before: Count, after: Count, family: int, side: str, lost: Callable[[Count, int, str], int]) -> int:
    """How many packets with data from a side were for nothing, if nearly all of them are, and more than before."""
    vain, said = lost(after, family, side), after.said.get((side, family), 0)
    grew = after.rate(vain) > 2 * before.rate(max(0, lost(before, family, side)))
    return vain if vain >= SAID and vain > 0.8 * said and grew else 0


def _unanswered(count: Count, family: int, side: str) -> int:
    """Packets with data from a side that nothing acknowledges. Who only sends gets nothing else."""
    back = max(count.acked.get((side, family), 0), count.heard.get((side, family), 0))
    return count.said.get((side, family), 0) - back


def _undelivered(count: Count, family: int, side: str) -> int:
    """Packets with data from a side that did not leave to the other one."""
    other = "down" if side == "up" else "up"
    return count.said.get((side, family), 0) - count.heard.get((other, family), 0)


def _connection_reasons(before: Count, after: Count, family: int) -> Iterator[str]:
    for side in SIDES:
        was, now = before.answered.get((side, family), 0), after.answered.get((side, family), 0)
        if was < CONNECTIONS or now:
            continue
        tried = after.tried.get((side, family), 0) + _diverted(before, after, family, side)
        vain = max(0, before.tried.get((side, family), 0) - was)
        if tried >= CONNECTIONS and after.rate(tried) > 2 * before.rate(vain):
            yield (
                f"{FAMILIES[family]} from {SIDE_NAMES[side]}: {was} new connections in {before.seconds:.0f} s before, "
                f"none in {after.seconds:.0f} s after, though {tried:.0f} were tried"
            )


def _diverted(before: Count, after: Count, family: int, side: str) -> float:
    """How many connections more than before are opened to the router itself, as where a rule turns them there.

    A few that are its own do not make up for those that were answered from elsewhere.
    """
    more = after.to_router.get((side, family), 0) - after.seconds * before.rate(before.to_router.get((side, family), 0))
    return more if after.rate(more) > before.rate(before.answered.get((side, family), 0)) / 2 else 0


def _packets(number: int, count: Count) -> str:
    return f"{number} packets in {count.seconds:.0f} s"
