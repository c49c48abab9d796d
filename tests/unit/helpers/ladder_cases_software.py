# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers with NICs in hardware, and a tunnel in software beside them, in our second table."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    Device,
    FlowRule,
    Flowtable,
    Hook,
    RouterState,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    SOFTWARE_PRIORITY,
    DesiredFlowtable,
    SoftwareTable,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation

from tests.unit.helpers.ladder_case import DISABLED, EXPECT_HARDWARE, EXPECT_SOFTWARE, HARD, case
from tests.unit.helpers.routers import RULE, flows, with_boot, without_device

DEVICES = ("lan0", "wan0", "wg0")
FLOWTABLE = Flowtable("inet", "nft_offload_software", "ft", DEVICES, "filter + 10")
TABLE = SoftwareTable(
    "inet", "nft_offload_software", "", (DesiredFlowtable("ft", DEVICES, False, priority=SOFTWARE_PRIORITY),)
)
LIVE = 'table inet nft_offload_software {\n\tcomment "kmod.nft_offload"\n}\n'


def beside(state: RouterState) -> RouterState:
    """The same router with a tunnel, which hardware does not take."""
    joining = {device: TABLE.attach(TABLE.flowtables[0], device) for device in DEVICES}
    both = {
        device: "; ".join(filter(None, (state.boot.attachments.get(device), command)))
        for device, command in joining.items()
    }
    rules = tuple(
        FlowRule("inet", "nft_offload_software", "forward", "ft", f'{side} "wg0" {RULE}')
        for side in ("iifname", "oifname")
    )
    return replace(
        with_boot(state, attachments=both, software_table="inet nft_offload_software", software_live=LIVE),
        devices={**state.devices, "wg0": Device("wg0", 9, kind="wireguard", up=True)},
        flowtables=(*(state.flowtables or ()), FLOWTABLE),
        rules=(*state.rules, *rules),
        hooks=(*(state.hooks or ()), *(Hook(device, "nf_flow_offload_inet_hook") for device in DEVICES)),
        flows=flows(hardware=4, software=2),
    )


SPLIT = beside(HARD)
ONLY_HARD = replace(
    SPLIT,
    flowtables=HARD.flowtables,
    rules=HARD.rules,
    hooks=HARD.hooks,
    flows=HARD.flows,
)
"""somebody removed the second table"""

CASES = {
    "a tunnel beside hardware": case(
        SPLIT,
        "",
        "hardware",
        "flowtable inet nft_offload ft: hardware, devices lan0, wan0",
        "flowtable inet nft_offload_software ft: software, devices lan0, wan0, wg0",
        expect=EXPECT_HARDWARE,
    ),
    "a tunnel beside hardware, the NICs named": case(
        SPLIT, "", "hardware", expect=Expectation("hardware", devices=("lan0", "wan0"))
    ),
    "a tunnel beside hardware, expected in hardware": case(
        SPLIT,
        "configured.flag-missing",
        "loaded",
        "wg0 offloads in software only, in flowtable inet nft_offload_software ft",
        expect=Expectation("hardware", devices=DEVICES),
    ),
    "a tunnel beside hardware, software expected": case(
        SPLIT, "configured.flag-unexpected", "loaded", expect=EXPECT_SOFTWARE
    ),
    "a tunnel beside hardware, no flow in hardware": case(
        replace(SPLIT, flows=flows(software=4)),
        "",
        "offloading",
        "so flows in software show nothing about the NIC",
        expect=EXPECT_HARDWARE,
        hardware="unproven",
    ),
    "the second table is gone": case(
        with_boot(ONLY_HARD, software_live=None),
        "configured.not-live configured.device-missing",
        "loaded",
        "table inet nft_offload_software is not in the live ruleset",
        expect=EXPECT_HARDWARE,
    ),
    "the tunnel left the second table": case(
        replace(
            SPLIT,
            flowtables=(*(HARD.flowtables or ()), replace(FLOWTABLE, devices=("lan0", "wan0"))),
        ),
        "configured.device-missing",
        "loaded",
        "device wg0 is in no flowtable",
    ),
    "the tunnel is away": case(
        without_device(
            replace(SPLIT, flowtables=(*(HARD.flowtables or ()), replace(FLOWTABLE, devices=("lan0", "wan0")))), "wg0"
        ),
        "",
        "hardware",
        expect=EXPECT_HARDWARE,
    ),
    "a NIC joins one of two flowtables at boot": case(
        with_boot(SPLIT, attachments={**SPLIT.boot.attachments, "lan0": HARD.boot.attachments["lan0"]}),
        "configured.attachment-missing",
        "loaded",
        "device lan0 will not join flowtable inet nft_offload_software ft at boot",
    ),
    "the second table lost a hook": case(
        replace(SPLIT, hooks=(SPLIT.hooks or ())[:-1]),
        "bound.hook-missing",
        "configured",
        "has no hook on wg0",
    ),
    "the second table is fed by nothing": case(
        replace(SPLIT, rules=HARD.rules),
        "configured.no-rule",
        "loaded",
        "no rule feeds flowtable inet nft_offload_software ft",
    ),
    "the second table is left": case(
        replace(
            with_boot(SPLIT, ruleset=None, listing=None, live=None, attachments={}, features={}, enabled={}),
            flowtables=(FLOWTABLE,),
        ),
        "configured.leftover-table",
        "none",
        "table inet nft_offload_software is still there",
        expect=DISABLED,
    ),
}
