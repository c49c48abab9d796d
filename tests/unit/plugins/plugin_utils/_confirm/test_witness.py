# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users' traffic before and after a change says of it. The numbers of the lab's routers are real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.witness import (
    LONGEST,
    NOTHING_CAME,
    SILENT,
    Count,
    TrafficVerdict,
    Witness,
    judge,
    parse_count,
    read_witness,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

UP, DOWN = "up", "down"


def count(seconds: float = 4.0, *families: int, **more: Any) -> Count:
    """A router that is busy in these families, for as long; ``more`` are fields in place of that."""
    busy = families or (4, 6)

    def each(up: int, down: int) -> dict[tuple[str, int], int]:
        return {(side, n): int(packets * seconds) for n in busy for side, packets in ((UP, up), (DOWN, down))}

    usual = Count(
        seconds=seconds,
        offered=each(80, 120),
        delivered=each(120, 80),
        tried=each(0, 5),
        answered=each(0, 5),
        said=each(30, 30),
        heard=each(30, 30),
        acked=each(50, 50),
    )
    return replace(usual, **more)


def reasons(before: Count, after: Count, share: float = 0.1) -> str:
    return "; ".join(judge(before, after, share).reasons)


def test_as_much_as_before() -> None:
    assert judge(count(), count()) == TrafficVerdict("kept", (), count(), count())


def test_ipv4_over_a_next_hop_with_an_ipv6_address() -> None:
    """Linux 6.12: new connections are opened on the slow path, and stop with the first packet on the fast path."""
    before = count()
    after = count(
        4.5,
        offered={(UP, 4): 35, (DOWN, 4): 90, (UP, 6): 71, (DOWN, 6): 95},
        delivered={(UP, 4): 39, (DOWN, 4): 35, (UP, 6): 95, (DOWN, 6): 71},
        taken={4: 51, 6: 127},
        left={4: 0, 6: 127},
    )
    assert reasons(before, after).startswith("IPv4: the fast path took 51 packets, and 0 of them left the router; ")


def test_ipv4_over_such_a_next_hop_beside_much_ipv6() -> None:
    """The first packets of each connection get through, and a slow router counts no more than this."""
    before = count(
        7.37,
        offered={(UP, 4): 393, (DOWN, 4): 540, (UP, 6): 426, (DOWN, 6): 579},
        delivered={(UP, 4): 592, (DOWN, 4): 433, (UP, 6): 633, (DOWN, 6): 468},
        said={(UP, 4): 174, (DOWN, 4): 174, (UP, 6): 179, (DOWN, 6): 179},
        heard={(UP, 4): 189, (DOWN, 4): 189, (UP, 6): 196, (DOWN, 6): 196},
        acked={(UP, 4): 437, (DOWN, 4): 278, (UP, 6): 470, (DOWN, 6): 305},
        taken={4: 0, 6: 0},
        left={4: 92, 6: 96},
    )
    after = count(
        11.24,
        offered={(UP, 4): 87, (DOWN, 4): 414, (UP, 6): 635, (DOWN, 6): 899},
        delivered={(UP, 4): 126, (DOWN, 4): 91, (UP, 6): 911, (DOWN, 6): 641},
        said={(UP, 4): 17, (DOWN, 4): 123, (UP, 6): 281, (DOWN, 6): 281},
        heard={(UP, 4): 16, (DOWN, 4): 18, (UP, 6): 281, (DOWN, 6): 281},
        acked={(UP, 4): 73, (DOWN, 4): 54, (UP, 6): 683, (DOWN, 6): 413},
        taken={4: 292, 6: 1234},
        left={4: 8, 6: 1252},
    )
    found = reasons(before, after)
    assert "IPv4: the fast path took 292 packets, and 8 of them left the router" in found
    assert "IPv4: TCP connections brought the WAN side" in found and "IPv6" not in found


def test_ds_lite() -> None:
    """Linux 7.2: what the fast path takes leaves, to no avail; only what TCP connections carry shows it."""
    before = count(
        5.0,
        delivered={(UP, 4): 439, (DOWN, 4): 298, (UP, 6): 456, (DOWN, 6): 312},
        heard={(UP, 4): 139, (DOWN, 4): 140, (UP, 6): 148, (DOWN, 6): 148},
    )
    after = count(
        12.0,
        offered={(UP, 4): 407, (DOWN, 4): 1095, (UP, 6): 1194, (DOWN, 6): 1694},
        delivered={(UP, 4): 1100, (DOWN, 4): 412, (UP, 6): 1703, (DOWN, 6): 1196},
        said={(UP, 4): 0, (DOWN, 4): 587, (UP, 6): 538, (DOWN, 6): 538},
        heard={(UP, 4): 0, (DOWN, 4): 0, (UP, 6): 538, (DOWN, 6): 538},
        acked={(UP, 4): 0, (DOWN, 4): 0, (UP, 6): 900, (DOWN, 6): 900},
        taken={4: 608, 6: 2606},
        left={4: 618, 6: 2617},
    )
    found = reasons(before, after)
    assert "IPv4: TCP connections brought the LAN side 140 packets in 5 s before, 0 packets in 12 s after" in found
    assert "IPv6" not in found


def test_a_tunnel_of_the_fast_path_that_delivers() -> None:
    """What goes into the tunnel by the fast path leaves as the other family, and its TCP is seen no more there."""
    after = count(
        delivered={(UP, 4): 0, (DOWN, 4): 320, (UP, 6): 960, (DOWN, 6): 320},
        heard={(UP, 4): 0, (DOWN, 4): 120, (UP, 6): 120, (DOWN, 6): 120},
        taken={4: 480, 6: 800},
        left={4: 320, 6: 960},
    )
    assert judge(count(), after).verdict == "kept"


@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_that_drops_everything(family: int) -> None:
    other = 10 - family
    alive = count(4.0, other)
    after = replace(
        alive,
        offered={**alive.offered, (UP, family): 40, (DOWN, family): 60},
        tried={**alive.tried, (DOWN, family): 12},
        said={**alive.said, (UP, family): 20, (DOWN, family): 20},
    )
    found = judge(count(), after)
    assert found.verdict == "stopped"
    assert len(found.reasons) > 3
    assert all(reason.startswith(f"IPv{family}") for reason in found.reasons)
    assert any("none in 4 s after, though 12 were tried" in reason for reason in found.reasons)


def test_a_rule_that_drops_new_connections_only() -> None:
    alive = count()
    after = replace(alive, answered={(DOWN, 4): 0, (DOWN, 6): 20}, tried={(DOWN, 4): 31, (DOWN, 6): 20})
    assert reasons(alive, after) == (
        "IPv4 from the LAN side: 20 new connections in 4 s before, none in 4 s after, though 31 were tried"
    )


def test_one_direction() -> None:
    """UDP that goes on unanswered: what comes from the WAN side does not get to the LAN side."""
    after = replace(count(), delivered={**count().delivered, (DOWN, 4): 0})
    assert reasons(count(), after).startswith("IPv4 to the LAN side: 320 packets in 4 s before, 0 packets in 4 s after")


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(Count(seconds=12.0), id="silence"),
        pytest.param(
            Count(
                seconds=12.0,
                offered={(DOWN, 4): 30, (UP, 4): 28},
                delivered={(DOWN, 4): 28, (UP, 4): 30},
                said={(DOWN, 4): 6, (UP, 4): 6},
                heard={(DOWN, 4): 6, (UP, 4): 6},
            ),
            id="a few packets",
        ),
        pytest.param(
            Count(seconds=12.0, offered={(DOWN, 4): 4}, delivered={(UP, 4): 4}, tried={(DOWN, 4): 4}),
            id="one that calls a dead server",
        ),
    ],
)
def test_a_transfer_that_ended_is_no_collapse(after: Count) -> None:
    assert judge(count(), after).verdict in ("silent", "kept")


def test_noise_that_was_dropped_before_too() -> None:
    """Scans of addresses behind the router go on when its users rest."""
    noise = {(UP, 4): 400, (DOWN, 4): 480}
    before = count(4.0, 4, offered={**noise, (UP, 4): 400}, delivered={(UP, 4): 480, (DOWN, 4): 320})
    after = Count(seconds=12.0, offered={(UP, 4): 240}, tried={(UP, 4): 240})
    assert judge(before, after).verdict == "kept"


def test_what_a_nic_forwards_makes_up_for_it() -> None:
    after = Count(
        seconds=4.0,
        offered={(DOWN, 4): 30, (UP, 4): 10},
        delivered={(UP, 4): 10, (DOWN, 4): 10},
        hardware={UP: 900, DOWN: 600},
    )
    assert judge(count(), after).verdict == "kept"


def one_way(path: str) -> Count:
    """Somebody reads pages no more, and a syslog client goes on, which gets nothing but bare ACKs."""
    return Count(
        seconds=12.0,
        offered={(UP, 4): 12, (DOWN, 4): 12},
        delivered={(UP, 4): 12, (DOWN, 4): 12},
        said={(DOWN, 4): 12},
        heard={(UP, 4): 12},
        acked={(UP, 4): 12, (DOWN, 4): 12},
        taken={4: 24 if path == "fast" else 0},
        left={4: 24 if path == "fast" else 0},
    )


@pytest.mark.parametrize("path", ["slow", "fast"])
def test_who_only_sends_is_answered_by_acknowledgements(path: str) -> None:
    """Measured with one line a second over TCP, as syslog, MQTT and cameras do."""
    assert judge(count(), one_way(path)).verdict == "kept"


def test_who_only_sends_by_a_tunnel_of_the_fast_path() -> None:
    """There it is seen as it comes, and not as it leaves."""
    after = replace(
        one_way("fast"), delivered={(DOWN, 4): 12, (UP, 6): 12}, heard={}, acked={(DOWN, 4): 12}, taken={4: 20}
    )
    assert judge(count(), after).verdict == "kept"
    assert "12 were sent in vain" in reasons(count(), replace(after, acked={}))


def test_what_was_never_seen_to_be_answered_shows_nothing() -> None:
    """The answers take another way, before the change too."""
    before = replace(count(), said={(DOWN, 4): 140}, acked={(DOWN, 4): 40}, heard={(DOWN, 4): 40, (UP, 4): 140})
    after = replace(one_way("slow"), said={(DOWN, 4): 60}, heard={(UP, 4): 60}, acked={(UP, 4): 60})
    assert judge(before, after).verdict == "kept"
    assert "sent in vain" in reasons(replace(before, acked={(DOWN, 4): 140}), after)


def test_silence_is_said() -> None:
    found = judge(count(), Count(seconds=12.0))
    warning = SILENT.format(traffic="IPv4 and IPv6", came=NOTHING_CAME)
    assert found.verdict == "silent" and found.warnings == (warning,) == tuple(found.as_result()["warnings"])
    assert not judge(count(), count()).warnings


def test_what_was_on_its_way_is_no_sign_of_life() -> None:
    """Measured on a router that was too busy to count for long: nothing came in, and three packets still left."""
    before = Count(
        seconds=11.73,
        offered={(UP, 4): 38, (DOWN, 4): 57, (UP, 6): 39, (DOWN, 6): 59},
        delivered={(UP, 4): 57, (DOWN, 4): 40, (UP, 6): 60, (DOWN, 6): 39},
    )
    found = judge(before, Count(seconds=4.24, delivered={(DOWN, 4): 3}, left={4: 3}))
    assert found.verdict == "silent" and found.warnings == (SILENT.format(traffic="IPv4 and IPv6", came=NOTHING_CAME),)


def test_a_family_that_falls_silent_beside_the_other_one_is_said() -> None:
    found = judge(count(), count(4.0, 6))
    assert found.verdict == "kept" and found.warnings == (SILENT.format(traffic="IPv4", came=NOTHING_CAME),)


def test_what_nics_forward_is_no_silence() -> None:
    assert not judge(count(), replace(count(4.0, 6), hardware={UP: 800, DOWN: 800})).warnings


def test_another_share() -> None:
    half = replace(count(), offered=count().offered, delivered={key: n // 3 for key, n in count().delivered.items()})
    assert judge(count(), half).verdict == "kept"
    assert judge(count(), half, 0.5).verdict == "stopped"


def test_the_gateway_answers_no_more() -> None:
    gateway = (4, "203.0.113.2", "wan0")
    for quiet in (True, False):
        before = replace(count(), gateways={gateway: True}, quiet=quiet)
        assert reasons(before, replace(count(), gateways={gateway: False})) == (
            "the gateway of the IPv4 default route, 203.0.113.2 on wan0, answered before and does not any more"
        )
        assert not reasons(before, replace(count(), gateways={gateway: True}))
        assert not reasons(replace(before, gateways={}), replace(count(), gateways={gateway: False}))


def test_one_gateway_of_several() -> None:
    """A modem that is a spare may go by itself; where none of its family is left, the change is to blame."""
    first, spare, other = (4, "203.0.113.2", "wan0"), (4, "192.168.8.1", "wwan0"), (6, "fe80::2", "wan0")
    before = replace(count(), gateways=dict.fromkeys((first, spare, other), True))
    found = judge(before, replace(count(), gateways={first: True, spare: False, other: True}))
    assert found.verdict == "kept"
    assert found.warnings == (
        "the gateway of an IPv4 default route, 192.168.8.1 on wwan0, answered before the change and does not any "
        "more; another one does",
    )
    found = judge(before, replace(count(), gateways={first: False, spare: False, other: True}))
    assert found.verdict == "stopped" and len(found.reasons) == 2 and not found.warnings
    found = judge(before, replace(count(), gateways={first: True, spare: True, other: False}))
    assert "IPv6 default route, fe80::2" in "".join(found.reasons)


def test_what_cannot_be_counted_is_said() -> None:
    assert judge(None, None).verdict == "unwatched"
    assert judge(Count(quiet=True), None).verdict == "quiet"
    assert judge(Count(unwatched="no nft"), None).verdict == "unwatched"
    assert not judge(Count(unwatched="no nft"), Count(unwatched="no nft")).warnings
    found = judge(count(), Count(unwatched="nft failed"))
    assert found.verdict == "unwatched" and found.reasons == ("nft failed",)
    assert "could not be counted after the change (nft failed)" in found.warnings[0]
    assert "could not be counted after the change, so" in judge(count(), None).warnings[0]


def test_what_the_router_prints() -> None:
    text = """seconds 4.21
offered down 4 391
delivered up 4 390
tried down 4 18
answered down 4 17
said down 4 120
heard down 4 121
acked down 4 190
unseen up 4
taken fast 4 5
left fast 4 6
hardware up 7
gateway 4 fe80::2 wan0 yes
gateway 6 fe80::2 wan0 no
offered up 5 3
offered side 4 3
delivered up 4 many
seconds 4
"""
    assert parse_count(text) == Count(
        seconds=4.21,
        offered={("down", 4): 391},
        delivered={("up", 4): 0},
        tried={("down", 4): 18},
        answered={("down", 4): 17},
        said={("down", 4): 120},
        heard={("down", 4): 121},
        acked={("down", 4): 190},
        taken={4: 5},
        left={4: 6},
        hardware={"up": 7},
        gateways={(4, "fe80::2", "wan0"): True, (6, "fe80::2", "wan0"): False},
    )
    assert parse_count("quiet\n") == Count(quiet=True)
    assert parse_count("unwatched there is no nft") == Count(unwatched="there is no nft")
    assert parse_count("\n") is None


@pytest.mark.parametrize("value", ["auto", "AUTO"])
def test_auto(value: str) -> None:
    assert read_witness(value, 30, 0) == Witness(0.1, LONGEST)
    assert read_witness(value, 12, 0) == Witness(0.1, 6)
    assert read_witness(value, 30, 21) == Witness(0.1, 3)
    assert read_witness(value, 30, 22) is None, "no time is left"
    assert read_witness(value, 0, 0) is None


@pytest.mark.parametrize("value", ["off", False, "no"])
def test_off(value: Any) -> None:
    assert read_witness(value, 30, 0) is None


def test_a_share() -> None:
    assert read_witness(0.5, 30, 0) == Witness(0.5, LONGEST)
    assert read_witness("0.25", 30, 0) == Witness(0.25, LONGEST)
    assert read_witness(1, 30, 0) == Witness(1.0, LONGEST)
    with pytest.raises(OffloadError, match=r"confirm_timeout is 8 s, which leaves no time .* 9 s or more"):
        read_witness(0.5, 8, 0)


@pytest.mark.parametrize("value", [True, "on", 0, -1, 1.5, "10%", "", None, [], "nan", "1e-1", "\u0660.5"])
def test_no_share(value: Any) -> None:
    with pytest.raises(OffloadError, match="traffic_witness: must be auto, off or a share above 0 and up to 1, got"):
        read_witness(value, 30, 0)


def test_what_is_stuck_before_the_rules_for_what_is_forwarded() -> None:
    """Dropped at prerouting: connections end one after the other, and nothing meets a rule that would count it."""
    nothing: dict[Any, int] = {(side, n): 0 for side in (UP, DOWN) for n in (4, 6)}
    after = count(
        10.0, offered=nothing, delivered=nothing, tried=nothing, answered=nothing, said=nothing, heard=nothing,
        acked=nothing, stuck={(DOWN, 4): 450, (DOWN, 6): 9},
    )  # fmt: skip
    found = judge(count(), after)
    assert found.verdict == "stopped"
    assert found.reasons == (
        "IPv4 to the WAN side: 480 packets in 4 s before, 0 packets in 10 s after, and 450 that came in got no further "
        "than a rule before they are forwarded, or had no route",
    )


@pytest.mark.parametrize("stuck", [{(UP, 4): 30}, {(DOWN, 4): 40}])
def test_what_was_stuck_before_as_well(stuck: dict[Any, int]) -> None:
    """The world sends what nobody asked for; users who are gone do not."""
    nothing: dict[Any, int] = {}
    before = count(stuck={key: packets // 2 for key, packets in stuck.items()})
    after = count(
        8.0, offered=nothing, delivered=nothing, tried=nothing, answered=nothing, said=nothing, heard=nothing,
        acked=nothing, stuck=stuck,
    )  # fmt: skip
    assert judge(before, after).verdict == "silent"


def test_a_flood_that_is_dropped_earlier_now() -> None:
    """What was dropped where it is to be forwarded is dropped in prerouting now; users go on."""
    flooded = count(offered={**count().offered, (UP, 4): 4280}, stuck={})
    after = count(stuck={(UP, 4): 4000})
    assert judge(flooded, after).verdict == "kept"


@pytest.mark.parametrize(("before", "after", "stopped"), [(0, 40, True), (30, 75, False), (0, 9, False)])
def test_connections_that_a_rule_turns_to_the_router(before: int, after: int, stopped: bool) -> None:
    """None is answered from elsewhere any more. The controller's own are few."""
    found = judge(
        count(to_router={(DOWN, 4): before}),
        count(8.0, tried={}, answered={(DOWN, 6): 40}, to_router={(DOWN, 4): after}),
    )
    assert (found.verdict == "stopped") is stopped


@pytest.mark.parametrize("packets", [15, 200])
def test_a_few_packets_that_are_stuck_say_nothing(packets: int) -> None:
    nothing: dict[Any, int] = {}
    after = count(
        8.0, offered=nothing, delivered=nothing, tried=nothing, answered=nothing, said=nothing, heard=nothing,
        acked=nothing, stuck={(UP, 4): packets},
    )  # fmt: skip
    assert judge(count(), after).verdict == "silent"


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_nft_did_not_list_is_no_number(when: str) -> None:
    """A router whose counters were gone is not one that forwards nothing, nor one whose NIC does it all."""
    unread = parse_count("seconds 4.31\nunwatched nft did not list what was counted\n")
    assert unread is not None and not any(unread.hardware.values())
    found = judge(unread, count()) if when == "before" else judge(count(), unread)
    assert (found.verdict, found.reasons) == ("unwatched", ("nft did not list what was counted",))
    (warning,) = found.warnings
    assert f"could not be counted {when} the change (nft did not list what was counted)" in warning


@pytest.mark.parametrize(
    ("stuck", "offered", "verdict"),
    [(1400, 12, "stopped"), (190, 0, "stopped"), (19, 0, "silent"), (40, 30, "kept")],
)
def test_users_without_tcp_get_no_further(stuck: int, offered: int, verdict: str) -> None:
    """What has no answer sends ever less, so the longer the router looks the fewer they are."""
    alive = Count(4.0, offered={(DOWN, 4): 1500}, delivered={(UP, 4): 1500})
    found = judge(alive, Count(12.0, {(DOWN, 4): offered}, {(DOWN, 4): stuck}, {(UP, 4): offered}))
    assert found.verdict == verdict
    if verdict != "stopped":
        (warning,) = found.warnings
        assert f"{offered} packets came in that met the rules for what is forwarded, and {stuck} that got" in warning


def test_what_the_world_sends_unasked_stops_nothing() -> None:
    """A rule that drops scans early, while what was delivered to the LAN side just ended."""
    alive = Count(4.0, offered={(UP, 4): 1500}, delivered={(DOWN, 4): 1500})
    found = judge(alive, Count(12.0, stuck={(UP, 4): 200}))
    assert found.verdict == "silent" and "and 200 that got no further" in found.warnings[0]


def test_one_direction_that_ends_is_told() -> None:
    """As for users of UDP behind a masquerade that is gone: what they send leaves, and nothing comes back."""
    both = {(UP, 4): 300, (DOWN, 4): 300}
    found = judge(Count(4.0, both, {}, both), Count(4.0, {(DOWN, 4): 300}, {}, {(UP, 4): 300}))
    assert found.verdict == "kept"
    assert found.warnings == (SILENT.format(traffic="IPv4 to the LAN side", came=NOTHING_CAME),)


def test_less_that_is_forwarded_still_is_no_silence() -> None:
    both, few = {(UP, 4): 3000, (DOWN, 4): 3000}, {(UP, 4): 12, (DOWN, 4): 12}
    assert judge(Count(4.0, both, {}, both), Count(12.0, few, {}, few)) == TrafficVerdict(
        "kept", (), Count(4.0, both, {}, both), Count(12.0, few, {}, few)
    )
