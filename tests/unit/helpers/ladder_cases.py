# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken routers, each with every finding that the ladder must have on it, and no other: kernel, flowtable, boot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.paths import DEVICE_RULES, RULESET_UNIT
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Boot
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation

from tests.unit.helpers.ladder_case import (
    BRIDGE,
    DISABLED,
    EXPECT_HARDWARE,
    EXPECT_SOFTWARE,
    FOREIGN,
    GONE,
    HARD,
    NEW_KERNEL,
    NOT_THERE,
    SOFT,
    VYOS,
    Case,
    case,
)
from tests.unit.helpers.routers import (
    OFF,
    RULE,
    bare,
    flows,
    foreign,
    with_boot,
    with_device,
    with_flowtable,
    with_kernel,
    with_modules,
    with_platform,
    with_rule,
    with_ruleset,
    without_device,
)

HOOK = "type filter hook forward priority filter; policy accept;"
UNREACHABLE = f"table inet nft_offload {{\nchain offload {{\n{RULE}\n}}\n}}\n"

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
    "old kernel": case(
        with_platform(bare(), kernel="5.4.0-1"),
        "supported.kernel-too-old loaded.not-loaded loaded.not-at-boot configured.no-flowtable",
        "none",
        "Linux 5.4.0-1",
    ),
    **{
        f"{kernel} offloads whatever its number": case(
            with_platform(replace(foreign(), flows=flows(software=4)), kernel=kernel, nft_version=nft),
            f"{FOREIGN} {found}",
            "offloading",
            *([f"Linux {kernel} may not load a flowtable whose devices come later"] if found else []),
            supported="proven",
        )
        for kernel, nft, found in (
            ("4.18.0-553.el8_10.x86_64", (1, 0, 4), "supported.kernel-before-late-devices"),
            ("5.4.213-ui-ipq9574", (1, 0, 2), "supported.kernel-before-late-devices"),
            ("5.10.166", (1, 0, 8), ""),
            ("5.15.0-mtk-sdk", (1, 0, 8), ""),
            ("6.12-rc3+", (1, 1, 3), ""),
        )
    },
    "a tool that hangs": case(
        replace(
            HARD,
            hung={"nft": ("flowtables", "ruleset")},
            unseen=dict.fromkeys(("flowtables", "ruleset"), "nft did not end in time"),
            flowtables=None,
            rules=(),
            hooks=None,
            boot=Boot(),
        ),
        "supported.tool-hangs configured.unreadable",
        "offloading",
        "nft did not end in time",
        "not read: flowtables, ruleset",
        configured="unproven",
    ),
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
    "modules not known": case(with_kernel(bare(), modules={}), "configured.no-flowtable", "none", supported="unproven"),
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
        replace(with_ruleset(HARD, UNREACHABLE), flows=flows(slow=9, recent=9)),
        "configured.rule-unreachable offloading.none-offloaded",
        "loaded",
        "chain offload: ct state established",
    ),
    "one of two rules in an unhooked chain": case(
        with_ruleset(HARD, UNREACHABLE + UNREACHABLE.replace("chain offload {\n", f"chain forward {{\n{HOOK}\n")),
        "",
        "hardware",
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
    "of somebody else": case(
        with_boot(HARD, ruleset=None, listing=None, attachments={}, enabled={}, foreign=True),
        "configured.foreign-table configured.boot-not-judged",
        "hardware",
        "table inet nft_offload was made by somebody else",
        "flowtable ft {",
    ),
    "made again by somebody else": case(
        with_boot(HARD, foreign=True), "configured.foreign-table", "hardware", "chain forward {"
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
    "boot fell back to an older ruleset": case(
        with_boot(
            HARD,
            live=(HARD.boot.live or "").replace(RULE, f"ip saddr 192.0.2.0/24 {RULE}"),
            loaded="kept 2-00c0ffee",
            complaint="ruleset.nft:7:3-6: Error: Interface does not exist",
        ),
        "configured.boot-fallback",
        "loaded",
        "is ruleset 2-00c0ffee, since the router started",
        "Error: Interface does not exist",
    ),
    "boot fell back, put right since": case(
        with_boot(HARD, loaded="kept 2-00c0ffee", complaint="Error"), "", "hardware"
    ),
    "boot loaded what was confirmed": case(with_boot(HARD, loaded="confirmed"), "", "hardware"),
    "boot fell back to the emergency ruleset": case(
        replace(
            with_boot(HARD, live="table inet nft_offload {\n}\n", loaded="emergency", complaint="Error: no"),
            flowtables=(),
            rules=(),
            hooks=(),
            flows=flows(slow=9, recent=9),
        ),
        "configured.emergency configured.no-flowtable",
        "loaded",
        "is the emergency ruleset, since the router started",
        "Error: no",
        offloading="unproven",
    ),
    "boot could load nothing": case(
        replace(
            with_boot(HARD, live=None, loaded="none", complaint="Error: no"),
            flowtables=(),
            rules=(),
            hooks=(),
            flows=flows(slow=9, recent=9),
        ),
        "configured.not-live",
        "loaded",
        "boot could not load it: Error: no",
        offloading="unproven",
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

OFF_EVERYWHERE = {name: "not_applicable" for name in ("supported", "loaded", "configured", "bound", "offloading")}
DISABLED_CASES = {
    "never touched": case(bare(), "", "none", "there is no table inet nft_offload", expect=DISABLED, **OFF_EVERYWHERE),
    "nft gone too": case(GONE, "", "none", expect=DISABLED, **OFF_EVERYWHERE),
    "another firewall's flowtable": case(foreign(), "", "none", expect=DISABLED),
    "somebody else's table": case(
        with_boot(foreign(), live=HARD.boot.live, foreign=True), "configured.foreign-table", "none", expect=DISABLED
    ),
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
    "disabled": DISABLED_CASES,
}
CASES = {f"{rung}: {name}": found for rung, cases in BY_RUNG.items() for name, found in cases.items()}
