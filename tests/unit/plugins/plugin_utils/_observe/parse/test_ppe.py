# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver's own table, in the forms of mtk_ppe_debugfs.c and airoha_ppe_debugfs.c as users have posted them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.ppe import (
    Entry,
    parse_driver_table,
    parse_entry,
    parse_tuples,
    parse_work,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import DriverTable
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.captures import AWKS, call

MAC = "eth=34:60:f9:8d:f8:69->40:a6:b7:7c:f2:50"
MTK = (
    f"00e06 BND IPv4 5T orig=192.168.81.11:38720->198.51.100.9:3578 new=203.0.113.1:38720->198.51.100.9:3578 {MAC}"
    " etype=6488 vlan=0,0 ib1=61481e81 ib2=007ff051 packets=0 bytes=0"
)
UNBOUND = MTK.replace("00e06 BND", "03b74 UNB")
AIROHA = (
    "004ac BND IPv4 5T orig=172.25.100.104:58788->172.25.100.10:5201 new=172.25.100.104:58788->172.25.100.10:5201"
    f" {MAC} etype=0800 data=007f1000 vlan=0,0 ib1=21000123 ib2=0003e240 packets=0 bytes=0"
)
V6 = (
    "0001f BND IPv6 5T orig=fd00:0010:0000:0000:0000:0000:0000:0002:40000->2001:0db8:0203:0000:0000:0000:0000:0002:443"
    f" {MAC} etype=0800 vlan=0,0 ib1=21000123 ib2=0003e240"
)
BRIDGED = f"00021 BND     L2B {MAC} etype=0800 data=007f1000 vlan=0,0 ib1=21000123 ib2=0003e240 packets=0 bytes=0"
ROUTED = f"00022 BND IPv4 3T orig=192.0.2.1->192.0.2.2 new=192.0.2.1->192.0.2.2 {MAC} etype=0800 vlan=0,0 ib1=1 ib2=0"

FLOW = (
    "ipv4     2 tcp      6 src=192.168.81.11 dst=198.51.100.9 sport=38720 dport=3578 src=198.51.100.9 dst=203.0.113.1"
    " sport=3578 dport=38720 [HW_OFFLOAD] mark=0 zone=0 use=2"
)
BACK = (
    f"00e07 BND IPv4 5T orig=198.51.100.9:3578->203.0.113.1:38720 new=198.51.100.9:3578->192.168.81.11:38720 {MAC}"
    " etype=6488 vlan=0,0 ib1=61481e81 ib2=007ff051 packets=0 bytes=0"
)
ORPHAN = MTK.replace("00e06", "00e99").replace("38720", "500").replace("3578", "4500")


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            MTK,
            Entry(
                "00e06",
                "BND",
                "IPv4 5T",
                "192.168.81.11:38720->198.51.100.9:3578",
                "203.0.113.1:38720->198.51.100.9:3578",
            ),
        ),
        (
            AIROHA,
            Entry(
                "004ac",
                "BND",
                "IPv4 5T",
                "172.25.100.104:58788->172.25.100.10:5201",
                "172.25.100.104:58788->172.25.100.10:5201",
            ),
        ),
        (
            V6,
            Entry(
                "0001f",
                "BND",
                "IPv6 5T",
                "fd00:0010:0000:0000:0000:0000:0000:0002:40000->2001:0db8:0203:0000:0000:0000:0000:0002:443",
            ),
        ),
        (BRIDGED, Entry("00021", "BND", "L2B")),
        (ROUTED, Entry("00022", "BND", "IPv4 3T", "192.0.2.1->192.0.2.2", "192.0.2.1->192.0.2.2")),
        ("(i)0x00e06|state=BIND|type=IPV4_HNAPT|", None),
        ("", None),
    ],
)
def test_entries(line: str, entry: Entry | None) -> None:
    assert parse_entry(line) == entry


def test_a_flow_is_spelt_as_its_entries_are() -> None:
    first, second = (parse_entry(line) for line in (MTK, BACK))
    assert first is not None
    assert second is not None
    assert parse_tuples(FLOW) == (first.orig, second.orig)
    assert parse_tuples("ipv4 2 icmp 1 20 src=192.0.2.1 dst=192.0.2.2 type=8") == ("", "")


def look(awk: str, cwd: Path, how: str, flows: str, conntrack: str, *entries: str) -> str:
    """What _match prints for these, with a line end behind each."""
    text = f"{flows}\n--\n{conntrack}\n--\n" + "".join(f"{line}\n" for line in entries)
    return call("driver_table", f"_match '{how}'", text, awk, cwd)


@pytest.mark.parametrize("awk", AWKS)
def test_both_directions(awk: str, tmp_path: Path) -> None:
    output = look(awk, tmp_path, "whole", FLOW, FLOW, AIROHA, MTK, V6, BACK, BRIDGED, ROUTED)
    unknown: list[str] = []
    table = parse_driver_table(f"flow {FLOW}\n{output}", unknown)
    assert unknown == []
    assert "missing" not in output
    assert [flow.bound for flow in table.flows] == [(True, True)]
    assert (table.bound, table.orphans, table.looked_up, table.looks) == (6, (), 0, 1)


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(("entry", "bound"), [(MTK, (True, False)), (BACK, (False, True)), (V6, (False, False))])
def test_one_direction(entry: str, bound: tuple[bool, bool], awk: str, tmp_path: Path) -> None:
    output = look(awk, tmp_path, "whole", FLOW, FLOW, entry)
    assert output.count("missing ") == 2 - sum(bound)
    assert parse_driver_table(f"flow {FLOW}\n{output}{output}").flows[0].bound == bound
    assert parse_driver_table(f"flow {FLOW}\n{output}{output}").looks == 2


@pytest.mark.parametrize("awk", AWKS)
def test_what_one_look_saw_is_there(awk: str, tmp_path: Path) -> None:
    looks = [look(awk, tmp_path, "", FLOW, "", entry) for entry in (MTK, BACK)]
    assert parse_driver_table(f"flow {FLOW}\n{looks[0]}{looks[1]}").flows[0].bound == (True, True)


def test_an_entry_that_is_not_bound_is_not_there() -> None:
    assert parse_driver_table(f"flow {FLOW}\nentry {UNBOUND}\nbound 1\nlooked 0").flows[0].bound == (False, False)


@pytest.mark.parametrize("awk", AWKS)
def test_orphans(awk: str, tmp_path: Path) -> None:
    other = FLOW.replace("38720", "1").replace("3578", "2")
    known = MTK.replace("38720", "1").replace("3578", "2")
    output = look(awk, tmp_path, "whole", FLOW, f"{FLOW}\n{other}", MTK, BACK, known, ORPHAN, AIROHA, V6)
    table = parse_driver_table(f"flow {FLOW}\n{output}{output}")
    assert (table.orphans, table.looked_up) == ((ORPHAN,), 2)
    assert parse_driver_table(f"flow {FLOW}\n{output}bound 2\nlooked 1").orphans == ()
    assert parse_driver_table(f"flow {FLOW}\nbound 2\nlooked 1\n{output}").orphans == ()
    assert look(awk, tmp_path, "", FLOW, "", MTK, ORPHAN).count("orphan") == 0
    asked = look(awk, tmp_path, "ask", FLOW, "", MTK, *[ORPHAN] * 20)
    assert (asked.count(f"ask {ORPHAN}\n"), "looked 8\n" in asked) == (8, True)


CONNTRACK = """\
conntrack() {
  echo "$*" >> asked
  [ "$*" = "-G -p udp -s 192.168.81.11 -d 198.51.100.9 --sport 500 --dport 4500" ]
}
"""


def test_the_lookup_in_conntrack(tmp_path: Path) -> None:
    for line, found in ((ORPHAN, 0), (MTK, 1)):
        assert (
            call("driver_table", f"{CONNTRACK}\n_in_conntrack '{line}'; echo $?", "", "awk", tmp_path) == f"{found}\n"
        )
    assert len((tmp_path / "asked").read_text().splitlines()) == 4


FILES = """\
cat() {
  case $1 in
    *nf_conntrack_count) echo 2 ;;
    *) command cat bind ;;
  esac
}
head() {
  case $3 in
    /proc/*) command head -n "$2" conntrack ;;
    *) command head "$@" ;;
  esac
}
sleep() { mv later bind; }
find_flow_source() { _source=proc; }
"""
"""what the router has in /proc and in debugfs, and what changes while it sleeps"""


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(
    ("first", "wait", "later", "looks", "bound", "orphans"),
    [
        ((MTK, BACK), 3, (), 1, (True, True), ()),
        ((MTK,), 3, (MTK,), 2, (True, False), ()),
        ((MTK,), 3, (BACK,), 2, (True, True), ()),
        ((MTK,), 0, (BACK,), 1, (True, False), ()),
        ((MTK, BACK, ORPHAN), 3, (MTK, BACK, ORPHAN), 2, (True, True), (ORPHAN,)),
        ((MTK, BACK, ORPHAN), 3, (MTK, BACK), 2, (True, True), ()),
        ((), 3, (), 2, (False, False), ()),
    ],
)
def test_a_second_look_where_something_is_missing(
    first: tuple[str, ...],
    wait: int,
    later: tuple[str, ...],
    looks: int,
    bound: tuple[bool, bool],
    orphans: tuple[str, ...],
    awk: str,
    tmp_path: Path,
) -> None:
    for name, lines in (("conntrack", (FLOW,)), ("bind", first), ("later", later)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    unknown: list[str] = []
    table = parse_driver_table(call("driver_table", f"{FILES}\n_driver_table 4096 {wait}", "", awk, tmp_path), unknown)
    assert unknown == []
    assert (table.looks, [flow.bound for flow in table.flows], table.orphans) == (looks, [bound], orphans)


@pytest.mark.parametrize("awk", AWKS)
def test_no_traffic_no_flows(awk: str, tmp_path: Path) -> None:
    assert parse_driver_table(look(awk, tmp_path, "whole", "", "")) == DriverTable(bound=0)
    assert call("driver_table", "_in_hardware", f"{FLOW.replace('HW_', '')}\n" + f"{FLOW}\n" * 20, awk, tmp_path) == (
        f"{FLOW}\n" * 8
    )


def test_an_unknown_line_is_reported() -> None:
    unknown: list[str] = []
    text = "flow\nentry what\norphan (i)0x00e06|state=BIND|\nbound x\nlooked\nhello\n\nmissing a->b"
    parse_driver_table(text, unknown)
    assert unknown == [f"ppe: {line}" for line in text.splitlines()[:6]]


def test_work() -> None:
    unknown: list[str] = []
    text = "wq_add   wq_del   wq_stats\n       3       -1       10\n      -1        4        0\n"
    assert parse_work(text, unknown) == {"add": 2, "del": 3, "stats": 10}
    assert parse_work("", unknown) == {}
    assert unknown == []
    assert parse_work("wq_add wq_new\n1 2\n", unknown) == {}
    assert unknown == ["nf_flowtable: wq_add wq_new", "nf_flowtable: 1 2"]


WORDS = st.sampled_from(["flow", "entry", "orphan", "bound", "looked", "9", "²", MTK, FLOW, "\n"])


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_no_text_is_too_odd(text: str) -> None:
    parse_driver_table(text)
    parse_entry(text)
    parse_work(text)
    parse_work("wq_add wq_del\n" + text)
