# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NIC that offloads, from outside: its table's lines, and the faults that its driver knows."""

from __future__ import annotations

import re

import pytest

from lab import images, labnic
from lab.host import LabError
from lab.labnic import Entry

TABLE = (
    "00000 BND IPv4 5T orig=10.10.0.2:45678->203.0.113.2:7000 new=203.0.113.1:30001->203.0.113.2:7000 "
    "eth=02:00:00:00:cb:01->02:00:00:00:cb:02 etype=0008 vlan=0,0 ib1=60000041 ib2=00000000 packets=12 bytes=2904\n"
    "0003a UNB IPv6 5T "
    "orig=2001:0db8:0203:0000:0000:0000:0000:0002:7000->fd00:0010:0000:0000:0000:0000:0000:0002:45678 "
    "eth=02:00:00:00:0a:01->02:00:00:00:0a:02 etype=dd86 vlan=7,0 ib1=1a000041 ib2=00000000 packets=0 bytes=0\n"
)


def test_table() -> None:
    assert labnic.parse(TABLE) == [
        Entry(True, "udp", 4, "10.10.0.2:45678->203.0.113.2:7000", "203.0.113.1:30001->203.0.113.2:7000", 0, 12, 2904),
        Entry(
            False,
            "tcp",
            6,
            "2001:0db8:0203:0000:0000:0000:0000:0002:7000->fd00:0010:0000:0000:0000:0000:0000:0002:45678",
            None,
            7,
            0,
            0,
        ),
    ]


def test_a_line_of_another_form() -> None:
    with pytest.raises(LabError, match="not a line of"):
        labnic.parse("00000 XXX IPv4 5T")


def test_the_faults_are_the_driver_s() -> None:
    text = (images.NIC / "fault.c").read_text()
    words = re.findall(r'= "([a-z-]+)",|!strcmp\(word, "([a-z]+)"\)', text)
    assert sorted(labnic.FAULTS) == sorted(first or second for first, second in words)
    documented = re.findall(r"^ \*   ([a-z-]+)(?:=N)? {2,}", text, re.MULTILINE)
    assert sorted(labnic.FAULTS) == sorted(documented)


def test_the_page_lists_every_fault() -> None:
    table = (images.HERE / "README.md").read_text().partition("| fault | effect |")[2].partition("\n\n")[0]
    first_cells = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("|"))
    assert sorted(labnic.FAULTS) == sorted(re.findall(r"`([a-z-]+)(?:=N)?`", first_cells))
