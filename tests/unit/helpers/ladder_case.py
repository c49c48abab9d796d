# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a broken router is in these tests, and the routers that many of them are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    Boot,
    DriverFlow,
    DriverTable,
    FlowRule,
    Flowtable,
    Hook,
    OtherHandlers,
    RouterState,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation

from tests.unit.helpers.routers import (
    HARDWARE_LINE,
    OFF,
    RULE,
    bare,
    flows,
    foreign,
    router,
    with_device,
    with_platform,
)

HARD, SOFT = router(), router(hardware=False)
EXPECT_HARDWARE, EXPECT_SOFTWARE = Expectation("hardware"), Expectation("software")
DISABLED = Expectation("disabled")


@dataclass(frozen=True)
class Case:
    """One router, what is expected of it, and what must be found."""

    state: RouterState
    finds: frozenset[str]
    """ids of all findings"""
    verdict: str
    says: tuple[str, ...] = ()
    """each stands in some message or piece of evidence"""
    expectation: Expectation = field(default_factory=Expectation)
    statuses: Mapping[str, str] = field(default_factory=dict)


def case(
    state: RouterState,
    finds: str,
    verdict: str,
    *says: str,
    expect: Expectation | None = None,
    **statuses: str,
) -> Case:
    return Case(state, frozenset(finds.split()), verdict, says, expect or Expectation(), statuses)


DENIED = dict.fromkeys(("flowtables", "ruleset"), "Operation not permitted (you must be root)")
NOT_THERE = replace(HARD, flowtables=None, rules=(), hooks=None, flows=None, boot=Boot(), unseen=DENIED)
NAMED_HOOKS = tuple(Hook(device, "flowtable", "inet nft_offload ft") for device in ("lan0", "wan0"))
NEW_KERNEL = with_platform(replace(HARD, hooks=NAMED_HOOKS), kernel="7.2.0-cloud-amd64", nft_version=(1, 1, 7))
VYOS = replace(
    foreign(),
    flowtables=tuple(Flowtable(family, f"vyos_{family}", "ft", ("lan0", "wan0")) for family in ("ip", "ip6")),
    rules=tuple(FlowRule(family, f"vyos_{family}", "forward", "ft", RULE) for family in ("ip", "ip6")),
)
TWO = replace(
    foreign(),
    flowtables=tuple(Flowtable("inet", table, "ft", ("lan0", "wan0")) for table in ("one", "other")),
    rules=tuple(FlowRule("inet", table, "forward", "ft", RULE) for table in ("one", "other")),
)
"""two tables of the same family with the same devices"""


def hooked(*functions: str) -> tuple[Hook, ...]:
    """Hooks without names, as Linux before 6.17 lists them."""
    return tuple(Hook(device, function) for device in ("lan0", "wan0") for function in functions)


DSA = with_device(
    with_device(
        with_device(HARD, "eth0", hw_tc_offload=OFF, driver="mtk_soc_eth"), "lan0", kind="dsa", lowers=("eth0",)
    ),
    "wan0",
    kind="dsa",
    lowers=("eth0",),
)
BRIDGE = with_device(HARD, "br0", kind="bridge", lowers=("lan0",))

GONE = replace(
    with_platform(NOT_THERE, commands=frozenset({"ip"}), nft_version=None), kernel=bare().kernel, flows=flows(slow=1)
)


FOREIGN = "loaded.on-demand configured.boot-not-judged "
"""found at any flowtable of another firewall"""


ENTRY = (
    "00e06 BND IPv4 5T orig=192.0.2.7:500->198.51.100.9:500 new=203.0.113.1:500->198.51.100.9:500"
    " eth=02:00:00:00:00:01->02:00:00:00:00:02 etype=0800 vlan=0,0 ib1=61481e81 ib2=007ff051 packets=9 bytes=900"
)


def beside(state: RouterState, **changes: Any) -> RouterState:
    return replace(state, other_handlers=OtherHandlers(**changes))


def table(*there: tuple[bool, bool], looks: int = 2, orphans: int = 0, looked_up: int = 0) -> DriverTable:
    """A driver's table in which these directions of so many sampled flows are bound."""
    return DriverTable(
        bound=sum(map(sum, there)) + orphans,
        flows=tuple(DriverFlow(HARDWARE_LINE, directions) for directions in there),
        orphans=tuple(ENTRY.replace("00e06", f"{number:05x}") for number in range(orphans)),
        looked_up=looked_up,
        looks=looks,
    )


def both(state: RouterState, **changes: object) -> RouterState:
    """Both devices of the flowtable changed."""
    for name in ("lan0", "wan0"):
        state = with_device(state, name, **changes)
    return state


def traffic(state: RouterState, counts: str, recent: str = "") -> RouterState:
    """Conntrack with these counts: 'ipv4 tcp hardware 4, ipv6 udp slow 3', and 'ipv6 udp 3' of them just now."""
    seen = {key: int(count) for key, _space, count in (part.strip().rpartition(" ") for part in counts.split(","))}
    lately = {key: int(n) for key, _space, n in (part.strip().rpartition(" ") for part in recent.split(",") if part)}
    usual = flows(hardware=1, software=1, slow=1)
    return replace(
        state,
        flows=replace(
            usual,
            counts=seen,
            sampled=sum(seen.values()),
            total=sum(seen.values()),
            recent=lately,
            recent_slow=sum(lately.values()),
        ),
    )
