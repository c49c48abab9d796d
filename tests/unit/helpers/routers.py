# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers made up for the tests of the ladder: healthy ones, and helpers to break them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.paths import DEVICE_RULES, RULESET_UNIT
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import parse_our_table
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import diff_listings, parse_statements
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.rules import (
    mark_first_rules,
    parse_conditions,
    parse_exclusions,
    parse_rules,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.ruleset import parse_ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.sample import parse_sample
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    FLOWTABLE_MODULES,
    Boot,
    Carried,
    Device,
    Feature,
    FlowRule,
    Flows,
    Flowtable,
    Hook,
    Kernel,
    Platform,
    RouterState,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredFlowtable, DesiredTable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import Verdict, judge

ON, OFF, FIXED = Feature(active=True), Feature(active=False), Feature(active=False, fixed=True)
RULE = "ct state established,related meta l4proto { tcp, udp } flow add @ft"
CHAIN = f"\tchain forward {{\n\t\ttype filter hook forward priority filter + 10; policy accept;\n\t\t{RULE}\n\t}}\n"
TUPLES = (
    "src=192.0.2.9 dst=198.51.100.9 sport=40222 dport=5201 src=198.51.100.9 dst=198.51.100.1 sport=5201 dport=40222"
)
HARDWARE_LINE = f"ipv4 2 tcp 6 ESTABLISHED {TUPLES} [HW_OFFLOAD] mark=0 zone=0 use=4"
SOFTWARE_LINE = f"ipv4 2 tcp 6 ESTABLISHED {TUPLES} [OFFLOAD] mark=0 zone=0 use=3"
SLOW_LINE = f"ipv4 2 tcp 6 431999 ESTABLISHED {TUPLES} [ASSURED] mark=0 zone=0 use=2"


def flows(hardware: int = 0, software: int = 0, slow: int = 0, local: int = 1, recent: int = 0) -> Flows:
    """A sample of conntrack."""
    counts = {"hardware": hardware, "software": software, "slow": slow, "local": local}
    lines = {"hardware": HARDWARE_LINE, "software": SOFTWARE_LINE, "slow": SLOW_LINE}
    return Flows(
        total=hardware + software + slow + local,
        maximum=65536,
        sampled=hardware + software + slow + local,
        seconds=3,
        counts={f"ipv4 tcp {name}": count for name, count in counts.items() if count},
        examples={name: (line,) for name, line in lines.items() if counts[name]},
        recent_slow=recent,
    )


def conditions_of(rule: str) -> tuple[frozenset[str], str]:
    """Of a rule's text: protocols out of tcp and udp, and its other conditions."""
    found = parse_statements(f"table x {{\nchain x {{\n{rule}\n}}\n}}\n")
    return parse_conditions(next((statement.words for statement in found if statement.words), ()))


def parsed(state: RouterState) -> RouterState:
    """The state with what its texts mean: these are parsed when a router is read, and a test may have changed them."""
    boot = state.boot
    compared = boot.listing is not None and boot.live is not None
    boot = replace(
        boot,
        table=" ".join(parse_our_table(boot.ruleset or "") or ()),
        differences=diff_listings(boot.listing or "", boot.live or "") if compared else (),
    )
    conditions = [conditions_of(rule.text) for rule in state.rules]
    rules = [
        replace(rule, protocols=protocols, conditions=other)
        for rule, (protocols, other) in zip(state.rules, conditions, strict=True)
    ]
    ruleset = state.ruleset
    if ruleset is None and state.flowtables is not None and "ruleset" not in state.unseen:
        ruleset = parse_ruleset(write_rules(state))
    return replace(state, boot=boot, rules=mark_first_rules(rules, boot.live or ""), ruleset=ruleset)


def write_rules(state: RouterState) -> str:
    """A ruleset with the state's rules and exclusions, each in a base chain at the hook where it has an effect."""
    lines: list[str] = []
    for hook, rules in (("forward priority filter", state.rules), ("prerouting priority raw", state.exclusions)):
        for rule in rules:
            head = f"type filter hook {hook}; policy accept;"
            lines.append(f"table {rule.family} {rule.table} {{\nchain {rule.chain} {{\n{head}\n{rule.text}\n}}\n}}\n")
    return "".join(lines)


def with_ruleset(state: RouterState, text: str) -> RouterState:
    """The rules of a ruleset's text in place of those that the router has."""
    return replace(state, ruleset=parse_ruleset(text), rules=parse_rules(text), exclusions=parse_exclusions(text))


def with_chain(state: RouterState, *lines: str) -> RouterState:
    """Its first flowtable fed by a base chain at the forward hook with these lines."""
    assert state.flowtables
    head = "type filter hook forward priority filter; policy accept;"
    path = f"table {state.flowtables[0].family} {state.flowtables[0].table}"
    return with_ruleset(state, "\n".join([f"{path} {{", "chain forward {", head, *lines, "}", "}", ""]))


def verdict_on(state: RouterState, expectation: Expectation | None = None) -> Verdict:
    """The verdict on a router that a test made up."""
    return judge(Subject(parsed(state), expectation or Expectation()))


def listing(table: str, flowtable: Flowtable) -> str:
    """The table as nft 1.1.3 lists it."""
    flags = "\t\tflags offload\n" if flowtable.hardware else ""
    devices = f"\t\tdevices = {{ {', '.join(flowtable.devices)} }}\n" if flowtable.devices else ""
    return f"table {table} {{\n\tflowtable ft {{\n\t\thook ingress priority filter\n{devices}{flags}\t}}\n\n{CHAIN}}}\n"


def router(hardware: bool = True, kernel: str = "6.12.48+deb13-cloud-amd64") -> RouterState:
    """A healthy router as the role leaves it, with traffic."""
    flowtable = Flowtable("inet", "nft_offload", "ft", ("lan0", "wan0"), hardware=hardware)
    wanted = DesiredTable("inet", "nft_offload", CHAIN, (DesiredFlowtable("ft", flowtable.devices, hardware),))
    feature = ON if hardware else FIXED
    return RouterState(
        platform=Platform(
            uid=0,
            kernel=kernel,
            os_id="debian",
            init="systemd",
            commands=frozenset({"nft", "ethtool", "ip", "systemctl"}),
            nft_version=(1, 1, 3),
        ),
        kernel=Kernel(
            modules={name: "loaded" for name in FLOWTABLE_MODULES},
            boot_modules=frozenset({"nf_flow_table_inet", "nft_flow_offload"}),
            flowtable_sysctl=True,
        ),
        devices={
            "lo": Device("lo", 1, kind="loopback"),
            "lan0": Device("lan0", 2, driver="labnic" if hardware else "veth", up=True, hw_tc_offload=feature),
            "wan0": Device("wan0", 3, driver="labnic" if hardware else "veth", up=True, hw_tc_offload=feature),
            "mgmt0": Device("mgmt0", 4, driver="virtio_net", up=True, hw_tc_offload=FIXED),
        },
        flowtables=(flowtable,),
        rules=(FlowRule("inet", "nft_offload", "forward", "ft", RULE),),
        hooks=tuple(Hook(device, "nf_flow_offload_inet_hook") for device in flowtable.devices),
        flows=flows(hardware=4) if hardware else flows(software=4),
        boot=Boot(
            ruleset=wanted.boot_text(),
            listing=listing("inet nft_offload", replace(flowtable, devices=())),
            live=listing("inet nft_offload", flowtable),
            attachments={device: wanted.attach(wanted.flowtables[0], device) for device in flowtable.devices},
            features={(device, "hw-tc-offload"): "on" for device in flowtable.devices} if hardware else {},
            enabled={RULESET_UNIT: True, DEVICE_RULES: True},
        ),
    )


def foreign(hardware: bool = False) -> RouterState:
    """A healthy router whose flowtable belongs to another firewall, on Linux 6.1, which cannot list hooks."""
    state = router(hardware, kernel="6.1.0-40-cloud-amd64")
    return replace(
        state,
        kernel=replace(state.kernel, boot_modules=frozenset()),
        flowtables=tuple(replace(flowtable, table="filter") for flowtable in state.flowtables or ()),
        rules=tuple(replace(rule, table="filter") for rule in state.rules),
        hooks=None,
        boot=Boot(),
        firewalls=("firewalld",),
    )


def bare() -> RouterState:
    """A router that this collection never touched: everything is installed, no flowtable, slow traffic."""
    state = router(hardware=False)
    modules = {**state.kernel.modules, "nf_flow_table_inet": "available", "nft_flow_offload": "available"}
    return replace(
        state,
        kernel=replace(state.kernel, modules=modules, boot_modules=frozenset()),
        flowtables=(),
        rules=(),
        hooks=(),
        flows=flows(slow=5, recent=5),
        boot=Boot(),
    )


def with_sample(state: RouterState, *lines: str, seconds: float = 3.02, classed: bool = True) -> RouterState:
    """Traffic measured, from lines as sh/read/sample.sh prints them.

    A ``fast`` one stands for TCP packets that were taken and left again, a ``lost`` one for those that did not.
    """
    text = [f"seconds {seconds}", f"classed {'yes' if classed else 'no'}"]
    if not any(line.startswith(("unwatched ", "exits ")) for line in lines):
        text.append(f"exits {' '.join(name for name in (*state.devices, 'ppp0') if name != 'lo')}")
    for line in lines:
        match line.split():
            case ["fast" | "lost" as what, version, device, packets]:
                text += [f"before{version} {device} tcp {int(packets) + 7} 9000", f"after{version} {device} tcp 7 900"]
                if what == "fast":
                    text.append(f"left{version} any0 tcp {packets} 8000")
            case _:
                text.append(line)
    return replace(state, sample=parse_sample("\n".join(text), state.devices))


def with_carried(state: RouterState, **carried: Carried) -> RouterState:
    """Packets that connection tracking counted over 3.02 seconds, by class of flow."""
    assert state.flows is not None
    return replace(state, flows=replace(state.flows, carried=carried, carried_seconds=3.02))


def with_platform(state: RouterState, **changes: Any) -> RouterState:
    return replace(state, platform=replace(state.platform, **changes))


def with_kernel(state: RouterState, **changes: Any) -> RouterState:
    return replace(state, kernel=replace(state.kernel, **changes))


def with_modules(state: RouterState, **changes: Any) -> RouterState:
    return with_kernel(state, modules={**state.kernel.modules, **changes})


def with_flowtable(state: RouterState, **changes: Any) -> RouterState:
    """The first flowtable changed, and its live listing with it."""
    first, *others = state.flowtables or ()
    changed = replace(first, **changes)
    state = replace(state, flowtables=(changed, *others))
    if state.boot.live is None:
        return state
    return with_boot(state, live=listing(f"{changed.family} {changed.table}", changed))


def with_rule(state: RouterState, **changes: Any) -> RouterState:
    return replace(state, rules=tuple(replace(rule, **changes) for rule in state.rules))


def with_device(state: RouterState, name: str, **changes: Any) -> RouterState:
    """A device changed or added."""
    known = state.devices.get(name, Device(name, len(state.devices) + 1))
    return replace(state, devices={**state.devices, name: replace(known, **changes)})


def without_device(state: RouterState, name: str) -> RouterState:
    return replace(state, devices={other: device for other, device in state.devices.items() if other != name})


def with_boot(state: RouterState, **changes: Any) -> RouterState:
    return replace(state, boot=replace(state.boot, **changes))
