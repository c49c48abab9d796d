# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken routers, each with every finding that the ladder must have on it, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._boot import DEVICE_RULES, RULESET_UNIT
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.finding import Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import (
    Boot,
    Carried,
    Feature,
    FlowRule,
    Flowtable,
    Hook,
    RouterState,
)

from tests.unit.plugins.routers import (
    FIXED,
    OFF,
    ON,
    RULE,
    bare,
    flows,
    foreign,
    router,
    with_boot,
    with_carried,
    with_device,
    with_flowtable,
    with_kernel,
    with_modules,
    with_platform,
    with_rule,
    with_sample,
    without_device,
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
    rules=tuple(FlowRule(family, f"vyos_{family}", "forward", "ft", RULE, reachable=True) for family in ("ip", "ip6")),
)
TWO = replace(
    foreign(),
    flowtables=tuple(Flowtable("inet", table, "ft", ("lan0", "wan0")) for table in ("one", "other")),
    rules=tuple(FlowRule("inet", table, "forward", "ft", RULE, reachable=True) for table in ("one", "other")),
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

SUPPORTED = {
    "not root": case(
        with_boot(with_platform(NOT_THERE, uid=1000), ruleset=HARD.boot.ruleset, enabled={RULESET_UNIT: False}),
        "supported.not-permitted",
        "none",
        "uid 1000",
        "the ruleset could not be read",
        supported="failed",
        configured="unproven",
        offloading="unproven",
    ),
    "old kernel": case(with_platform(HARD, kernel="5.4.0-1"), "supported.kernel-too-old", "none", "Linux 5.4.0-1"),
    "kernel at the limit": case(with_platform(HARD, kernel="5.8.0"), "", "hardware"),
    "kernel not understood": case(
        with_platform(HARD, kernel="custom"), "", "hardware", "kernel custom", supported="unproven"
    ),
    "modules not on disk": case(
        with_modules(bare(), nf_flow_table="missing", nft_flow_offload="missing", nf_flow_table_inet="missing"),
        "supported.modules-missing configured.no-flowtable",
        "none",
        "no module nft_flow_offload for kernel 6.12.48",
        "was built for flowtables",
        loaded="unproven",
    ),
    "modules not on disk, but at work": case(
        with_modules(HARD, nf_flow_table="missing", nft_flow_offload="missing", nf_flow_table_inet="missing"),
        "",
        "hardware",
        "shown by the live ruleset: nf_flow_table, nf_flow_table_inet, nft_flow_offload",
    ),
    "modules not told": case(with_kernel(bare(), modules={}), "configured.no-flowtable", "none", supported="unproven"),
    "no nft": case(
        with_platform(NOT_THERE, commands=frozenset(), nft_version=None),
        "supported.nft-missing",
        "none",
    ),
    "modules for another kernel": case(
        with_kernel(
            with_modules(bare(), nf_flow_table="missing", nft_flow_offload="missing", nf_flow_table_inet="missing"),
            other_kernels=("6.12.57+deb13-cloud-amd64",),
        ),
        "supported.modules-for-another-kernel configured.no-flowtable",
        "none",
        "on disk for 6.12.57+deb13-cloud-amd64",
        loaded="unproven",
    ),
    "modules for another kernel too": case(with_kernel(HARD, other_kernels=("6.12.57",)), "", "hardware"),
    "kernel without flowtables": case(
        with_kernel(
            with_modules(bare(), nf_flow_table="missing", nft_flow_offload="missing", nf_flow_table_inet="missing"),
            flowtable_sysctl=False,
        ),
        "supported.kernel-without-flowtables configured.no-flowtable",
        "none",
        "nf_flowtable_tcp_timeout does not exist",
    ),
    "old nft, hardware expected": case(
        with_platform(SOFT, nft_version=(0, 9, 8)),
        "supported.nft-too-old configured.flag-missing",
        "none",
        "nft 0.9.8",
        expect=EXPECT_HARDWARE,
    ),
    "old nft, nothing there": case(
        with_platform(replace(bare(), flows=flows()), nft_version=(0, 9, 8)),
        "supported.nft-too-old loaded.not-loaded loaded.not-at-boot configured.no-flowtable",
        "none",
    ),
    "old nft, software": case(
        with_platform(SOFT, nft_version=(0, 9, 8)), "supported.nft-hides-flags", "offloading", "nft 0.9.8"
    ),
    "older nft, nothing there": case(
        with_platform(replace(bare(), flows=flows()), nft_version=(0, 9, 3)),
        "supported.nft-without-counter loaded.not-loaded loaded.not-at-boot configured.no-flowtable",
        "none",
        "nft 0.9.3",
    ),
    "no ethtool": case(with_platform(HARD, commands=frozenset({"nft", "ip"})), "supported.ethtool-missing", "hardware"),
    "no ethtool, software": case(with_platform(SOFT, commands=frozenset({"nft"})), "", "offloading"),
    "no ethtool, hardware expected": case(
        with_platform(SOFT, commands=frozenset({"nft"})),
        "supported.ethtool-missing configured.flag-missing",
        "loaded",
        expect=EXPECT_HARDWARE,
    ),
    "nft at the limit": case(with_platform(SOFT, nft_version=(0, 9, 9)), "", "offloading"),
    "nft's version not understood": case(with_platform(SOFT, nft_version=None), "", "offloading", supported="unproven"),
}

LOADED = {
    "not loaded": case(
        bare(),
        "loaded.not-loaded loaded.not-at-boot configured.no-flowtable",
        "supported",
        "nf_flow_table_inet, nft_flow_offload are not loaded",
        "nothing loads nf_flow_table at boot",
        loaded="failed",
    ),
    "one not loaded": case(
        with_modules(replace(HARD, rules=()), nft_flow_offload="available"),
        "loaded.not-loaded configured.no-rule",
        "supported",
        "nft_flow_offload is not loaded",
    ),
    "loading disabled": case(
        with_kernel(with_modules(bare(), nf_flow_table="available"), modules_disabled=True),
        "loaded.modules-disabled configured.no-flowtable",
        "supported",
        "cannot be loaded until a reboot",
    ),
    "loading disabled, but all in": case(
        with_kernel(HARD, modules_disabled=True), "", "hardware", "kernel.modules_disabled = 1"
    ),
    "built in": case(
        with_kernel(
            with_modules(HARD, nf_flow_table="builtin", nf_flow_table_inet="builtin", nft_flow_offload="builtin"),
            boot_modules=frozenset(),
        ),
        "",
        "hardware",
    ),
    "not at boot": case(
        with_kernel(HARD, boot_modules=frozenset()),
        "loaded.not-at-boot",
        "hardware",
        "nothing loads nf_flow_table, nf_flow_table_inet, nft_flow_offload at boot",
        loaded="proven",
    ),
    "one not at boot": case(
        with_kernel(HARD, boot_modules=frozenset({"nft_flow_offload"})),
        "loaded.not-at-boot",
        "hardware",
        "nothing loads nf_flow_table_inet at boot",
    ),
    "left to another firewall": case(
        foreign(), "loaded.on-demand configured.boot-not-judged", "offloading", "firewall: firewalld", loaded="proven"
    ),
}

CONFIGURED = {
    "ruleset unreadable": case(
        NOT_THERE,
        "configured.unreadable",
        "loaded",
        "flowtables: Operation not permitted",
        configured="unproven",
    ),
    "no flowtable": case(
        replace(HARD, flowtables=(), rules=(), hooks=(), boot=Boot()),
        "configured.no-flowtable",
        "loaded",
        "no flowtable in the live ruleset",
        configured="failed",
        bound="unproven",
        hardware="unproven",
    ),
    "no flowtable in our table": case(
        replace(foreign(), boot=Boot(live="table inet nft_offload {\n}\n")),
        "loaded.not-at-boot configured.no-flowtable",
        "loaded",
        "no flowtable in table inet nft_offload",
    ),
    "software, hardware expected": case(
        SOFT, "configured.flag-missing", "loaded", expect=EXPECT_HARDWARE, hardware="not_applicable"
    ),
    "hardware, software expected": case(
        HARD,
        "configured.flag-unexpected",
        "loaded",
        "software is expected",
        expect=EXPECT_SOFTWARE,
        hardware="not_applicable",
    ),
    "hardware, software expected, features off": case(
        with_device(HARD, "lan0", hw_tc_offload=OFF), "configured.flag-unexpected", "loaded", expect=EXPECT_SOFTWARE
    ),
    "two software flowtables, hardware expected": case(
        VYOS,
        "loaded.on-demand configured.boot-not-judged configured.flag-missing",
        "loaded",
        "ip vyos_ip ft",
        "ip6 vyos_ip6 ft",
        expect=EXPECT_HARDWARE,
    ),
    "no devices": case(
        replace(with_boot(with_flowtable(HARD, devices=()), attachments={}), hooks=(), flows=flows()),
        "configured.no-devices offloading.no-traffic",
        "loaded",
        bound="unproven",
    ),
    "misspelt device, Linux 7.2": case(
        replace(with_flowtable(NEW_KERNEL, devices=("lan0", "typo0", "wan0")), flows=flows(hardware=1)),
        "configured.device-unknown configured.attachment-missing",
        "loaded",
        "names typo0, which does not exist",
        "typo0: no such device, so no hook",
        bound="unproven",
    ),
    "expected device does not exist": case(
        HARD,
        "configured.device-unknown",
        "loaded",
        "the option devices names wan9",
        "devices: lan0, mgmt0, wan0",
        expect=Expectation(devices=("lan0", "wan9")),
    ),
    "expected device not in the flowtable": case(
        HARD,
        "configured.device-missing",
        "loaded",
        "device mgmt0 is in no flowtable",
        "hardware, devices lan0, wan0",
        expect=Expectation(devices=("lan0", "mgmt0", "wan0")),
    ),
    "expected devices without a flowtable": case(
        replace(HARD, flowtables=(), rules=(), hooks=(), boot=Boot()),
        "configured.no-flowtable",
        "loaded",
        expect=Expectation(devices=("lan0", "wan0")),
    ),
    "bridge expected, ports listed": case(BRIDGE, "", "hardware", expect=Expectation(devices=("br0", "wan0"))),
    "bridge expected, one port not listed": case(
        with_device(BRIDGE, "br0", lowers=("lan0", "mgmt0")),
        "configured.device-missing",
        "loaded",
        expect=Expectation(devices=("br0", "wan0")),
    ),
    "bridge expected, ports listed, Linux 5.10": case(
        with_platform(BRIDGE, kernel="5.10.0"),
        "configured.device-missing",
        "loaded",
        expect=Expectation(devices=("br0",)),
    ),
    "bond expected, member listed": case(
        with_device(HARD, "bond0", kind="bond", lowers=("lan0",)),
        "configured.device-missing",
        "loaded",
        expect=Expectation(devices=("bond0",)),
    ),
    "every device of a start listed": case(
        with_flowtable(
            replace(NEW_KERNEL, boot=replace(HARD.boot, attachments={"wan*": "", "lan0": ""})), devices=("lan0", "wan*")
        ),
        "",
        "hardware",
        expect=Expectation(devices=("wan0",)),
    ),
    "device dropped out": case(
        replace(with_flowtable(HARD, devices=("lan0",)), hooks=HARD.hooks[:1] if HARD.hooks else None),
        "configured.device-missing",
        "loaded",
        "device wan0 is in no flowtable",
    ),
    "device away, Linux 6.12": case(
        without_device(replace(with_flowtable(HARD, devices=("lan0",)), hooks=(HARD.hooks or ())[:1]), "wan0"),
        "",
        "hardware",
    ),
    "no rule": case(
        replace(HARD, rules=(), flows=flows(slow=9, recent=9)),
        "configured.no-rule offloading.none-offloaded",
        "loaded",
        "no 'flow add @ft' in table inet nft_offload",
    ),
    "rules unreadable": case(
        replace(HARD, rules=(), unseen={"ruleset": "nft: out of memory"}),
        "configured.unreadable",
        "hardware",
        "ruleset: nft: out of memory",
        configured="unproven",
    ),
    "devices unreadable": case(
        replace(HARD, devices={}), "", "hardware", expect=Expectation(devices=("lan0",)), bound="unproven"
    ),
    "rule of another flowtable": case(with_rule(HARD, flowtable="other"), "configured.no-rule", "loaded"),
    "rule in an unhooked chain": case(
        replace(with_rule(HARD, reachable=False, chain="offload"), flows=flows(slow=9, recent=9)),
        "configured.rule-unreachable offloading.none-offloaded",
        "loaded",
        "chain offload: ct state established",
    ),
    "one of two rules in an unhooked chain": case(
        replace(HARD, rules=(*HARD.rules, *with_rule(HARD, reachable=False, chain="offload").rules)), "", "hardware"
    ),
    "lines that no parser knows": case(
        replace(HARD, not_understood=("flowtable inet x y: shape round",)), "", "hardware", "not understood: flowtable"
    ),
}

AT_BOOT = {
    "flushed": case(
        replace(with_boot(HARD, live=None), flowtables=(), rules=(), hooks=(), flows=flows(slow=9, recent=9)),
        "configured.not-live",
        "loaded",
        offloading="unproven",
    ),
    "flushed, another flowtable there": case(
        with_boot(with_rule(with_flowtable(with_boot(HARD, live=None), table="filter"), table="filter"), live=None),
        "configured.not-live",
        "loaded",
        "table inet nft_offload is not in the live ruleset",
    ),
    "loaded by hand": case(
        with_boot(HARD, ruleset=None, listing=None, attachments={}, enabled={}), "configured.not-persisted", "loaded"
    ),
    "loaded by hand, another name": case(
        replace(
            with_rule(with_flowtable(HARD, table="mine"), table="mine"),
            boot=Boot(live="table inet mine {\n}\n"),
        ),
        "configured.boot-not-judged",
        "hardware",
        expect=Expectation(table="inet mine"),
    ),
    "changed by hand": case(
        with_boot(HARD, live=(HARD.boot.live or "").replace(RULE, f"ip saddr 192.0.2.0/24 {RULE}")),
        "configured.live-differs",
        "loaded",
        f"since it was loaded: -{RULE} / +ip saddr",
        f"+ip saddr 192.0.2.0/24 {RULE}",
    ),
    "changed in many places": case(
        with_boot(HARD, live="\n".join(f"line {number}" for number in range(40))),
        "configured.live-differs",
        "loaded",
        "more lines",
    ),
    "no listing kept": case(with_boot(HARD, listing=None), "", "hardware", "not compared: no listing was kept"),
    "unit disabled": case(
        with_boot(HARD, enabled={RULESET_UNIT: False, DEVICE_RULES: True}),
        "configured.boot-disabled",
        "loaded",
        "boot will not use nft-offload.service",
    ),
    "attachment gone": case(
        with_boot(HARD, attachments={"lan0": ""}),
        "configured.attachment-missing",
        "loaded",
        "device wan0 will not join",
        "devices that will: lan0",
    ),
    "boot has another table": case(
        with_boot(HARD, ruleset=(HARD.boot.ruleset or "").replace("nft_offload\n", "old\n")),
        "configured.not-persisted",
        "loaded",
    ),
}

NIC = {
    "off": case(
        replace(with_device(HARD, "wan0", hw_tc_offload=OFF), flows=flows(software=2)),
        "configured.feature-off hardware.switched-off",
        "loaded",
        "hw-tc-offload is off on wan0 (driver labnic)",
        "wan0: hw-tc-offload: off",
        offloading="proven",
        hardware="failed",
    ),
    "off on one, the other takes flows": case(
        with_device(HARD, "wan0", hw_tc_offload=OFF), "configured.feature-off", "loaded", hardware="proven"
    ),
    "off though requested": case(
        with_device(HARD, "wan0", hw_tc_offload=Feature(active=False, requested=True)),
        "configured.feature-not-active",
        "loaded",
        "though it was requested on",
        "wan0: hw-tc-offload: off [requested on]",
    ),
    "fixed": case(
        replace(with_device(HARD, "lan0", hw_tc_offload=FIXED, driver="veth"), flows=flows()),
        "configured.feature-fixed offloading.no-traffic",
        "loaded",
        "lan0: hw-tc-offload: off [fixed]",
    ),
    "off on a device of no flowtable": case(with_device(HARD, "mgmt0", hw_tc_offload=OFF), "", "hardware"),
    "off in software": case(with_device(SOFT, "lan0", hw_tc_offload=OFF), "", "offloading"),
    "no ethtool": case(
        with_device(HARD, "lan0", hw_tc_offload=None),
        "configured.feature-unknown",
        "hardware",
        "lan0 could not be read",
    ),
    "not at boot": case(
        with_boot(HARD, features={("lan0", "hw-tc-offload"): "on", ("wan0", "hw-tc-offload"): "off"}),
        "configured.feature-not-at-boot",
        "hardware",
        "for wan0 at boot",
    ),
    "on for good": case(
        with_boot(
            with_device(HARD, "wan0", hw_tc_offload=Feature(active=True, fixed=True)), features=HARD.boot.features
        ),
        "",
        "hardware",
    ),
    "another firewall's": case(foreign(hardware=True), "loaded.on-demand configured.boot-not-judged", "hardware"),
    "off at the conduit": case(
        DSA, "configured.conduit-feature-off", "loaded", "off on eth0, which carries lan0, wan0 (driver mtk_soc_eth)"
    ),
    "on at the conduit, off at the port": case(
        with_boot(
            with_device(with_device(DSA, "eth0", hw_tc_offload=ON), "lan0", hw_tc_offload=OFF),
            features={("eth0", "hw-tc-offload"): "on"},
        ),
        "",
        "hardware",
    ),
}

BOUND = {
    "one hook missing": case(
        replace(HARD, hooks=(HARD.hooks or ())[:1]),
        "bound.hook-missing",
        "configured",
        "inet nft_offload ft has no hook on wan0",
        bound="failed",
    ),
    "other hooks only": case(
        replace(HARD, hooks=tuple(Hook(device, "nft_do_chain_netdev") for device in ("lan0", "wan0"))),
        "bound.hook-missing",
        "configured",
    ),
    "hook of another flowtable": case(
        replace(NEW_KERNEL, hooks=(NAMED_HOOKS[0], Hook("wan0", "flowtable", "inet other ft"))),
        "bound.hook-missing",
        "configured",
        "wan0: ingress hook flowtable of inet other ft",
    ),
    "named hooks": case(NEW_KERNEL, "", "hardware", "lan0: ingress hook flowtable of inet nft_offload ft"),
    "hooks of one family only": case(
        replace(VYOS, hooks=hooked("nf_flow_offload_ip_hook")),
        "loaded.on-demand configured.boot-not-judged bound.hook-missing",
        "configured",
        "flowtable ip6 vyos_ip6 ft has no hook on lan0",
    ),
    "hooks of both families": case(
        replace(VYOS, hooks=hooked("nf_flow_offload_ip_hook", "nf_flow_offload_ipv6_hook")),
        "loaded.on-demand configured.boot-not-judged",
        "offloading",
    ),
    "fewer hooks than flowtables": case(
        replace(TWO, hooks=HARD.hooks),
        "loaded.on-demand configured.boot-not-judged configured.flowtables-compete bound.fewer-hooks",
        "configured",
        "may have no hook",
    ),
    "as many hooks as flowtables": case(
        replace(TWO, hooks=(HARD.hooks or ()) * 2),
        "loaded.on-demand configured.boot-not-judged configured.flowtables-compete",
        "offloading",
    ),
    "hooks not listed, Linux 6.1": case(
        with_platform(replace(HARD, hooks=None), kernel="6.1.0-40"),
        "",
        "hardware",
        "lists lan0, wan0; this kernel cannot list hooks",
        bound="proven",
    ),
    "hooks not listed, Linux 7.2": case(
        replace(NEW_KERNEL, hooks=None, unseen={"hooks": "Error: Operation not supported"}),
        "bound.hooks-unreadable",
        "hardware",
        "hooks: Error: Operation not supported",
        bound="unproven",
    ),
}

OFFLOADING = {
    "conntrack unreadable": case(
        replace(SOFT, flows=None, unseen={"conntrack": "head: No such file or directory"}),
        "offloading.conntrack-unreadable",
        "bound",
        "conntrack: head: No such file",
        offloading="unproven",
    ),
    "no traffic": case(
        replace(SOFT, flows=flows()),
        "offloading.no-traffic",
        "bound",
        "looked at for 3 seconds",
        offloading="unproven",
        hardware="not_applicable",
    ),
    "old slow flows only": case(
        replace(HARD, flows=flows(slow=3)), "offloading.no-traffic", "bound", hardware="unproven"
    ),
    "slow traffic": case(
        replace(HARD, flows=flows(slow=3, recent=2)),
        "offloading.none-offloaded",
        "bound",
        "2 flows were forwarded just now",
        "ESTABLISHED src=192.0.2.9",
        offloading="failed",
        hardware="unproven",
    ),
    "some slow traffic": case(replace(SOFT, flows=flows(software=1, slow=3, recent=2)), "", "offloading", "[OFFLOAD]"),
}

# TCP and UDP, each way; the first packets of each flow, some pings
BOTH_WAYS = ("fast 4 lan0 300", "fast 4 wan0 310", "walked4 lan0 wan0 12 900", "walked4 wan0 lan0 10 800")
BOTH_WAYS6 = ("fast 6 lan0 150", "fast 6 wan0 150", "walked6 lan0 wan0 9 900", "slow6 lan0 wan0 udp 1 11 900")
ONLY_LAN = replace(with_flowtable(SOFT, devices=("lan0",)), hooks=(SOFT.hooks or ())[:1], boot=Boot())
COUNTED = {"hardware": Carried(flows=4, there=200, back=190)}
NAME_LOOKUPS = ("walked4 lan0 wan0 5000 400000", "walked4 wan0 lan0 5000 900000")

BYPASSING = {
    "both ways": case(
        with_sample(SOFT, *BOTH_WAYS, *BOTH_WAYS6),
        "",
        "bypassing",
        "in 3.02 seconds 910 packets bypassed the forward chain, 31 walked it",
        "1.19 % slow, give or take 0.93",
        bypassing="proven",
    ),
    "not measured": case(SOFT, "", "offloading", "not measured: no time was given", bypassing="unproven"),
    "refused": case(
        replace(SOFT, unseen={"sample": "Error: Could not process rule: Operation not permitted"}),
        "bypassing.not-measured",
        "offloading",
        "sample: Error: Could not process rule",
        bypassing="unproven",
    ),
    "no flowtable": case(
        with_sample(bare(), *NAME_LOOKUPS), "configured.no-flowtable loaded.not-loaded loaded.not-at-boot", "supported"
    ),
    "hardly a packet": case(
        with_sample(SOFT, "fast 4 lan0 40", "fast 4 wan0 41", "walked4 lan0 wan0 4 400"),
        "bypassing.little-traffic",
        "offloading",
        "fewer than 100 packets",
        bypassing="unproven",
    ),
    "hardly a packet, but enough": case(
        with_sample(SOFT, "fast 4 lan0 40", "fast 4 wan0 41", "walked4 lan0 wan0 4 400"),
        "",
        "bypassing",
        expect=Expectation(least_packets=80),
    ),
    "name look-ups only": case(
        with_sample(SOFT, *NAME_LOOKUPS), "bypassing.little-traffic", "offloading", bypassing="unproven"
    ),
    "the other direction is late": case(
        with_sample(
            ONLY_LAN,
            "fast 4 lan0 300",
            "walked4 lan0 wan0 8 800",
            "walked4 wan0 lan0 310 90000",
            "late4 wan0 lan0 302 89000",
            "late6 wan0 lan0 20 8000",
            "walked6 wan0 lan0 21 8100",
        ),
        "bypassing.one-direction configured.other-flowtable configured.boot-not-judged",
        "loaded",
        "packets from wan0 to lan0 (ipv4 and ipv6) walk the forward chain, wan0 is in no flowtable",
        "322 packets of offloaded flows walked it, 0 from wan0 bypassed it",
        expect=Expectation(table="inet other"),
        configured="failed",
        bypassing="failed",
    ),
    "late though listed": case(
        with_carried(
            with_sample(
                with_flowtable(HARD, counter=True),
                "fast 4 lan0 300",
                "walked4 wan0 lan0 310 90000",
                "late4 wan0 lan0 302 89000",
            ),
            **COUNTED,
        ),
        "bypassing.one-direction",
        "offloading",
        "although wan0 is in the flowtable",
        hardware="proven",
    ),
    "a bridge's port is missing": case(
        with_sample(
            with_device(with_device(BRIDGE, "lan1", up=True), "br0", lowers=("lan0", "lan1")),
            "fast 4 wan0 300",
            "walked4 br0 wan0 310 90000",
            "late4 br0 wan0 302 89000",
        ),
        "bypassing.one-direction",
        "offloading",
        "packets from br0 to wan0 (ipv4) walk the forward chain, lan1 is in no flowtable",
    ),
    "a tunnel by choice": case(
        with_sample(SOFT, "fast 4 lan0 9000", "fast 4 wan0 9000", "walked4 wg0 lan0 900 9", "late4 wg0 lan0 890 9"),
        "",
        "bypassing",
    ),
    "bridged frames that netfilter sees": case(
        with_sample(SOFT, *BOTH_WAYS, "walked4 br0 br0 900 9", "late4 br0 br0 890 9", "slow4 br0 br0 tcp 1 9000 9"),
        "",
        "bypassing",
    ),
    "slow flows": case(
        with_sample(
            SOFT,
            "fast 4 lan0 100",
            "fast 4 wan0 100",
            "walked4 lan0 wan0 700 7",
            "slow4 lan0 wan0 udp 3 650 7",
            "slow4 wan0 lan0 udp 3 640 7",
        ),
        "bypassing.slow-share",
        "offloading",
        "86.58 % of the packets that could bypass the forward chain walked it (udp), more than 50 %",
        "ipv4 from lan0 to wan0: 700 walked the forward chain, 0 of offloaded flows, 650 of 3 flows",
        bypassing="failed",
    ),
    "slow flows by a device that is not listed": case(
        with_sample(SOFT, "walked4 mgmt0 wan0 700 7", "slow4 mgmt0 wan0 tcp 3 650 7"),
        "bypassing.slow-share",
        "offloading",
        "; in no flowtable: mgmt0",
    ),
    "slow flows on purpose": case(
        with_sample(SOFT, "fast 4 lan0 100", "fast 4 wan0 100", "slow4 lan0 wan0 udp 3 650 7"),
        "",
        "bypassing",
        expect=Expectation(slow_share=90),
    ),
    "as many slow as fast, give or take": case(
        with_sample(SOFT, "fast 4 lan0 100", "slow4 lan0 wan0 udp 3 105 7", "walked4 lan0 wan0 110 7"),
        "",
        "offloading",
        bypassing="unproven",
    ),
    "the NIC forwards, conntrack counts": case(
        with_carried(with_sample(HARD, "walked4 lan0 wan0 6 600"), **COUNTED),
        "",
        "hardware",
        "beside these NICs forwarded about 390 packets, as connection tracking counted",
        bypassing="proven",
        hardware="proven",
    ),
    "the NIC forwards, conntrack counts for longer than the sample took": case(
        with_carried(with_sample(HARD, "walked4 lan0 wan0 6 600", seconds=1.51), **COUNTED),
        "",
        "hardware",
        "beside these NICs forwarded about 195 packets",
    ),
    "the NIC forwards, its counters tell": case(
        with_sample(HARD, "device lan0 9000 9000000 1 1", "arrived lan0 9 900", "walked4 lan0 wan0 6 600"),
        "",
        "hardware",
        "NICs received 8997768 bytes at least that the kernel never saw",
        bypassing="proven",
    ),
    "marked as in hardware, and forwarded in software": case(
        with_sample(HARD, "fast 4 lan0 300", "fast 4 wan0 300", "walked4 lan0 wan0 6 600"),
        "",
        "hardware",
        bypassing="proven",
    ),
    "the NIC forwards, nothing counts": case(
        with_sample(HARD, "device lan0 9 900 1 1", "arrived lan0 9 900", "walked4 lan0 wan0 6 600"),
        "bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "the NIC forwards uncounted, others are slow": case(
        with_sample(HARD, "walked4 lan0 wan0 700 7", "slow4 lan0 wan0 udp 3 650 7"),
        "bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "late though listed, and the NIC tells nothing": case(
        with_sample(HARD, "walked4 wan0 lan0 310 90000", "late4 wan0 lan0 302 89000"),
        "bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "some are late, but the NIC forwards more": case(
        with_sample(
            HARD,
            "walked4 wan0 lan0 310 90000",
            "late4 wan0 lan0 302 89000",
            "device wan0 9999 9000000 1 1",
            "arrived wan0 310 90000",
        ),
        "",
        "hardware",
        bypassing="proven",
    ),
    "the NIC forwards one direction": case(
        with_carried(
            with_sample(with_flowtable(HARD, counter=True), "walked4 wan0 lan0 310 90000", "late4 wan0 lan0 302 89000"),
            **COUNTED,
        ),
        "bypassing.one-direction",
        "offloading",
    ),
    "the NIC forwards little, much is slow": case(
        with_carried(with_sample(HARD, "walked4 lan0 wan0 7000 7", "slow4 lan0 wan0 udp 3 6500 7"), **COUNTED),
        "bypassing.slow-share",
        "offloading",
    ),
    "nft_ct not loaded": case(
        with_sample(SOFT, *BOTH_WAYS, classed=False), "", "bypassing", "nft_ct is not loaded", bypassing="proven"
    ),
    "nft_ct not loaded, much walks": case(
        with_sample(SOFT, *BOTH_WAYS, "walked4 lan0 dmz0 9000 9", classed=False), "", "offloading", bypassing="unproven"
    ),
    "no hooks at ingress": case(
        with_sample(SOFT, "unhooked Error: no such thing", "walked4 lan0 wan0 7000 7", "slow4 lan0 wan0 udp 3 6500 7"),
        "",
        "offloading",
        "could not be counted: Error: no such thing",
        bypassing="unproven",
    ),
}

HARDWARE = {
    "refused": case(
        replace(HARD, flows=flows(software=7, slow=1)),
        "hardware.refused",
        "offloading",
        "7 flows are offloaded in software, none in hardware",
        "drivers: lan0 labnic, wan0 labnic",
        hardware="failed",
    ),
    "refused, driver unknown": case(
        with_device(replace(HARD, flows=flows(software=1)), "lan0", driver=""),
        "hardware.refused",
        "offloading",
        "unknown",
    ),
    "partly taken": case(
        replace(HARD, flows=flows(hardware=1, software=7)),
        "hardware.some-flows",
        "hardware",
        "1 in hardware, 7 in software",
    ),
    "software beside it": case(
        replace(
            HARD,
            flowtables=(*(HARD.flowtables or ()), Flowtable("ip", "other", "ft", ("mgmt0",))),
            flows=flows(software=7),
        ),
        "",
        "offloading",
        "flows in software say nothing about the NIC",
        hardware="unproven",
    ),
    "as expected": case(HARD, "", "hardware", "[HW_OFFLOAD]", expect=EXPECT_HARDWARE, bypassing="unproven"),
    "in software, as expected": case(SOFT, "", "offloading", expect=EXPECT_SOFTWARE, hardware="not_applicable"),
}

OFF_EVERYWHERE = {name: "not_applicable" for name in ("supported", "loaded", "configured", "bound", "offloading")}
GONE = replace(
    with_platform(NOT_THERE, commands=frozenset({"ip"}), nft_version=None), kernel=bare().kernel, flows=flows(slow=1)
)
DISABLED_CASES = {
    "never touched": case(bare(), "", "none", "there is no table inet nft_offload", expect=DISABLED, **OFF_EVERYWHERE),
    "nft gone too": case(GONE, "", "none", expect=DISABLED, **OFF_EVERYWHERE),
    "another firewall's flowtable": case(foreign(), "", "none", expect=DISABLED),
    "boot pieces known to be off": case(with_boot(bare(), enabled={RULESET_UNIT: False}), "", "none", expect=DISABLED),
    "still on": case(
        HARD,
        "configured.leftover-table configured.leftover-boot",
        "none",
        "flowtable inet nft_offload ft",
        "something is left for boot: table inet nft_offload is loaded, and 6 more",
        "hw-tc-offload of lan0 is set on",
        "nft-offload.service is enabled",
        "device wan0 joins",
        expect=DISABLED,
        configured="failed",
    ),
    "flows left": case(
        replace(bare(), flows=flows(software=1)),
        "offloading.leftover-flows",
        "none",
        "[OFFLOAD]",
        expect=DISABLED,
        offloading="failed",
    ),
    "not root": case(
        with_platform(NOT_THERE, uid=1000), "supported.not-permitted", "none", expect=DISABLED, supported="failed"
    ),
    "ruleset unreadable": case(NOT_THERE, "configured.unreadable", "none", expect=DISABLED, configured="unproven"),
}

BY_RUNG: Mapping[str, Mapping[str, Case]] = {
    "supported": SUPPORTED,
    "loaded": LOADED,
    "configured": CONFIGURED,
    "at boot": AT_BOOT,
    "nic": NIC,
    "bound": BOUND,
    "offloading": OFFLOADING,
    "bypassing": BYPASSING,
    "hardware": HARDWARE,
    "disabled": DISABLED_CASES,
}
CASES = {f"{rung}: {name}": found for rung, cases in BY_RUNG.items() for name, found in cases.items()}
