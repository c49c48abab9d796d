# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's full firewall on every kernel: what it accepts and drops, and that it offloads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.limited import LIMITED
from tests.lab.router import Live

FIREWALL: dict[str, Any] = {
    "flow_offload_ruleset": "router",
    "flow_offload_router": {
        "zones": [
            {"name": "lan", "devices": ["lan0"], "services": ["ssh", "dns"]},
            {"name": "wan", "devices": ["wan0"], "masquerade": True, "services": ["udp/51820"]},
            {"name": "mgmt", "devices": ["mgmt0"], "services": ["ssh"]},
        ],
        "forward": [{"from": "lan", "to": ["wan"]}],
    },
}
LAN_HOST, WAN_HOST = {4: "10.10.0.2", 6: "fd00:10::2"}, {4: "203.0.113.2", 6: "2001:db8:203::2"}
ROUTER_LAN, ROUTER_WAN = {4: "10.10.0.1", 6: "fd00:10::1"}, {4: "203.0.113.1", 6: "2001:db8:203::1"}

GOLDEN = Path(__file__).resolve().parents[1] / "unit/helpers/golden"

SINK = """
systemd-run -q ip netns exec lan python3 /usr/lib/lab/traffic.py sink
for try in $(seq 60); do ! ip netns exec lan ss -Hltn sport = 7000 | grep -q . || exit 0; sleep 0.5; done
exit 1
"""
"""the LAN host answers the lab's traffic too, as the WAN host does"""

Probe = Callable[[str, str], bool]


def reaches(router: Live, side: str, address: str, port: int = 0) -> bool:
    """Whether a ping, or with a port a TCP connection, from that host gets an answer."""
    if port:
        code, _output = router.run_in_host(side, f"timeout 3 bash -c '</dev/tcp/{address}/{port}'")
    else:
        code, _output = router.run_in_host(side, f"ping -c 1 -W 2 {address}")
    return code == 0


def check_paths(router: Live, filtered: bool) -> None:
    """Assert what gets through with the firewall (``filtered``), or that everything does without it."""
    for version in (4, 6):
        assert reaches(router, "lan", WAN_HOST[version])
        assert reaches(router, "lan", WAN_HOST[version], 7000)
        assert reaches(router, "lan", ROUTER_LAN[version], 22)
        assert reaches(router, "wan", ROUTER_WAN[version])
        assert reaches(router, "wan", ROUTER_WAN[version], 22) is not filtered
        # IPv6 hosts can be pinged through it: RFC 4890, 4.3.1
        assert reaches(router, "wan", LAN_HOST[version]) is (version == 6 or not filtered)
        assert reaches(router, "wan", LAN_HOST[version], 7000) is not filtered


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.router(kind, "tools"))
        for kind in ("trixie/offload", "bookworm/offload", "forky/offload")
    ],
)
def test_firewall(router: Live, kind: str) -> None:
    router.sh(SINK)
    check_paths(router, filtered=False)

    run = router.role(**FIREWALL).worked()
    assert run.task("ruleset").result["flowtables"][0]["offload"] == "hardware"
    router.hang_up()
    assert router.role(**FIREWALL).worked().changed == [], "and a new SSH connection gets in"
    assert "this would remove the router's firewall" in router.role().failure.msg

    # neighbours must be discovered again, with the firewall in place
    for flush in (
        "ip neigh flush dev lan0",
        "ip neigh flush dev wan0",
        "ip -n lan neigh flush all",
        "ip -n wan neigh flush all",
    ):
        router.sh(flush)
    check_paths(router, filtered=True)

    router.assert_flows_have("HW_OFFLOAD")
    assert router.flowtable_devices() == ["lan0", "wan0"]
    masqueraded = [line for line in router.flows("HW_OFFLOAD") if line.startswith("ipv4") and "src=10.10.0.2" in line]
    assert masqueraded
    assert all(f"dst={ROUTER_WAN[4]} " in line for line in masqueraded)
    untouched = [line for line in router.flows("HW_OFFLOAD") if line.startswith("ipv6")]
    assert all(line.count("fd00:0010:0000:0000:0000:0000:0000:0002") == 2 for line in untouched)


@pytest.mark.router("forky/offload", "tools")
def test_a_limit_per_source_on_ssh_is_confirmed(router: Live) -> None:
    """nft 1.1.7 lists how many elements a set holds. The scenario molecule/forky has a shorter one of this."""
    assert router.role(**LIMITED).worked().task("ruleset").result["change"]["confirmed"]
    assert router.nft("-s -t list table inet nft_offload").count("\t# count 1\n") == 2
    router.hang_up()
    assert router.role(**LIMITED).worked().changed == []

    # a change while they are filled
    spec = LIMITED["flow_offload_router"]
    logged = spec | {"zones": [{**zone, "log": True} for zone in spec["zones"]]}
    run = router.role(**LIMITED | {"flow_offload_router": logged}).worked()
    assert run.task("ruleset").result["change"]["confirmed"]


CUT = FIREWALL | {"flow_offload_flush_connections": "restricted"}


def with_router(**changes: Any) -> dict[str, Any]:
    return CUT | {"flow_offload_router": FIREWALL["flow_offload_router"] | changes}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.router(kind, "tools"))
        for kind in ("trixie/offload", "bookworm/offload", "forky/offload")
    ],
)
def test_a_tightened_policy_reaches_offloaded_flows(router: Live, kind: str) -> None:
    router.role(**CUT).worked()
    lines = router.flows("HW_OFFLOAD", 900)  # longer than this test takes on a busy machine
    assert len(lines) >= 4 and all("[HW_OFFLOAD]" in line for line in lines)

    # a change that forbids nothing: everything may still go from the LAN to the Internet, so these flows stay
    zones = [{**zone, "log": True} for zone in FIREWALL["flow_offload_router"]["zones"]]
    run = router.role(**with_router(zones=zones)).worked()
    assert "flush connections" in " ".join(run.task("ruleset").actions)
    assert offloaded(router) == len(lines)

    # only ping is allowed: the flows are deleted, and their further packets are dropped
    run = router.role(**with_router(zones=zones, forward=[{"from": "lan", "to": "wan", "services": "ping"}])).worked()
    assert "anywhere to anywhere" in " ".join(run.task("ruleset").actions)
    assert offloaded(router) == 0
    assert reaches(router, "lan", WAN_HOST[4])
    for version in (4, 6):
        assert not reaches(router, "lan", WAN_HOST[version], 7000)

    run = router.playbook("rollback", "-e", "flow_offload_flush_connections=restricted").worked()
    assert "anywhere to anywhere" in " ".join(run.task("ruleset").actions)
    assert reaches(router, "lan", WAN_HOST[4], 7000)


def offloaded(router: Live) -> int:
    """Number of flows of the lab's traffic that are offloaded now."""
    lines = router.sh("cat /proc/net/nf_conntrack").splitlines()
    return sum("dport=7000" in line and "OFFLOAD]" in line for line in lines)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.router(kind, "tools"))
        for kind in ("trixie/offload", "bookworm/offload", "forky/offload")
    ],
)
@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.nft")))
def test_every_nft_accepts_what_is_rendered(router: Live, kind: str, name: str) -> None:
    """The same texts as in the unit tests, with the flowtable."""
    flowtable = "table inet nft_offload {\n\tflowtable ft { hook ingress priority 0; }\n}\n"
    router.sh(f"cat >/run/golden.nft <<'END'\n{flowtable}{(GOLDEN / f'{name}.nft').read_text()}END")
    router.nft("-c -f /run/golden.nft")
    router.sh("rm /run/golden.nft")
