# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 1, supported: the running kernel and its tools can do flow offload."""

from __future__ import annotations

from .._observe.state import FLOWTABLE_MODULES, OLDEST_KERNEL, OLDEST_NFT, RouterState
from .finding import Expectation, Finding, Kind, RungResult, rung
from .scope import feeding, judged

NOT_PERMITTED = Kind(
    "supported.not-permitted",
    "error",
    "The login may not look",
    "Reading the ruleset and connection tracking needs root on the router. Without it nothing above this rung can be"
    " seen, so nothing is said about the router itself.",
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
KINDS = (
    NOT_PERMITTED,
    KERNEL_TOO_OLD,
    NO_FLOWTABLES,
    MODULES_MISSING,
    OTHER_KERNEL,
    NFT_MISSING,
    NFT_TOO_OLD,
    NFT_WITHOUT_COUNTER,
    NFT_HIDES_FLAGS,
    ETHTOOL_MISSING,
)

SYSCTL_SINCE = (5, 14)
"""kernels from here on have net.netfilter.nf_flowtable_tcp_timeout where they have flowtables"""
NFT_COUNTER = (0, 9, 4)
"""'counter' in a flowtable (b119428c)"""


def permission(state: RouterState, _expectation: Expectation) -> list[Finding]:
    uid = state.platform.uid
    return [] if uid == 0 else [NOT_PERMITTED.found(f"the login on the router is not root (uid {uid})", f"uid {uid}")]


def kernel(state: RouterState, _expectation: Expectation) -> list[Finding]:
    if not (0, 0) < state.platform.kernel_version < OLDEST_KERNEL:
        return []
    return [KERNEL_TOO_OLD.found(f"Linux {state.platform.kernel} is too old", f"kernel {state.platform.kernel}")]


def modules(state: RouterState, _expectation: Expectation) -> list[Finding]:
    missing = [name for name in FLOWTABLE_MODULES if state.kernel.modules.get(name) == "missing"]
    missing = [name for name in missing if name not in in_use(state)]
    if not missing:
        return []
    known = state.kernel
    evidence = [f"no module {name} for kernel {state.platform.kernel}" for name in missing]
    if known.other_kernels:
        others = ", ".join(known.other_kernels)
        message = f"the running kernel {state.platform.kernel} has no {', '.join(missing)}, but {others} has"
        return [OTHER_KERNEL.found(message, *evidence, f"on disk for {others}", kernels=others)]
    if known.flowtable_sysctl is False and state.platform.kernel_version >= SYSCTL_SINCE:
        evidence.append("net.netfilter.nf_flowtable_tcp_timeout does not exist, net.netfilter.nf_conntrack_max does")
        return [NO_FLOWTABLES.found(f"kernel {state.platform.kernel} was built without flowtables", *evidence)]
    if known.flowtable_sysctl:
        evidence.append("net.netfilter.nf_flowtable_tcp_timeout exists: this kernel was built for flowtables")
    return [MODULES_MISSING.found(f"the running kernel has no {', '.join(missing)}", *evidence)]


def nft(state: RouterState, expectation: Expectation) -> list[Finding]:
    """Too old is an error where hardware offload is expected or nothing is there; what works is not accused."""
    version = state.platform.nft_version
    if version is None:
        return [] if "nft" in state.platform.commands else [NFT_MISSING.found("nft is not installed")]
    if version >= OLDEST_NFT:
        return []
    if state.flowtables and expectation.expect != "hardware":
        return [NFT_HIDES_FLAGS.found(f"nft {_dotted(version)} does not show 'flags offload'")]
    kind = NFT_WITHOUT_COUNTER if version < NFT_COUNTER else NFT_TOO_OLD
    return [kind.found(f"nft {_dotted(version)} is too old", f"nft {_dotted(version)}")]


def ethtool(state: RouterState, expectation: Expectation) -> list[Finding]:
    needed = expectation.expect == "hardware" or any(flowtable.hardware for flowtable in judged(state, expectation))
    if "ethtool" in state.platform.commands or not needed or expectation.expect == "software":
        return []
    if state.platform.init == "procd" and any(device.hw_tc_offload is not None for device in state.devices.values()):
        return []  # netifd tells
    return [ETHTOOL_MISSING.found("ethtool is not installed, and hardware offload needs a feature that it shows")]


def in_use(state: RouterState) -> set[str]:
    """Modules that must be there because a flowtable or a rule of theirs is live, whatever the file system says.

    OpenWrt's kernels have no modules.builtin, and up to Linux 5.16 an ip flowtable did without nf_flow_table_inet.
    """
    live = state.flowtables or ()
    used = {"nf_flow_table", "nf_flow_table_inet"} if live else set()
    return used | ({"nft_flow_offload"} if any(feeding(state, flowtable) for flowtable in live) else set())


CHECKS = (permission, kernel, modules, nft, ethtool)


def judge(state: RouterState, expectation: Expectation) -> RungResult:
    platform = state.platform
    states = state.kernel.modules
    evidence = [
        f"kernel {platform.kernel or 'unknown'}",
        "modules: " + ", ".join(f"{name} {states.get(name, 'unknown')}" for name in FLOWTABLE_MODULES),
        f"nft {_dotted(platform.nft_version) if platform.nft_version else 'of unknown version'}",
    ]
    known = platform.kernel_version > (0, 0) and platform.nft_version is not None
    known = known and all(name in states or name in in_use(state) for name in FLOWTABLE_MODULES)
    return rung("supported", known, evidence, [f for check in CHECKS for f in check(state, expectation)])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
