# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sh/read/conntrack.sh with this machine's kernel and conntrack, in a network namespace with flows of its own.

A kernel without NF_CONNTRACK_PROCFS is this one under a /proc that has no file of conntrack's.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Section, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.conntrack import (
    find_lost_line,
    parse_conntrack,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Carried, Flows

from tests.unit.helpers.shells import NONCE

FLOWS = """
ip link set lo up
ip link add wan0 type veth peer name wan1
ip link set wan0 up
ip addr add 203.0.113.1/24 dev wan0
ip addr add 2001:db8:203::1/64 dev wan0 nodad
echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct
add() {
  conntrack -I -u SEEN_REPLY,ASSURED "$@" 2>&1 >/dev/null | grep -v ' have been ' >&2
}
add -p udp -s 10.10.0.2 -d 198.51.100.9 --sport 40222 --dport 443 -t 119
add -p tcp -s 10.10.0.2 -d 198.51.100.9 --sport 40223 --dport 443 -t 1000 --state ESTABLISHED
add -p tcp -s 203.0.113.1 -d 198.51.100.9 --sport 40224 --dport 443 -t 1000 --state ESTABLISHED
add -p tcp -s fd00:10::2 -d 2001:db8:99::7 --sport 40225 --dport 443 -t 1000 --state ESTABLISHED
add -p udp -s 2001:db8:99::7 -d 2001:db8:203::1 --sport 40226 --dport 443 -t 100
"""
WITHOUT_THE_FILE = """
mkdir -p real
mount -t proc none real
mount -t tmpfs none /proc
mkdir -p /proc/net /proc/sys
mount --bind real/sys /proc/sys
ln -s "$PWD/real/uptime" /proc/uptime
ln -s "$PWD/real/self" /proc/self
cat real/self/net/if_inet6 >/proc/net/if_inet6
"""


def _possible() -> bool:
    """May we make namespaces, and is conntrack here? Nothing of ours runs, so that no bug of ours skips the tests."""
    if not all(map(shutil.which, ("unshare", "conntrack", "ip"))):
        return False
    look = ["unshare", "-n", "-m", "conntrack", "-C"]
    return subprocess.run(look, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _possible(), reason="needs root, conntrack, ip and network namespaces")
SHELLS = [shell for shell in ("dash", "bash", "bash --posix", "busybox ash") if shutil.which(shell.split()[0])]


def read(place: Path, *preparations: str, shell: str = "sh", before: str = "", lines: int = 100) -> Section:
    """The section of the script that a router gets, in a prepared namespace; ``before`` is run by its shell."""
    calls = [("remember_flows", str(lines)), ("read_conntrack", str(lines), "3")]
    script = compose(NONCE, ("read/conntrack",), calls).replace("\nremember_flows ", f"\n{before}\nremember_flows ", 1)
    (place / "script").write_text(script)
    command = ["unshare", "-n", "-m", "sh", "-c", "\n".join([*preparations, f"exec {shell} -s <script"])]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return parse(done.stdout, NONCE)["conntrack"]


def read_flows(section: Section) -> Flows:
    unknown: list[str] = []
    assert section.rc == 0, section.text
    assert find_lost_line(section.text) == ""
    flows = parse_conntrack(section.text, unknown)
    assert unknown == []
    return flows


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("source", ["proc", "netlink"])
def test_both_sources_show_the_same(source: str, shell: str, tmp_path: Path) -> None:
    preparations = [FLOWS, *([WITHOUT_THE_FILE] if source == "netlink" else [])]
    flows = read_flows(read(tmp_path, *preparations, shell=shell))
    assert (flows.source, flows.total, flows.sampled) == (source, 5, 5)
    assert flows.counts == {
        "ipv4 udp slow": 1,
        "ipv4 tcp slow": 1,
        "ipv4 tcp local": 1,
        "ipv6 tcp slow": 1,
        "ipv6 udp local": 1,
    }
    examples = " ".join(flows.examples["slow"])
    assert "src=fd00:0010:0000:0000:0000:0000:0000:0002 dst=2001:0db8:0099:0000:0000:0000:0000:0007" in examples
    assert flows.recent == {"ipv4 udp": 1}


OFFLOADED = """
conntrack() {
  [ "$1" != -L ] || {
    number=$((${number:-0} + 1))
    command conntrack "$@" | sed '/dport=443 .*sport=443 dport=40222 /{
      s/119 \\|118 //
      s/packets=0 bytes=0/packets=7 bytes=700/g
      s/\\[ASSURED\\]/[HW_OFFLOAD]/
    }'
    return
  }
  command conntrack "$@"
}
"""


def test_offloaded_flows_by_netlink(tmp_path: Path) -> None:
    """What the kernel sends of these has neither timeout nor state; this one makes none, so a line is edited."""
    flows = read_flows(read(tmp_path, FLOWS, WITHOUT_THE_FILE, before=OFFLOADED))
    assert flows.counts["ipv4 udp hardware"] == 1
    assert flows.carried == {"hardware": Carried(flows=1, original=0, reply=0)}
    assert flows.examples["hardware"][0].startswith("ipv4 2 udp 17 src=10.10.0.2 dst=198.51.100.9 ")


OLD = """
conntrack() {
  case $* in
  --version) echo 'conntrack v1.4.6 (conntrack-tools)' ;;
  '-L -o extended') echo 'ipv4 only, and never asked' ;;
  *) command conntrack "$@" ;;
  esac
}
"""


def test_an_old_tool_is_asked_for_each_family(tmp_path: Path) -> None:
    flows = read_flows(read(tmp_path, FLOWS, WITHOUT_THE_FILE, before=OLD))
    assert (flows.sampled, flows.counts["ipv6 tcp slow"], flows.counts["ipv4 tcp slow"]) == (5, 1, 1)
    assert read_flows(read(tmp_path, FLOWS, WITHOUT_THE_FILE, before=OLD, lines=2)).sampled == 2


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("has() { false; }", "there is no /proc/net/nf_conntrack, and no conntrack command to ask the kernel with"),
        ("conntrack() { echo 'Operation failed: not permitted' >&2; return 1; }", "Operation failed: not permitted"),
    ],
)
def test_neither_source_is_no_empty_table(before: str, reason: str, tmp_path: Path) -> None:
    section = read(tmp_path, FLOWS, WITHOUT_THE_FILE, before=before)
    assert (section.rc, section.text.strip()) == (1, reason)


NOTHING_TRACKS = "umount /proc/sys; rm -r /proc/sys"


def test_where_nothing_tracks_nothing_is_asked(tmp_path: Path) -> None:
    """It would load connection tracking."""
    asked = 'conntrack() { echo "asked"; }'
    section = read(tmp_path, WITHOUT_THE_FILE, NOTHING_TRACKS, before=asked)
    assert (section.rc, section.text.strip()) == (1, "nothing on the router tracks connections")
    assert read_flows(read(tmp_path, before=asked)).sampled == 0


def test_a_file_that_shows_nothing_of_what_is_there(tmp_path: Path) -> None:
    empty = "mount --bind /dev/null real/self/net/nf_conntrack 2>/dev/null; : >/proc/net/nf_conntrack"
    assert read_flows(read(tmp_path, FLOWS, WITHOUT_THE_FILE, empty)).source == "netlink"


MANY = """
n=0
while [ "$n" -lt 20000 ]; do
  n=$((n + 1))
  echo "-I -p udp -s 10.1.$((n / 250)).$((n % 250)) -d 198.51.100.7 --sport 1 --dport 2 -t 100 -u SEEN_REPLY,ASSURED"
done >load
conntrack -R load >/dev/null 2>&1
"""


def test_a_long_table_is_not_read_to_its_end(tmp_path: Path) -> None:
    """conntrack is stopped by a signal that scripts ignore otherwise."""
    count = 'conntrack() { case $1 in -L) command conntrack "$@" | tee read ;; *) command conntrack "$@" ;; esac; }'
    flows = read_flows(read(tmp_path, MANY, WITHOUT_THE_FILE, before=count, lines=50))
    assert (flows.total, flows.sampled) == (20000, 50)
    assert flows.error == 13.8
    assert len((tmp_path / "read").read_text().splitlines()) < 5000
