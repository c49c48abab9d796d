# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 1, supported: the running kernel and its tools can do flow offload."""

from __future__ import annotations

from .._observe.state import FLOWTABLE_MODULES, OLDEST_KERNEL, OLDEST_NFT
from .._systems.init_registry import reports_features
from .finding import Finding, Kind, RungResult, conclude_rung
from .subject import Subject, describe_flowtable, run_checks

NOT_PERMITTED = Kind(
    "supported.not-permitted",
    "error",
    "The login may not read the ruleset",
    "Reading the ruleset and connection tracking needs root on the router. Without it nothing above this rung can be"
    " seen, so there are no findings about the router itself.",
    "set become: true for the task, or log in as root",
)
KERNEL_TOO_OLD = Kind(
    "supported.kernel-too-old",
    "error",
    "The kernel is older than Linux 5.8",
    "Since Linux 5.8 a flowtable can be loaded without devices and take them later, which is what keeps a router"
    " with a missing device from booting without a firewall. Older kernels cannot.",
    "upgrade the router's kernel to Linux 5.8 or later",
)
KERNEL_BEFORE_LATE_DEVICES = Kind(
    "supported.kernel-before-late-devices",
    "warning",
    "The kernel's version is older than Linux 5.8, and its flowtable works",
    "A flowtable is live and fed, so this kernel can offload, whatever its number: vendors bring later code to old"
    " kernels. Whether it also loads a flowtable without devices, as Linux 5.8 does, is not known. Where it does not, a"
    " file for boot that names a missing device loads nothing at all, and leaves the router without a firewall.",
    "have the devices there before the firewall is loaded at boot, or upgrade the kernel to Linux 5.8 or later",
)
MODULES_MISSING = Kind(
    "supported.modules-missing",
    "error",
    "The flowtable modules are not installed",
    "The fast path needs the modules nf_flow_table, nf_flow_table_inet and nft_flow_offload, loaded, built in or on"
    " disk for exactly the kernel that runs. They are not there, for this kernel or any other: their package is not"
    " installed.",
    "install them with kmod.nft_offload.kernel_support",
)
OTHER_KERNEL = Kind(
    "supported.modules-for-another-kernel",
    "error",
    "The flowtable modules on disk are for another kernel than the one that runs",
    "A module works with exactly the kernel that it was built for. Mostly the kernel was upgraded, and the router not"
    " rebooted since.",
    "reboot into {kernels}; where that does not help, install the modules of the kernel that runs",
)
NO_FLOWTABLES = Kind(
    "supported.kernel-without-flowtables",
    "error",
    "The running kernel was built without flowtables",
    "Connection tracking is there, but its switches for flowtables are not, which every kernel from Linux 5.14 on has"
    " that was built with CONFIG_NF_FLOW_TABLE. No module can add them.",
    "install a kernel of the distribution, which has NF_FLOW_TABLE, NF_FLOW_TABLE_INET and NFT_FLOW_OFFLOAD,"
    " and reboot",
)
NFT_MISSING = Kind(
    "supported.nft-missing",
    "error",
    "There is no nft on the router",
    "Flowtables are configured and listed with nft.",
    "install nftables with kmod.nft_offload.kernel_support",
)
NFT_TOO_OLD = Kind(
    "supported.nft-too-old",
    "error",
    "The nft command is older than 0.9.9",
    "Before 0.9.9 nft can neither set nor show 'flags offload', so a hardware flowtable looks like a software one.",
    "upgrade nftables to 0.9.9 or later",
)
NFT_WITHOUT_COUNTER = Kind(
    "supported.nft-without-counter",
    "error",
    "The nft command is older than 0.9.4",
    "Before 0.9.4 nft knows neither 'counter' nor 'flags offload' in a flowtable, and before 0.9.5 it cannot"
    " add a device to a live one.",
    "upgrade nftables to 0.9.9 or later",
)
NFT_HIDES_FLAGS = Kind(
    "supported.nft-hides-flags",
    "info",
    "Whether the flowtable is a hardware one cannot be seen",
    "Before 0.9.9 nft does not show 'flags offload'. What else is seen of the flowtable holds all the same.",
    "upgrade nftables to 0.9.9 or later",
)
ETHTOOL_MISSING = Kind(
    "supported.ethtool-missing",
    "info",
    "There is no ethtool on the router",
    "Hardware offload rests on a feature of the NIC that ethtool shows and sets. Without it only traffic shows whether"
    " the NIC takes flows.",
    "install ethtool with kmod.nft_offload.kernel_support",
)
TOOL_HANGS = Kind(
    "supported.tool-hangs",
    "warning",
    "A tool on the router did not end in time",
    "A tool that hangs is ended, and not asked again in this run. What it would have shown is missing, and a rung that"
    " rests on it is unproven. Mostly it waits for a lock in the kernel that a driver holds, or for another program.",
    "run it by hand on the router, and look at what it waits for (ps, dmesg, logread)",
)
KINDS = (
    NOT_PERMITTED,
    KERNEL_TOO_OLD,
    KERNEL_BEFORE_LATE_DEVICES,
    NO_FLOWTABLES,
    MODULES_MISSING,
    OTHER_KERNEL,
    NFT_MISSING,
    NFT_TOO_OLD,
    NFT_WITHOUT_COUNTER,
    NFT_HIDES_FLAGS,
    ETHTOOL_MISSING,
    TOOL_HANGS,
)

SYSCTL_SINCE = (5, 14)
"""kernels from here on have net.netfilter.nf_flowtable_tcp_timeout where they have flowtables"""
NFT_COUNTER = (0, 9, 4)
"""'counter' in a flowtable (b119428c)"""


def find_missing_permission(subject: Subject) -> list[Finding]:
    """A login that is not root."""
    uid = subject.state.platform.uid
    return [] if uid == 0 else [NOT_PERMITTED.found(f"the login on the router is not root (uid {uid})", f"uid {uid}")]


def find_old_kernel(subject: Subject) -> list[Finding]:
    """A kernel without flowtables that can be loaded without devices, as its version has it; a live one shows more."""
    release = subject.state.platform.kernel
    if not (0, 0) < subject.state.platform.kernel_version < OLDEST_KERNEL:
        return []
    fed = [flowtable for flowtable in subject.flowtables if subject.feeding_rules(flowtable)]
    if not fed:
        return [KERNEL_TOO_OLD.found(f"Linux {release} is too old", f"kernel {release}")]
    message = f"Linux {release} may not load a flowtable whose devices come later"
    return [KERNEL_BEFORE_LATE_DEVICES.found(message, f"kernel {release}", describe_flowtable(fed[0]))]


def find_missing_modules(subject: Subject) -> list[Finding]:
    """Modules that are neither in the kernel nor on disk for it, and where they are instead."""
    missing = [name for name in FLOWTABLE_MODULES if subject.state.kernel.modules.get(name) == "missing"]
    missing = [name for name in missing if name not in subject.modules_in_use]
    if not missing:
        return []
    known = subject.state.kernel
    evidence = [f"no module {name} for kernel {subject.state.platform.kernel}" for name in missing]
    if known.other_kernels:
        others = ", ".join(known.other_kernels)
        message = f"the running kernel {subject.state.platform.kernel} has no {', '.join(missing)}, but {others} has"
        return [OTHER_KERNEL.found(message, *evidence, f"on disk for {others}", kernels=others)]
    if known.flowtable_sysctl is False and subject.state.platform.kernel_version >= SYSCTL_SINCE:
        evidence.append("net.netfilter.nf_flowtable_tcp_timeout does not exist, net.netfilter.nf_conntrack_max does")
        return [NO_FLOWTABLES.found(f"kernel {subject.state.platform.kernel} was built without flowtables", *evidence)]
    if known.flowtable_sysctl:
        evidence.append("net.netfilter.nf_flowtable_tcp_timeout exists: this kernel was built for flowtables")
    return [MODULES_MISSING.found(f"the running kernel has no {', '.join(missing)}", *evidence)]


def find_old_nft(subject: Subject) -> list[Finding]:
    """Too old is an error where hardware offload is expected or nothing is there; what works is not accused."""
    version = subject.state.platform.nft_version
    if version is None:
        return [] if "nft" in subject.state.platform.commands else [NFT_MISSING.found("nft is not installed")]
    if version >= OLDEST_NFT:
        return []
    if subject.state.flowtables and subject.expectation.expect != "hardware":
        return [NFT_HIDES_FLAGS.found(f"nft {_format_version(version)} does not show 'flags offload'")]
    kind = NFT_WITHOUT_COUNTER if version < NFT_COUNTER else NFT_TOO_OLD
    return [kind.found(f"nft {_format_version(version)} is too old", f"nft {_format_version(version)}")]


def find_missing_ethtool(subject: Subject) -> list[Finding]:
    """No ethtool where hardware offload is expected or configured, and nothing else shows the feature."""
    needed = subject.expectation.expect == "hardware" or bool(subject.hardware_flowtables)
    if "ethtool" in subject.state.platform.commands or not needed or subject.expectation.expect == "software":
        return []
    if reports_features(subject.state.platform.init) and any(
        device.hw_tc_offload is not None for device in subject.devices.values()
    ):
        return []
    return [ETHTOOL_MISSING.found("ethtool is not installed, and hardware offload needs a feature that it shows")]


def find_hanging_tools(subject: Subject) -> list[Finding]:
    """Tools that were ended."""
    return [
        TOOL_HANGS.found(f"{tool} did not end in time", f"not read: {', '.join(parts[:12])}")
        for tool, parts in subject.state.hung.items()
    ]


CHECKS = (
    find_hanging_tools,
    find_missing_permission,
    find_old_kernel,
    find_missing_modules,
    find_old_nft,
    find_missing_ethtool,
)


def judge(subject: Subject) -> RungResult:
    """The rung: kernel, modules and nft are known, and good enough."""
    platform = subject.state.platform
    states = subject.state.kernel.modules
    evidence = [
        f"kernel {platform.kernel or 'unknown'}",
        "modules: " + ", ".join(f"{name} {states.get(name, 'unknown')}" for name in FLOWTABLE_MODULES),
        f"nft {_format_version(platform.nft_version) if platform.nft_version else 'of unknown version'}",
    ]
    known = platform.kernel_version > (0, 0) and platform.nft_version is not None
    known = known and all(name in states or name in subject.modules_in_use for name in FLOWTABLE_MODULES)
    return conclude_rung("supported", known, evidence, run_checks(CHECKS, subject))


def _format_version(version: tuple[int, ...]) -> str:
    """(1, 1, 3) -> 1.1.3"""
    return ".".join(str(part) for part in version)
