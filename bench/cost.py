# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification costs a router with 1,000, 100,000 and 1,000,000 connections in its table.

    make cost COST=SUITE

The connections are real: the LAN host sends UDP to as many ports of the WAN host (pktgen). What is measured is the
script of the verification itself, as it comes over SSH, in a control group of its own: seconds, CPU seconds of all its
processes, and the most memory that they had at one time, file cache included. The result is the mean of three runs
that follow one for warming up.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import FRAGMENTS, list_calls, read_state

from lab import api
from lab.host import LabError

SIZES = (1_000, 100_000, 1_000_000)
RUNS = 3
SAMPLE = 3
RESULT = Path(__file__).parents[1] / "build" / "bench" / "cost.json"
NONCE = "0123456789abcdef"
SOURCES, DESTINATIONS = 64_007, 16
"""numbers of ports; pktgen advances both with each packet, so that every pair comes up: one number is prime"""

FILL = """
set -e
modprobe pktgen
cd /proc/sys/net/netfilter
echo 262144 >nf_conntrack_buckets
echo 1100000 >nf_conntrack_max
echo 7200 >nf_conntrack_udp_timeout
mac=$(cat /sys/class/net/lan0/address) exec ip netns exec lan bash -ec '
put() {{ echo "$2" >"/proc/net/pktgen/$1"; }}
put kpktgend_0 rem_device_all
put kpktgend_0 "add_device eth0"
for line in "count {count}" "delay 0" "pkt_size 60" "clone_skb 0" "src_min 10.10.0.2" "src_max 10.10.0.2" \\
  "dst 203.0.113.2" "dst_mac $mac" "udp_src_min 1024" "udp_src_max {last_source}" \\
  "udp_dst_min 20000" "udp_dst_max {last_destination}"; do put eth0 "$line"; done
put pgctrl start
put kpktgend_0 rem_device_all
'
"""

# The script is in a file, so that the control group holds only it and what it starts.
MEASURE = """
group=/sys/fs/cgroup/cost.$$
mkdir $group
start=$(date +%s%N)
sh -c 'echo $$ >'$group'/cgroup.procs; exec /bin/sh -s' </tmp/verify >/tmp/answer
end=$(date +%s%N)
echo "$((end - start)) $(sed -n 's/^usage_usec //p' $group/cpu.stat) $(cat $group/memory.peak 2>/dev/null || echo 0)"
for pid in $(cat $group/cgroup.procs); do while kill -0 $pid 2>/dev/null; do sleep 0.1; done; done
rmdir $group
"""


@dataclass(frozen=True)
class Cost:
    """What a verification cost with ``entries`` connections."""

    entries: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """0 where the kernel does not count it, before Linux 5.19"""
    answer_bytes: int
    sampled: int
    error: float


def shell(router: str, command: str, timeout: float = 1200) -> str:
    done = api.ssh(router, command, timeout=timeout)
    if done.returncode:
        raise LabError(f"{command.strip().splitlines()[0]} ...: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def entries(router: str) -> int:
    return int(shell(router, "cat /proc/sys/net/netfilter/nf_conntrack_count"))


def fill(router: str, size: int) -> int:
    """Fill the table with at least ``size`` connections; returns how many it has."""
    command = FILL.format(count=size, last_source=1024 + SOURCES, last_destination=20000 + DESTINATIONS)
    shell(router, command)
    found = entries(router)
    if found < size * 0.99:
        raise LabError(f"the table has {found} connections, {size} are needed")
    return found


def verify_once(router: str) -> tuple[float, float, int, str]:
    """(seconds, CPU seconds, highest memory in bytes, the router's answer) of one verification."""
    nanoseconds, microseconds, peak = map(int, shell(router, MEASURE).split())
    return nanoseconds / 1e9, microseconds / 1e6, peak, shell(router, "cat /tmp/answer")


def measure(router: str) -> Cost:
    """The cost with as many connections as the table has."""
    script = compose(NONCE, FRAGMENTS, list_calls(sample=SAMPLE))
    shell(router, f"cat >/tmp/verify <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT")
    verify_once(router)
    runs = [verify_once(router) for _ in range(RUNS)]
    state = read_state(parse(runs[-1][3], NONCE))
    if state.flows is None or state.sample is None:
        raise LabError(f"the verification could not read the router: {dict(state.unseen)}")
    return Cost(
        entries=entries(router),
        seconds=round(sum(run[0] for run in runs) / RUNS, 3),
        cpu_seconds=round(sum(run[1] for run in runs) / RUNS, 3),
        peak_bytes=max(run[2] for run in runs),
        answer_bytes=len(runs[-1][3]),
        sampled=state.flows.sampled,
        error=state.flows.error,
    )


def report(costs: list[Cost]) -> str:
    """A line for each cost, with its ratio to the first."""
    lines = ["  entries   seconds       CPU      peak    answer  sampled      +-"]
    for cost in costs:
        wall, cpu = cost.seconds / costs[0].seconds, cost.cpu_seconds / costs[0].cpu_seconds
        lines.append(
            f"{cost.entries:9}  {cost.seconds:5.2f} {wall:.2f}x {cost.cpu_seconds:5.2f} {cpu:.2f}x"
            f" {cost.peak_bytes / 2**20:5.1f} MB {cost.answer_bytes:6} B {cost.sampled:8} {cost.error:5} %"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    suite = arguments[0] if arguments else "trixie"
    router = "cost"
    api.up([f"{router}={suite}/plain"])
    try:
        shell(router, "apt-get -qq update && apt-get -qq install nftables ethtool")
        shell(
            router,
            "nft 'table inet f { flowtable ft { hook ingress priority 0; devices = { lan0, wan0 }; };"
            " chain c { type filter hook forward priority 0; ct state established flow add @ft; }; }'",
        )
        costs = []
        for size in SIZES:
            sys.stderr.write(f"filled with {fill(router, size)} connections\n")
            costs.append(measure(router))
    finally:
        api.down([router])
    sys.stdout.write(report(costs) + "\n")
    result: dict[str, Any] = {"suite": suite, "sample": SAMPLE, "costs": [asdict(cost) for cost in costs]}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
