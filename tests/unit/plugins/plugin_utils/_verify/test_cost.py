# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What forwarding cost, and what is not told for want of traffic or of a clock that is fine enough."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    Core,
    Processor,
    RouterState,
    Sample,
    Share,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.cost import Cost, compare_costs, measure_cost

from tests.unit.helpers.routers import router


def state(
    traversed: int = 30_000, softirq: int = 210, *, bypassed: int = 0, ticks: int = 300, cores: int = 2
) -> RouterState:
    """Three seconds of a router: packets of 1,000 bytes on both paths, and ticks of its first core."""
    share = Share(traversed, 0, 0, bypassed, None, None)
    sample = Sample(3.0, share, traversed_bytes=1000 * traversed, bypassed_bytes=1000 * bypassed)
    busy = Core(ticks, softirq, softirq, traversed + bypassed, 0, 2)
    others = (Core(ticks, 0, 0, 0, 1, 0),) * (cores - 1)
    return replace(router(), sample=sample, processor=Processor(ticks / 100, (busy, *others)))


def measured(seen: RouterState) -> Cost:
    cost = measure_cost(seen)
    assert cost
    return cost


def test_the_slow_path() -> None:
    cost = measured(state())
    assert (cost.slow.packets, cost.slow.bits, cost.software.packets, cost.bits) == (10_000, 80e6, 0, 80e6)
    assert (cost.cores, cost.busiest_core, cost.dropped, cost.squeezed) == (2, 70.0, 1, 2)
    assert cost.softirq == 70.0 and cost.softirq_error and 5 < cost.softirq_error < 11
    # 0.7 s of a second for 10,000 packets
    assert cost.nanoseconds == 70_000 and cost.nanoseconds_error and not cost.unproven


def test_the_same_traffic_past_it() -> None:
    before, now = measured(state()), measured(state(100, 12, bypassed=29_900))
    took = "forwarding took 70 % of a core at 80 Mbit/s"
    assert compare_costs(before, now) == f"{took}, now 4 % of a core at 80 Mbit/s"
    assert compare_costs(before, measured(state(3000))).endswith("; that is not the same traffic")


def test_nothing_is_left_to_guess() -> None:
    """A share is told with its error; a time for a packet only where that is known to a half of it."""
    cost = measured(state(softirq=1))
    assert cost.softirq == 0.34 and cost.softirq_error and cost.softirq_error > cost.softirq
    assert cost.nanoseconds is None and "too little for the kernel's clock" in cost.unproven
    assert "now at most" in compare_costs(measured(state()), cost)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (state(traversed=999), "999 packets were forwarded"),
        (state(ticks=99, softirq=60), "less than a second"),
        (replace(state(), processor=Processor(3.0, (Core(300, 9, 9, 200_000, 0, 0),))), "were not forwarded ones"),
        (
            replace(state(), processor=Processor(3.0, (Core(300, 9, 9, 1, 0, 0),), ("wan0",))),
            "threads take the packets of wan0",
        ),
        (
            replace(
                state(), sample=replace(state().sample or Sample(3, Share(0, 0, 0, 0, None, None)), unhooked="no hook")
            ),
            "no hook",
        ),
    ],
    ids=["little traffic", "short", "other packets", "threads", "unhooked"],
)
def test_why_a_packets_time_is_not_told(seen: RouterState, why: str) -> None:
    cost = measured(seen)
    assert cost.nanoseconds is None and cost.nanoseconds_error is None
    assert why in cost.unproven


def test_without_a_flowtable_all_is_slow() -> None:
    seen = state()
    assert seen.sample
    seen = replace(
        seen, flowtables=(), sample=replace(seen.sample, unhooked="no flowtable lists a device that there is")
    )
    assert measured(seen).software.packets == 0 and not measured(seen).unproven


def test_what_is_not_compared() -> None:
    good = measured(state())
    assert measure_cost(replace(state(), sample=None)) is None
    assert compare_costs(None, good) == "what forwarding cost is not compared: no traffic was watched before"
    assert "now, threads take" in compare_costs(
        good, measured(replace(state(), processor=Processor(3.0, (Core(300, 9, 9, 1, 0, 0),), ("wan0",))))
    )
    assert compare_costs(good, measured(state(traversed=0))).startswith(
        "what forwarding cost is not compared: now, 0 packets"
    )
