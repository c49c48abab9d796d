# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 4, bound: the flowtable's ingress hook sits on every one of its devices."""

from __future__ import annotations

from .._observe.state import Flowtable, Hook
from .finding import Finding, Kind, RungResult, conclude_rung
from .fw4_remedies import RELOAD
from .subject import Subject, run_checks

NAMES_OUTLIVE_HOOKS = (6, 16)
"""From here on a listed name is what was requested and can be without a hook; before, both go together."""
ENOUGH_TAKEN = 10
"""packets that a hook took before it counts as shown: the places of the sample are listed a moment apart"""

HOOK_MISSING = Kind(
    "bound.hook-missing",
    "error",
    "A listed device has no hook",
    "The flowtable names the device, but the kernel has no flowtable hook at its ingress, so packets that come in"
    " there stay on the slow path. Since Linux 6.16 a name in the list only shows what was requested. Up to Linux 6.15"
    " a device that is re-created leaves the list together with its hook, which is configured.device-missing.",
    "take {device} out of the flowtable and add it again: run kmod.nft_offload.ruleset, or re-plug the device",
    under_fw4=RELOAD,
)
FEWER_HOOKS = Kind(
    "bound.fewer-hooks",
    "error",
    "A device has fewer hooks than flowtables that list it",
    "Up to Linux 6.16 the kernel does not show which flowtable a hook belongs to. Some of the flowtables that list the"
    " device have one, and at least one of them has none.",
    "take {device} out of the flowtables and add it again: run kmod.nft_offload.ruleset, or re-plug the device",
    under_fw4=RELOAD,
)
HOOKS_UNREADABLE = Kind(
    "bound.hooks-unreadable",
    "info",
    "The hooks cannot be listed",
    "Since Linux 6.16 the names in a flowtable show what was requested, and 'nft list hooks' shows what is bound. It"
    " needs nft 1.0.0 and a kernel with NETFILTER_NETLINK_HOOK, which Alpine's has not. Without it a hook shows only by"
    " the packets that it takes from its device while the router is verified.",
    "send traffic through the router in both directions while it is verified, or make 'nft list hooks' work: upgrade"
    " nftables, and have a kernel with NETFILTER_NETLINK_HOOK",
)
KINDS = (HOOK_MISSING, FEWER_HOOKS, HOOKS_UNREADABLE)


def find_missing_hooks(subject: Subject) -> list[Finding]:
    """Each existing device of each flowtable against the hooks, where they can be listed."""
    if subject.state.hooks is None:
        return []
    found = []
    for flowtable in subject.flowtables:
        for device in subject.existing_devices(flowtable):
            kind = _diagnose_hook(subject, flowtable, device.name)
            what = "has no hook" if kind is HOOK_MISSING else "may have no hook: there are fewer than flowtables"
            evidence = [_describe_hook(hook) for hook in _flowtable_hooks(subject, device.name)]
            if kind is not None:
                message = f"flowtable {flowtable.path} {what} on {device.name}"
                found.append(kind.found(message, *evidence, device=device.name))
    return found


def find_unreadable_hooks(subject: Subject) -> list[Finding]:
    """No list of hooks, on a kernel whose lists of devices do not stand in for it, and packets that show only some."""
    if subject.state.hooks is not None or not subject.flowtables or _names_imply_hooks(subject):
        return []
    hidden = [device for device in subject.listed_devices if not _shows_hook(subject, device)]
    if subject.listed_devices and not hidden:
        return []
    message = f"the hooks of Linux {subject.state.platform.kernel} could not be listed"
    if 0 < len(hidden) < len(subject.listed_devices):
        message += f", and no packet showed that of {', '.join(hidden[:12])}"
    return [HOOKS_UNREADABLE.found(message, *subject.read_errors("hooks"))]


CHECKS = (find_missing_hooks, find_unreadable_hooks)


def judge(subject: Subject) -> RungResult:
    """The rung: every listed device exists and has its hook: listed, implied by its name, or shown by what it takes."""
    flowtables = subject.flowtables
    absent = [d for flowtable in flowtables for d in flowtable.devices if not subject.device_names.match(d)]
    evidence = [] if flowtables else [subject.why_nothing_to_judge]
    evidence += [f"{device}: no such device, so no hook" for device in absent]
    holds = bool(flowtables) and all(flowtable.devices for flowtable in flowtables) and not absent
    if subject.state.hooks is not None:
        hooks = [hook for device in subject.listed_devices for hook in _flowtable_hooks(subject, device)]
        evidence += map(_describe_hook, hooks)
    elif _names_imply_hooks(subject):
        evidence += [
            f"flowtable {flowtable.path} lists {', '.join(flowtable.devices)}; this kernel cannot list hooks, but up"
            " to Linux 6.15 a name leaves the flowtable together with its hook"
            for flowtable in flowtables
            if flowtable.devices
        ]
    else:
        shown = [device for device in subject.listed_devices if _shows_hook(subject, device)]
        evidence += [_describe_taken(subject, device) for device in shown]
        holds = holds and len(shown) == len(subject.listed_devices)
    return conclude_rung("bound", holds, evidence, run_checks(CHECKS, subject))


def _names_imply_hooks(subject: Subject) -> bool:
    """Does a name in a flowtable imply a hook on this kernel?"""
    return (0, 0) < subject.state.platform.kernel_version < NAMES_OUTLIVE_HOOKS


def _shows_hook(subject: Subject, device: str) -> bool:
    """Did a flowtable's hook take packets from the device during the sample, and can it only have been the judged one?

    Nothing but a flowtable takes packets between the places where the sample counts them, if any flow is offloaded.
    """
    sample, flows = subject.state.sample, subject.state.flows
    if sample is None or sample.unhooked or flows is None or not flows.of("hardware", "software"):
        return False
    return sample.taken.get(device, 0) >= ENOUGH_TAKEN and len(subject.device_flowtables(device)) == 1


def _describe_taken(subject: Subject, device: str) -> str:
    """A hook that packets showed, in one line of evidence."""
    taken = subject.state.sample.taken.get(device, 0) if subject.state.sample is not None else 0
    return (
        f"{device}: this kernel cannot list hooks, but {taken} packets that came in there were taken before the forward"
        " chain, which only a flowtable's hook does"
    )


def _flowtable_hooks(subject: Subject, device: str) -> list[Hook]:
    """The flowtable hooks on a device, whether the kernel names the flowtable (6.17 on) or only its function."""
    return [
        hook
        for hook in subject.device_hooks(device)
        if (hook.flowtable or "flow_offload" in hook.function or hook.function == "flowtable")
    ]


def _diagnose_hook(subject: Subject, flowtable: Flowtable, device: str) -> Kind | None:
    """What is wrong with this flowtable's hook on the device; None: nothing. Hooks without a name are only counted."""
    found = _flowtable_hooks(subject, device)
    if any(hook.flowtable == flowtable.path for hook in found):
        return None
    nameless = sum(not hook.flowtable and _may_belong_to(hook, flowtable) for hook in found)
    named = {hook.flowtable for hook in found}
    sharing = [
        other
        for other in subject.device_flowtables(device)
        # that of a bridge's flowtable may have the function of any
        if (other.family == flowtable.family or other in subject.bridge_flowtables) and other.path not in named
    ]
    if nameless >= max(len(sharing), 1):
        return None
    return FEWER_HOOKS if nameless else HOOK_MISSING


def _may_belong_to(hook: Hook, flowtable: Flowtable) -> bool:
    """A hook's function shows the family (nf_flow_table_inet.c): nf_flow_offload_inet_hook, _ip_hook, _ipv6_hook."""
    family = {"_inet_hook": "inet", "_ip_hook": "ip", "_ipv6_hook": "ip6"}
    return next((name for end, name in family.items() if hook.function.endswith(end)), flowtable.family) == (
        flowtable.family
    )


def _describe_hook(hook: Hook) -> str:
    """A hook in one line of evidence."""
    return f"{hook.device}: ingress hook {hook.function}" + (f" of {hook.flowtable}" if hook.flowtable else "")
