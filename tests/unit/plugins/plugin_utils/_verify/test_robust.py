# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a router prints, judging it gives a whole result and never raises."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.sample import parse_sample
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    FLOWTABLE_MODULES,
    Boot,
    Carried,
    Device,
    DriverFlow,
    DriverTable,
    Exclusion,
    Feature,
    FlowRule,
    Flows,
    Flowtable,
    Hook,
    Kernel,
    OtherHandlers,
    PacketFilter,
    Platform,
    RouterState,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import RUNGS, Expectation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.helpers.routers import router, verdict_on

NAMES = st.sampled_from(["lan0", "wan0", "br0", "eth*", "*", "", "{device}", "x" * 300]) | st.text(max_size=8)
TABLES = st.sampled_from(["nft_offload", "filter"]) | NAMES
FAMILIES = st.sampled_from(["inet", "ip", "netdev", "bridge"])
TEXTS = st.none() | st.sampled_from([router().boot.ruleset, router().boot.live]) | st.text(max_size=60)
COUNTS = st.integers(min_value=0, max_value=1_000_000)
COUNTED = st.builds(
    "{}4 {} {} {} {} {}".format,
    st.sampled_from(["traversed", "late", "slow", "before", "after", "left", "sent"]),
    st.sampled_from(["lan0", "wan0", "br0"]),
    st.sampled_from(["lan0", "wan0", "tcp", "500"]),
    st.sampled_from(["udp 4", "700", ""]),
    COUNTS,
    COUNTS,
).map(lambda line: " ".join(line.split()))
FEATURES = st.builds(Feature, active=st.booleans(), fixed=st.booleans(), requested=st.none() | st.booleans())
WAYS = st.sampled_from([(), ("ipv4",), ("ipv4", "ipv6")])
DEVICES = st.builds(
    Device,
    name=NAMES,
    index=COUNTS,
    kind=st.sampled_from(["nic", "bridge", "vlan", "dsa", "bond", "ppp", "ip6tnl"]),
    up=st.booleans(),
    master=NAMES,
    lowers=st.lists(NAMES, max_size=3).map(tuple),
    driver=st.sampled_from(["", "ice", "mlx5_core", "labnic"]),
    eswitch=st.sampled_from(["", "legacy", "switchdev"]),
    mtu=st.sampled_from([0, 1400, 1500]),
    addresses=st.sampled_from([(), ("192.0.2.1/24",), ("fd00::1/64",), ("",)]),
    forwarding=WAYS,
    default_route=WAYS,
    routes=WAYS,
    next_hops=WAYS,
    tables=st.sampled_from([(), ("main",), ("main", "10")]),
    ipv6_gateways=st.sampled_from([(), ("fe80::1",), ("unknown",)]),
    hw_tc_offload=st.none() | FEATURES,
)
FLOWTABLES = st.builds(
    Flowtable, FAMILIES, TABLES, NAMES, devices=st.lists(NAMES, max_size=4).map(tuple), hardware=st.booleans()
)
STATES = st.builds(
    RouterState,
    platform=st.builds(
        Platform,
        uid=st.sampled_from([-1, 0, 1000]),
        kernel=st.sampled_from(["6.1.0", "6.12.1", "7.2", "5.4", "", "."]) | st.text(max_size=8),
        commands=st.frozensets(st.sampled_from(["nft", "ethtool"])),
        nft_version=st.none() | st.lists(st.integers(0, 9), max_size=3).map(tuple),
    ),
    kernel=st.builds(
        Kernel,
        modules=st.dictionaries(
            st.sampled_from(FLOWTABLE_MODULES), st.sampled_from(["loaded", "builtin", "available", "missing"])
        ),
        boot_modules=st.frozensets(st.sampled_from(FLOWTABLE_MODULES)),
        modules_disabled=st.booleans(),
        flowtable_sysctl=st.none() | st.booleans(),
        other_kernels=st.lists(NAMES, max_size=2).map(tuple),
        accounting=st.none() | st.booleans(),
    ),
    bridged=st.dictionaries(NAMES | st.just("*"), WAYS, max_size=2),
    devices=st.lists(DEVICES, max_size=4).map(lambda found: {device.name: device for device in found}),
    flowtables=st.none() | st.lists(FLOWTABLES, max_size=3).map(tuple),
    rules=st.lists(st.builds(FlowRule, FAMILIES, TABLES, NAMES, NAMES, NAMES), max_size=3).map(tuple),
    hooks=st.none() | st.lists(st.builds(Hook, NAMES, NAMES, NAMES), max_size=4).map(tuple),
    sample=st.none() | st.lists(COUNTED, max_size=6).map("\n".join).map(lambda text: parse_sample(text, {})),
    flows=st.none()
    | st.builds(
        Flows,
        total=st.none() | COUNTS,
        maximum=st.none() | COUNTS,
        sampled=COUNTS,
        seconds=COUNTS,
        counts=st.dictionaries(
            st.sampled_from(["ipv4 tcp hardware", "ipv6 udp software", "ipv4 tcp slow", "local", ""]), COUNTS
        ),
        examples=st.dictionaries(st.sampled_from(["hardware", "software"]), st.lists(NAMES, max_size=2).map(tuple)),
        recent_slow=COUNTS,
        recent=st.dictionaries(st.sampled_from(["ipv4 tcp", "ipv6 udp", ""]), COUNTS),
        carried=st.dictionaries(
            st.sampled_from(["hardware", "software"]), st.builds(Carried, COUNTS, COUNTS, COUNTS), max_size=2
        ),
        one_way=st.dictionaries(
            st.sampled_from(["ipv4 software", "ipv6 hardware", ""]), st.tuples(COUNTS, COUNTS), max_size=2
        ),
        unresolved=st.dictionaries(
            st.tuples(st.sampled_from(["192.0.2.9", "203.0.113.9", "x"]), NAMES), COUNTS, max_size=2
        ),
    ),
    boot=st.builds(
        Boot,
        ruleset=TEXTS,
        listing=TEXTS,
        live=TEXTS,
        loaded=st.sampled_from(["", "confirmed", "kept 1-00000001", "kept ", "emergency", "none"]),
        complaint=NAMES,
        attachments=st.dictionaries(NAMES, NAMES, max_size=3),
        features=st.dictionaries(
            st.tuples(NAMES, st.just("hw-tc-offload")), st.sampled_from(["on", "off"]), max_size=3
        ),
        enabled=st.dictionaries(NAMES, st.booleans(), max_size=3),
    ),
    driver_table=st.none()
    | st.builds(
        DriverTable,
        bound=COUNTS,
        flows=st.lists(st.builds(DriverFlow, NAMES, st.tuples(st.booleans(), st.booleans())), max_size=3).map(tuple),
        orphans=st.lists(NAMES, max_size=2).map(tuple),
        looked_up=COUNTS,
        looks=st.integers(0, 2),
    ),
    work=st.dictionaries(st.sampled_from(["add", "del"]), COUNTS),
    other_handlers=st.builds(
        OtherHandlers,
        shapers=st.dictionaries(NAMES, NAMES, max_size=2),
        redirected=st.dictionaries(NAMES, NAMES, max_size=2),
        filters=st.lists(
            st.builds(
                PacketFilter,
                NAMES,
                st.sampled_from(["ingress", "egress"]),
                NAMES,
                st.sampled_from(["redirect", "drop", "police", "ct", "program"]),
                NAMES,
                st.booleans(),
                st.booleans(),
                st.booleans(),
                st.sampled_from(["", "tcp", "2f"]),
                NAMES,
            ),
            max_size=3,
        ).map(tuple),
        xdp=st.dictionaries(NAMES, NAMES, max_size=2),
        accelerators=st.lists(NAMES, max_size=2).map(tuple),
        agents=st.lists(st.sampled_from(["openwisp-config", "bridger"]), max_size=2).map(tuple),
        namespaces=st.lists(NAMES, max_size=2).map(tuple),
        firewalld_devices=st.lists(NAMES, max_size=2).map(tuple),
        mark_rules=st.lists(NAMES, max_size=2).map(tuple),
        ipsec=st.dictionaries(st.sampled_from(["in", "out"]), COUNTS),
        ipsec_errors=st.lists(NAMES, max_size=2).map(tuple),
        legacy_tables=st.lists(NAMES, max_size=2).map(tuple),
        forward_chains=st.lists(NAMES, max_size=2).map(tuple),
        queues=st.lists(NAMES, max_size=2).map(tuple),
        clamps_mss=st.booleans(),
    ),
    exclusions=st.lists(
        st.builds(Exclusion, FAMILIES, TABLES, NAMES, NAMES, st.sampled_from(["notrack", "helper"])),
        max_size=3,
    ).map(tuple),
    forwarding=st.none() | WAYS,
    firewalls=st.lists(st.sampled_from(["docker", "nftables", "firewalld"]) | NAMES, max_size=3).map(tuple),
    unseen=st.dictionaries(st.sampled_from(["flowtables", "ruleset", "hooks", "rules", "addresses", "sample"]), NAMES),
    not_understood=st.lists(NAMES, max_size=4).map(tuple),
)
EXPECTATIONS = st.builds(
    Expectation,
    expect=st.sampled_from(["any", "hardware", "software", "disabled"]),
    require=st.sampled_from(["", *RUNGS]),
    devices=st.lists(NAMES, max_size=3).map(tuple),
    table=st.sampled_from(["inet nft_offload", "inet filter", ""]),
    slow_share=st.integers(0, 100),
    least_packets=st.integers(1, 200),
)


@settings(max_examples=4 * settings().max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(state=STATES, expectation=EXPECTATIONS)
def test_judging_never_raises(state: RouterState, expectation: Expectation) -> None:
    verdict = verdict_on(state, expectation)
    result: dict[str, Any] = json.loads(json.dumps(verdict.as_result()))
    assert [rung["name"] for rung in result["rungs"]] == list(RUNGS)
    assert result["verdict"] in {"none", *RUNGS}
    assert isinstance(verdict.shortfall(expectation), str)
    for rung in verdict.rungs:
        assert (rung.status == "failed") == any(finding.severity == "error" for finding in rung.findings)
