# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often does users' traffic bear false witness, on a router where nothing is changed?

usage: python -m tests.lab.measure_witness RUNS [PROFILE]...

The router is a network namespace of this machine, so that many runs go at the same time. For each profile of users.py
it counts as before and after a change, and prints the verdicts, and why one is "stopped", which is a false alarm. With
the profile "drop" a rule that drops what is forwarded is loaded in between, and anything but "stopped" is printed.
"""

from __future__ import annotations

import collections
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.witness import (
    LONGEST,
    SECONDS,
    SHARE,
    TrafficVerdict,
    judge,
    parse_count,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("quiet", "bursty", "busy", "drop")
AT_ONCE = 5
DROP = "nft 'table inet f { chain f { type filter hook forward priority 0; policy drop; }; }'"
SETUP = """
set -e
mount -t tmpfs none /run && mkdir /run/netns
mount -t sysfs none /sys
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
side() { # NAME ADDRESS4 ADDRESS6, both up to the last digit
  ip netns add "$1"
  ip netns exec "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
  ip link add "$1"0 type veth peer name eth0 netns "$1"
  ip addr add "$2"1/24 dev "$1"0
  ip addr add "$3"1/64 dev "$1"0 nodad
  ip link set "$1"0 up
  ip -n "$1" addr add "$2"2/24 dev eth0
  ip -n "$1" addr add "$3"2/64 dev eth0 nodad
  ip -n "$1" link set lo up
  ip -n "$1" link set eth0 up
  ip -n "$1" route add default via "$2"1
  ip -n "$1" -6 route add default via "$3"1
}
side lan 10.10.0. fd00:10::
side wan 203.0.113. 2001:db8:203::
ip route add default via 203.0.113.2
ip -6 route add default via 2001:db8:203::2
ip netns exec wan python3 -IS "$0/lab/guest/root/usr/lib/lab/traffic.py" sink >/dev/null 2>&1 &
sink=$!
sleep 3 # a new link takes a second or two to carry IPv6
ip netns exec lan python3 -IS "$0/tests/lab/users.py" "$1" 60 203.0.113.2 2001:db8:203::2 "$2" >/dev/null 2>&1 &
users=$!
sleep 3
sh -s
kill $sink $users
"""


def run_once(profile: str) -> TrafficVerdict:
    """Count before and after, once."""
    nonce = secrets.token_hex(8)
    calls = [
        ("section", "before", "watch_before", str(SECONDS)),
        ("section", "between", "sh", "-c", DROP if profile == "drop" else ":"),
        ("section", "after", "watch_after", str(SECONDS), str(LONGEST), f"{SHARE * 100:g}"),
    ]
    users = "busy" if profile == "drop" else profile
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", SETUP, str(ROOT), users, str(secrets.randbelow(10**6))],
        input=compose(nonce, ("apply/witness",), calls),
        capture_output=True,
        text=True,
        check=False,
    )
    answer = parse(done.stdout, nonce)
    return judge(parse_count(answer.text("before")), parse_count(answer.text("after")))


def main() -> None:
    runs, *profiles = sys.argv[1:]
    for profile in profiles or PROFILES:
        verdicts: collections.Counter[str] = collections.Counter()
        seconds = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for found in pool.map(run_once, [profile] * int(runs)):
                verdicts[found.verdict] += 1
                seconds.append(found.after.seconds if found.after else 0.0)
                if (found.verdict == "stopped") is not (profile == "drop"):
                    print(profile, *found.reasons, found.as_result(), sep="\n  ", flush=True)
        print(f"{profile}: {dict(verdicts)}; {sum(seconds) / len(seconds):.1f} s counted after", flush=True)


if __name__ == "__main__":
    main()
