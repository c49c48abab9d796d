# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken OpenWrt routers: what is configured, what fw4 makes of it, and what is live, each another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    FLOWTABLE_MODULES,
    Flowtable,
    OpenWrtFirewall,
    RouterState,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.configured.openwrt import OWN_RULE

from tests.unit.helpers.ladder_case import Case, beside, both, case, traffic
from tests.unit.helpers.routers import ON, flows, foreign, with_device, with_modules

WANTED = Flowtable("inet", "fw4", "ft", ("lan0", "wan0"), "filter")
STOCK = OpenWrtFirewall(
    values={"flow_offloading": "1"},
    effective={"flow_offloading": True, "flow_offloading_hw": False},
    desired=WANTED,
    rule=OWN_RULE,
    loaded=frozenset({"state", "table", "enabled"}),
)
BASE = foreign()
OPENWRT = replace(
    BASE,
    kernel=replace(BASE.kernel, boot_modules=frozenset({"nf_flow_table", "nf_flow_table_inet", "nft_flow_offload"})),
    flowtables=(WANTED,),
    rules=tuple(replace(rule, table="fw4") for rule in BASE.rules),
    firewalls=("fw4",),
    fw4=STOCK,
)
"""a healthy one"""


def having(state: RouterState = OPENWRT, **changes: Any) -> RouterState:
    return replace(state, fw4=replace(STOCK, **changes))


NO_MODULES = dict.fromkeys(FLOWTABLE_MODULES, "missing")

CASES: dict[str, Case] = {
    **{
        f"settings of a controller, by {agent}": case(
            beside(OPENWRT, agents=(agent, "bridger")),
            "configured.settings-managed",
            "offloading",
            f"{agent} writes the settings of its controller",
        )
        for agent in ("openwisp-config", "openwisp_config")
    },
    "bridger beside it": case(beside(OPENWRT, agents=("bridger",)), "", "offloading"),
    "Wi-Fi came after the firewall": case(
        having(desired=replace(WANTED, devices=("lan0", "phy0-ap0", "wan0"))),
        "configured.openwrt-differs",
        "loaded",
        "live is lan0, wan0 in software, and fw4 would make lan0, phy0-ap0, wan0 in software",
        configured="failed",
    ),
    "a load that failed left software in place of hardware": case(
        having(desired=replace(WANTED, hardware=True)), "configured.openwrt-differs", "loaded"
    ),
    "the firewall was stopped": case(
        traffic(having(replace(OPENWRT, flowtables=(), rules=()), loaded=frozenset({"enabled"})), "ipv4 tcp slow 1"),
        "configured.openwrt-not-loaded configured.no-flowtable",
        "loaded",
        "there is no table inet fw4",
    ),
    "fw4 has a state file, and no table": case(
        traffic(having(replace(OPENWRT, flowtables=(), rules=()), loaded=frozenset({"state"})), "ipv4 tcp slow 1"),
        "configured.openwrt-not-loaded configured.no-flowtable",
        "loaded",
        "its state file shows it as loaded",
    ),
    "the kernel has no flowtables, and fw4 was refused as a whole": case(
        with_modules(
            having(
                replace(OPENWRT, flowtables=(), rules=(), flows=flows(slow=1)),
                loaded=frozenset({"state", "table", "empty", "enabled"}),
            ),
            **NO_MODULES,
        ),
        "supported.modules-missing configured.openwrt-refused configured.no-flowtable",
        "none",
        "the live firewall is an empty shell, because the running kernel has no nf_flow_table, ",
    ),
    "the kernel has no flowtables, and fw4 left nothing": case(
        with_modules(
            having(replace(OPENWRT, flowtables=(), rules=(), flows=flows(slow=1)), loaded=frozenset({"state"})),
            **NO_MODULES,
        ),
        "supported.modules-missing configured.openwrt-refused configured.no-flowtable",
        "none",
        "there is no table inet fw4, because the running kernel has no nf_flow_table, ",
    ),
    "fw4 was refused as a whole for another reason": case(
        having(
            replace(OPENWRT, flowtables=(), rules=(), flows=flows(slow=1)),
            loaded=frozenset({"state", "table", "empty", "enabled"}),
        ),
        "configured.openwrt-refused configured.no-flowtable",
        "loaded",
        "the live firewall is an empty shell",
    ),
    "fw4 falls back to software": case(
        having(
            effective={"flow_offloading": True, "flow_offloading_hw": True},
            complaints=("Hardware flow offloading unavailable, falling back to software offloading",),
        ),
        "configured.openwrt-fallback",
        "offloading",
    ),
    "hardware alone means nothing": case(
        traffic(
            having(
                replace(OPENWRT, flowtables=(), rules=()),
                effective={"flow_offloading": False, "flow_offloading_hw": True},
                desired=None,
                rule="",
            ),
            "ipv4 tcp slow 1",
        ),
        "configured.openwrt-hardware-alone configured.no-flowtable",
        "loaded",
    ),
    "a value that ends fw4": case(
        having(
            values={"flow_offloading": "enabled"},
            effective={"flow_offloading": None, "flow_offloading_hw": False},
            desired=None,
            rule="",
        ),
        "configured.openwrt-no-truth configured.boot-not-judged",
        "loaded",
        "flow_offloading is 'enabled'",
    ),
    "a zone that fw4 leaves out": case(
        having(
            complaints=(
                "Section @zone[1] (wan) option 'masq' specifies invalid value 'maybe'",
                "Section @zone[1] (wan) skipped due to invalid options",
            )
        ),
        "configured.openwrt-zone-skipped",
        "offloading",
        "fw4 leaves out the zone wan",
        "option 'masq' specifies invalid value 'maybe'",
    ),
    "zones whose sections have names, or that have none themselves": case(
        having(
            zone_sections=frozenset({"guest", "cfg03dc81"}),
            complaints=(
                "Section guest (guest) option 'masq' specifies invalid value 'maybe'",
                "Section guest (guest) skipped due to invalid options",
                "Section @zone[2] option 'name' is mandatory but not set",
                "Section @zone[2] skipped due to invalid options",
                "Section lights (lights) skipped due to invalid options",
            ),
        ),
        "configured.openwrt-zone-skipped",
        "offloading",
        "fw4 leaves out the zone guest, @zone[2]",
        "Section guest (guest) option 'masq' specifies invalid value 'maybe'",
    ),
    "a rule that fw4 leaves out": case(
        having(complaints=("Section lights (lights) skipped due to invalid options",)), "", "offloading"
    ),
    "staged and not committed": case(
        having(staged=("firewall.cfg01e63d.flow_offloading='1'",)),
        "configured.openwrt-staged configured.boot-not-judged",
        "offloading",
        "firewall.cfg01e63d.flow_offloading='1'",
    ),
    "two sections of defaults": case(having(sections=2), "configured.openwrt-defaults-twice", "offloading"),
    "boot does not start it": case(
        having(loaded=frozenset({"state", "table"})),
        "configured.openwrt-not-enabled configured.boot-not-judged",
        "offloading",
    ),
    "an edited template": case(
        having(rule="ct original packets ge 30 flow offload @ft"),
        "configured.openwrt-edited",
        "offloading",
        "ct original packets ge 30",
    ),
}
HEALTHY = {"OpenWrt": OPENWRT}

TRIO = Flowtable("inet", "fw4", "ft", ("lan0", "phy0-ap0", "wan0"), "filter", hardware=True)
CASES["Wi-Fi without WED"] = case(
    with_device(
        both(
            having(
                replace(OPENWRT, flowtables=(TRIO,), flows=flows(hardware=1)),
                desired=TRIO,
                loaded=STOCK.loaded | {"wed-off"},
            ),
            hw_tc_offload=ON,
        ),
        "phy0-ap0",
        kind="wlan",
        hw_tc_offload=ON,
    ),
    "configured.openwrt-wed-off",
    "hardware",
    "phy0-ap0: wed_enable is N",
)
