# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The subject of every check: one router's state, what is expected of it, and what follows from the two."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from .._core.names import SOFTWARE
from .._core.text import split_words
from .._observe.paths import Undelivered, list_undelivered
from .._observe.ruleset import read_priority
from .._observe.state import Device, Exclusion, FlowRule, Flowtable, Hook, RouterState
from .._observe.topology import find_hook_devices, map_hook_devices, pick_flowtable_devices, sees_lowers
from .finding import LONGEST_EVIDENCE, Expectation, Finding, Severity
from .walk.classes import Classes, bridge_view, find_helper_rules, know_nothing, traverse_ruleset
from .walk.packet import Interface
from .walk.walk import LAYER_3, RulePlace

DEFAULT_TABLE = "inet nft_offload"
"""the table of kmod.nft_offload.ruleset where its options family and table are not set"""
FW4_FLOWTABLE = "inet fw4 ft"
"""the one that OpenWrt's own firewall makes; others in its table come from files of the user's"""
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
MOST_ALIKE = 50
"""findings with one id in a result"""


@dataclass(frozen=True)
class Subject:
    """What is judged: built once for a verdict, passed to every check. What follows from it is computed once."""

    state: RouterState
    expectation: Expectation = field(default_factory=Expectation)

    @property
    def devices(self) -> Mapping[str, Device]:
        """Every device of the router, by name."""
        return self.state.devices

    @cached_property
    def flowtables(self) -> tuple[Flowtable, ...]:
        """The judged flowtables: those of the expected table; where that table does not exist at all, every one.

        Not those for what bridges pass on, of which no rung tells anything (configured/bridged.py).
        """
        listed = tuple(flowtable for flowtable in self.state.flowtables or () if flowtable.family in LAYER_3)
        if self.table_exists or self.boot_table == self.expectation.table:
            return tuple(flowtable for flowtable in listed if _table(flowtable) in self.own_tables)
        return listed

    @cached_property
    def bridge_flowtables(self) -> tuple[Flowtable, ...]:
        """Flowtables of the router that take what is not routed: those of family bridge, and of any unknown one."""
        return tuple(flowtable for flowtable in self.state.flowtables or () if flowtable.family not in LAYER_3)

    @cached_property
    def bridged_devices(self) -> frozenset[str]:
        """The devices of those; the ports of every bridge where a rule feeds one that is not in the listing."""
        found = {device.name for flowtable in self.bridge_flowtables for device in self.existing_devices(flowtable)}
        listed = {(flowtable.family, flowtable.table, flowtable.name) for flowtable in self.bridge_flowtables}
        fed = {(rule.family, rule.table, rule.flowtable) for rule in self.state.rules if rule.family not in LAYER_3}
        if fed - listed:
            found |= {port for bridge in self.devices.values() if bridge.kind == "bridge" for port in bridge.lowers}
        return frozenset(found & self.devices.keys())

    @cached_property
    def software_table(self) -> str:
        """'family table' of our second table, for what hardware does not take; empty where there is none."""
        name = f"{self.expectation.table}{SOFTWARE}"
        boot = self.state.boot
        return name if boot.software_table == name or boot.software_live is not None else ""

    @cached_property
    def own_tables(self) -> frozenset[str]:
        """The expected table, and our second one beside it where there is one."""
        return frozenset({self.expectation.table, self.software_table} - {""})

    def is_software_beside(self, flowtable: Flowtable) -> bool:
        """Is it the one of our second table, which takes what the hardware flowtable beside it does not?"""
        return bool(self.software_table) and _table(flowtable) == self.software_table

    @cached_property
    def hardware_flowtables(self) -> tuple[Flowtable, ...]:
        """Those of the judged flowtables that have 'flags offload'."""
        return tuple(flowtable for flowtable in self.flowtables if flowtable.hardware)

    @property
    def boot_table(self) -> str:
        """'family table' that this collection loads at boot; empty when it loads none."""
        return self.state.boot.table

    @cached_property
    def table_exists(self) -> bool:
        """Is the expected table in the live ruleset, with or without a flowtable?"""
        table = self.expectation.table
        return self.state.boot.live is not None or any(_table(found) == table for found in self.state.flowtables or ())

    @cached_property
    def is_ours(self) -> bool:
        """Do the judged flowtables belong to this collection, which loads them at boot? Another firewall's do not."""
        table = self.expectation.table
        ours = table in (DEFAULT_TABLE, self.boot_table) and not self.state.boot.foreign
        return ours and all(_table(flowtable) in self.own_tables for flowtable in self.flowtables)

    @cached_property
    def is_fw4s(self) -> bool:
        """Is a judged flowtable that of OpenWrt's own firewall, or is that firewall the one that would have to make it?

        Then remedies are those that can be followed there.
        """
        if self.flowtables:
            return any(flowtable.path == FW4_FLOWTABLE for flowtable in self.flowtables)
        return self.state.fw4 is not None and self.boot_table != self.expectation.table

    @cached_property
    def listed_devices(self) -> Mapping[str, Device]:
        """Devices that the judged flowtables list and the router has, by name, in the order listed."""
        return {device.name: device for flowtable in self.flowtables for device in self.existing_devices(flowtable)}

    @cached_property
    def ingress_devices(self) -> tuple[str, ...]:
        """The listed devices, and all below them, by which their packets come in: a VLAN's NIC, a bond's members."""
        return self.list_with_lowers(self.listed_devices)

    def list_with_lowers(self, names: Iterable[str]) -> tuple[str, ...]:
        """Existing devices, and all below them, each once."""
        found: dict[str, None] = {}
        pending = list(names)
        for name in pending:
            if name not in found and name in self.devices:
                found[name] = None
                pending += self.devices[name].lowers
        return tuple(found)

    @cached_property
    def deciding_devices(self) -> Mapping[str, Device]:
        """Devices whose hw-tc-offload decides over the judged hardware flowtables, by name.

        A device on top of others does not decide: a DSA port's conduit does (net/dsa/user.c), a VLAN's NIC.
        Empty where software is expected.
        """
        if self.expectation.expect == "software":
            return {}
        found: dict[str, Device] = {}
        seen: set[str] = set()
        pending = [device for flowtable in self.hardware_flowtables for device in self.existing_devices(flowtable)]
        while pending:
            device = pending.pop(0)
            if device.name in seen:
                continue
            seen.add(device.name)
            below = [self.devices[name] for name in device.lowers if name in self.devices]
            pending += below
            if not below:
                found[device.name] = device
        return found

    @cached_property
    def sees_lowers(self) -> bool:
        """Does this kernel's fast path look below bridges, VLANs and PPPoE (_observe/topology.py)?"""
        return sees_lowers(self.state.platform.kernel_version)

    @cached_property
    def modules_in_use(self) -> frozenset[str]:
        """Modules that must be there because a flowtable or a rule of theirs is live, whatever the file system has.

        OpenWrt's kernels have no modules.builtin, and up to Linux 5.16 an ip flowtable worked without
        nf_flow_table_inet.
        """
        live = self.state.flowtables or ()
        fed = any(self.feeding_rules(flowtable) for flowtable in live)
        return frozenset(
            ({"nf_flow_table", "nf_flow_table_inet"} if live else set()) | ({"nft_flow_offload"} if fed else set())
        )

    @cached_property
    def flows_in_hardware(self) -> int:
        """Sampled flows of conntrack with the hardware bit; 0 where conntrack could not be read."""
        return self.state.flows.of("hardware") if self.state.flows is not None else 0

    @cached_property
    def forwarding_devices(self) -> Mapping[str, tuple[str, ...]]:
        """Each device that forwards -> its hook devices (_observe/topology.py), those without any left out."""
        found = map_hook_devices(self.devices, self.sees_lowers)
        return {name: hook_devices for name, hook_devices in found.items() if hook_devices}

    @cached_property
    def picked_devices(self) -> frozenset[str]:
        """The devices that the filter flowtable_devices would pick, on a kernel that looks below devices."""
        return frozenset(pick_flowtable_devices(self.devices))

    @cached_property
    def undelivered(self) -> tuple[Undelivered, ...]:
        """What a software flowtable with the listed devices takes and loses, so that it has to stay out of it."""
        return list_undelivered(self.devices, self.state.platform.kernel_version, self.listed_devices)

    @cached_property
    def classes(self) -> Classes:
        """What counts as traffic to be offloaded: the outcome of the packet walk, by class of traffic.

        Nothing is known (``gave_up``) where the ruleset could not be read.
        """
        paths = [flowtable.path for flowtable in (*self.flowtables, *(self.state.flowtables or ()))]
        if self.state.ruleset is None:
            return know_nothing(self._interfaces, paths)
        judged = {family for flowtable in self.flowtables for family in LAYER_3.get(flowtable.family, ())}
        forwarded = {{"ipv4": "ip", "ipv6": "ip6"}.get(family, family) for family in self.state.forwarding or ()}
        families = (judged & forwarded) or judged or LAYER_3["inet"]
        hooked = {
            device.name: read_priority(("priority", *split_words(flowtable.priority)))
            for flowtable in self.flowtables
            for device in self.existing_devices(flowtable)
        }
        return traverse_ruleset(self.state.ruleset, self._interfaces, paths, families, hooked)

    def is_fed(self, flowtable: Flowtable) -> bool:
        """May any forwarded packet get to a rule that feeds it?"""
        record = self.classes.record
        return bool(record.anything or record.first_fed.get(flowtable.path, 0))

    @cached_property
    def exclusions(self) -> tuple[Exclusion, ...]:
        """The rules with notrack and ct helper that judged classes of traffic may get to."""
        untracked = (place for mask, place in self.classes.record.untracked if self.classes.may_get_to(mask))
        helped = find_helper_rules(self.state.ruleset, self.classes) if self.state.ruleset is not None else []
        found = [(place, "notrack") for place in untracked] + [(place, "helper") for place in helped]
        return tuple(dict.fromkeys(_make_exclusion(place, kind) for place, kind in found))

    @cached_property
    def _interfaces(self) -> list[Interface]:
        """Devices by which forwarded packets enter and leave, as rules see them: those that have networks.

        Where not two are known, what stands on the listed devices; and where there are none, any two.
        """
        names = dict.fromkeys(self.forwarding_devices)
        served = {lower for name in names for lower in (name, *self.hook_devices(name))}
        for name in self.listed_devices:
            if name not in served:
                names |= dict.fromkeys(self._list_tops(name))
        found = [
            Interface(name, self.devices[name].index, self._is_listed(name), self._list_serving(name)) for name in names
        ]
        missing = 2 - sum(interface.listed for interface in found)
        return [*found, *(Interface("", 0) for _number in range(missing))]

    def _is_listed(self, name: str) -> bool:
        """Does a judged flowtable have the device, or some of what is below it?"""
        return name in self.listed_devices or any(lower in self.listed_devices for lower in self.hook_devices(name))

    def _list_serving(self, name: str) -> frozenset[str]:
        """Paths of these flowtables."""
        return frozenset(flowtable.path for flowtable in self.serving_flowtables(name))

    def serving_flowtables(self, name: str) -> list[Flowtable]:
        """The flowtables, judged or not, that have the device, or some of what is below it."""
        around = dict.fromkeys((name, *self.hook_devices(name)))
        return [flowtable for device in around for flowtable in self.device_flowtables(device)]

    def _list_tops(self, name: str) -> list[str]:
        """What stands on a device, and nothing on that; itself where nothing does."""
        tops: dict[str, None] = {}
        seen: set[str] = set()
        pending = [name]
        while pending:
            device = pending.pop()
            above = [upper.name for upper in self.uppers(device) if upper.name not in seen]
            seen.update(above)
            pending += above
            if not above:
                tops[device] = None
        return list(tops)

    @cached_property
    def offload_devices(self) -> Mapping[str, tuple[str, ...]]:
        """hardware, software -> names of the listed devices that offload so; software: and are in no hardware one."""
        listed = {
            kind: {
                device
                for flowtable in self.flowtables
                if flowtable.hardware == hardware
                for device in flowtable.devices
            }
            for kind, hardware in (("hardware", True), ("software", False))
        }
        return {
            "hardware": tuple(sorted(listed["hardware"])),
            "software": tuple(sorted(listed["software"] - listed["hardware"])),
        }

    @property
    def why_nothing_to_judge(self) -> str:
        """Evidence of the rungs that rest on a flowtable, where none is judged."""
        return self.why_no_flowtable if self.state.flowtables is not None else "the ruleset could not be read"

    @property
    def why_no_flowtable(self) -> str:
        """That there is none, or none for what is routed."""
        paths = ", ".join(flowtable.path for flowtable in self.bridge_flowtables[:4])
        return f"there is no flowtable{f' for what is routed: {paths} is for bridged packets' if paths else ''}"

    def existing_devices(self, flowtable: Flowtable) -> list[Device]:
        """The devices of any flowtable that the router has, in the order listed; 'eth*' stands for every match."""
        names = self._existing.get(flowtable)
        if names is None:
            listed = dict.fromkeys(flowtable.devices)
            names = self._existing[flowtable] = tuple(
                dict.fromkeys(name for pattern in listed for name in self.device_names.match(pattern))
            )
        return [self.devices[name] for name in names]

    def devices_and_uppers(self, flowtable: Flowtable) -> list[Device]:
        """The devices of a flowtable, and those that stand on them."""
        found = level = {device.name: device for device in self.existing_devices(flowtable)}
        for _level in range(4):  # PPPoE on a VLAN on a bridge on a NIC
            above = {upper.name: upper for name in level for upper in self.uppers(name) if upper.name not in found}
            level = dict(sorted(above.items(), key=lambda item: item[1].index))
            found = found | level
        return list(found.values())

    def hook_devices(self, name: str) -> tuple[str, ...]:
        """Where the fast path meets packets of a device, on a kernel that looks below devices; may be empty."""
        return find_hook_devices(self.devices, name, known=self._hook_devices)

    def uppers(self, name: str) -> list[Device]:
        """The devices that stand right on a device, in the order of ``devices``."""
        return self._uppers.get(name, [])

    def device_hooks(self, name: str) -> list[Hook]:
        """The hooks on a device; none where they could not be listed."""
        return self._hooks.get(name, [])

    @cached_property
    def bridged_classes(self) -> Classes:
        """The outcome of the packet walk for what bridges pass on; nothing is known where the ruleset was not read."""
        paths = [f"inet {flowtable.table} {flowtable.name}" for flowtable in self.bridge_flowtables]
        serving = {
            name: frozenset(f.path for f in self.device_flowtables(name)) for name in sorted(self.bridged_devices)
        }
        ports = [Interface(name, self.devices[name].index, True, serving[name]) for name in serving]
        ports += [Interface("", 0) for _number in range(2 - len(ports))]
        if self.state.ruleset is None:
            return know_nothing(ports, paths)
        return traverse_ruleset(bridge_view(self.state.ruleset), ports, paths)

    def device_flowtables(self, name: str) -> list[Flowtable]:
        """The flowtables of the router, judged or not, that list a device."""
        return self._flowtables.get(name, [])

    def unlisted_devices(self, name: str) -> list[str]:
        """Hook devices of a device that no judged flowtable lists; none where it is listed itself."""
        if name in self.listed_devices:
            return []
        return [device for device in self.hook_devices(name) if device not in self.listed_devices]

    def feeding_rules(self, flowtable: Flowtable) -> list[FlowRule]:
        """The rules of the live ruleset that feed a flowtable, reachable or not."""
        return self._rules.get((flowtable.family, flowtable.table, flowtable.name), [])

    def read_errors(self, *parts: str) -> list[str]:
        """'part: error' in the router's own words for those of the parts of its state that could not be read."""
        return [f"{part}: {self.state.unseen[part]}" for part in parts if part in self.state.unseen]

    @cached_property
    def device_names(self) -> Names:
        """The names of every device."""
        return Names(self.devices)

    @cached_property
    def _hook_devices(self) -> dict[str, tuple[str, ...]]:
        """Device -> its hook devices, filled as they are asked for."""
        return {}

    @cached_property
    def _uppers(self) -> Mapping[str, list[Device]]:
        """Device -> the devices that stand right on it."""
        found: dict[str, list[Device]] = {}
        for device in self.devices.values():
            for name in dict.fromkeys(device.lowers):
                found.setdefault(name, []).append(device)
        return found

    @cached_property
    def _hooks(self) -> Mapping[str, list[Hook]]:
        """Device -> its hooks."""
        found: dict[str, list[Hook]] = {}
        for hook in self.state.hooks or ():
            found.setdefault(hook.device, []).append(hook)
        return found

    @cached_property
    def _flowtables(self) -> Mapping[str, list[Flowtable]]:
        """Device -> the flowtables that list it."""
        found: dict[str, list[Flowtable]] = {}
        for flowtable in self.state.flowtables or ():
            for device in self.existing_devices(flowtable):
                found.setdefault(device.name, []).append(flowtable)
        return found

    @cached_property
    def _existing(self) -> dict[Flowtable, tuple[str, ...]]:
        """Flowtable -> names of its existing devices, filled as they are asked for."""
        return {}

    @cached_property
    def _rules(self) -> Mapping[tuple[str, str, str], list[FlowRule]]:
        """(family, table, flowtable) -> the rules that feed it."""
        found: dict[tuple[str, str, str], list[FlowRule]] = {}
        for rule in self.state.rules:
            found.setdefault((rule.family, rule.table, rule.flowtable), []).append(rule)
        return found


def _make_exclusion(place: RulePlace, kind: str) -> Exclusion:
    chain = place.chain
    return Exclusion(
        chain.family, chain.table, chain.name, place.rule.text, "notrack" if kind == "notrack" else "helper"
    )


Check = Callable[[Subject], list[Finding]]
"""a pure function from the subject to findings of one matter, none where all is well"""


def run_checks(checks: Iterable[Check], subject: Subject) -> list[Finding]:
    """The findings of all checks, in their order; of one id MOST_ALIKE, and one more for all that are too many.

    Each has the remedy for the firewall that the flowtable belongs to.
    """
    shown: list[Finding] = []
    alike: dict[str, list[Finding]] = {}
    for check in checks:
        for found in check(subject):
            finding = found.remedied_under_fw4() if subject.is_fw4s else found
            same = alike.setdefault(finding.id, [])
            same.append(finding)
            if len(same) <= MOST_ALIKE:
                shown.append(finding)
    for same in alike.values():
        if left := same[MOST_ALIKE:]:
            worst = max(left, key=lambda finding: SEVERITIES.index(finding.severity))
            shown.append(replace(worst, message=f"{worst.message}, and {len(left) - 1} more like this"))
    return shown


def describe_flowtable(flowtable: Flowtable) -> str:
    """A flowtable in one line of evidence: path, hardware or software, devices."""
    kind = "hardware" if flowtable.hardware else "software"
    # of more no name would be left in a line of evidence
    devices = ", ".join(flowtable.devices[:LONGEST_EVIDENCE])
    return f"flowtable {flowtable.path}: {kind}, devices {devices or 'none'}"


class Names:
    """Names of devices, among which those are found that a name in a flowtable stands for."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sorted = sorted(names)
        self._names = frozenset(self._sorted)

    def __iter__(self) -> Iterator[str]:
        """Sorted."""
        return iter(self._sorted)

    def match(self, listed: str) -> list[str]:
        """Those that it stands for, sorted: itself, or ending in * (Linux 6.17 on) any that starts so."""
        start = listed.removesuffix("*")
        if start == listed:
            return [listed] if listed in self._names else []
        first = last = bisect_left(self._sorted, start)
        while last < len(self._sorted) and self._sorted[last].startswith(start):
            last += 1
        return self._sorted[first:last]


class ListedNames:
    """Names that flowtables list, some of which may end in * and stand for many."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed = frozenset(listed)

    def __contains__(self, name: str) -> bool:
        """Does any of them stand for the device?"""
        return name in self._listed or any(f"{name[:length]}*" in self._listed for length in range(len(name) + 1))


def _table(flowtable: Flowtable) -> str:
    """'family table' of a flowtable"""
    return f"{flowtable.family} {flowtable.table}"
