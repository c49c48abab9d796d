# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sh/read/sample.sh with this machine's kernel and nft, in a network namespace that forwards, and leaves nothing there.

There is no flowtable in it: those are the lab's (tests/lab/test_bypassing.py).
"""

from __future__ import annotations

import shutil
import subprocess
import textwrap
import time
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.sample import parse_sample
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Device, Sample

from tests.unit.helpers.shells import NONCE

FORWARDER = """
set -e
mount -t tmpfs none /run && mkdir /run/netns
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
n=0
for side in lan wan; do
  n=$((n + 1))
  ip netns add $side
  ip link add ${side}0 type veth peer name eth0 netns $side
  ip addr add 10.$n.0.1/24 dev ${side}0
  ip addr add fd00:$n::1/64 dev ${side}0 nodad
  ip link set ${side}0 up
  ip -n $side addr add 10.$n.0.2/24 dev eth0
  ip -n $side addr add fd00:$n::2/64 dev eth0 nodad
  ip -n $side link set eth0 up
  ip -n $side route add default via 10.$n.0.1
  ip -n $side -6 route add default via fd00:$n::1
done
nft 'add table inet f; add chain inet f c { type filter hook forward priority 0; };
  add rule inet f c ct state new accept'
"""
TRAFFIC = """
ip netns exec wan python3 -c '
import socket
sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sink.bind(("::", 7000))
while True: sink.sendto(*sink.recvfrom(9000))' &
sink=$!
ip netns exec lan python3 -c '
import socket, time
time.sleep(0.5)
flows = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
for flow, address in zip(flows, ("10.2.0.2", "fd00:2::2")): flow.connect((address, 7000))
for n in range(3000):
  for flow in flows: flow.send(bytes(100))
  time.sleep(0.01)' &
source=$!
sleep 3
"""
# what nftables.sh would have found
FOUND = """
_found='table {family} f {{
flowtable ft {{
hook ingress priority filter + 5
devices = {{ lan0, wan0 }}
}}
}}'
_listed=' lan0 wan0 '
_rules="$(nft -s list tables)
ct state established flow add @ft"
"""


def sampling(seconds: int, measure: str = "yes", family: str = "inet", nonce: str = NONCE) -> str:
    """A whole script as routers get it."""
    script = compose(nonce, ("read/conntrack", "read/sample"), [("read_sample", str(seconds), "100", measure)])
    return script.replace("\nread_sample ", f"{FOUND.format(family=family)}\nread_sample ")


def inside(commands: str, place: Path, **scripts: str) -> str:
    """What commands print in a forwarding namespace of its own; ``scripts`` are files in its directory."""
    for name, text in scripts.items():
        (place / name).write_text(text)
    command = ["unshare", "-n", "-m", "sh", "-c", FORWARDER + textwrap.dedent(commands)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _possible() -> bool:
    """May we make namespaces, and does this kernel let nft look into one? Nothing of ours runs here, so that no bug of
    ours skips the tests."""
    if not all(map(shutil.which, ("unshare", "nft", "ip"))):
        return False
    look = ["unshare", "-n", "-m", "nft", "list", "ruleset"]
    return subprocess.run(look, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _possible(), reason="needs root, nft, ip and network namespaces")
DEVICES = {name: Device(name, 1, up=True) for name in ("lan0", "wan0")}


def sampled(answer: str) -> Sample:
    unknown: list[str] = []
    section = parse(answer, NONCE)["sample"]
    assert section.rc == 0, section.text
    sample = parse_sample(section.text, DEVICES, unknown)
    assert unknown == []
    return sample


SHELLS = [shell for shell in ("dash", "bash", "bash --posix", "busybox ash") if shutil.which(shell.split()[0])]


def test_counts_what_traverses_the_chain(tmp_path: Path) -> None:
    """By every shell, and in tables of one address family."""
    runs = [f"{shell} -s <script >answer{number}" for number, shell in enumerate(SHELLS)]
    runs += [f"sh -s <{family} >answer.{family}" for family in ("ip", "ip6")]
    commands = "\n".join([TRAFFIC, *runs, "kill $source $sink", "nft list tables"])
    scripts = {family: sampling(1, family=family) for family in ("ip", "ip6")}
    assert inside(commands, tmp_path, script=sampling(1), **scripts) == "table inet f\n"
    for number, _shell in enumerate(SHELLS):
        sample = sampled((tmp_path / f"answer{number}").read_text())
        directions = {(found.family, found.enters, found.leaves) for found in sample.directions}
        assert directions == {
            (family, *pair) for family in ("ipv4", "ipv6") for pair in (("lan0", "wan0"), ("wan0", "lan0"))
        }
        assert {direction.slow_flows for direction in sample.directions} == {1}
        # 100 a second are sent; the sets are listed one after the other
        assert all(30 <= direction.traversed <= 200 for direction in sample.directions)
        assert all(abs(direction.slow - direction.traversed) <= 5 for direction in sample.directions)
        assert 1 <= sample.seconds < 1.9
        assert (sample.total.late, sample.total.bypassed, sample.total.share) == (0, 0, 100.0)
        assert (sample.classed, sample.unhooked, set(sample.slow_protocols)) == (True, "", {"ipv4 udp", "ipv6 udp"})
    for family in ("ip", "ip6"):
        sample = sampled((tmp_path / f"answer.{family}").read_text())
        assert {direction.family for direction in sample.directions} == {"ipv4" if family == "ip" else "ipv6"}


NO_INGRESS = """
nft() {
  [ "$1" = -f ] || { command nft "$@"; return; }
  text=$(cat)
  case $text in *netdev*) echo "Error: Operation not supported"; return 1 ;; esac
  printf '%s\\n' "$text" | command nft "$@"
}
"""


def test_without_hooks_at_ingress_the_forward_chain_is_left(tmp_path: Path) -> None:
    answer = inside("sh -s <script\nnft list tables", tmp_path, script=NO_INGRESS + sampling(1))
    assert sampled(answer).unhooked == "Error: Operation not supported"
    assert answer.endswith("end\ntable inet f\n")


def test_what_nft_refuses_is_reported_and_takes_as_long(tmp_path: Path) -> None:
    refused = "nft() { echo 'Operation not permitted'; return 1; }\n" + sampling(1)
    start = time.monotonic()
    section = parse(inside("sh -s <script", tmp_path, script=refused), NONCE)["sample"]
    assert (section.text, section.rc) == ("Operation not permitted", 1)
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize(("seconds", "measure"), [(0, "yes"), (1, "no")])
def test_a_look_touches_nothing(seconds: int, measure: str, tmp_path: Path) -> None:
    watch = "nft monitor >events & monitor=$!\nsleep 0.3\nsh -s <script\nkill $monitor\ncat events"
    answer = inside(watch, tmp_path, script=sampling(seconds, measure))
    assert parse(answer, NONCE).keys() == {"conntrack", *(["processor"] if seconds else [])}
    assert answer.endswith("end\n")


def test_flushed_meanwhile(tmp_path: Path) -> None:
    flush = "(sleep 0.6; nft flush ruleset) &\nsh -s <script\nnft list tables"
    section = parse(inside(flush, tmp_path, script=sampling(1)), NONCE)["sample"]
    assert section.rc != 0
    assert "No such file or directory" in section.text


def test_two_at_once(tmp_path: Path) -> None:
    both = "sh -s <other >/dev/null & other=$!\nsh -s <script\nwait $other\nnft list tables"
    answer = inside(both, tmp_path, script=sampling(1), other=sampling(1, nonce="fedcba9876543210"))
    assert sampled(answer).seconds < 1.9
    assert answer.endswith("end\ntable inet f\n")


def test_more_flows_than_counters(tmp_path: Path) -> None:
    many = """
    ip netns exec lan python3 -c '
    import socket, time
    time.sleep(0.5)
    for n in range(2000):
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      s.bind(("10.1.0.2", 20000 + n))
      s.sendto(b"x", ("10.2.0.2", 7000))
      s.close()
      if n % 10 == 0: time.sleep(0.005)' &
    sh -s <script; wait
    """
    # as if all of them were established
    script = sampling(3).replace("ct state established ct status assured", "")
    assert sampled(inside(textwrap.dedent(many), tmp_path, script=script)).full
    assert not sampled(inside("sh -s <script", tmp_path, script=sampling(1))).full


@pytest.mark.parametrize("signal", ["KILL", "TERM", "HUP"])
def test_nothing_stays_behind(signal: str, tmp_path: Path) -> None:
    """Killed at once, ended when it wakes up, or going on to its end although nobody reads any more."""
    killed = f"""
    sampling() {{ nft list tables | grep -c sample; }}
    dash -s <script >/dev/null & shell=$!
    for n in $(seq 100); do [ "$(sampling)" != 2 ] || break; sleep 0.1; done
    sampling
    table=$(nft list tables | sed -n 's/^table netdev //p')
    kill -{signal} $shell
    for n in $(seq 100); do [ "$(sampling)" != 0 ] || break; sleep 0.1; done
    sleep 1
    nft list tables
    ps -e -o args= | grep "[g]uard .* $table" || echo no guard
    """
    assert inside(killed, tmp_path, script=sampling(4)) == "2\ntable inet f\nno guard\n"


def test_what_was_left_is_swept(tmp_path: Path) -> None:
    left = """
    nft add table inet nft_offload_sample_1_abcdef0123456789
    nft add table netdev nft_offload_sample_1_abcdef0123456789
    nft add table inet nft_offload_sample_99999999999_abcdef0123456789
    nft add table inet nft_offload_sample_mine
    sh -s <script
    nft list tables
    """
    tables = inside(left, tmp_path, script=sampling(1)).partition("end\n")[2].splitlines()
    kept = ["f", "nft_offload_sample_99999999999_abcdef0123456789", "nft_offload_sample_mine"]
    assert tables == [f"table inet {name}" for name in kept]


@pytest.mark.parametrize("measure", ["always", "yes"])
def test_without_a_flowtable_it_counts_where_it_is_asked_to(measure: str, tmp_path: Path) -> None:
    """Before offload is turned on, that is; connection tracking is not asked for anything then."""
    script = compose(NONCE, ("read/conntrack", "read/sample"), [("read_sample", "1", "100", measure)])
    commands = "\n".join([TRAFFIC, "sh -s <script >answer", "kill $source $sink", "nft list tables"])
    assert inside(commands, tmp_path, script=script) == "table inet f\n"
    answer = (tmp_path / "answer").read_text()
    if measure == "yes":
        assert "sample" not in parse(answer, NONCE)
        return
    sample = sampled(answer)
    assert not sample.classed and sample.unhooked == "no flowtable lists a device that there is"
    assert 100 <= sample.total.traversed <= 800 and sample.traversed_bytes >= 100 * sample.total.traversed
