# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what was read of a router's kernel and packages to the plan that makes it able to offload. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core import paths
from .._core.errors import OffloadError
from .._core.files import file_changes, read_files
from .._core.plan import Diff, Plan, Step, StepError, remedy_for
from .._core.sections import Answer
from .._core.text import iterate_lines, split_words
from .._observe.parse.boot import parse_our_table
from .._observe.parse.modules import LoadedModule, ModuleFacts, parse_module_facts
from .._observe.parse.platform import parse_platform
from .._observe.require import require_fw4
from .._observe.state import FLOWTABLE_MODULES, OLDEST_KERNEL, OLDEST_NFT, ModuleState, Platform
from .._systems.apt import Apt
from .._systems.init_registry import list_modules_files, require_init_system
from .._systems.package_manager import Inventory, PackageManager, parse_upstream_version
from .._systems.package_registry import find_package_manager, list_package_managers, name_package_managers
from .._systems.verbs import InstallPackages, SimulateInstall, UninstallNew, UninstallPackages, UpdatePackages
from .unload import add_modules_on_top, plan_unloading, predict_references
from .verbs import LoadModules, UnloadModules, UnloadNew

COMMANDS = {"nftables": "nft", "ethtool": "ethtool", "conntrack": "conntrack"}
"""package -> the command that makes it unnecessary when the router has it from elsewhere"""
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")
"""the name of a package (deb-control(5))"""
ASKED_FOR_HOOKS = "nfnetlink_hook"
"""the module that the kernel loads by itself when offload_verify and offload_info ask nft for the hooks"""
ASKED_FOR_FLOWS = "nf_conntrack_netlink"
"""the same when they ask conntrack for the flows, which they do where the kernel has no file of them"""
FILES_IN_USE = {paths.RULESET: "ruleset", paths.FEATURES: "nic_features"}
"""file of what needs the modules and tools -> the module of this collection that takes it away"""


def list_own_files() -> tuple[str, ...]:
    """Every path that the kernel_support module may have made on a router."""
    return (*list_modules_files(), paths.KERNEL_FOUND)


@dataclass(frozen=True)
class Record:
    """paths.KERNEL_FOUND: what this collection brought."""

    packages: Mapping[str, str] = field(default_factory=dict)
    """package -> its dpkg status before: config-files, or not-installed"""
    modules: frozenset[str] = frozenset()
    """names of kernel modules"""

    def text(self) -> str:
        """The file; empty when nothing was brought."""
        packages = [f"package {name} {found}\n" for name, found in sorted(self.packages.items())]
        return "".join([*packages, *(f"module {name}\n" for name in sorted(self.modules))])


def parse_record(text: str) -> Record:
    """Lines ``package NAME FOUND`` and ``module NAME``; others are not ours and are left out."""
    words = [split_words(line) for line in iterate_lines(text)]
    return Record(
        packages={w[1]: w[2] for w in words if len(w) == 3 and w[0] == "package"},
        modules=frozenset(w[1] for w in words if len(w) == 2 and w[0] == "module"),
    )


@dataclass(frozen=True)
class KernelState:
    """What was read of a router's kernel, its packages and our files."""

    platform: Platform
    facts: ModuleFacts
    files: Mapping[str, str] = field(default_factory=dict)
    """path -> text"""
    inventory: Inventory = field(default_factory=Inventory)
    """of the packages asked for, or of those in the record"""
    tables: tuple[str, ...] = ()
    """nft's tables, or nft's error; nf_tables counts no reference for a table without hooks and rules"""
    flowtables: frozenset[str] = frozenset()
    """those of them that hold a flowtable"""

    @property
    def manager(self) -> PackageManager | None:
        """None where none is known that can be used."""
        return find_package_manager(self.platform.init, self.platform.commands, self.platform.systems)

    @property
    def record(self) -> Record:
        """What this collection brought, as its file on the router has it."""
        return parse_record(self.files.get(paths.KERNEL_FOUND, ""))

    @property
    def modules(self) -> Mapping[str, ModuleState]:
        """Module of FLOWTABLE_MODULES -> its state."""
        return self.facts.kernel.modules


def read_state(answer: Answer) -> KernelState:
    """Sections of sh/read/kernel.sh and of the package manager's own fragment -> KernelState.

    Raises OffloadError where the package manager cannot list what is installed, and for an incomplete answer.
    """
    platform = parse_platform(answer.require("platform").text)
    manager = find_package_manager(platform.init, platform.commands, platform.systems)
    return KernelState(
        platform=platform,
        facts=parse_module_facts(answer.require("modules").text),
        files=read_files(answer),
        inventory=manager.read(answer) if manager else Inventory(),
        tables=tuple(answer.lines("tables")),
        flowtables=_tables_with_flowtables(answer.text("flowtables")),
    )


def explain_package_error(error: StepError, state: KernelState) -> OffloadError:
    """The same error with what the output means for the router of ``state``, where its package manager knows that."""
    manager = state.manager
    if manager is None:
        return error
    if explained := manager.explain(error.output, state.inventory.image):
        problem, remedy = explained
        return OffloadError(f"could not {error.step.summary}: {problem}", remedy, **error.details)
    return OffloadError(error.problem, remedy_for(error.output, manager.remedies), **error.details)


def _tables_with_flowtables(listing: str) -> frozenset[str]:
    """``nft list flowtables`` -> the tables in it, as ``nft list tables`` names them; it lists the empty ones too."""
    blocks = re.findall(r"^(table [^{]*?) \{$(.*?)^\}$", listing, re.MULTILINE | re.DOTALL)
    return frozenset(table for table, inside in blocks if "flowtable" in inside)


def check_packages(packages: Iterable[str]) -> None:
    """Raise OffloadError for what cannot be the name of a package."""
    for package in packages:
        if not PACKAGE.fullmatch(package):
            raise OffloadError(
                f"option packages: {package!r} is not the name of a package", "use small letters, digits, +, - and ."
            )


def plan_present(state: KernelState, packages: Sequence[str]) -> Plan:
    """Plan for a router that can offload: packages installed, modules loaded, now and at boot.

    ``packages`` is the option: Debian's names. Raises OffloadError for a router that cannot be made to offload.
    """
    init = require_init_system(state.platform.init)
    _require_kernel(state)
    manager, inventory = state.manager, state.inventory
    extra = _missing_modules_package(state)
    lacking = [package for package in packages if not _is_installed(state, package)]
    _require_packages(state, lacking)
    install = [*manager.translate_names(lacking), *extra] if manager else []
    load = [name for name in FLOWTABLE_MODULES if state.modules[name] == "available"]
    later = [name for name in FLOWTABLE_MODULES if state.modules[name] == "missing"]
    brought = {*load, *later, *(need for name in load for need in state.facts.needs[name])} - set(state.facts.live)
    if brought:
        asked = {ASKED_FOR_HOOKS, *([ASKED_FOR_FLOWS] if state.platform.conntrack_file is False else [])}
        brought |= asked - set(state.facts.live)
    record = Record(
        packages={
            **{name: inventory.statuses.get(name) or "not-installed" for name in install},
            **state.record.packages,
        },
        modules=state.record.modules | (brought - state.facts.builtin),
    )
    boot = [name for name in FLOWTABLE_MODULES if state.modules[name] != "builtin"]
    if manager and manager.lists_modules and (extra or (_boot_loads(state) and init.modules_list not in state.files)):
        boot = []  # the package brings a list of its own
    changes = file_changes(
        state.files,
        {
            init.modules_list: (paths.READABLE, _modules_list(boot)) if boot else None,
            paths.KERNEL_FOUND: (paths.PRIVATE, record.text()) if record.text() else None,
        },
    )
    known = all(package in inventory.candidates for package in install)
    steps = [
        *([_load(load)] if load else []),
        *([] if known else [Step("update the package lists", UpdatePackages())]),
        *([Step(f"install {', '.join(install)}", InstallPackages(tuple(install)))] if install else []),
        *([_load(later)] if later else []),
    ]
    loaded: dict[str, str] = {name: "loaded" for name in [*load, *later]}
    return Plan(
        steps=steps,
        files=changes.written,
        removed=changes.removed,
        undo=[
            *([Step("unload the modules", UnloadNew())] if loaded else []),
            *([Step("remove the packages", UninstallNew())] if install else []),
        ],
        dry_runs=[Step(f"install {', '.join(install)}", SimulateInstall(tuple(install)))] if install and known else [],
        diffs=[*_diffs(state, {**state.modules, **loaded}, installed=install), *changes.diffs],
        result=_result(state, {**state.modules, **loaded}, record, boot, init.modules_list),
        warnings=list(inventory.warnings) if install else [],
        system_scripts=manager.apply_scripts if manager else (),
    )


def _boot_loads(state: KernelState) -> bool:
    """Does boot load the modules? Loading these two brings the third."""
    needed = {"nf_flow_table_inet", "nft_flow_offload"} - state.facts.builtin
    return needed <= state.facts.kernel.boot_modules


def plan_absent(state: KernelState, checking: bool) -> Plan:
    """Plan that takes back what this collection brought and nobody else uses.

    In check mode (``checking``) the tasks that would have taken out what needs it have not done so. Raises OffloadError
    while what another module of this collection set up needs it.
    """
    for path, module in FILES_IN_USE.items():
        if path in state.files and not checking:
            raise OffloadError(
                f"what {module} set up is still there ({path}) and needs these modules and tools",
                f"run kmod.nft_offload.{module} with state: absent first",
            )
    manager, record = state.manager, state.record
    own = parse_our_table(state.files.get(paths.RULESET, "")) if checking else None
    table = f"table {' '.join(own)}" if own else ""
    live = predict_references(state.facts.live, table, state.tables, state.flowtables)
    tables = [other for other in state.tables if other != table]
    if tables and "nf_tables" in live:
        held = live["nf_tables"]
        live["nf_tables"] = LoadedModule(held.references + 1, held.users | set(tables))
    brought = add_modules_on_top(record.modules, live)
    unload, in_use = plan_unloading(brought, live)
    in_use = {name: why for name, why in in_use.items() if name in record.modules}
    uninstall: dict[str, list[str]] = {"purge": [], "remove": []}
    for package, in_the_way in sorted(state.inventory.removals.items()):
        others = sorted(in_the_way - set(record.packages))
        if others:
            in_use[package] = f"needed by {', '.join(others)}"
        elif package in state.inventory.used:
            in_use[package] = "; ".join(state.inventory.used[package])
        else:
            # what an earlier installation left of its configuration stays, as it was found
            uninstall["remove" if record.packages[package] == "config-files" else "purge"].append(package)

    gone = [*uninstall["purge"], *uninstall["remove"]]
    left = Record({name: found for name, found in record.packages.items() if name in in_use})
    record_left = {paths.KERNEL_FOUND: (paths.PRIVATE, left.text()) if left.text() else None}
    changes = file_changes(state.files, {**dict.fromkeys(list_own_files()), **record_left})
    modules: dict[str, str] = {**state.modules, **{n: "available" for n in unload if n in state.modules}}
    return Plan(
        steps=[
            *([Step(f"unload {', '.join(unload)}", UnloadModules(tuple(unload)))] if unload else []),
            *(
                Step(f"uninstall {', '.join(some)}", UninstallPackages(how, tuple(some)))
                for how, some in uninstall.items()
                if some
            ),
        ],
        files=changes.written,
        removed=changes.removed,
        undo=[_load(list(reversed(unload)))] if unload else [],
        diffs=[*_diffs(state, modules, uninstalled=gone), *changes.diffs],
        result=_result(state, modules, left, []) | ({"in_use": in_use} if in_use else {}),
        system_scripts=manager.apply_scripts if manager else (),
    )


def combine_results(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The result of both readings: of what stays, the first still knew the modules and had nft to ask for whom."""
    in_use = {**second.get("in_use", {}), **first.get("in_use", {})}
    return {**second, **({"in_use": in_use} if in_use else {})}


def _require_kernel(state: KernelState) -> None:
    """Raise OffloadError for a kernel that cannot be made to offload, saying what would help."""
    release = state.platform.kernel
    if (0, 0) < state.platform.kernel_version < OLDEST_KERNEL:
        raise OffloadError(
            f"Linux {release} is too old: it cannot hold a flowtable without devices",
            "upgrade the router's kernel to Linux 5.8 or later",
        )
    lacking = [name for name in FLOWTABLE_MODULES if state.modules[name] in {"available", "missing"}]
    missing = [name for name in lacking if state.modules[name] == "missing"]
    if missing and not state.facts.tree:
        raise OffloadError(
            f"there are no modules for the running kernel: /lib/modules/{release} does not exist",
            "reboot the router if its kernel was upgraded since the last boot; in a container, use the host instead",
        )
    if lacking and state.facts.kernel.modules_disabled:
        raise OffloadError(
            f"{', '.join(lacking)} cannot be loaded: kernel.modules_disabled is 1",
            "reboot the router and have the modules loaded before kernel.modules_disabled is set",
        )
    package = _modules_package(state)
    if missing and state.manager and state.manager.broken_modules_remedy and _is_listed_installed(state, package):
        raise OffloadError(
            f"the package {package} is installed, but the running kernel {release} has no {', '.join(missing)}",
            state.manager.broken_modules_remedy,
        )
    if missing and not _missing_modules_package(state):
        raise OffloadError(
            f"Linux {release} was built without flowtables: there is no {', '.join(missing)}",
            "boot a kernel with CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET and CONFIG_NFT_FLOW_OFFLOAD, such as "
            f"{(state.manager or Apt()).kernels}",
        )


def _modules_package(state: KernelState) -> str:
    """The package with the modules of the running kernel; empty where there is none."""
    manager = state.manager
    return manager.find_modules_package(state.platform.kernel, state.platform.os_id) if manager else ""


def _missing_modules_package(state: KernelState) -> list[str]:
    """The package with the modules that are missing, where there is one that is not installed."""
    package = _modules_package(state)
    missing = "missing" in state.modules.values()
    return [package] if package and missing and not _is_listed_installed(state, package) else []


def _is_listed_installed(state: KernelState, package: str) -> bool:
    return state.inventory.statuses.get(package) == "installed"


def _is_installed(state: KernelState, package: str) -> bool:
    """Is a package of the option ``packages`` installed, or its command from elsewhere?"""
    local_name = _translate_name(state, package)
    return COMMANDS.get(package) in state.platform.commands or _is_listed_installed(state, local_name)


def _translate_name(state: KernelState, package: str) -> str:
    return state.manager.translate_names([package])[0] if state.manager else package


def _require_packages(state: KernelState, lacking: Sequence[str]) -> None:
    """Raise OffloadError where what is missing cannot be installed, or would be too old."""
    require_fw4(state.platform)
    elsewhere = list_package_managers(state.platform.commands)
    if state.manager is None and elsewhere:
        where = " or ".join(other.distribution for other in elsewhere)
        raise OffloadError(
            f"routers with the package manager {elsewhere[0].name} are supported by kernel_support only where they run "
            f"{where}",
            "install nftables, ethtool and the flowtable modules by hand",
        )
    if lacking and state.manager is None:
        names = ", ".join(COMMANDS.get(package, package) for package in lacking)
        raise OffloadError(
            f"{names} is missing, and this router has none of the package managers that are supported "
            f"({name_package_managers()})",
            "install it by hand",
        )
    version = state.platform.nft_version
    if version is None and "nftables" in lacking:
        version = parse_upstream_version(state.inventory.candidates.get(_translate_name(state, "nftables"), "")) or None
    if version is not None and version < OLDEST_NFT:
        raise OffloadError(
            f"nft {'.'.join(str(part) for part in version)} is too old: it knows no flowtable flags",
            "give the router a package source with nftables 0.9.9 or later, such as Debian 12's",
        )


def _load(modules: Sequence[str]) -> Step:
    return Step(f"load {', '.join(modules)}", LoadModules(tuple(modules)))


def _modules_list(modules: Sequence[str]) -> str:
    head = "# Written by kmod.nft_offload: the modules of flow offload.\n"
    return head + "".join(f"{name}\n" for name in modules)


def _diffs(
    state: KernelState, modules: Mapping[str, str], installed: Sequence[str] = (), uninstalled: Sequence[str] = ()
) -> list[Diff]:
    diffs = []
    if modules != state.modules:
        diffs.append(Diff("kernel modules", _module_lines(state.modules), _module_lines(modules)))
    if installed or uninstalled:
        diffs.append(Diff("packages", _lines(uninstalled), _lines(installed)))
    return diffs


def _module_lines(modules: Mapping[str, str]) -> str:
    return "".join(f"{name}: {module_state}\n" for name, module_state in modules.items())


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(names))


def _result(
    state: KernelState,
    modules: Mapping[str, str],
    record: Record,
    boot: Sequence[str],
    modules_list: str = paths.MODULES_LOAD,
) -> dict[str, Any]:
    version = state.platform.nft_version
    return {
        "kernel": {"release": state.platform.kernel, "modules": dict(modules)},
        "nft_version": ".".join(str(part) for part in version) if version else "",
        "packages_installed": sorted(record.packages),
        "boot": {"file": modules_list if boot else "", "modules": list(boot)},
    }
