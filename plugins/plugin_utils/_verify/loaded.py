# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Rung 2, loaded: the modules are in, and will be after a reboot."""

from __future__ import annotations

from .._observe.state import FLOWTABLE_MODULES
from .finding import Finding, Kind, RungResult, conclude_rung
from .subject import Subject, run_checks

NOT_LOADED = Kind(
    "loaded.not-loaded",
    "error",
    "A flowtable module is not loaded",
    "The module is on disk for the running kernel, but not in it. nft loads it on demand when a ruleset with a"
    " flowtable is loaded, so this also means that there is none, or none with a rule that feeds it.",
    "load it with kmod.nft_offload.kernel_support",
)
MODULES_DISABLED = Kind(
    "loaded.modules-disabled",
    "error",
    "A module is not loaded, and cannot be until a reboot",
    "kernel.modules_disabled=1 locks the list of modules until the next boot. A module that was not loaded before"
    " cannot come in any more.",
    "have the modules loaded at boot with kmod.nft_offload.kernel_support, before kernel.modules_disabled is set,"
    " and reboot",
)
NOT_AT_BOOT = Kind(
    "loaded.not-at-boot",
    "warning",
    "The modules are loaded, but nothing loads them at boot",
    "Now they are in. After a reboot only nft's loading on demand brings them back, which fails without a clear error"
    " where the modules cannot be found or loaded by then.",
    "list them for boot with kmod.nft_offload.kernel_support",
)
ON_DEMAND = Kind(
    "loaded.on-demand",
    "info",
    "The modules come at boot when the firewall is loaded",
    "Nothing lists the modules for boot. The flowtable belongs to another firewall, and nft loads the modules on"
    " demand when that firewall loads its ruleset.",
    "nothing needs to be done; kmod.nft_offload.kernel_support lists them for boot",
)
KINDS = (NOT_LOADED, MODULES_DISABLED, NOT_AT_BOOT, ON_DEMAND)


def find_unloaded_modules(subject: Subject) -> list[Finding]:
    """Modules on disk that are not in the kernel, nor shown to be by a live flowtable."""
    lacking = [name for name in FLOWTABLE_MODULES if subject.state.kernel.modules.get(name) == "available"]
    lacking = [name for name in lacking if name not in subject.modules_in_use]
    if not lacking:
        return []
    names = ", ".join(lacking)
    if subject.state.kernel.modules_disabled:
        return [MODULES_DISABLED.found(f"{names} cannot be loaded until a reboot", "kernel.modules_disabled = 1")]
    return [
        NOT_LOADED.found(f"{names} {'is' if len(lacking) == 1 else 'are'} not loaded", f"not in the kernel: {names}")
    ]


def find_modules_missing_at_boot(subject: Subject) -> list[Finding]:
    """Modules that are in now; for those that are not see find_unloaded_modules."""
    lacking = _list_modules_missing_at_boot(subject)
    if not lacking:
        return []
    names = ", ".join(lacking)
    evidence = f"no boot list names {names}"
    theirs = not subject.is_ours if subject.flowtables else bool(subject.bridge_flowtables)
    if theirs:
        return [ON_DEMAND.found(f"{names} come at boot when the firewall loads its flowtable", evidence)]
    return [NOT_AT_BOOT.found(f"nothing loads {names} at boot", evidence)]


def _list_modules_missing_at_boot(subject: Subject) -> list[str]:
    """Loaded modules that no boot list brings, directly or as what a listed one depends on."""
    listed = subject.state.kernel.boot_modules
    # nf_flow_table comes with either of the other two, which depend on it (net/netfilter/Makefile).
    implied = {"nf_flow_table"} if listed & {"nf_flow_table_inet", "nft_flow_offload"} else set()
    return [
        name
        for name in FLOWTABLE_MODULES
        if subject.state.kernel.modules.get(name) == "loaded" and name not in listed | implied
    ]


CHECKS = (find_unloaded_modules, find_modules_missing_at_boot)


def judge(subject: Subject) -> RungResult:
    """The rung: every module is loaded, built in, or shown to be by the live ruleset."""
    there = [name for name in FLOWTABLE_MODULES if subject.state.kernel.modules.get(name) in {"loaded", "builtin"}]
    used = sorted(subject.modules_in_use - set(there))
    evidence = [f"in the kernel: {', '.join(there) or 'none'}"]
    if used:
        evidence.append(f"shown by the live ruleset: {', '.join(used)}")
    if subject.state.kernel.modules_disabled:
        evidence.append("kernel.modules_disabled = 1: what is not loaded cannot be before a reboot")
    if boot := sorted(subject.state.kernel.boot_modules & set(FLOWTABLE_MODULES)):
        evidence.append(f"listed for boot: {', '.join(boot)}")
    holds = set(FLOWTABLE_MODULES) <= {*there, *used}
    return conclude_rung("loaded", holds, evidence, run_checks(CHECKS, subject))
