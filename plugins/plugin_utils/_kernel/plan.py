# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""From what a router says of its kernel and packages to the plan that makes it able to offload. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core import paths
from .._core.errors import OffloadError
from .._core.files import file_changes, read_files
from .._core.plan import Diff, Plan, Step, remedy_for
from .._core.sections import Answer
from .._core.verbs import Verb
from .._observe.parse.boot import parse_owned_table
from .._observe.parse.modules import LoadedModule, ModuleFacts, parse_module_facts
from .._observe.parse.packages import (
    parse_candidates,
    parse_feed_removals,
    parse_removals,
    parse_statuses,
    upstream_version,
)
from .._observe.parse.platform import parse_platform
from .._observe.require import require_fw4
from .._observe.state import FLOWTABLE_MODULES, OLDEST_KERNEL, OLDEST_NFT, ModuleState, Platform
from .feeds import MODULES_PACKAGE, feed_names, staged_warning
from .unload import brought_along, unloading, without_table
from .verbs import (
    InstallFromFeeds,
    InstallPackages,
    LoadModules,
    SimulateFromFeeds,
    SimulateInstall,
    Uninstall,
    UninstallFeedNew,
    UninstallFromFeeds,
    UninstallNew,
    UnloadModules,
    UnloadNew,
    UpdateFeeds,
    UpdatePackages,
)

TOOLS = {"nftables": "nft", "ethtool": "ethtool"}
"""package -> the command that makes it unnecessary when the router has it from elsewhere"""
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")
"""a package's name (deb-control(5))"""
ASKED_FOR_HOOKS = "nfnetlink_hook"
"""the module that the kernel loads by itself when offload_verify and offload_info ask nft for the hooks"""
OWN_FILES = (paths.MODULES_LOAD, paths.MODULES_D, paths.KERNEL_FOUND)
USERS_FILES = {paths.RULESET: "ruleset", paths.FEATURES: "nic_features"}
"""what needs the tools -> the module that it belongs to"""


@dataclass(frozen=True)
class Manager:
    """The verbs of a package manager."""

    update: Callable[[], Verb]
    simulate: Callable[[tuple[str, ...]], Verb]
    install: Callable[[tuple[str, ...]], Verb]
    undo: Callable[[], Verb]


APT = Manager(UpdatePackages, SimulateInstall, InstallPackages, UninstallNew)
FEEDS = Manager(UpdateFeeds, SimulateFromFeeds, InstallFromFeeds, UninstallFeedNew)


@dataclass(frozen=True)
class Record:
    """paths.KERNEL_FOUND: what this collection brought."""

    packages: Mapping[str, str] = field(default_factory=dict)
    """package -> its dpkg status before: config-files, or not-installed"""
    modules: frozenset[str] = frozenset()

    def text(self) -> str:
        """The file; empty when nothing was brought."""
        packages = [f"package {name} {found}\n" for name, found in sorted(self.packages.items())]
        return "".join([*packages, *(f"module {name}\n" for name in sorted(self.modules))])


def parse_record(text: str) -> Record:
    """Lines ``package NAME FOUND`` and ``module NAME``; others are not ours and are left out."""
    words = [line.split() for line in text.splitlines()]
    return Record(
        packages={w[1]: w[2] for w in words if len(w) == 3 and w[0] == "package"},
        modules=frozenset(w[1] for w in words if len(w) == 2 and w[0] == "module"),
    )


@dataclass(frozen=True)
class KernelState:
    """What the router told of its kernel, its packages and our files."""

    platform: Platform
    facts: ModuleFacts
    files: Mapping[str, str] = field(default_factory=dict)
    """path -> text"""
    packages: Mapping[str, str] = field(default_factory=dict)
    """package -> dpkg status, empty when dpkg does not know it"""
    candidates: Mapping[str, str] = field(default_factory=dict)
    """package -> version that apt would install"""
    removals: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """installed package of the record -> every package that would go with it; on OpenWrt, that keeps it"""
    used: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """installed package of the record -> signs that somebody uses it by now"""
    tables: tuple[str, ...] = ()
    """nft's tables, or what nft said instead; nf_tables counts no reference for a table without hooks and rules"""
    flowtables: frozenset[str] = frozenset()
    """those of them that hold a flowtable"""
    image: str = ""
    """OpenWrt: version of the package kernel, which every package of modules names"""
    staged: tuple[str, ...] = ()
    """OpenWrt: options with changes that somebody staged and did not commit"""

    @property
    def openwrt(self) -> bool:
        """Does it have OpenWrt's packages? Another distribution may have a command named apk."""
        return self.platform.init == "procd" and self.platform.package_manager in {"opkg", "apk"}

    @property
    def record(self) -> Record:
        return parse_record(self.files.get(paths.KERNEL_FOUND, ""))

    @property
    def modules(self) -> Mapping[str, ModuleState]:
        return self.facts.kernel.modules


def read_state(answer: Answer) -> KernelState:
    """Sections of sh/read/kernel.sh -> KernelState."""

    def told(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): part.text for name, part in answer.items() if name.startswith(prefix)}

    platform = parse_platform(answer["platform"].text)
    if "installed" in answer and answer["installed"].rc != 0:
        said = answer["installed"].text.strip()
        raise OffloadError(f"{platform.package_manager} does not tell what is installed: {said}", remedy_for(said))
    removals = parse_feed_removals if platform.init == "procd" else parse_removals
    image = [line.partition("=") for line in answer["image"].text.splitlines()] if "image" in answer else []
    return KernelState(
        platform=platform,
        facts=parse_module_facts(answer["modules"].text),
        files=read_files(answer),
        packages=parse_statuses(answer["packages"].text) if "packages" in answer else {},
        candidates=parse_candidates(answer["candidates"].text) if "candidates" in answer else {},
        removals={package: removals(text) for package, text in told("removal.").items()},
        used={package: tuple(text.split("\n")) for package, text in told("used.").items() if text},
        tables=tuple(answer["tables"].text.splitlines()) if "tables" in answer else (),
        flowtables=_holders(answer["flowtables"].text) if "flowtables" in answer else frozenset(),
        image=next((value for key, _equals, value in image if key == "kernel"), ""),
        staged=tuple(value for key, _equals, value in image if key == "staged"),
    )


def _holders(listing: str) -> frozenset[str]:
    """``nft list flowtables`` -> the tables in it, as ``nft list tables`` names them; it lists the empty ones too."""
    blocks = re.findall(r"^(table [^{]*?) \{$(.*?)^\}$", listing, re.MULTILINE | re.DOTALL)
    return frozenset(table for table, inside in blocks if "flowtable" in inside)


def check_packages(packages: Iterable[str]) -> None:
    """Raise OffloadError for what cannot be a package's name."""
    for package in packages:
        if not PACKAGE.fullmatch(package):
            raise OffloadError(
                f"option packages: {package!r} is no package's name", "use small letters, digits, +, - and ."
            )


def plan_present(state: KernelState, packages: Sequence[str]) -> Plan:
    """Plan for a router that can offload: packages in, modules loaded, now and at boot."""
    _require_kernel(state)
    extra = _modules_package(state)
    lacking = [package for package in packages if not _there(state, package)]
    _require_packages(state, lacking)
    install = [*(feed_names(lacking) if state.openwrt else lacking), *extra]
    load = [name for name in FLOWTABLE_MODULES if state.modules[name] == "available"]
    later = [name for name in FLOWTABLE_MODULES if state.modules[name] == "missing"]
    brought = {*load, *later, *(need for name in load for need in state.facts.needs[name])} - set(state.facts.live)
    if brought and ASKED_FOR_HOOKS not in state.facts.live:
        brought.add(ASKED_FOR_HOOKS)
    record = Record(
        packages={**{name: state.packages.get(name) or "not-installed" for name in install}, **state.record.packages},
        modules=state.record.modules | (brought - state.facts.builtin),
    )
    boot = [name for name in FLOWTABLE_MODULES if state.modules[name] != "builtin"]
    if state.openwrt and (extra or (_listed(state) and paths.MODULES_D not in state.files)):
        boot = []  # the package brings a list of its own
    place = paths.MODULES_D if state.openwrt else paths.MODULES_LOAD
    changes = file_changes(
        state.files,
        {
            place: ("0644", _modules_load(boot)) if boot else None,
            paths.KERNEL_FOUND: ("0644", record.text()) if record.text() else None,
        },
    )
    manager = FEEDS if state.openwrt else APT
    known = all(package in state.candidates for package in install)
    steps = [
        *([_load(load)] if load else []),
        *([] if known else [Step("update the package lists", manager.update())]),
        *([Step(f"install {', '.join(install)}", manager.install(tuple(install)))] if install else []),
        *([_load(later)] if later else []),
    ]
    loaded: dict[str, str] = {name: "loaded" for name in [*load, *later]}
    return Plan(
        steps=steps,
        files=changes.written,
        removed=changes.removed,
        undo=[
            *([Step("unload the modules", UnloadNew())] if loaded else []),
            *([Step("remove the packages", manager.undo())] if install else []),
        ],
        checks=[Step(f"install {', '.join(install)}", manager.simulate(tuple(install)))] if install and known else [],
        diffs=[*_diffs(state, {**state.modules, **loaded}, installed=install), *changes.diffs],
        result=_result(state, {**state.modules, **loaded}, record, boot, place),
        warnings=[staged_warning(state.staged)] if install and state.staged else [],
    )


def _listed(state: KernelState) -> bool:
    """Does boot load the modules? Loading these two brings the third."""
    asked = {"nf_flow_table_inet", "nft_flow_offload"} - state.facts.builtin
    return asked <= state.facts.kernel.boot_modules


def plan_absent(state: KernelState, checking: bool) -> Plan:
    """Plan that takes back what this collection brought and nobody else uses.

    In check mode the tasks that would have taken out what needs it have not done so.
    """
    for path, module in USERS_FILES.items():
        if path in state.files and not checking:
            raise OffloadError(
                f"what {module} set up is still there ({path}) and needs these modules and tools",
                f"run kmod.nft_offload.{module} with state: absent first",
            )
    record = state.record
    own = parse_owned_table(state.files.get(paths.RULESET, "")) if checking else None
    table = f"table {' '.join(own)}" if own else ""
    live = without_table(state.facts.live, table, state.tables, state.flowtables)
    tables = [other for other in state.tables if other != table]
    if tables and "nf_tables" in live:
        held = live["nf_tables"]
        live["nf_tables"] = LoadedModule(held.references + 1, held.users | set(tables))
    brought = brought_along(record.modules, live)
    unload, kept = unloading(brought, live)
    kept = {name: why for name, why in kept.items() if name in record.modules}
    uninstall: dict[str, list[str]] = {"purge": [], "remove": []}
    for package, going in sorted(state.removals.items()):
        others = sorted(going - set(record.packages))
        if others:
            kept[package] = f"needed by {', '.join(others)}"
        elif package in state.used:
            kept[package] = "; ".join(state.used[package])
        else:
            # what an earlier installation left of its configuration stays, as it was found
            uninstall["remove" if record.packages[package] == "config-files" else "purge"].append(package)

    gone = [*uninstall["purge"], *uninstall["remove"]]
    left = Record({name: found for name, found in record.packages.items() if name in kept})
    own_files = {**dict.fromkeys(OWN_FILES), paths.KERNEL_FOUND: ("0644", left.text()) if left.text() else None}
    changes = file_changes(state.files, own_files)
    modules: dict[str, str] = {**state.modules, **{n: "available" for n in unload if n in state.modules}}
    return Plan(
        steps=[
            *([Step(f"unload {', '.join(unload)}", UnloadModules(tuple(unload)))] if unload else []),
            *(
                Step(
                    f"uninstall {', '.join(some)}",
                    UninstallFromFeeds(tuple(some)) if state.openwrt else Uninstall(how, tuple(some)),
                )
                for how, some in uninstall.items()
                if some
            ),
        ],
        files=changes.written,
        removed=changes.removed,
        undo=[_load(list(reversed(unload)))] if unload else [],
        diffs=[*_diffs(state, modules, uninstalled=gone), *changes.diffs],
        result=_result(state, modules, left, []) | ({"kept": kept} if kept else {}),
    )


def proven(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The result after both readings: of what stays, the first still knew the modules and had nft to ask for whom."""
    kept = {**second.get("kept", {}), **first.get("kept", {})}
    return {**second, **({"kept": kept} if kept else {})}


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
    if missing and state.openwrt and state.packages.get(MODULES_PACKAGE) == "installed":
        raise OffloadError(
            f"the package {MODULES_PACKAGE} is installed, but the running kernel {release} has no {', '.join(missing)}",
            "install a whole image with sysupgrade: kernel and modules of this one do not belong together",
        )
    if missing and not _modules_package(state):
        raise OffloadError(
            f"Linux {release} was built without flowtables: there is no {', '.join(missing)}",
            "boot a kernel with CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET and CONFIG_NFT_FLOW_OFFLOAD, such as "
            "Debian's linux-image-amd64 or linux-image-arm64",
        )


def _modules_package(state: KernelState) -> list[str]:
    """The package with the modules that are missing, where there is one that is not installed."""
    missing = "missing" in state.modules.values()
    if state.openwrt:
        return [MODULES_PACKAGE] if missing and state.packages.get(MODULES_PACKAGE) != "installed" else []
    package = f"linux-modules-extra-{state.platform.kernel}"
    ubuntu = state.platform.os_id == "ubuntu"
    return [package] if missing and ubuntu and state.packages.get(package) != "installed" else []


def _there(state: KernelState, package: str) -> bool:
    return TOOLS.get(package) in state.platform.commands or state.packages.get(package) == "installed"


def _require_packages(state: KernelState, lacking: Sequence[str]) -> None:
    """Raise OffloadError where what is missing cannot be installed, or would be too old."""
    manager = state.platform.package_manager
    require_fw4(state.platform)
    if manager in {"opkg", "apk"} and not state.openwrt:
        raise OffloadError(
            f"routers with the package manager {manager} are supported by kernel_support only where they run OpenWrt",
            "install nftables, ethtool and the flowtable modules by hand",
        )
    if lacking and not manager:
        names = ", ".join(TOOLS.get(package, package) for package in lacking)
        raise OffloadError(f"{names} is missing, and this router has no apt to install it with", "install it by hand")
    version = state.platform.nft_version
    if version is None and "nftables" in lacking:
        version = upstream_version(state.candidates.get("nftables", "")) or None
    if version is not None and version < OLDEST_NFT:
        raise OffloadError(
            f"nft {'.'.join(str(part) for part in version)} is too old: it knows no flowtable flags",
            "give the router a package source with nftables 0.9.9 or later, such as Debian 12 has",
        )


def _load(modules: Sequence[str]) -> Step:
    return Step(f"load {', '.join(modules)}", LoadModules(tuple(modules)))


def _modules_load(modules: Sequence[str]) -> str:
    head = "# Written by kmod.nft_offload: the modules of flow offload.\n"
    return head + "".join(f"{name}\n" for name in modules)


def _diffs(
    state: KernelState, modules: Mapping[str, str], installed: Sequence[str] = (), uninstalled: Sequence[str] = ()
) -> list[Diff]:
    diffs = []
    if modules != state.modules:
        before = "".join(f"{name}: {is_}\n" for name, is_ in state.modules.items())
        diffs.append(Diff("kernel modules", before, "".join(f"{name}: {is_}\n" for name, is_ in modules.items())))
    if installed or uninstalled:
        diffs.append(Diff("packages", _lines(uninstalled), _lines(installed)))
    return diffs


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(names))


def _result(
    state: KernelState,
    modules: Mapping[str, str],
    record: Record,
    boot: Sequence[str],
    place: str = paths.MODULES_LOAD,
) -> dict[str, Any]:
    version = state.platform.nft_version
    return {
        "kernel": {"release": state.platform.kernel, "modules": dict(modules)},
        "nft_version": ".".join(str(part) for part in version) if version else "",
        "packages_installed": sorted(record.packages),
        "boot": {"file": place if boot else "", "modules": list(boot)},
    }
