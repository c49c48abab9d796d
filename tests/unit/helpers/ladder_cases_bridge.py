# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers with a flowtable for what bridges pass on, as a patched firewall4 makes it (openwrt/openwrt#24038)."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    Boot,
    Carried,
    FlowPair,
    Flowtable,
    Hook,
    RouterState,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation

from tests.unit.helpers.ladder_case import SOFT, case
from tests.unit.helpers.ladder_cases_ruleset import BRIDGED, THEIRS
from tests.unit.helpers.routers import (
    flows,
    parsed,
    with_carried,
    with_flowtable,
    with_platform,
    with_ruleset,
    with_sample,
    write_rules,
)

ALL = with_flowtable(BRIDGED, devices=("lan0", "lan1", "wan0"))
HOOKS = tuple(Hook(name, "nf_flow_offload_inet_hook") for name in ("lan0", "lan1", "wan0"))
NAMELESS = with_platform(ALL, kernel="6.18.4")
FEEDS = "ct state established flow add @fb"
BASE = "type filter hook forward priority filter; policy accept;"
FED = f"chain forward {{\n{BASE}\n{FEEDS}\n}}"
JUMPED = f"chain forward {{\n{BASE}\nether type ip jump more\n}}\nchain more {{\n{FEEDS}\n}}"


def with_bridge(state: RouterState, *chains: str, family: str = "bridge", hardware: bool = False) -> RouterState:
    """A flowtable fb of family bridge beside the others, with the chains of its table."""
    chained = "\n".join(chains)
    ours = write_rules(parsed(state))
    state = with_ruleset(state, f"{ours}\ntable {family} fw4 {{\n{chained}\n}}\n")
    flowtable = Flowtable(family, "fw4", "fb", ("lan0", "lan1"), hardware=hardware)
    return replace(state, flowtables=(*(state.flowtables or ()), flowtable))


def alone(state: RouterState) -> RouterState:
    """Only those flowtables that are not for what is routed."""
    left = tuple(flowtable for flowtable in state.flowtables or () if flowtable.family not in ("inet", "ip", "ip6"))
    rules = tuple(rule for rule in state.rules if rule.family not in ("inet", "ip", "ip6"))
    return replace(state, flowtables=left, rules=rules, hooks=(), boot=Boot())


OWN_FLOWS = replace(
    flows(software=4),
    pairs=(FlowPair("ipv4", "tcp", "software", "br0", "wan0", 2), FlowPair("ipv4", "tcp", "software", "br0", "br0", 2)),
)
BRIDGED_FLOWS = replace(flows(software=4), pairs=(FlowPair("ipv4", "tcp", "software", "br0", "br0", 4),))
UNFED = f"{THEIRS} configured.bridge-unfed"

BRIDGE = {
    "fed": case(
        with_bridge(ALL, FED),
        THEIRS,
        "offloading",
        "flowtable bridge fw4 fb: software, devices lan0, lan1; it is not for what is routed",
        configured="proven",
    ),
    "fed by a jump": case(with_bridge(ALL, JUMPED), THEIRS, "offloading"),
    "fed, in hardware": case(with_bridge(ALL, FED, hardware=True), THEIRS, "offloading"),
    "beside ours": case(
        replace(with_bridge(SOFT, FED.replace("forward", "fwd", 1)), hooks=(*(SOFT.hooks or ()), HOOKS[0])),
        "",
        "offloading",
    ),
    "no rule": case(
        with_bridge(ALL, f"chain forward {{\n{BASE}\n}}"),
        UNFED,
        "offloading",
        "no bridged packet gets to a rule that feeds flowtable bridge fw4 fb",
        configured="proven",
    ),
    "a chain that nothing leads to": case(with_bridge(ALL, f"chain more {{\n{FEEDS}\n}}"), UNFED, "offloading"),
    "at another hook": case(
        with_bridge(ALL, FED.replace("hook forward", "hook input")), UNFED, "offloading", f"chain forward: {FEEDS}"
    ),
    "behind a verdict": case(
        with_bridge(ALL, FED.replace(FEEDS, f"ct state established accept\n{FEEDS}")),
        UNFED,
        "offloading",
        "first chain forward: ct state established accept",
    ),
    "behind a condition": case(with_bridge(ALL, FED.replace(FEEDS, f'ibrname "br0" {FEEDS}')), THEIRS, "offloading"),
    "rules that could not be read": case(
        replace(with_bridge(ALL), unseen={"rules": "the ruleset is too long to be read whole"}), THEIRS, "offloading"
    ),
    "of family netdev": case(
        with_bridge(ALL, family="netdev"),
        THEIRS,
        "offloading",
        "flowtable netdev fw4 fb: software, devices lan0, lan1; it",
    ),
    "alone": case(
        alone(with_bridge(ALL, FED)),
        "loaded.on-demand configured.no-flowtable",
        "loaded",
        "there is no flowtable for what is routed: bridge fw4 fb is for bridged packets",
    ),
    "alone, a table is named": case(
        alone(with_bridge(ALL, FED)),
        "loaded.on-demand configured.no-flowtable",
        "loaded",
        expect=Expectation(table="inet mine"),
    ),
    "flows of both": case(replace(with_bridge(ALL, FED), flows=OWN_FLOWS), THEIRS, "offloading", offloading="proven"),
    "flows of the bridge only": case(
        replace(with_bridge(ALL, FED), flows=BRIDGED_FLOWS),
        THEIRS,
        "bound",
        "br0 passes them on by itself",
        offloading="unproven",
    ),
    "packets of the bridge only": case(
        with_sample(with_bridge(ALL, FED), "fast 4 lan0 900", "fast 4 lan1 900"),
        f"{THEIRS} bypassing.little-traffic",
        "offloading",
        "1800 packets do not count: flowtable bridge fw4 fb takes bridged ones where they came in",
        bypassing="unproven",
    ),
    "packets of the bridge only, and its flowtable is not listed": case(
        with_sample(replace(with_bridge(ALL, FED), flowtables=ALL.flowtables), "fast 4 lan0 900", "fast 4 lan1 900"),
        f"{THEIRS} bypassing.little-traffic",
        "offloading",
        "1800 packets do not count: flowtable of a bridge takes bridged ones where they came in",
    ),
    "hooks of both": case(
        replace(with_bridge(NAMELESS, FED), hooks=(*HOOKS, *HOOKS[:2])), THEIRS, "offloading", bound="proven"
    ),
    "a hook of one of both": case(
        replace(with_bridge(NAMELESS, FED), hooks=(*HOOKS, *HOOKS[:1])),
        f"{THEIRS} bound.fewer-hooks",
        "configured",
        "may have no hook: there are fewer than flowtables on lan1",
    ),
    "packets of both": case(
        with_sample(with_bridge(ALL, FED), "fast 4 lan0 900", "fast 4 wan0 900"), THEIRS, "bypassing"
    ),
    "packets of the bridge in hardware only": case(
        with_carried(
            replace(
                with_sample(with_bridge(ALL, FED, hardware=True), "traversed4 br0 wan0 9 9"),
                flows=replace(flows(hardware=4), pairs=(FlowPair("ipv4", "tcp", "hardware", "br0", "br0", 4),)),
            ),
            hardware=Carried(flows=4, original=2000, reply=1900),
        ),
        f"{THEIRS} bypassing.little-traffic",
        "bound",
        bypassing="unproven",
    ),
}
CASES = {f"bridge's flowtable: {name}": found for name, found in BRIDGE.items()}
