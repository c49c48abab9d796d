# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the flowtable, which this machine's kernel may not have: the examples of the guides, with real packets.

Each example is taken from its guide, so what the guide prints is what runs here.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kmod.nft_offload.plugins.filter.router_restricted_pairs import router_restricted_pairs

from tests.unit.helpers.firewalls import needs_namespaces, rendered
from tests.unit.helpers.guides import GUIDES, ROOT, blocks, example
from tests.unit.helpers.network import BOGON, ELSEWHERE, HOST, ROUTER, SIDES, Network

FILES = {"blocklist.txt": "198.51.100.0/24 ; SBL1\n2001:db8:51::/48 ; SBL2\n"}
BOTH = pytest.mark.parametrize("version", [4, 6])


def test_every_guide_is_here() -> None:
    assert GUIDES == ["isp_edge", "migrating", "overlay", "recipes", "router"]


@pytest.mark.parametrize("guide", GUIDES)
def test_the_role_takes_the_variables(guide: str) -> None:
    """As Ansible checks them before the role begins."""
    spec = yaml.safe_load((ROOT / "roles/flow_offload/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    variables = example(guide)
    assert set(variables) <= set(spec["options"])
    assert ArgumentSpecValidator(spec["options"]).validate(variables).error_messages == []
    assert "flow add @ft" in rendered(variables, FILES)


def dial(net: Network, side: str, address: str, port: int, **options: object) -> str:
    return net.hosts[side]("tcp", address=address, port=port, **options)


def send(net: Network, side: str, address: str, port: int, **options: object) -> str:
    return net.hosts[side]("udp", address=address, port=port, **options)


@needs_namespaces
@BOTH
def test_overlay(net: Network, version: int) -> None:
    """The existing firewall decides; the overlay leaves out what its exclusions name."""
    theirs = (
        "table inet theirs { chain forward { type filter hook forward priority filter; policy accept; "
        "iifname wan0 ct state new drop; }; }"
    )
    net.load(example("overlay"))
    net.run("nft", theirs)
    assert dial(net, "wan", HOST["lan"][version], 80) == "nothing"
    assert send(net, "lan", HOST["wan"][version], 53, count=5) == HOST["lan"][version]
    assert send(net, "lan", HOST["wan"][version], 5060, count=20) == HOST["lan"][version]
    assert send(net, "lan", HOST["dmz"][version], 53, count=20) == HOST["lan"][version]
    assert net.offloaded() == 0
    assert send(net, "lan", HOST["wan"][version], 53, count=20) == HOST["lan"][version]
    assert net.offloaded() == 21, "of forty packets, those from the twentieth on"


@needs_namespaces
@BOTH
def test_router(net: Network, version: int) -> None:
    net.load(example("router"))
    client = ROUTER["wan"][4] if version == 4 else HOST["lan"][6]
    assert dial(net, "lan", HOST["wan"][version], 8080) == client
    assert dial(net, "lan", HOST["dmz"][version], 22) == HOST["lan"][version]
    assert dial(net, "lan", ROUTER["lan"][version], 22) == HOST["lan"][version]
    assert send(net, "dmz", ROUTER["dmz"][version], 53) == HOST["dmz"][version]
    assert dial(net, "dmz", HOST["wan"][version], 443) != "nothing"
    assert dial(net, "dmz", HOST["wan"][version], 25) == "nothing"
    assert dial(net, "dmz", HOST["lan"][version], 22) == "nothing"
    assert dial(net, "wan", ROUTER["wan"][version], 22) == "nothing"
    assert dial(net, "wan", ROUTER["wan"][version], 22, source=ELSEWHERE[version]) == ELSEWHERE[version]
    server = ROUTER["wan"][4] if version == 4 else HOST["dmz"][6]
    assert dial(net, "wan", server, 443) == HOST["wan"][version]
    assert dial(net, "lan", server, 443) == HOST["lan"][version]
    assert dial(net, "wan", server, 80) == "nothing"


def test_router_spares_what_the_lan_opens_unless_it_is_looked_at() -> None:
    described = example("router")["flow_offload_router"]
    assert router_restricted_pairs(described) == [{"from": [], "to": []}]
    for zone in described["zones"]:
        zone["antispoof"] = "none"
    pairs = [(" ".join(pair["from"]), " ".join(pair["to"])) for pair in router_restricted_pairs(described)]
    assert [other for one, other in pairs if one == "lan0"] == ["lan0"]
    assert len(pairs) == 9, "of nine pairs all but two, and the devices of no zone"


@needs_namespaces
@BOTH
def test_isp_edge(net: Network, version: int) -> None:
    net.load(example("isp_edge"), FILES)
    assert dial(net, "lan", HOST["wan"][version], 80) == HOST["lan"][version], "no address is translated"
    assert dial(net, "wan", HOST["lan"][version], 80) == HOST["wan"][version]
    assert dial(net, "wan", HOST["lan"][version], 80, source=ELSEWHERE[version]) == "nothing", "listed"
    assert dial(net, "wan", HOST["lan"][version], 80, source=BOGON[version]) == "nothing"
    assert dial(net, "lan", ELSEWHERE[version], 80) == "nothing"
    assert dial(net, "wan", ROUTER["wan"][version], 22) == "nothing"
    assert dial(net, "dmz", ROUTER["dmz"][version], 22) == HOST["dmz"][version]
    assert dial(net, "dmz", HOST["lan"][version], 22) == HOST["dmz"][version]
    assert dial(net, "wan", HOST["dmz"][version], 80) == "nothing"
    assert net.hosts["wan"]("ping", address=ROUTER["wan"][version]) == "answer"
    before = net.counter("spoofed")
    net.hosts["lan"]("forge", source=HOST["dmz"][4], address=HOST["wan"][4], port=53)
    net.hosts["lan"]("ping", address=ROUTER["lan"][4])
    assert net.counter("spoofed") == before + 1
    assert send(net, "lan", HOST["wan"][version], 53, count=14, dscp=46) == HOST["lan"][version]
    assert net.offloaded() == 0
    assert send(net, "lan", HOST["wan"][version], 53, count=20) == HOST["lan"][version]
    assert net.offloaded() == 5, "those of the side that began, from the thirtieth packet on"


def probes(net: Network, version: int) -> dict[str, str]:
    """What gets through: every host to every host and to the router, by TCP and UDP, on some ports."""
    found: dict[str, str] = {}
    for side in SIDES:
        targets = {f"host {other}": HOST[other][version] for other in SIDES if other != side}
        targets |= {"router": ROUTER[side][version]}
        asked: dict[str, tuple[str, dict[str, Any]]] = {}
        for name, address in targets.items():
            for port in (22, 25, 53, 80, 443, 5060, 8443):
                asked[f"{side} to {name}, tcp {port}"] = ("tcp", {"address": address, "port": port})
            for port in (53, 443, 546):
                asked[f"{side} to {name}, udp {port}"] = ("udp", {"address": address, "port": port})
            asked[f"{side} to {name}, ping"] = ("ping", {"address": address})
        found |= dict(zip(asked, net.hosts[side].many(list(asked.values())), strict=True))
    found["admin"] = dial(net, "wan", ROUTER["wan"][version], 22, source=ELSEWHERE[version])
    return found


@needs_namespaces
@BOTH
def test_migrating(net: Network, version: int) -> None:
    """The description accepts what the file did, with the exceptions in the guide; alone and beside the file."""
    (old,) = blocks("migrating", "text")
    net.run("nft", "-f", "-", text=old)
    by_hand = probes(net, version)
    net.load(example("migrating"))
    described = probes(net, version)
    differing = {name for name in by_hand if by_hand[name] != described[name]}
    direct = {"wan to host dmz, tcp 5060", "wan to host dmz, tcp 8443"}
    pings = {name for name in by_hand if " host " in name and name.endswith(", ping") and by_hand[name] == "nothing"}
    assert differing == (direct if version == 4 else pings)
    assert {described[name] for name in differing} == {"nothing" if version == 4 else "answer"}
    net.run("nft", "-f", "-", text=old.replace("flush ruleset", ""))
    together = probes(net, version)
    # connection tracking still knows the pings
    assert {name for name in described if together[name] != described[name]} <= pings
