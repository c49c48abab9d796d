# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 5, offloading: conntrack shows flows with the offload bit."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.finding import (
    Expectation,
    Finding,
    Kind,
    RungResult,
    rung,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.scope import judged, nothing_to_judge, words
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import Flows, RouterState

CONNTRACK_UNREADABLE = Kind(
    "offloading.conntrack-unreadable",
    "warning",
    "Connection tracking could not be read",
    "Which flows are offloaded is told by connection tracking alone. /proc/net/nf_conntrack is missing while nothing"
    " tracks connections, and on kernels without CONFIG_NF_CONNTRACK_PROCFS.",
    "see whether /proc/net/nf_conntrack is on the router; without a ruleset that uses ct nothing is tracked",
)
NO_TRAFFIC = Kind(
    "offloading.no-traffic",
    "info",
    "No traffic was forwarded, so nothing could be seen",
    "Flows are offloaded while they forward TCP or UDP packets. Connections of the router itself never are, and none is"
    " tracked on a router whose ruleset has no use for it. Without traffic this is no fault of the router.",
    "send TCP or UDP traffic through the router while it is verified, or raise sample",
)
NONE_OFFLOADED = Kind(
    "offloading.none-offloaded",
    "error",
    "Traffic is forwarded, but no flow is offloaded",
    "Connections that could be offloaded passed packets just now, and connection tracking shows not one with the"
    " offload bit.",
    "see the findings of the rungs below; without any, look for a verdict before the 'flow add' rule, for"
    " notrack and ct helpers over the same traffic, and for a device of either direction that is not in the flowtable",
)
KINDS = (CONNTRACK_UNREADABLE, NO_TRAFFIC, NONE_OFFLOADED)


def flows(state: RouterState, expectation: Expectation) -> list[Finding]:
    if not judged(state, expectation):
        return []
    if state.flows is None:
        return [CONNTRACK_UNREADABLE.found("connection tracking could not be read", *words(state, "conntrack"))]
    if state.flows.of("hardware", "software"):
        return []
    if state.flows.recent_slow:
        message = f"{state.flows.recent_slow} flows were forwarded just now, none of them offloaded"
        return [NONE_OFFLOADED.found(message, counted(state.flows), *state.flows.examples.get("slow", ())[:2])]
    message = "connection tracking shows no forwarded flow that passed a packet while the router was looked at"
    return [NO_TRAFFIC.found(message, counted(state.flows), f"looked at for {state.flows.seconds} seconds")]


CHECKS = (flows,)


def judge(state: RouterState, expectation: Expectation) -> RungResult:
    seen = state.flows
    evidence = [] if judged(state, expectation) else [nothing_to_judge(state)]
    evidence += [counted(seen)] if seen is not None else []
    holds = seen is not None and seen.of("hardware", "software") > 0
    if seen is not None and holds:
        evidence += (seen.examples.get("software", ()) + seen.examples.get("hardware", ()))[:1]
    return rung("offloading", holds, evidence, [f for check in CHECKS for f in check(state, expectation)])


def counted(flows: Flows) -> str:
    """The sample in one line."""
    return (
        f"of {flows.sampled} sampled conntrack entries: {flows.of('hardware')} in hardware, {flows.of('software')} in"
        f" software, {flows.of('slow')} slow, {flows.of('local')} of the router itself"
    )
