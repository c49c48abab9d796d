# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package managers: what holds for every row, and that one more is a file and a row, shown with one that is made up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Step, StepError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import (
    SCRIPTS,
    Answer,
    Call,
    Section,
    fragment,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._kernel import plan as _kernel
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems import package_registry
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_manager import (
    PackageManager,
    Reason,
    parse_candidates,
    parse_statuses,
    parse_upstream_version,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.verbs import InstallPackages
from hypothesis import given
from hypothesis import strategies as st

# --- what holds for every row


@pytest.mark.parametrize("manager", package_registry.PACKAGE_MANAGERS, ids=lambda manager: manager.name)
class TestEveryRow:
    def test_it_is_recognised(self, manager: PackageManager) -> None:
        commands = re.search(r"for _command in (.*); do", fragment("read/platform"))
        assert commands and manager.command in commands[1].split(), "sh/read/platform.sh has to look for its command"
        assert package_registry.find_package_manager(manager.init, {"nft", manager.command}, ()) is manager
        assert manager in package_registry.list_package_managers({manager.command})

    def test_one_distribution_is_named(self, manager: PackageManager) -> None:
        assert bool(manager.init) == bool(manager.distribution)

    def test_its_calls_are_functions_of_its_scripts(self, manager: PackageManager) -> None:
        text = "\n".join(fragment(name) for name in manager.read_scripts)
        for call in [*manager.list_calls(["nftables"]), *manager.list_removal_calls(paths.KERNEL_FOUND)]:
            assert f"{call[0]}() {{" in text

    def test_its_scripts_are_there(self, manager: PackageManager) -> None:
        assert all((SCRIPTS / f"{name}.sh").is_file() for name in (*manager.read_scripts, *manager.apply_scripts))


def test_a_command_of_another_distribution_is_none() -> None:
    assert package_registry.find_package_manager("systemd", {"apk"}, ()) is None
    assert [one.distribution for one in package_registry.list_package_managers({"apk"})] == ["OpenWrt", "Alpine"]


@pytest.mark.parametrize(
    ("systems", "command"),
    [
        (("debian", ""), "apt-get"),
        (("fedora", ""), "dnf"),
        (("rocky", "rhel", "centos", "fedora"), "dnf"),
        (("opensuse-tumbleweed", "opensuse", "suse"), "zypper"),
        (("arch",), "pacman"),
        (("endeavouros", "arch"), "pacman"),
        (("unknown",), "apt-get"),
    ],
)
def test_the_distribution_decides_where_a_router_has_several(systems: tuple[str, ...], command: str) -> None:
    found = package_registry.find_package_manager("systemd", {"pacman", "zypper", "dnf", "apt-get"}, systems)
    assert found is not None and found.command == command


def test_versions() -> None:
    assert parse_upstream_version("1:1.4.8-2") == (1, 4, 8)
    assert parse_upstream_version("0.9.8-3.1+deb11u2") == (0, 9, 8)
    assert parse_upstream_version("git-1") == ()


@given(st.lists(st.tuples(st.sampled_from(["", "  Candidate: ", "Remv "]), st.text())))
def test_no_text_is_too_much(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(key + value for key, value in lines)
    parse_candidates(text)
    parse_statuses(text)
    for manager in package_registry.PACKAGE_MANAGERS:
        manager.parse_removal(text)
        manager.explain(text, "")


# --- one that is made up: this is all that it takes


class Crate(PackageManager):
    name = command = "crate"
    systems = frozenset({"crateos"})
    kernels = "CrateOS's"
    read_scripts = ("read/crate",)
    apply_scripts = ("apply/crate",)
    names: ClassVar = {"nftables": "nft-tools"}
    reasons = (Reason(re.compile(r"no crate (?P<package>\S+)"), "nobody made {package}", "make it"),)
    remedies = (("crate is busy", "wait for it"),)

    def list_calls(self, packages: Sequence[str]) -> list[Call]:
        return [("read_crates", *self.translate_names(packages))]

    def list_removal_calls(self, record_path: str) -> list[Call]:
        return [("read_crate_removal", record_path)]

    def parse_removal(self, output: str) -> frozenset[str]:
        return frozenset(output.split())

    def find_modules_package(self, release: str, os_id: str) -> str:
        return f"modules-{release}"


ANSWER = {
    "platform": Section("uid=0\nkernel=6.12.1\ninit=systemd\nhas=crate", 0),
    "modules": Section("tree=yes", 0),
    "crate.packages": Section("nft-tools \nethtool installed\nmodules-6.12.1 ", 0),
    "crate.candidates": Section("nft-tools:\n  Candidate: 1.1.3\nmodules-6.12.1:\n  Candidate: 6.12.1", 0),
}


@pytest.fixture
def crate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is all that is added."""
    monkeypatch.setattr(package_registry, "PACKAGE_MANAGERS", (*package_registry.PACKAGE_MANAGERS, Crate()))


@pytest.mark.usefixtures("crate")
def test_what_is_asked() -> None:
    assert ("read_crates", "nft-tools", "ethtool") in package_registry.list_package_calls(["nftables", "ethtool"])
    assert ("read_crate_removal", paths.KERNEL_FOUND) in package_registry.list_removal_calls(paths.KERNEL_FOUND)
    assert "read/crate" in package_registry.list_package_scripts()


@pytest.mark.usefixtures("crate")
def test_there_and_back() -> None:
    state = _kernel.read_state(Answer(ANSWER))
    assert state.manager and state.manager.apply_scripts == ("apply/crate",)
    plan = _kernel.plan_present(state, ["nftables", "ethtool"])
    assert [step.verb.call for step in plan.steps[:-1]] == [("install_packages", "nft-tools", "modules-6.12.1")]
    assert [step.verb.call for step in plan.dry_runs] == [("simulate_install", "nft-tools", "modules-6.12.1")]
    assert [step.verb.call[0] for step in plan.undo] == ["unload_new", "uninstall_new"]
    record = plan.files[paths.KERNEL_FOUND][1]
    assert "package nft-tools not-installed\n" in record
    removal = {
        f"file.{paths.KERNEL_FOUND}": Section(record, 0),
        "crate.removal.nft-tools": Section("nft-tools firewall", 0),
        "crate.removal.modules-6.12.1": Section("modules-6.12.1", 0),
    }
    gone = _kernel.plan_absent(_kernel.read_state(Answer(ANSWER | removal)), checking=False)
    assert [step.verb.call for step in gone.steps] == [("uninstall_packages", "purge", "modules-6.12.1")]
    assert gone.result["in_use"] == {"nft-tools": "needed by firewall"}


@pytest.mark.usefixtures("crate")
@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("error: no crate nft-tools", "could not install nft-tools: nobody made nft-tools. Remedy: make it"),
        ("crate is busy", "could not install nft-tools: crate is busy; nothing was changed. Remedy: wait for it"),
        ("No space left on device", "Remedy: free space on that file system"),
    ],
)
def test_its_errors_are_explained(output: str, says: str) -> None:
    error = StepError(Step("install nft-tools", InstallPackages(("nft-tools",))), output, "nothing was changed")
    explained = _kernel.explain_package_error(error, _kernel.read_state(Answer(ANSWER)))
    assert says in str(explained)
    assert explained.details == {"failed_step": "install nft-tools"}


@pytest.mark.usefixtures("crate")
def test_it_does_not_list_what_is_installed() -> None:
    with pytest.raises(OffloadError, match=r"crate cannot list what is installed: crate is busy.*wait for it"):
        _kernel.read_state(Answer(ANSWER | {"crate.installed": Section("crate is busy", 1)}))


def test_without_the_row_nothing_is_installed() -> None:
    state = _kernel.read_state(Answer(ANSWER))
    assert state.manager is None
    with pytest.raises(OffloadError, match=r"6\.12\.1 was built without flowtables"):
        _kernel.plan_present(state, ["nftables", "ethtool"])
