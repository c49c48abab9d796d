# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of our table and the transaction to it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.names import DEVICE, require_table_name
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import parse_our_table
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft_errors import NftError, parse_errors
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Flowtable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    REMOVAL_ORDER,
    DesiredFlowtable,
    DesiredTable,
    kept_objects,
    require_own_table,
    transactions,
)

CONTENT = "table inet nft_offload {\n\tchain forward {\n\t\ttype filter hook forward priority 10;\n\t}\n}\n"


def wanted(*flowtables: DesiredFlowtable) -> DesiredTable:
    return DesiredTable("inet", "nft_offload", CONTENT, flowtables)


HARDWARE = DesiredFlowtable("ft", ("lan0", "wan0"), hardware=True)
SOFTWARE = DesiredFlowtable("ft", ("lan0", "wan0"), hardware=False)
LIVE = {"chain": ("forward", "input"), "map": ("zones",), "set": ("block",), "flowtable": ("ft",)}


def live_flowtable(*devices: str, hardware: bool = True) -> Flowtable:
    return Flowtable("inet", "nft_offload", "ft", devices, hardware=hardware)


def test_boot_text_names_no_device() -> None:
    text = wanted(HARDWARE).boot_text()
    assert "lan0" not in text
    assert "flowtable ft { hook ingress priority 0; flags offload; }" in text
    assert text.endswith(CONTENT)


def test_first_load_brings_the_devices_that_exist() -> None:
    (text,) = transactions(wanted(HARDWARE), {"lan0"}, None, ())
    assert 'devices = { "lan0" }; flags offload;' in text
    assert "wan0" not in text


def test_a_staying_flowtable_is_never_deleted_and_rules_go_before_what_they_name() -> None:
    (text,) = transactions(wanted(HARDWARE), {"lan0", "wan0"}, LIVE, [live_flowtable("lan0", "wan0")])
    lines = text.splitlines()
    assert lines[:5] == [
        "flush table inet nft_offload",
        "delete map inet nft_offload zones",
        "delete set inet nft_offload block",
        "delete chain inet nft_offload forward",
        "delete chain inet nft_offload input",
    ]
    assert not [line for line in lines if line.startswith(("delete flowtable", "add flowtable"))]


def test_hardware_to_software_makes_the_flowtable_anew() -> None:
    (text,) = transactions(wanted(SOFTWARE), {"lan0", "wan0"}, LIVE, [live_flowtable("lan0", "wan0")])
    assert "delete flowtable inet nft_offload ft\n" in text
    assert text.count("add flowtable") == 2


def test_one_device_more_touches_no_other() -> None:
    (text,) = transactions(wanted(HARDWARE), {"lan0", "wan0"}, LIVE, [live_flowtable("lan0", "old0")])
    assert [line for line in text.splitlines() if "devices" in line] == [
        'add flowtable inet nft_offload ft { hook ingress priority 0; devices = { "wan0" }; flags offload; }',
        'delete flowtable inet nft_offload ft { hook ingress priority 0; devices = { "old0" }; flags offload; }',
    ]


def test_a_device_that_is_away_stays_listed() -> None:
    (text,) = transactions(wanted(HARDWARE), {"lan0"}, LIVE, [live_flowtable("lan0", "wan0")])
    assert "devices" not in text


def test_owned_table_reads_what_boot_text_wrote() -> None:
    assert parse_our_table(wanted(HARDWARE).boot_text()) == ("inet", "nft_offload")
    assert parse_our_table("table inet filter {\n}\n") is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("flush ruleset\n" + CONTENT, "line 1: 'flush ruleset' stands outside"),
        ("table inet filter {\n}\n", "line 1: 'table inet filter' is not the table"),
        ("table inet nft_offload {\n\tflowtable ft {\n\t}\n}\n", "line 2"),
        (CONTENT + "delete table inet filter\n", "line 6: 'delete table inet filter' stands outside"),
        (CONTENT + 'include "/etc/passwd"\n', "line 6"),
        ("# only a comment\n", "there is no table"),
        ("table nft_offload { }", "is not the table"),
    ],
)
def test_what_is_not_ours_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(OffloadError, match="option content") as caught:
        require_own_table(text, "inet", "nft_offload", "option content")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        CONTENT,
        "define lan = lan0\n" + CONTENT,
        CONTENT + CONTENT,
        'table inet nft_offload { chain a { counter comment "} flush ruleset"; } } # } flush ruleset\n',
    ],
)
def test_our_own_table_is_taken(text: str) -> None:
    require_own_table(text, "inet", "nft_offload", "option content")


def test_the_ip_family_may_be_left_out() -> None:
    require_own_table("table nft_offload { }", "ip", "nft_offload", "option content")


@pytest.mark.parametrize("name", ["lan0", "br-lan", "eth0.100", "6in4-wan", "a" * 15])
def test_device_names_that_are_taken(name: str) -> None:
    assert DEVICE.match(name)


@pytest.mark.parametrize("name", ['a"b', "a}b", "a;b", "a b", "a/b", "", "a" * 16, "a\nb", "a\n", "$(x)", "eth*"])
def test_device_names_that_could_be_more_than_a_name(name: str) -> None:
    assert not DEVICE.match(name)


def test_nft_errors_keep_their_order_and_place() -> None:
    output = (
        "/dev/stdin:12:3-9: Error: Could not process rule: Operation not supported\n"
        "\tflowtable ft {\n\t          ^^\n"
        "/dev/stdin:20:50-52: Error: Could not process rule: No such file or directory\n"
    )
    assert parse_errors(output) == [
        NftError("Could not process rule: Operation not supported", 12, 3),
        NftError("Could not process rule: No such file or directory", 20, 50),
    ]
    assert parse_errors("nft: command not found") == [NftError("command not found")]


@pytest.mark.parametrize("name", ["keep; add table ip pwned", "a b", "", "x}", "a\nb"])
def test_a_table_name_is_no_script(name: str) -> None:
    with pytest.raises(OffloadError, match="option table"):
        require_table_name(name)


def test_a_device_that_changes_its_hardware_flowtable_leaves_first() -> None:
    one = DesiredFlowtable("ft", ("lan0",), hardware=True)
    two = DesiredFlowtable("more", ("wan0",), hardware=True)
    first, second = transactions(wanted(one, two), {"lan0", "wan0"}, LIVE, [live_flowtable("lan0", "wan0")])
    assert 'delete flowtable inet nft_offload ft { hook ingress priority 0; devices = { "wan0" }' in first
    assert "add flowtable" not in first
    assert second == (
        'add flowtable inet nft_offload more { hook ingress priority 0; devices = { "wan0" }; flags offload; }\n'
    )


DECLARED = """table inet t {
	set seen { type ipv4_addr; flags dynamic,timeout; timeout 1h; }
	set block { type ipv4_addr; elements = { 192.0.2.1 } }
	set named { type ipv4_addr; elements = $addresses }
	map ports { type inet_service : ipv4_addr; }
	map zones { type ifname : verdict; }
	counter passed { }
}
"""
LISTED = """table inet t {
	counter passed {
		packets 0 bytes 0
	}

	set seen {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 1h
	}

	set block {
		type ipv4_addr
	}

	set named {
		type ipv4_addr
	}

	map ports {
		type inet_service : ipv4_addr
	}

	map zones {
		type ifname : verdict
	}
}
"""


def test_what_came_at_run_time_stays_where_its_declaration_does() -> None:
    old = "define addresses = { 192.0.2.1 }\n" + DECLARED
    stays = {("set", "seen"), ("set", "block"), ("set", "named"), ("map", "ports"), ("counter", "passed")}
    assert kept_objects(old, old, LISTED, LISTED) == stays
    assert kept_objects(old, old.replace("1h", "2h"), LISTED, LISTED) == stays - {("set", "seen")}
    assert kept_objects(old, old.replace(".1 }", ".7 }", 1), LISTED, LISTED) == stays - {("set", "named")}
    assert kept_objects(old, old, LISTED, LISTED.replace("timeout 1h", "timeout 3h")) == stays - {("set", "seen")}
    assert kept_objects("", old, "", "") == frozenset()


def test_what_stays_is_not_deleted() -> None:
    (text,) = transactions(wanted(), (), LIVE, (), {("set", "block")})
    assert "delete set" not in text
    assert "delete map inet nft_offload zones" in text


def test_the_guard_removes_in_the_same_order() -> None:
    """It has to undo a change while no controller is there, so it has a list of its own."""
    order = re.search(r"object_kinds='([^']+)'", paths.installed("guard_tables.sh"))
    assert order is not None
    assert tuple(order[1].split(",")) == REMOVAL_ORDER
