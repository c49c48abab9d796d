# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What forwarding cost while traffic was watched: rates by path, and the processor's time for them. Pure.

The time is that of software interrupts, in which the kernel forwards what takes the slow path or a flowtable's. They do
other work too (timers, disks), so that forwarding takes at most that. The kernel's clock finds a core there or not, a
hundred times a second: what it counts is a sample, and its error is that of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._observe.share import estimate_share
from .._observe.state import Core, Processor, RouterState, Sample

LEAST_PACKETS = 1000
"""forwarded ones, below which a time for each would be that of everything else"""
LEAST_TICKS = 100
"""of one core: the sample has to last a second"""
LARGEST_ERROR = 0.5
"""of the time for a packet, as a part of it"""
LEAST_PART = 4
"""forwarded packets are at least one in so many of those that the processor took, which counts a packet again at each
device that stands on another one"""
NOT_COMPARED = "what forwarding cost is not compared"
SAME_TRAFFIC = 1.5
"""two rates that differ by no more than this factor are compared as the same traffic"""


@dataclass(frozen=True)
class Rate:
    """What took one path, in a second."""

    packets: float | None
    """None where nothing counts them"""
    bits: float | None


@dataclass(frozen=True)
class Cost:
    """What forwarding cost, where enough of it was seen to tell."""

    seconds: float
    slow: Rate
    """through the forward chain"""
    software: Rate
    """past it, by a flowtable"""
    hardware: Rate
    """by a NIC alone, at least: what the kernel never saw"""
    bits: float
    """a second, of all paths"""
    cores: int
    softirq: float | None
    """percent of one core that software interrupts took on all cores together; above 100 where that is more than one"""
    softirq_error: float | None
    """percentage points by which it may be off, in 95 of 100 cases"""
    busiest_core: float | None
    """percent of its time that the core with the most of them spent in software interrupts"""
    nanoseconds: float | None
    """of them for each packet that the kernel forwarded"""
    nanoseconds_error: float | None
    dropped: int
    """packets that found the queue of a core full"""
    squeezed: int
    """times that a core stopped with packets left"""
    unproven: str
    """why a number is missing; empty where none is"""


def measure_cost(state: RouterState) -> Cost | None:
    """The cost of forwarding in the state; None where no traffic was watched."""
    sample, processor = state.sample, state.processor
    if sample is None or processor is None or sample.seconds <= 0:
        return None
    slow = _per_second(sample.total.traversed, sample.traversed_bytes, sample.seconds)
    software = _per_second(sample.total.bypassed, sample.bypassed_bytes, sample.seconds)
    if sample.unhooked and state.flowtables:
        software = Rate(None, None)
    hardware = _rate_hardware(state, sample)
    softirq, error = _share_of_core(processor)
    reason = _explain_missing(state, sample, processor)
    each = each_error = None
    if not reason and softirq is not None and error is not None:
        # of a second, by the packets of a second: the two were not watched for exactly the same time
        forwarded = (slow.packets or 0.0) + (software.packets or 0.0)
        each, each_error = softirq * 1e7 / forwarded, error * 1e7 / forwarded
        if each_error > each * LARGEST_ERROR:
            each = each_error = None
            reason = (
                f"software interrupts took {softirq:.1f} % of a core, give or take {error:.1f}: too little for the"
                " kernel's clock to tell what a packet costs; watch for longer (option sample)"
            )
    return Cost(
        seconds=processor.seconds,
        slow=slow,
        software=software,
        hardware=hardware,
        bits=sum(rate.bits or 0.0 for rate in (slow, software, hardware)),
        cores=len(processor.cores),
        softirq=softirq,
        softirq_error=error,
        busiest_core=max(_percent(core) for core in processor.cores) if softirq is not None else None,
        nanoseconds=None if each is None else round(each, 1),
        nanoseconds_error=None if each_error is None else round(each_error, 1),
        dropped=sum(core.dropped for core in processor.cores),
        squeezed=sum(core.squeezed for core in processor.cores),
        unproven=reason,
    )


def compare_costs(before: Cost | None, after: Cost | None) -> str:
    """Both in one sentence: 'forwarding took 71 % of a core at 312 Mbit/s, now 4 % at 309 Mbit/s'; or why not."""
    if before is None or after is None:
        return f"{NOT_COMPARED}: no traffic was watched {'before' if before is None else 'now'}"
    for cost, when in ((before, "before"), (after, "now")):
        if cost.softirq is None or cost.bits == 0:
            return f"{NOT_COMPARED}: {when}, {cost.unproven or 'nothing was forwarded'}"
    text = f"forwarding took {_tell_cost(before)}, now {_tell_cost(after)}"
    low, high = sorted((before.bits, after.bits))
    return text if high <= low * SAME_TRAFFIC else f"{text}; that is not the same traffic"


def _tell_cost(cost: Cost) -> str:
    """'71 % of a core at 312 Mbit/s'; below what the clock can tell: 'at most 2 % of a core'."""
    share, error = cost.softirq or 0.0, cost.softirq_error or 0.0
    percent = f"{share:.0f} %" if share > error else f"at most {share + error:.0f} %"
    return f"{percent} of a core at {cost.bits / 1e6:.3g} Mbit/s"


def _explain_missing(state: RouterState, sample: Sample, processor: Processor) -> str:
    """Why the time for a packet cannot be told; empty where it can, as far as the traffic goes."""
    if processor.threaded:
        names = ", ".join(processor.threaded[:8])
        return f"threads take the packets of {names}, and no counter shows their time"
    if min(core.ticks for core in processor.cores) < LEAST_TICKS:
        return "traffic was watched for less than a second; watch for longer (option sample)"
    if sample.unhooked and state.flowtables:
        return f"packets that the flowtables took could not be counted: {sample.unhooked}"
    forwarded = sample.total.traversed + sample.total.bypassed
    if forwarded < LEAST_PACKETS:
        return f"{forwarded} packets were forwarded by the kernel, fewer than {LEAST_PACKETS}"
    if forwarded * LEAST_PART < sum(core.packets for core in processor.cores):
        return "most packets that the processor took were not forwarded ones, so that its time says little about those"
    return ""


def _share_of_core(processor: Processor) -> tuple[float | None, float | None]:
    """Percent of one core, and its error; None where what is counted is not all, or the clock too coarse."""
    if processor.threaded or min(core.ticks for core in processor.cores) < LEAST_TICKS:
        return None, None
    softirq = sum(core.softirq for core in processor.cores)
    share, error = estimate_share(softirq, sum(core.ticks for core in processor.cores) - softirq)
    count = len(processor.cores)
    return (None, None) if share is None or error is None else (round(share * count, 2), round(error * count, 2))


def _percent(core: Core) -> float:
    return round(100 * core.softirq / core.ticks, 2)


def _rate_hardware(state: RouterState, sample: Sample) -> Rate:
    """Bytes by the NICs' own counters; packets where conntrack was read whole, and counts them."""
    flows = state.flows
    packets = None
    if flows is not None and flows.carried_seconds > 0 and flows.total == flows.sampled:
        carried = flows.carried.get("hardware")
        packets = round((carried.original + carried.reply) / flows.carried_seconds, 1) if carried else None
    return Rate(packets, round(8 * sample.nic_bytes / sample.seconds, 1))


def _per_second(packets: int, size: int, seconds: float) -> Rate:
    return Rate(round(packets / seconds, 1), round(8 * size / seconds, 1))
