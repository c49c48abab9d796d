# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sh/read/kernel.sh prints of modules, mostly as Debian 13 has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.modules import (
    LoadedModule,
    parse_module_facts,
    parse_modules,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import FLOWTABLE_MODULES
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.shells import SHELLS, run_script

ON_DISK = """\
tree=yes
file=nft_flow_offload.ko.xz: nf_tables.ko.xz nfnetlink.ko.xz nf_flow_table.ko.xz nf_conntrack.ko.xz libcrc32c.ko.xz
file=nf_flow_table.ko.xz: nf_conntrack.ko.xz nf_defrag_ipv6.ko.xz libcrc32c.ko.xz
file=nf_flow_table_inet.ko.xz: nf_tables.ko.xz nfnetlink.ko.xz nf_flow_table.ko.xz nf_conntrack.ko.xz libcrc32c.ko.xz
live=nfnetlink 20480 1 -
sysctl=nf_conntrack_max
"""
LOADED = """\
tree=yes
file=nft_flow_offload.ko.xz: nf_tables.ko.xz nf_flow_table.ko.xz
sys=nf_flow_table
sys=nf_flow_table_inet
sys=nft_flow_offload
live=nft_flow_offload 12288 0 -
live=nf_flow_table_inet 12288 0 -
live=nf_tables 372736 2 nft_flow_offload,nf_flow_table_inet,
live=nf_flow_table 53248 3 nft_flow_offload,nf_flow_table_inet,
boot=nf_flow_table
boot=  nf-flow-table-inet  option=1
modules_disabled=1
sysctl=nf_conntrack_max
sysctl=nf_flowtable_tcp_timeout
"""
BUILTIN = """\
tree=yes
builtin=kernel/net/netfilter/nf_flow_table.ko
builtin=kernel/net/netfilter/nf-flow-table-inet.ko
sys=nft_flow_offload
"""
OPENWRT = "tree=yes\nfile=nf_flow_table.ko\nfile=nf_flow_table_inet.ko\nfile=nft_flow_offload.ko\n"


def test_on_disk() -> None:
    facts = parse_module_facts(ON_DISK)
    assert facts.tree
    assert facts.kernel.modules == dict.fromkeys(FLOWTABLE_MODULES, "available")
    assert facts.needs["nf_flow_table"] == ("nf_conntrack", "nf_defrag_ipv6", "libcrc32c")
    assert facts.live == {"nfnetlink": LoadedModule(1)}
    assert facts.kernel.flowtable_sysctl is False


def test_loaded() -> None:
    facts = parse_module_facts(LOADED)
    assert facts.kernel.modules == dict.fromkeys(FLOWTABLE_MODULES, "loaded")
    assert facts.builtin == frozenset()
    users = frozenset({"nft_flow_offload", "nf_flow_table_inet"})
    assert facts.live["nf_flow_table"] == LoadedModule(3, users)
    assert facts.kernel.boot_modules == {"nf_flow_table", "nf_flow_table_inet"}
    assert facts.kernel.modules_disabled
    assert facts.kernel.flowtable_sysctl is True


def test_part_of_the_kernel() -> None:
    assert parse_modules(BUILTIN).modules == dict.fromkeys(FLOWTABLE_MODULES, "builtin")


def test_flat_directory_without_dependencies() -> None:
    facts = parse_module_facts(OPENWRT)
    assert facts.kernel.modules == dict.fromkeys(FLOWTABLE_MODULES, "available")
    assert facts.needs["nf_flow_table"] == ()


def test_nothing_there() -> None:
    kernel = parse_modules("")
    assert kernel.modules == dict.fromkeys(FLOWTABLE_MODULES, "missing")
    assert kernel.flowtable_sysctl is None


@given(st.lists(st.tuples(st.sampled_from(["live=", "file=", "boot=", "sys=", ""]), st.text())))
def test_no_text_is_too_much(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(key + value for key, value in lines)
    parse_modules(text)


@pytest.mark.parametrize(("text", "accounting"), [("acct=1", True), ("acct=0", False), ("acct=", None), ("", None)])
def test_accounting(text: str, accounting: bool | None) -> None:
    assert parse_modules(f"{OPENWRT}{text}\n").accounting is accounting


def test_other_kernels() -> None:
    assert parse_modules("tree=yes\nother=6.12.57+deb13-amd64\nother=6.12.60\nother=\n").other_kernels == (
        "6.12.57+deb13-amd64",
        "6.12.60",
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_kernels_that_have_the_modules(shell: list[str], tmp_path: Path) -> None:
    for path in ("6.1 x/kernel/net/netfilter/nft_flow_offload.ko.xz", "5.15.167/nft_flow_offload.ko", "6.6/nf_nat.ko"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    script = fragment("read/kernel").replace("/lib/modules", str(tmp_path)) + "\n_other_kernels\n"
    assert run_script(shell, script, tmp_path).splitlines() == ["6.1 x", "5.15.167"]


def test_neighbours() -> None:
    text = "neighbours=ipv4 130 128\nneighbours=ipv6 2 128\nneighbours=ipx 1 1\nneighbours=ipv4\nneighbours=ipv6 x 1\n"
    assert parse_modules(text).neighbours == {"ipv4": (130, 128), "ipv6": (2, 128)}
    assert parse_modules("").neighbours == {}


@pytest.mark.parametrize("shell", SHELLS)
def test_neighbours_as_the_kernel_counts_them(shell: list[str], tmp_path: Path) -> None:
    """In hexadecimal digits, once for each processor; /proc/net/stat may be missing."""
    text = fragment("read/kernel").replace("/proc/", f"{tmp_path}/")
    calls = f"{text}\n_neighbours ipv4 arp\n_neighbours ipv6 ndisc\n"
    assert run_script(shell, calls, tmp_path) == ""
    (tmp_path / "net/stat").mkdir(parents=True)
    (tmp_path / "net/stat/arp_cache").write_text(
        "entries  allocs destroys\n00000082  00000001 00000000\n00000082 0 0\n"
    )
    place = tmp_path / "sys/net/ipv4/neigh/default"
    place.mkdir(parents=True)
    (place / "gc_thresh1").write_text("128\n")
    assert run_script(shell, calls, tmp_path) == "neighbours=ipv4 130 128\n"
