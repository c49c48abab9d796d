# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role's variables come to on routers that are made up: requests, steps, refusals, warnings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.role import playbooks, variables
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.role.request import (
    OnController,
    Request,
    named_files,
    read_request,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.role.steps import plan_removal, plan_steps
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    Boot,
    Device,
    Flowtable,
    RouterState,
)

from tests.unit.helpers.routers import FIXED, OFF, ON, bare, router, with_boot, with_device, with_platform

ROOT = Path(__file__).resolve().parents[6]
TASKS, PLAYBOOKS = ROOT / "roles/flow_offload/tasks", ROOT / "playbooks"
RULESET = "{{ role_path }}/tasks/ruleset"
ZONES: list[dict[str, Any]] = [
    {"name": "lan", "devices": ["lan0"], "services": ["ssh"]},
    {"name": "wan", "devices": ["wan0"], "masquerade": True},
]
FIREWALL = {"flow_offload_ruleset": "router", "flow_offload_router": {"zones": ZONES}}
TEMPLATE = {"flow_offload_ruleset": "/etc/edge.nft.j2"}
LOCAL = OnController(template=True)


def debian(**features: Any) -> RouterState:
    """As it comes, with two devices that forward."""
    state = bare()
    for name in ("lan0", "wan0"):
        state = with_device(state, name, forwarding=("ipv4",), addresses=("192.0.2.1/24",), **features)
    return state


def openwrt() -> RouterState:
    state = with_device(debian(hw_tc_offload=ON), "mgmt0", hw_tc_offload=None)
    return with_platform(state, init="procd", commands=frozenset({"fw4", "nft"}))


def request(**given: Any) -> Request:
    return read_request(variables.read_variables(given), LOCAL)


def steps(state: RouterState, **given: Any) -> dict[str, Any]:
    return plan_steps(request(**given), state)[0]


def refused(state: RouterState, **given: Any) -> str:
    with pytest.raises(OffloadError) as caught:
        steps(state, **given)
    return str(caught.value)


def test_what_is_planned_where_nothing_is_asked_for() -> None:
    assert steps(debian()) == {
        "order": "hardware",
        "measure": 0,
        "watch": {"state": "none"},
        "kernel": {"state": "present", "packages": ["nftables", "ethtool"]},
        "nic": {"state": "present", "devices": ["lan0", "wan0"], "leaving": [], "unsupported": "skip"},
        "ruleset": {
            "kind": "overlay",
            "tasks": "table",
            "src": "overlay.nft.j2",
            "text": request().text,
            "software_text": request().software_text,
            "flowtables": [
                {"name": "ft", "devices": ["lan0", "wan0"], "offload": "auto", "counter": False, "forwards": {}}
            ],
            "flush": [],
        },
        "change": {
            "keep_firewall": True,
            "adopt": False,
            "confirm_timeout": 30,
            "load_pending": False,
            "traffic_witness": "auto",
        },
        "verify": {"expect": "", "devices": ["lan0", "wan0"], "require": "bound", "sample": 3, "slow_share": 50},
    }


EXTRA = [{"place": "fast_path", "rules": "ip dscp ef return"}]


@pytest.mark.parametrize(
    ("given", "chain"),
    [
        ({}, "filter + 19"),
        ({"flow_offload_exclude": [{"services": ["sip"]}]}, "filter + 19"),
        (FIREWALL, "filter - 1"),
        ({**FIREWALL, "flow_offload_exclude": [{"zones": ["lan"]}]}, "filter - 1"),
        ({"flow_offload_mode": "software"}, ""),
        ({"flow_offload_mode": "hardware"}, ""),
        # sets are of one table
        (
            {
                "flow_offload_ruleset": "router",
                "flow_offload_router": {
                    "zones": ZONES,
                    "sets": [{"name": "voip", "type": "addresses", "elements": ["192.0.2.1"]}],
                },
                "flow_offload_exclude": [{"addresses": ["@voip"]}],
            },
            "",
        ),
        ({"flow_offload_ruleset": "router", "flow_offload_router": {"zones": ZONES, "extra": EXTRA}}, ""),
    ],
)
def test_what_goes_in_software_beside_hardware(given: dict[str, Any], chain: str) -> None:
    text = steps(debian(), **given)["ruleset"]["software_text"]
    if not chain:
        assert text == ""
        return
    assert text.startswith("table inet nft_offload_software {\n")
    assert f"type filter hook forward priority {chain}; policy accept;" in text
    sides = [line.split()[:2] for line in text.split("\n") if "$software_devices" in line]
    assert sides == [["iifname", "$software_devices"], ["oifname", "$software_devices"]]
    assert text.count("ct state { established, related } meta l4proto { tcp, udp }") == 2
    assert ("jump fast_path" in text) == ("flow_offload_exclude" in given)


def test_the_module_is_told_what_rules_see_of_the_devices() -> None:
    """Rules see the bridge and the VLAN, flowtables the devices below them."""
    both = {"up": True, "forwarding": ("ipv4",)}
    state = with_device(debian(), "lan0", master="br0", addresses=(), **both)
    state = with_device(state, "br0", kind="bridge", lowers=("lan0",), addresses=("192.0.2.1/24",), **both)
    state = with_device(state, "wan0.7", kind="vlan", lowers=("wan0",), addresses=("198.51.100.1/24",), **both)
    (flowtable,) = steps(state)["ruleset"]["flowtables"]
    assert flowtable["devices"] == ["lan0", "wan0"]
    assert flowtable["forwards"] == {"wan0": ["wan0"], "br0": ["lan0"], "wan0.7": ["wan0"]}


def test_openwrts_own_firewall() -> None:
    planned = steps(openwrt())
    assert planned["ruleset"] == {"kind": "fw4", "tasks": "fw4", "offload": "auto"}
    assert planned["kernel"]["packages"] == ["nftables"], "no flash for ethtool where there is nothing to set"
    assert planned["nic"]["devices"] == ["lan0", "wan0"]
    assert planned["verify"]["devices"] == [], "fw4 picks them"
    assert steps(openwrt(), flow_offload_mode="hardware")["nic"]["unsupported"] == "skip"
    assert steps(debian(), flow_offload_ruleset="fw4")["ruleset"]["kind"] == "fw4"


@pytest.mark.parametrize(
    ("given", "tasks"),
    [
        ({}, "fw4_after_table"),
        ({"flow_offload_ruleset": "overlay"}, "table_before_fw4"),
    ],
)
def test_the_ruleset_that_is_not_asked_for_goes(given: dict[str, Any], tasks: str) -> None:
    assert steps(with_boot(openwrt(), ruleset="table inet nft_offload { }"), **given)["ruleset"]["tasks"] == tasks


@pytest.mark.parametrize(
    ("given", "kind", "src", "order"),
    [
        (FIREWALL, "router", "router.nft.j2", "hardware"),
        (TEMPLATE, "template", "/etc/edge.nft.j2", "template"),
        ({**TEMPLATE, "flow_offload_mode": "hardware"}, "template", "/etc/edge.nft.j2", "template"),
        ({**TEMPLATE, "flow_offload_mode": "software"}, "template", "/etc/edge.nft.j2", "software"),
        ({"flow_offload_mode": "software"}, "overlay", "overlay.nft.j2", "software"),
    ],
)
def test_kinds_and_orders(given: dict[str, Any], kind: str, src: str, order: str) -> None:
    planned = steps(debian(), **given)
    assert (planned["ruleset"]["kind"], planned["ruleset"]["src"], planned["order"]) == (kind, src, order)
    assert planned["nic"]["state"] == ("absent" if order == "software" else "present")


@pytest.mark.parametrize("given", [{}, TEMPLATE])
def test_devices_that_leave_keep_their_feature_until_then(given: dict[str, Any]) -> None:
    listed = Flowtable("inet", "nft_offload", "ft", ("dmz0", "gone0", "lan0"), hardware=True)
    others = Flowtable("inet", "filter", "ft", ("mgmt0",), hardware=True)
    state = replace(with_device(debian(), "dmz0"), flowtables=(listed, others))
    planned = steps(state, flow_offload_devices=["lan0", "wan0"], **given)
    assert (planned["order"], planned["nic"]["leaving"]) == ("leaving", ["dmz0"])
    software = replace(state, flowtables=(replace(listed, hardware=False),))
    assert steps(software, flow_offload_devices=["lan0", "wan0"])["nic"]["leaving"] == []
    assert steps(replace(state, flowtables=None))["nic"]["leaving"] == [], "nothing could be listed"


@pytest.mark.parametrize(
    ("state", "given", "packages"),
    [
        (debian(), {"flow_offload_flush_connections": "all"}, ["nftables", "ethtool", "conntrack"]),
        (with_platform(debian(), conntrack_file=False), {}, ["nftables", "ethtool", "conntrack"]),
        (with_platform(debian(), conntrack_file=True), {}, ["nftables", "ethtool"]),
        (with_device(openwrt(), "lan0", hw_tc_offload=OFF), {}, ["nftables", "ethtool"]),
        (with_device(openwrt(), "mgmt0", hw_tc_offload=FIXED), {}, ["nftables", "ethtool"]),
        (with_device(openwrt(), "lan0", hw_tc_offload=OFF), {"flow_offload_mode": "software"}, ["nftables"]),
        (with_device(openwrt(), "lan0", hw_tc_offload=None, driver="mtk_soc_eth"), {}, ["nftables", "ethtool"]),
        (with_device(openwrt(), "lan0", hw_tc_offload=None, driver="igb"), {}, ["nftables"]),
    ],
)
def test_packages(state: RouterState, given: dict[str, Any], packages: list[str]) -> None:
    assert steps(state, **given)["kernel"]["packages"] == packages


def test_disabled_asks_for_nothing_to_be_seen() -> None:
    given = {"flow_offload_mode": "disabled", "flow_offload_devices": "lan0", "flow_offload_ruleset": "nowhere"}
    planned = plan_removal(read_request(variables.read_variables(given), OnController()))
    assert planned["order"] == "disabled"
    assert planned["ruleset"] == {"kind": "none", "tasks": "absent"}
    assert {planned["kernel"]["state"], planned["nic"]["state"]} == {"absent"}
    assert (planned["verify"]["expect"], planned["verify"]["devices"]) == ("disabled", [])
    with pytest.raises(OffloadError, match="flow_offload_router: a dictionary was expected"):
        request(flow_offload_mode="disabled", flow_offload_router=[])


def test_what_the_modules_are_given() -> None:
    planned = steps(
        debian(),
        flow_offload_mode="hardware",
        flow_offload_devices=["wan0", "lan0"],
        flow_offload_counter="yes",
        flow_offload_remove_firewall="true",
        flow_offload_confirm_timeout="60",
        flow_offload_checks=[{"reach": "192.0.2.1"}],
        flow_offload_load_pending=True,
        flow_offload_sample="9",
        flow_offload_require="bypassing",
    )
    (flowtable,) = planned["ruleset"]["flowtables"]
    assert flowtable == {
        "name": "ft",
        "devices": ["wan0", "lan0"],
        "offload": "hardware",
        "counter": True,
        "forwards": {},
    }
    assert planned["nic"]["unsupported"] == "fail"
    assert planned["change"] == {
        "keep_firewall": False,
        "adopt": False,
        "confirm_timeout": 60,
        "load_pending": True,
        "traffic_witness": "auto",
    }
    assert (planned["verify"]["sample"], planned["verify"]["require"]) == (9, "bypassing")


def test_which_connections_are_flushed() -> None:
    whichever: list[dict[str, list[str]]] = [{"from": [], "to": []}]
    assert list(request(flow_offload_flush_connections="all").flush) == whichever
    assert list(request(**FIREWALL, flow_offload_flush_connections="restricted").flush) == whichever
    assert list(request(**FIREWALL).flush) == []
    opened = {"zones": ZONES, "forward": [{"from": "lan", "to": "wan"}]}
    found = request(**{**FIREWALL, "flow_offload_router": opened}, flow_offload_flush_connections="restricted").flush
    assert {"from": ["lan0"], "to": ["wan0"]} not in found and {"from": ["wan0"], "to": ["lan0"]} in found


@pytest.mark.parametrize(
    ("state", "given", "says"),
    [
        (
            debian(),
            {"flow_offload_devices": ["lan0", "wna0"]},
            "there is no device wna0 on this router. Remedy: ",
        ),
        (
            with_boot(debian(), filters=True),
            {},
            "this would remove the router's firewall: table inet nft_offload filters",
        ),
        (
            with_boot(openwrt(), filters=True),
            {"flow_offload_ruleset": "fw4"},
            "this would remove the router's firewall",
        ),
        (
            openwrt(),
            {"flow_offload_exclude": [{"packets": 3}]},
            "flow_offload_exclude has no effect on the firewall of",
        ),
        (
            openwrt(),
            {"flow_offload_flush_connections": "all"},
            "flow_offload_flush_connections is all, and the",
        ),
        (bare(), {}, "a flowtable needs the devices of both directions, found: none"),
    ],
)
def test_refused_for_this_router(state: RouterState, given: dict[str, Any], says: str) -> None:
    told = refused(state, **given)
    assert says in told and "Remedy: " in told


def test_not_refused_for_this_router() -> None:
    away = with_boot(debian(), attachments={"ppp0": "add flowtable ..."})
    assert steps(away, flow_offload_devices=["lan0", "ppp0"])["verify"]["devices"] == ["lan0"], "it may come back"
    filters = with_boot(debian(), filters=True)
    assert steps(filters, **FIREWALL)
    assert steps(filters, **TEMPLATE), "the module looks at the text"
    assert steps(filters, flow_offload_remove_firewall=True)
    fw4 = with_platform(bare(), commands=frozenset({"fw4"}))
    assert steps(fw4, flow_offload_mode="software")["nic"] == {"state": "absent"}, "fw4 picks its devices itself"


@pytest.mark.parametrize(
    ("given", "there", "says"),
    [
        (TEMPLATE, OnController(inventory_dir="/srv/lab"), "such as /srv/lab/templates/edge.nft.j2"),
        ({**TEMPLATE, "flow_offload_exclude": [{"packets": 3}]}, LOCAL, "no effect on a template of yours (/etc/edge"),
        (
            {**FIREWALL, "flow_offload_ruleset": "overlay"},
            LOCAL,
            "which does not use it",
        ),
        ({"flow_offload_flush_connections": "restricted"}, LOCAL, "only flow_offload_ruleset: router has zones"),
        ({**TEMPLATE, "flow_offload_flush_connections": "restricted"}, LOCAL, "only flow_offload_ruleset: router has"),
        (FIREWALL, OnController(files={"list.txt": None}), "names the file list.txt, which cannot be found"),
        (
            {"flow_offload_ruleset": "fw4", "flow_offload_flush_connections": "all"},
            LOCAL,
            "are those of OpenWrt's",
        ),
        ({"flow_offload_exclude": [{}]}, LOCAL, "flow_offload_exclude[0]: it excludes nothing"),
        ({**FIREWALL, "flow_offload_router": {"zones": ZONES[1:]}}, LOCAL, "no zone offers ssh"),
    ],
)
def test_refused_for_every_router(given: dict[str, Any], there: OnController, says: str) -> None:
    with pytest.raises(OffloadError) as caught:
        read_request(variables.read_variables(given), there)
    assert says in str(caught.value)


def test_the_login_may_be_on_another_port() -> None:
    zones = [{**ZONES[0], "services": ["tcp/2222"]}, ZONES[1]]
    values = variables.read_variables({**FIREWALL, "flow_offload_router": {"zones": zones}})
    assert read_request(values, OnController(port="2222")).text
    with pytest.raises(OffloadError, match="no zone offers ssh"):
        read_request(values, OnController(port="22"))


def test_files_that_a_firewall_names() -> None:
    described = {
        "zones": ZONES,
        "sets": [{"name": "a", "file": "a.txt"}, {"name": "b", "elements": ["192.0.2.1"]}],
        "extra": [{"place": "input", "file": "a.txt"}, {"place": "forward", "file": "c.nft"}],
    }
    values = variables.read_variables({**FIREWALL, "flow_offload_router": described})
    assert named_files(values) == ["a.txt", "c.nft"]
    assert named_files({**values, "flow_offload_ruleset": "overlay"}) == []
    assert named_files({**values, "flow_offload_mode": "disabled"}) == []


def test_devices_that_forward_and_are_in_no_zone() -> None:
    """Not those that have no address of their own, as a bridge's ports, or do not forward, as one for management."""
    on: dict[str, Any] = {"index": 9, "up": True, "forwarding": ("ipv4",), "addresses": ("192.0.2.1/24",)}
    devices = {
        "wan0": on,
        "wan1": on,
        "dmz0": on,
        "lan1": on | {"addresses": ()},
        "mgmt0": on | {"forwarding": ()},
        "off0": on | {"up": False},
        "lo": on | {"kind": "loopback"},
        "dummy0": on | {"kind": "dummy"},
        "up0": on | {"addresses": (), "routes": ("ipv4",), "next_hops": ("ipv4",)},
    }
    state = replace(debian(), devices={name: Device(name, **seen) for name, seen in devices.items()}, boot=Boot())
    zones = [{"name": "wan", "devices": "wan0, wan1, ppp0", "services": ["ssh"]}]
    asked = request(**{**FIREWALL, "flow_offload_router": {"zones": zones}})
    assert plan_steps(asked, state)[1] == [
        "flow_offload_router.zones: not on this router now: ppp0",
        "in no zone, so what comes from there is dropped: dmz0, up0",
    ]
    assert plan_steps(request(), state)[1] == []
    assert plan_steps(request(**FIREWALL), debian())[1] == []


def test_a_family_that_no_subnet_places_is_named() -> None:
    zones: list[dict[str, Any]] = [{"name": "lan", "devices": "lan0", "services": ["ssh"]}]
    zones += [{"name": "iot", "devices": "lan0", "subnets": ["10.66.0.0/24"]}]
    asked = request(**{**FIREWALL, "flow_offload_router": {"zones": zones}})
    assert asked.warnings == (
        "flow_offload_router.zones[0]: ipv6 through lan0 is dropped, because the subnets of iot have none, and so "
        "nothing tells their hosts from those of lan",
    )
    assert asked.warnings[0] in plan_steps(asked, debian())[1]
    zones[1]["subnets"].append("fd00:66::/64")
    assert request(**{**FIREWALL, "flow_offload_router": {"zones": zones}}).warnings == ()


def test_numbers_are_refused_all_at_once() -> None:
    with pytest.raises(OffloadError) as caught:
        variables.read_variables({"flow_offload_sample": -1, "flow_offload_slow_share": 101})
    assert str(caught.value) == (
        "flow_offload_sample must be 0 to 60 seconds, got -1; flow_offload_slow_share must be 0 to 100 percent, got "
        "101. Remedy: correct the numbers"
    )


def test_what_the_playbooks_ask_for() -> None:
    values = variables.read_variables({"flow_offload_mode": "software", "flow_offload_sample": 5})
    verify = playbooks.plan_verify(values)["verify"]
    assert (verify["expect"], verify["sample"]) == ("software", 5)
    assert playbooks.plan_verify(variables.read_variables({}))["verify"]["expect"] == "any"
    assert playbooks.plan_rollback(values)["ruleset"] == {"state": "restored", "id": "previous", "flush": []}
    flushed = variables.read_variables(
        {"flow_offload_flush_connections": "restricted", "flow_offload_rollback_to": "last"}
    )
    whichever: list[dict[str, list[str]]] = [{"from": [], "to": []}]
    assert playbooks.plan_rollback(flushed)["ruleset"] == {"state": "restored", "id": "last", "flush": whichever}
    assert playbooks.plan_rollback(flushed)["change"]["keep_firewall"] is True
    gone = playbooks.plan_rollback(variables.read_variables({"flow_offload_rollback_to": "none"}))
    assert (gone["ruleset"]["state"], gone["change"]["keep_firewall"]) == ("absent", False)


@pytest.mark.parametrize(
    ("pattern", "hint"), [("all", "-l 'all,!r1,!r2'"), ("edge:core", "-l 'edge:core:!r1:!r2'"), ("a,b", "-l 'a,b,!r1")]
)
def test_a_batch_after_losses(pattern: str, hint: str) -> None:
    hosts = ["r1", "r2", "r3", "r4"]
    playbooks.refuse_after_losses(hosts, hosts, ["r1"], pattern)
    with pytest.raises(OffloadError) as caught:
        playbooks.refuse_after_losses(hosts, ["r3", "r4"], ["r3"], pattern)
    assert "r3 and what comes after were not touched, because these failed or were lost before: r1, r2" in str(
        caught.value
    )
    assert hint in str(caught.value)


def test_the_steps_name_files_of_the_role() -> None:
    """And every file there is named by some."""
    listed = with_device(
        replace(debian(), flowtables=(Flowtable("inet", "nft_offload", "ft", ("dmz0",), hardware=True),)), "dmz0"
    )
    with_table = with_boot(openwrt(), ruleset="table inet nft_offload { }")
    planned = [
        plan_removal(request(flow_offload_mode="disabled")),
        steps(listed),
        steps(debian(), flow_offload_mode="software"),
        steps(debian(), **TEMPLATE),
        steps(debian()),
        steps(openwrt()),
        steps(with_table),
        steps(with_table, flow_offload_ruleset="overlay"),
    ]
    assert {step["order"] for step in planned} == {path.stem for path in (TASKS / "order").glob("*.yml")}
    texts = {path.stem: path.read_text() for path in (TASKS / "ruleset").glob("*.yml")}
    whole = "".join(texts.values())
    imported = {name for name in texts if f'import_tasks: "{RULESET}/{name}.yml"' in whole}
    assert {step["ruleset"]["tasks"] for step in planned} | imported == set(texts)


def test_a_file_of_tasks_has_its_whole_path() -> None:
    """Ansible looks for ../verify.yml from a folder of a role in the directory that it was started in first."""
    named = [
        line.partition("_tasks: ")[2]
        for path in TASKS.rglob("*.yml")
        for line in path.read_text().splitlines()
        if re.search(r"\b(import|include)_tasks: ", line)
    ]
    assert named and all(name.startswith('"{{ role_path }}/tasks/') for name in named), named


@pytest.mark.parametrize("order", [path.stem for path in (TASKS / "order").glob("*.yml")])
def test_every_order_has_the_four_steps(order: str) -> None:
    """NICs before a hardware flowtable and after any other; what is taken out goes the other way round."""
    tasks = yaml.safe_load((TASKS / f"order/{order}.yml").read_text())
    taken = [Path(task["ansible.builtin.import_tasks"]).stem for task in tasks]
    assert (
        taken
        == {
            "hardware": ["kernel", "nic", "ruleset", "verify"],
            "template": ["kernel", "template", "nic", "ruleset", "verify"],
            "leaving": ["kernel", "template", "nic", "ruleset", "nic", "verify"],
            "software": ["kernel", "ruleset", "nic", "verify"],
            "disabled": ["ruleset", "nic", "kernel", "verify"],
        }[order]
    )


@pytest.mark.parametrize(
    ("step", "file", "elsewhere"),
    [
        ("kernel", TASKS / "kernel.yml", set()),
        ("nic", TASKS / "nic.yml", {"leaving"}),
        ("change", TASKS / "ruleset/table.yml", {"load_pending"}),
        ("change", TASKS / "ruleset/table_absent.yml", {"load_pending"}),
        ("change", TASKS / "ruleset/fw4.yml", {"keep_firewall", "adopt"}),
        ("change", TASKS / "ruleset/fw4_absent.yml", {"keep_firewall", "adopt"}),
        ("change", PLAYBOOKS / "rollback.yml", {"load_pending"}),
        ("verify", TASKS / "verify.yml", set()),
        ("verify", PLAYBOOKS / "verify.yml", {"devices"}),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_what_is_planned_is_given_to_the_module(step: str, file: Path, elsewhere: set[str]) -> None:
    """``elsewhere``: what another file gives it, or what it does not take."""
    used = set(re.findall(rf"\b__flow_offload_plan\.{step}\.(\w+)", file.read_text()))
    assert used == steps(debian())[step].keys() - elsewhere


def test_a_healthy_router_of_ours_is_seen() -> None:
    assert steps(router(), flow_offload_devices=["lan0", "wan0"])["order"] == "hardware"


def mediatek_with_radio() -> RouterState:
    """A router on which connections of wireless clients end in hardware."""
    state = with_platform(debian(hw_tc_offload=ON, driver="mtk_soc_eth"), kernel="6.18.31")
    return with_device(state, "wlan0", kind="wlan", up=True)


def test_auto_keeps_to_software_where_hardware_is_known_to_do_harm() -> None:
    planned, warnings = plan_steps(request(), mediatek_with_radio())
    assert planned["order"] == "software"
    assert planned["ruleset"]["flowtables"][0]["offload"] == "software"
    assert planned["nic"] == {"state": "absent"}
    (warning,) = warnings
    assert warning.startswith("known.wed-connections-end: ")
    assert "Linux 6.18.31, lan0: driver mtk_soc_eth, wlan0: wlan" in warning


@pytest.mark.parametrize(
    "given", [{"flow_offload_mode": "hardware"}, {"flow_offload_ignore_advisories": ["known.wed-connections-end"]}]
)
def test_who_asks_for_hardware_all_the_same_gets_it(given: dict[str, Any]) -> None:
    planned, warnings = plan_steps(request(**given), mediatek_with_radio())
    assert planned["order"] == "hardware" and not warnings


def test_an_advisory_that_does_not_exist_is_refused() -> None:
    message = refused(debian(), flow_offload_ignore_advisories=["known.wed-connections"])
    assert "there is no advisory 'known.wed-connections'" in message
    assert "did you mean known.wed-connections-end?" in message


GUESTS = {"flow_offload_guests": ["veth*"]}


def container_host() -> RouterState:
    """Whose only network besides the uplink is that of its containers."""
    state = with_device(
        with_device(bare(), "lan0", up=False), "veth1", kind="veth", guest=True, up=True, master="docker0"
    )
    for name in ("wan0", "docker0"):
        state = with_device(state, name, up=True, forwarding=("ipv4",), addresses=("192.0.2.1/24",))
    return with_device(state, "docker0", kind="bridge", lowers=("veth1",))


def test_ports_of_guests_are_listed_where_asked_for() -> None:
    planned = steps(container_host(), **GUESTS)
    assert planned["ruleset"]["flowtables"][0]["devices"] == ["wan0", "veth*"]
    assert planned["nic"]["devices"] == planned["verify"]["devices"] == ["wan0"]
    assert "docker0: it has no port that is up but those of containers" in refused(container_host())
    assert "flow_offload_guests adds ports" in refused(container_host())


def test_rules_see_the_bridge_of_guests_and_not_their_ports() -> None:
    """So what is left to software goes by the bridge's name."""
    state = container_host()
    state = with_device(state, "lan0", up=True, forwarding=("ipv4",), addresses=("192.0.2.1/24",))
    (flowtable,) = steps(state, **GUESTS)["ruleset"]["flowtables"]
    assert flowtable["devices"] == ["lan0", "wan0", "veth*"]
    assert flowtable["forwards"] == {"lan0": ["lan0"], "wan0": ["wan0"], "docker0": ["veth*"]}


def test_what_a_pattern_stands_for_is_not_picked_as_well() -> None:
    state = with_device(
        debian(), "veth9", kind="veth", guest=True, up=True, forwarding=("ipv4",), addresses=("192.0.2.1/24",)
    )
    assert steps(state)["ruleset"]["flowtables"][0]["devices"] == ["lan0", "veth9", "wan0"]
    assert steps(state, **GUESTS)["ruleset"]["flowtables"][0]["devices"] == ["lan0", "wan0", "veth*"]


def test_patterns_among_the_devices() -> None:
    planned = steps(debian(), flow_offload_devices=["lan0", "ppp*"])
    assert planned["ruleset"]["flowtables"][0]["devices"] == ["lan0", "ppp*"]
    assert planned["nic"]["devices"] == planned["verify"]["devices"] == ["lan0"]


@pytest.mark.parametrize(
    ("state", "given", "why"),
    [
        (debian(), {"flow_offload_devices": ["lan0", "lan*"]}, r"lan\* also stands for lan0"),
        (debian(), {"flow_offload_devices": ["lan0", "*"]}, r"must name network devices, got '\*'"),
        (debian(), {"flow_offload_devices": ["lan0", "ppp*"], "flow_offload_mode": "hardware"}, r"ppp\* may stand for"),
        (debian(), {**GUESTS, "flow_offload_mode": "hardware"}, r"veth\* may stand for"),
        (debian(), {**GUESTS, "flow_offload_devices": ["lan0"]}, "put them into that list"),
        (debian(), {"flow_offload_guests": ["a b"]}, "must name network devices"),
        (debian(), {"flow_offload_guests": ["gone0"]}, "flow_offload_guests: there is no device gone0"),
        (openwrt(), GUESTS, "picks the devices of its flowtable itself"),
    ],
)
def test_what_devices_may_not_be(state: RouterState, given: dict[str, Any], why: str) -> None:
    assert re.search(why, refused(state, **given))


def by_ipv6(state: RouterState) -> RouterState:
    """The same router, whose IPv4 default route has an IPv6 gateway."""
    return with_device(state, "wan0", ipv6_gateways=("fe80::2",))


def ds_lite(state: RouterState) -> RouterState:
    tunnel = {"kind": "ip6tnl", "lowers": ("wan0",), "forwarding": ("ipv4",), "addresses": ("100.64.9.1/30",)}
    return with_platform(with_device(state, "tun0", up=True, **tunnel), kernel="7.2.1")


@pytest.mark.parametrize("given", [{}, FIREWALL])
@pytest.mark.parametrize(("change", "device"), [(by_ipv6, "wan0"), (ds_lite, "tun0")])
def test_what_a_flowtable_would_lose_stays_out(change: Any, device: str, given: dict[str, Any]) -> None:
    """By rules, in both directions, and aloud."""
    planned, warnings = plan_steps(request(**given), change(debian()))
    for side in ("iifname", "oifname"):
        assert f'meta nfproto ipv4 {side} "{device}" return' in planned["ruleset"]["text"]
    assert "jump fast_path" in planned["ruleset"]["text"]
    assert planned["ruleset"]["flowtables"][0]["devices"] == sorted({"lan0", "wan0", device}), "IPv6 is offloaded still"
    (warning,) = (line for line in warnings if "must stay out" in line)
    assert device in warning and warning.endswith("; rules keep it on the slow path")


def test_nothing_stays_out_of_a_healthy_router() -> None:
    healthy = with_platform(ds_lite(debian()), kernel="6.12.1")
    planned, warnings = plan_steps(request(), healthy)
    assert (planned["ruleset"]["text"], warnings) == (request().text, [])


def test_openwrts_own_firewall_would_take_it_all() -> None:
    planned = steps(by_ipv6(openwrt()))
    assert (planned["ruleset"]["kind"], planned["ruleset"]["tasks"]) == ("overlay", "table_before_fw4")
    said = refused(by_ipv6(openwrt()), flow_offload_ruleset="fw4")
    assert "IPv4 through wan0 must stay out" in said and "use flow_offload_ruleset: auto or overlay" in said


def test_a_template_has_to_leave_it_out_itself() -> None:
    planned, warnings = plan_steps(request(**TEMPLATE), by_ipv6(debian()))
    assert planned["ruleset"]["flowtables"][0]["devices"] == ["lan0", "wan0"]
    assert "leave it out in the template, by 'meta nfproto ipv4 iifname \"wan0\" return'" in warnings[0]
    planned, warnings = plan_steps(request(**TEMPLATE), ds_lite(debian()))
    assert planned["ruleset"]["flowtables"][0]["devices"] == ["lan0", "tun0"], "which that kernel delivers"
    assert warnings == []
    named = request(**TEMPLATE, flow_offload_devices=["lan0", "tun0", "wan0"])
    planned, warnings = plan_steps(named, ds_lite(debian()))
    assert planned["ruleset"]["flowtables"][0]["devices"] == ["lan0", "tun0", "wan0"] and len(warnings) == 1


def test_a_router_is_watched_while_that_is_asked_for() -> None:
    there = debian()
    watched = replace(there, boot=replace(there.boot, watched=True))
    assert steps(there)["watch"] == {"state": "none"}, "an exec for nothing"
    assert steps(watched)["watch"] == {"state": "absent"}
    asked = {"flow_offload_watch": True, "flow_offload_watch_interval": 60}
    for state in (there, watched):
        assert steps(state, **asked)["watch"] == {"state": "present", "interval": 60}
    named = steps(there, **asked, flow_offload_watch_directory="/srv/textfile")["watch"]
    assert named == {"state": "present", "interval": 60, "directory": "/srv/textfile"}
    assert plan_removal(request(flow_offload_mode="disabled", **asked))["watch"] == {"state": "absent"}


def test_what_forwarding_costs_is_measured_before_there_is_a_flowtable() -> None:
    asked = {"flow_offload_measure": True, "flow_offload_sample": 7}
    assert steps(debian(), **asked)["measure"] == 7
    assert steps(replace(debian(), flowtables=(Flowtable("inet", "nft_offload", "ft"),)), **asked)["measure"] == 0
    assert plan_removal(request(flow_offload_mode="disabled", **asked))["measure"] == 0
