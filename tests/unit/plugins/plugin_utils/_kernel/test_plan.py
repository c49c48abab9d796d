# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a router says of its kernel and packages to the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Plan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._kernel import plan as _kernel
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._kernel.plan import (
    KernelState,
    Record,
    parse_record,
    plan_absent,
    plan_present,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.modules import LoadedModule, ModuleFacts
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import FLOWTABLE_MODULES, Kernel, Platform
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredTable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_manager import Inventory
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_registry import name_package_managers

TOOLS = ("nftables", "ethtool")
NEEDS = {
    "nf_flow_table": ("nf_conntrack", "libcrc32c"),
    "nf_flow_table_inet": ("nf_tables", "nfnetlink", "nf_flow_table", "nf_conntrack", "libcrc32c"),
    "nft_flow_offload": ("nf_tables", "nfnetlink", "nf_flow_table", "nf_conntrack", "libcrc32c"),
}
BROUGHT = {*FLOWTABLE_MODULES, "nf_conntrack", "libcrc32c", "nf_tables", "nfnetlink_hook"}
DEBIAN = Platform(
    uid=0,
    kernel="6.12.117+deb13-amd64",
    os_id="debian",
    init="systemd",
    commands=frozenset({"apt-get", "systemctl"}),
)


def facts(state: str = "available", live: dict[str, LoadedModule] | None = None, **kernel: bool) -> ModuleFacts:
    """All three modules in one state."""
    return ModuleFacts(
        tree=True,
        needs={} if state in {"missing", "builtin"} else NEEDS,
        builtin=frozenset(FLOWTABLE_MODULES if state == "builtin" else ()),
        live={"nfnetlink": LoadedModule(1)} if live is None else live,
        kernel=Kernel(modules=dict.fromkeys(FLOWTABLE_MODULES, state), **kernel),  # type: ignore[arg-type]
    )


BARE = KernelState(
    platform=DEBIAN,
    facts=facts(),
    inventory=Inventory(
        statuses={"nftables": "", "ethtool": ""},
        candidates={"nftables": "1.1.3-1", "ethtool": "1:6.14.2-1"},
    ),
)
LIVE = {
    "nft_flow_offload": LoadedModule(0),
    "nf_flow_table_inet": LoadedModule(0),
    "nf_flow_table": LoadedModule(2, frozenset({"nft_flow_offload", "nf_flow_table_inet"})),
    "nf_tables": LoadedModule(2, frozenset({"nft_flow_offload", "nf_flow_table_inet"})),
    "nf_conntrack": LoadedModule(2, frozenset({"nft_flow_offload", "nf_flow_table"})),
    "libcrc32c": LoadedModule(2, frozenset({"nf_tables", "nf_conntrack"})),
    "nfnetlink": LoadedModule(2, frozenset({"nf_tables", "nfnetlink_hook"})),
    "nfnetlink_hook": LoadedModule(0),
}


def with_packages(state: KernelState, **changes: Any) -> KernelState:
    """The state with another inventory; ``changes`` are its fields."""
    return replace(state, inventory=replace(state.inventory, **changes))


def carried_out(plan: Plan, state: KernelState) -> KernelState:
    """The router after the plan: what its verbs do, in short."""
    files = {path: text for path, text in state.files.items() if path not in plan.removed}
    files |= {path: text for path, (_mode, text) in plan.files.items()}
    state = replace(state, files=files)
    for step in plan.steps:
        verb, *words = step.verb.call
        if verb == "install_packages":
            commands = state.platform.commands | {_kernel.COMMANDS.get(word, word) for word in words}
            platform = replace(state.platform, commands=commands, nft_version=(1, 1, 3))
            statuses = {**state.inventory.statuses, **dict.fromkeys(words, "installed")}
            state = replace(
                with_packages(state, statuses=statuses, removals={word: frozenset({word}) for word in words}),
                platform=platform,
            )
        elif verb == "load_modules":
            state = replace(state, facts=facts("loaded", LIVE))
        elif verb == "unload_modules":
            gone = set(words)
            live = {
                name: LoadedModule(module.references - len(module.users & gone), module.users - gone)
                for name, module in state.facts.live.items()
                if name not in gone
            }
            state = replace(state, facts=facts("available", live))
        elif verb == "uninstall_packages":
            left = {n: r for n, r in state.inventory.removals.items() if n not in words[1:]}
            state = with_packages(state, removals=left)
    return state


# --- present


def test_fresh_router() -> None:
    plan = plan_present(BARE, TOOLS)
    assert plan.actions() == [
        "load nf_flow_table, nf_flow_table_inet, nft_flow_offload",
        "install nftables, ethtool",
        "write /etc/modules-load.d/nft-offload.conf",
        "write /etc/nft-offload/kernel.found",
    ]
    record = parse_record(plan.files[paths.KERNEL_FOUND][1])
    assert record.packages == {"nftables": "not-installed", "ethtool": "not-installed"}
    assert record.modules == BROUGHT
    assert [step.verb.call for step in plan.dry_runs] == [("simulate_install", "nftables", "ethtool")]
    assert [step.verb.call for step in plan.undo] == [("unload_new",), ("uninstall_new",)]
    assert [diff.header for diff in plan.diffs][:2] == ["kernel modules", "packages"]
    assert plan.result["kernel"]["modules"] == dict.fromkeys(FLOWTABLE_MODULES, "loaded")


def test_what_listing_flows_by_netlink_loads_goes_again() -> None:
    """Where the kernel has no file of them."""
    state = replace(BARE, platform=replace(BARE.platform, conntrack_file=False))
    record = parse_record(plan_present(state, TOOLS).files[paths.KERNEL_FOUND][1])
    assert record.modules == {*BROUGHT, "nf_conntrack_netlink"}


def test_a_conntrack_from_elsewhere_is_not_installed() -> None:
    state = replace(BARE, platform=replace(BARE.platform, commands=BARE.platform.commands | {"conntrack"}))
    assert "install nftables" in plan_present(state, ["nftables", "conntrack"]).actions()


def test_second_run_changes_nothing() -> None:
    state = carried_out(plan_present(BARE, TOOLS), BARE)
    plan = plan_present(state, TOOLS)
    assert not plan.changed
    assert not plan.diffs
    assert plan.result["packages_installed"] == ["ethtool", "nftables"]
    assert plan.result["nft_version"] == "1.1.3"


def test_lists_without_a_package_are_updated_first() -> None:
    plan = plan_present(with_packages(BARE, candidates={"ethtool": "1:6.14.2-1"}), TOOLS)
    assert plan.actions()[1:3] == ["update the package lists", "install nftables, ethtool"]
    assert not plan.dry_runs, "a simulation would fail for want of the lists"


def test_command_from_elsewhere_is_enough() -> None:
    platform = replace(DEBIAN, commands=frozenset({"nft"}), nft_version=(1, 0, 6))
    state = replace(with_packages(BARE, statuses={"nftables": "", "ethtool": "installed"}), platform=platform)
    plan = plan_present(state, TOOLS)
    assert "install" not in " ".join(plan.actions())
    assert parse_record(plan.files[paths.KERNEL_FOUND][1]).packages == {}


def test_what_was_loaded_before_is_not_noted_as_brought() -> None:
    state = replace(carried_out(plan_present(BARE, TOOLS), BARE), files={})
    plan = plan_present(state, TOOLS)
    assert list(plan.files) == [paths.MODULES_LOAD]
    assert plan.result["packages_installed"] == []


def test_record_of_an_earlier_run_is_kept() -> None:
    state = replace(BARE, files={paths.KERNEL_FOUND: "package nftables config-files\nmodule old_module\n"})
    record = parse_record(plan_present(state, TOOLS).files[paths.KERNEL_FOUND][1])
    assert record.packages == {"nftables": "config-files", "ethtool": "not-installed"}
    assert record.modules == {"old_module", *BROUGHT}


def test_modules_in_the_kernel_need_no_boot_file() -> None:
    stale = {paths.MODULES_LOAD: "nf_flow_table\n"}
    platform = replace(DEBIAN, commands=frozenset({"nft", "ethtool", "apt-get"}))
    plan = plan_present(replace(BARE, platform=platform, facts=facts("builtin"), files=stale), TOOLS)
    assert plan.actions() == [f"remove {paths.MODULES_LOAD}"]
    assert plan.result["boot"] == {"file": "", "modules": []}


def test_ubuntu_has_a_package_for_the_modules() -> None:
    extra = f"linux-modules-extra-{DEBIAN.kernel}"
    ubuntu = replace(BARE, platform=replace(DEBIAN, os_id="ubuntu"), facts=facts("missing"))
    plan = plan_present(with_packages(ubuntu, candidates={**BARE.inventory.candidates, extra: "6.8.0"}), TOOLS)
    assert [step.verb.call[0] for step in plan.steps] == ["install_packages", "load_modules"]
    assert extra in plan.steps[0].verb.call
    with pytest.raises(OffloadError, match="built without flowtables"):
        plan_present(with_packages(ubuntu, statuses={**BARE.inventory.statuses, extra: "installed"}), TOOLS)


def test_fedora_and_rhel_have_one_too_for_exactly_this_kernel() -> None:
    release = "6.12.0-55.el10.x86_64"
    platform = replace(DEBIAN, os_id="rhel", kernel=release, commands=frozenset({"dnf", "nft", "ethtool"}))
    rhel = replace(BARE, platform=replace(platform, nft_version=(1, 1, 1)), facts=facts("missing"))
    plan = plan_present(with_packages(rhel, candidates={f"kernel-modules-core-{release}": "6.12.0"}), TOOLS)
    assert plan.steps[0].verb.call == ("install_packages", f"kernel-modules-core-{release}")
    assert plan.steps[1].verb.call[0] == "load_modules"


@pytest.mark.parametrize(
    ("os_id", "command", "kernels"),
    [
        ("opensuse-leap", "zypper", "kernel-default, in the place of kernel-default-base"),
        ("arch", "pacman", "Arch's linux"),
    ],
)
def test_a_kernel_is_named_and_never_installed(os_id: str, command: str, kernels: str) -> None:
    platform = replace(DEBIAN, os_id=os_id, commands=frozenset({command}))
    with pytest.raises(OffloadError, match=f"built without flowtables.*{kernels}"):
        plan_present(replace(BARE, platform=platform, facts=facts("missing")), TOOLS)


def platform(**changes: Any) -> KernelState:
    return replace(BARE, platform=replace(DEBIAN, **changes))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (platform(kernel="5.4.0-42-generic"), "Linux 5.4.0-42-generic is too old.*Linux 5.8"),
        (replace(BARE, facts=facts("missing")), "6.12.117.*built without flowtables: there is no nf_flow_table,"),
        (replace(BARE, facts=replace(facts("missing"), tree=False)), "/lib/modules/6.12.117.*does not exist.*reboot"),
        (replace(BARE, facts=facts(modules_disabled=True)), "kernel.modules_disabled is 1.*reboot"),
        (platform(commands=frozenset({"opkg"})), "opkg are supported by kernel_support only where"),
        (platform(commands=frozenset({"apk"})), "apk are supported by kernel_support only where"),
        (
            platform(commands=frozenset()),
            rf"nft, ethtool is missing, and .* none of the package managers .* \({name_package_managers()}\)",
        ),
        (platform(commands=frozenset({"nft", "ethtool"}), nft_version=(0, 9, 8)), "nft 0.9.8 is too old.*0.9.9"),
        (with_packages(BARE, candidates={"nftables": "0.9.8-3.1"}), "nft 0.9.8 is too old"),
    ],
)
def test_routers_that_cannot(state: KernelState, says: str) -> None:
    with pytest.raises(OffloadError, match=says):
        plan_present(state, TOOLS)


def test_locked_modules_that_are_in_already_will_do() -> None:
    state = replace(BARE, facts=facts("loaded", LIVE, modules_disabled=True))
    assert "load" not in plan_present(state, TOOLS).actions()[0]


@pytest.mark.parametrize("name", ["Nftables", "nft ables", "-y", "x", "nft;reboot", ""])
def test_what_is_no_package(name: str) -> None:
    with pytest.raises(OffloadError, match="option packages"):
        _kernel.check_packages(["ethtool", name])


# --- absent


def test_absent_on_an_untouched_router() -> None:
    plan = plan_absent(BARE, checking=False)
    assert not plan.changed
    assert "in_use" not in plan.result


def test_absent_takes_back_exactly_what_was_brought() -> None:
    state = carried_out(plan_present(BARE, TOOLS), BARE)
    plan = plan_absent(state, checking=False)
    unload, uninstall = (step.verb.call for step in plan.steps)
    assert set(unload[1:]) == BROUGHT, "nfnetlink was there before"
    assert uninstall == ("uninstall_packages", "purge", "ethtool", "nftables")
    assert set(plan.removed) == {paths.MODULES_LOAD, paths.KERNEL_FOUND}
    after = carried_out(plan, state)
    assert not plan_absent(after, checking=False).changed
    assert set(after.facts.live) == {"nfnetlink"}


def test_configuration_left_from_before_stays() -> None:
    state = with_packages(BARE, statuses={"nftables": "config-files", "ethtool": ""})
    plan = plan_absent(carried_out(plan_present(state, TOOLS), state), checking=False)
    assert [step.verb.call for step in plan.steps[1:]] == [
        ("uninstall_packages", "purge", "ethtool"),
        ("uninstall_packages", "remove", "nftables"),
    ]


def test_what_others_use_by_now_stays() -> None:
    state = carried_out(plan_present(BARE, TOOLS), BARE)
    conntrack = LoadedModule(3, LIVE["nf_conntrack"].users | {"nf_nat"})
    state = with_packages(
        replace(state, facts=facts("loaded", {**LIVE, "nf_conntrack": conntrack, "nft_flow_offload": LoadedModule(1)})),
        removals={"nftables": frozenset({"nftables", "firewalld"}), "ethtool": frozenset({"ethtool"})},
        used={"ethtool": ("ethtool.service is active",)},
    )
    plan = plan_absent(state, checking=False)
    assert [step.verb.call for step in plan.steps] == [("unload_modules", "nf_flow_table_inet", "nfnetlink_hook")]
    assert plan.result["in_use"] == {
        "nft_flow_offload": "in use",
        "nf_flow_table": "used by nft_flow_offload",
        "nf_tables": "used by nft_flow_offload",
        "nf_conntrack": "used by nf_flow_table, nf_nat, nft_flow_offload",
        "libcrc32c": "used by nf_conntrack, nf_tables",
        "nftables": "needed by firewalld",
        "ethtool": "ethtool.service is active",
    }
    assert plan.removed == (paths.MODULES_LOAD,)
    assert parse_record(plan.files[paths.KERNEL_FOUND][1]) == Record(
        {"ethtool": "not-installed", "nftables": "not-installed"}
    ), "they are ours for as long as they stay"


def test_what_stays_is_told_though_it_is_not_noted() -> None:
    """The second reading knows the packages that stay, and has no nft to ask any more where that went."""
    state = with_packages(
        replace(carried_out(plan_present(BARE, TOOLS), BARE), tables=("table inet sets",)),
        used={"ethtool": ("ethtool.service is active",)},
    )
    first = plan_absent(state, checking=False)
    second = plan_absent(replace(carried_out(first, state), tables=("nft: not found",)), checking=False)
    assert not second.changed
    assert second.result["in_use"] == {"ethtool": "ethtool.service is active"}
    assert first.result["in_use"].items() > second.result["in_use"].items()
    assert _kernel.combine_results(first.result, second.result) == {**second.result, "in_use": first.result["in_use"]}


def test_nf_tables_stays_while_there_is_a_table() -> None:
    state = replace(carried_out(plan_present(BARE, TOOLS), BARE), tables=("table inet sets",))
    plan = plan_absent(state, checking=False)
    assert "nf_tables" not in plan.steps[0].verb.call
    assert plan.result["in_use"]["nf_tables"] == "used by table inet sets"


def test_absent_waits_for_those_that_need_it() -> None:
    state = carried_out(plan_present(BARE, TOOLS), BARE)
    for path, module in _kernel.FILES_IN_USE.items():
        needed = replace(state, files={**state.files, path: "x\n"})
        with pytest.raises(OffloadError, match=f"{module} with state: absent first"):
            plan_absent(needed, checking=False)
        assert plan_absent(needed, checking=True).changed


def test_a_check_run_foresees_that_our_table_is_gone() -> None:
    """What our own table holds is held no more when the real run comes to the modules."""
    own = "table inet nft_offload"
    held = {
        **LIVE,
        "nft_flow_offload": LoadedModule(2),
        "nf_flow_table_inet": LoadedModule(1),
        "nf_tables": LoadedModule(6, LIVE["nf_tables"].users),
    }
    state = carried_out(plan_present(BARE, TOOLS), BARE)
    boot_file = {paths.RULESET: DesiredTable("inet", "nft_offload", "chain c { }\n", ()).boot_text()}
    before = replace(
        state,
        files={**state.files, **boot_file},
        facts=facts("loaded", held),
        tables=(own,),
        flowtables=frozenset({own}),
    )
    after = replace(state, facts=facts("loaded", LIVE))
    foreseen, real = plan_absent(before, checking=True), plan_absent(after, checking=False)
    assert foreseen.actions() == real.actions()
    assert "in_use" not in foreseen.result

    mine = "table ip mine"
    before = replace(before, tables=(own, mine))
    after = replace(after, facts=facts("loaded", {**LIVE, "nf_tables": LoadedModule(6, LIVE["nf_tables"].users)}))
    after = replace(after, tables=(mine,))
    foreseen, real = plan_absent(before, checking=True), plan_absent(after, checking=False)
    assert foreseen.actions() == real.actions()
    assert foreseen.result["in_use"] == real.result["in_use"]
    assert foreseen.result["in_use"]["nf_tables"] == "used by table ip mine"

    kept = plan_absent(replace(before, flowtables=frozenset({own, mine})), checking=True).result["in_use"]
    assert kept["nft_flow_offload"] == "in use"


def test_sections_become_a_state() -> None:
    answer = {
        "platform": Section("uid=0\nkernel=6.12.1\nhas=apt-get", 0),
        "modules": Section("tree=yes", 0),
        "apt-get.packages": Section("nftables installed\nethtool ", 0),
        "apt-get.candidates": Section("ethtool:\n  Candidate: 1:6.1-1", 0),
        f"file.{paths.KERNEL_FOUND}": Section("package nftables not-installed\nmodule nf_tables", 0),
        "tables": Section("table ip a\ntable inet b", 0),
        "flowtables": Section("table ip a {\n}\ntable inet b {\n\tflowtable f {\n\t}\n}", 0),
        "apt-get.removal.nftables": Section("Remv nftables [1]", 0),
        "apt-get.used.nftables": Section("/etc/nftables.conf was edited", 0),
        "apt-get.removal.ethtool": Section("", 0),
        "apt-get.used.ethtool": Section("", 3),
    }
    state = _kernel.read_state(Answer(answer))
    assert state.inventory.statuses == {"nftables": "installed", "ethtool": ""}
    assert state.inventory.candidates == {"ethtool": "1:6.1-1"}
    assert state.inventory.removals == {"nftables": frozenset({"nftables"}), "ethtool": frozenset()}
    assert state.inventory.used == {"nftables": ("/etc/nftables.conf was edited",)}
    assert state.tables == ("table ip a", "table inet b")
    assert state.flowtables == {"table inet b"}
    assert state.record.modules == {"nf_tables"}
