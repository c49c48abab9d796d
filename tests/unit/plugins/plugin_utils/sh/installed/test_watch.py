# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sh/installed/watch.sh measures, and that it writes nothing but its own file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths

from tests.unit.helpers.shells import SHELLS, run_script

NFT = r"""#!/bin/sh
case "$*" in
  --version) echo "nftables v1.1.3 (Commodore Bullmoose #4)" ;;
  "list flowtables") cat flowtables ;;
esac
"""
ETHTOOL = r"""#!/bin/sh
[ "$2" = lan0 ] && printf 'Features for lan0:\nhw-tc-offload: on\n'
[ "$2" = wan0 ] && printf 'Features for wan0:\nhw-tc-offload: off [fixed]\n'
"""
FLOWTABLES = """table inet nft_offload {
	flowtable ft {
		hook ingress priority filter
		devices = { "lan0", "wan0" }
		flags offload
	}
}
table inet fw4 {
	flowtable other {
		hook ingress priority filter
		devices = { wg0 }
	}
	flowtable empty {
		hook ingress priority filter
	}
}
"""
CONNECTIONS = """\
ipv4     2 tcp      6 src=10.10.0.2 dst=203.0.113.2 sport=1 dport=2 packets=7 bytes=9 src=203.0.113.2 dst=10.10.0.2 \
sport=2 dport=1 packets=5 bytes=9 [HW_OFFLOAD] mark=0 zone=0 use=3
ipv6     10 udp      17 src=fd00::2 dst=2001:db8::2 sport=1 dport=2 packets=1 bytes=9 src=2001:db8::2 dst=fd00::2 \
sport=2 dport=1 packets=2 bytes=9 [OFFLOAD] mark=0 zone=0 use=3
ipv4     2 tcp      6 431999 ESTABLISHED src=1.2.3.4 dst=1.2.3.5 sport=1 dport=2 packets=100 bytes=9 [ASSURED] use=2
ipv4     2 icmp     1 29 src=10.10.0.2 dst=203.0.113.2 type=8 code=0 id=1 packets=1 bytes=84 [UNREPLIED] use=2
"""
VERDICT = """rung 6
required 4
time 1764600000
finding bypassing.slow-share error
finding "} 1 nonsense
"""


class Watched:
    """A router whose files are all below ``place``."""

    def __init__(self, place: Path, shell: list[str]) -> None:
        self.place = place
        self.shell = shell
        for name in ("bin", "run", "etc/nft-offload", "proc/net", "proc/sys/net/netfilter"):
            (place / name).mkdir(parents=True)
        for name, text in (("nft", NFT), ("ethtool", ETHTOOL)):
            (place / "bin" / name).write_text(text)
            (place / "bin" / name).chmod(0o755)
        (place / "flowtables").write_text(FLOWTABLES)
        (place / "proc/net/nf_conntrack").write_text(CONNECTIONS)
        for name, value in (("count", 4), ("max", 65536)):
            (place / f"proc/sys/net/netfilter/nf_conntrack_{name}").write_text(f"{value}\n")
        (place / "etc/nft-offload/devices").write_text("# a comment\nlan0 add a\nwan0 add b\nlan0 add c\n")
        (place / "etc/nft-offload/features").write_text(
            "# a comment\nlan0 hw-tc-offload on off\nwan0 hw-tc-offload on on\n"
        )

    def measure(self) -> list[str]:
        """The lines that an exporter reads, without those of the help."""
        text = paths.installed("watch.sh")
        for name in ("run", "etc", "proc", "var"):
            text = text.replace(f"/{name}/", f"{self.place}/{name}/")
        text = text.replace("-d /run ", f"-d {self.place}/run ")
        out = run_script(
            self.shell, f"PATH={self.place}/bin:$PATH\nset -- {self.place}/textfile 300\n{text}", self.place
        )
        assert out == ""
        self.text = (self.place / "textfile/nft_offload.prom").read_text()
        return [line for line in self.text.splitlines() if not line.startswith("#")]


@pytest.fixture(params=SHELLS)
def router(request: pytest.FixtureRequest, tmp_path: Path) -> Watched:
    return Watched(tmp_path, request.param)


def test_what_it_measures(router: Watched) -> None:
    (router.place / "run/nft-offload-watch").mkdir()
    (router.place / "run/nft-offload-watch/verdict").write_text(VERDICT)
    lines = router.measure()
    assert lines[0].startswith(f'nft_offload_info{{kernel="{os.uname().release}",nft="1.1.3"}} 1')
    at = lines.pop().split()
    assert at[0] == "nft_offload_last_read_timestamp_seconds" and abs(int(at[1]) - os.stat(router.place).st_mtime) < 600
    assert lines[1:] == [
        'nft_offload_device_expected{device="lan0"} 1',
        'nft_offload_device_expected{device="wan0"} 1',
        'nft_offload_device_bound{device="lan0",flowtable="inet nft_offload ft",path="hardware"} 1',
        'nft_offload_device_bound{device="wan0",flowtable="inet nft_offload ft",path="hardware"} 1',
        'nft_offload_device_bound{device="wg0",flowtable="inet fw4 other",path="software"} 1',
        'nft_offload_feature_expected{device="lan0",feature="hw-tc-offload"} 1',
        'nft_offload_feature_expected{device="wan0",feature="hw-tc-offload"} 1',
        'nft_offload_feature{device="lan0",feature="hw-tc-offload"} 1',
        'nft_offload_feature{device="wan0",feature="hw-tc-offload"} 0',
        'nft_offload_connections{path="hardware"} 1',
        'nft_offload_connections{path="software"} 1',
        'nft_offload_connections{path="slow"} 1',
        'nft_offload_connection_packets{path="hardware"} 12',
        'nft_offload_connection_packets{path="software"} 3',
        'nft_offload_connection_packets{path="slow"} 100',
        "nft_offload_connections_tracked 4",
        "nft_offload_connections_limit 65536",
        "nft_offload_boot_ruleset 0",
        "nft_offload_boot_enabled 0",
        "nft_offload_verdict_rung 6",
        "nft_offload_verdict_required_rung 4",
        "nft_offload_verdict_timestamp_seconds 1764600000",
        'nft_offload_finding{id="bypassing.slow-share",severity="error"} 1',
        'nft_offload_read_error{source="nft"} 0',
        'nft_offload_read_error{source="connections"} 0',
        "nft_offload_interval_seconds 300",
    ]


def test_every_series_has_its_help_once(router: Watched) -> None:
    names = {line.partition("{")[0].split()[0] for line in router.measure()}
    for kind in ("HELP", "TYPE"):
        told = [line.split()[2] for line in router.text.splitlines() if line.startswith(f"# {kind} ")]
        assert sorted(told) == sorted(names)


def test_what_cannot_be_read_is_told(router: Watched) -> None:
    (router.place / "bin/nft").unlink()
    (router.place / "bin/nft").write_text("#!/bin/sh\nexit 1\n")
    (router.place / "bin/nft").chmod(0o755)
    (router.place / "proc/net/nf_conntrack").unlink()
    (router.place / "bin/conntrack").write_text("#!/bin/sh\nexit 1\n")
    (router.place / "bin/conntrack").chmod(0o755)
    lines = router.measure()
    assert 'nft_offload_read_error{source="nft"} 1' in lines
    assert 'nft_offload_read_error{source="connections"} 1' in lines
    assert not [line for line in lines if "bound" in line]


def test_it_writes_its_own_file_only(router: Watched) -> None:
    before = {path: path.stat().st_mtime_ns for path in router.place.rglob("*") if path.is_file()}
    router.measure()
    router.measure()
    after = {path: path.stat().st_mtime_ns for path in router.place.rglob("*") if path.is_file()}
    new = {path.relative_to(router.place).as_posix() for path, at in after.items() if before.get(path) != at}
    assert new == {"run/nft-offload-watch/nft_offload.prom", "textfile/nft_offload.prom"}
    assert (router.place / "textfile/nft_offload.prom").is_symlink()


def test_names_are_no_labels_of_their_own(router: Watched) -> None:
    (router.place / "etc/nft-offload/devices").write_text('x"y\\z add a\n')
    assert r'nft_offload_device_expected{device="x\"y\\z"} 1' in router.measure()
