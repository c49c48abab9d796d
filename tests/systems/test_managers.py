# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnf 4 and 5, zypper and pacman, the real programs: what kernel_support does through them, and how they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.kernel_support import ActionModule as KernelSupport
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Verb
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_manager import PackageManager
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_registry import PACKAGE_MANAGERS
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.verbs import (
    InstallPackages,
    SimulateInstall,
    UninstallNew,
    UpdatePackages,
)

from tests.systems.root import System


@dataclass(frozen=True)
class Rpm(Verb):
    """rpm itself, as somebody else would call it."""

    option: str
    more: str
    path: str


TOOLS = ("nftables", "ethtool", "conntrack")
NO_NETWORK = (
    "sed -i 's,file:///srv/[a-z]*,http://packages.example.org,' /etc/yum.repos.d/* /etc/zypp/repos.d/* /etc/pacman.conf"
)
SIGNED = (
    "sed -i 's/gpgcheck=0/gpgcheck=1/; s/SigLevel = Never/SigLevel = Required/' "
    "/etc/yum.repos.d/* /etc/zypp/repos.d/* /etc/pacman.conf"
)
LOCKED = {
    # a process that is at work, as each of them sees one
    "dnf4": "mkdir -p /var/lib/dnf /var/cache/dnf; cd /var && for lock in lib/dnf/rpmdb cache/dnf/metadata "
    "cache/dnf/download; do echo $$ >${lock}_lock.pid; done",
    "zypper": "echo $$ >/run/zypp.pid",
    "pacman": "mkdir -p /var/lib/pacman; touch /var/lib/pacman/db.lck",
}
FULL = "mkdir -p /heavy && mount -t tmpfs -o size=64k tmpfs /heavy"


def manager_of(system: System) -> PackageManager:
    return next(manager for manager in PACKAGE_MANAGERS if manager.command == system.distribution.command)


def installed(system: System) -> list[str]:
    return sorted(system.sh("if grep -q arch /etc/os-release; then pacman -Qq; else rpm -qa; fi 2>/dev/null").split())


def carry_out(system: System, *verbs: Verb, before: str = "") -> tuple[bool, str]:
    """Did all of the verbs succeed, in one exec, and what did the last one print?"""
    calls = [("section", f"verb{number}", *verb.call) for number, verb in enumerate(verbs)]
    answer = system.run(manager_of(system).apply_scripts, calls, before=f"{{ :\n{before}\n}} >/dev/null 2>&1")
    names = [call[1] for call in calls]
    return all(answer.ok(name) for name in names), answer.text(names[-1])


def explain(system: System, packages: Sequence[str], before: str = "") -> str:
    """What a refusal to install these means, as the user reads it; nothing of them is installed then."""
    found = installed(system)
    manager = manager_of(system)
    succeeded, output = carry_out(system, InstallPackages(tuple(packages)), before=before)
    assert not succeeded, output
    assert installed(system) == found
    explained = manager.explain(output, "")
    assert explained is not None, output
    return ": ".join(explained)


def test_there_and_back(system: System) -> None:
    found = installed(system)
    result = system.do(KernelSupport, {"packages": list(TOOLS)})
    names = {"nftables", "ethtool", "conntrack-tools"}
    assert set(result["packages_installed"]) == names
    assert result["nft_version"] == "1.1.3"
    here = " ".join(installed(system))
    assert all(name in here for name in (*names, "libnftnl"))
    assert not system.do(KernelSupport, {"packages": list(TOOLS)}).get("changed")
    gone = system.do(KernelSupport, {"state": "absent"})
    assert gone["changed"] and not gone.get("in_use")
    assert installed(system) == found, "what came along has to go too"
    assert not list(system.path("/etc").glob("nft-offload/*"))


def test_what_is_used_by_now_stays(system: System) -> None:
    system.do(KernelSupport, {"packages": list(TOOLS)})
    carry_out(system, InstallPackages(("firewalld",)))
    gone = system.do(KernelSupport, {"state": "absent"})
    assert gone["in_use"] == {"nftables": "needed by firewalld"}
    assert not [name for name in installed(system) if name.startswith("conntrack-tools")]
    system.sh({"pacman": "pacman -R --noconfirm firewalld"}.get(system.distribution.name, "rpm -e firewalld"))
    system.sh("echo 'table inet mine {}' >>/etc/nftables.conf")
    gone = system.do(KernelSupport, {"state": "absent"})
    assert gone["in_use"] == {"nftables": "/etc/nftables.conf was edited"}


def test_a_simulation_changes_nothing(system: System) -> None:
    found = installed(system)
    succeeded, output = carry_out(system, UpdatePackages(), SimulateInstall(("nftables", "conntrack-tools")))
    assert succeeded, output
    succeeded, output = carry_out(system, SimulateInstall(("nftables", "broken")))
    assert not succeeded
    assert installed(system) == found


def test_what_came_is_taken_back(system: System) -> None:
    carry_out(system, UpdatePackages(), InstallPackages(("ethtool",)))
    found = installed(system)
    succeeded, output = carry_out(system, InstallPackages(("nftables", "conntrack-tools")), UninstallNew())
    assert succeeded, output
    assert installed(system) == found


def test_an_unknown_package(system: System) -> None:
    assert explain(system, ["nftables", "nowhere"], before=refresh(system)).startswith(
        "the router's package sources have no package nowhere: "
    )


def test_a_package_that_needs_what_nothing_has(system: System) -> None:
    explained = explain(system, ["nftables", "broken"], before=refresh(system))
    assert "do not fit together" in explained and "nowhere" in explained


def test_without_a_network(system: System) -> None:
    # pacman knows the package from its lists, and cannot fetch it
    explained = explain(system, ["nftables"], before=f"{refresh(system)}\n{NO_NETWORK}\n{forget(system)}")
    assert "package sources could not be read" in explained and "packages.example.org" in explained


def test_what_nobody_signed(system: System) -> None:
    explained = explain(system, ["nftables"], before=f"{SIGNED}\n{forget(system)}")
    if system.distribution.name != "pacman":
        assert "not signed by a key that this router trusts" in explained
        return
    assert "not signed" in explain(system, ["nftables"], before=f"{refresh(system)}\n{SIGNED}")


def test_a_disk_that_is_full(system: System) -> None:
    assert "disk is full" in explain(system, ["heavy"], before=f"{refresh(system)}\n{FULL}")


def test_another_one_is_at_work(system: System) -> None:
    lock = LOCKED.get(system.distribution.name)
    if lock is None:
        pytest.skip("a lock of dnf 5 could not be held from outside; its message is in the unit tests")
    assert "another package manager is at work" in explain(system, ["nftables"], before=f"{refresh(system)}\n{lock}")


def test_an_error_reaches_the_user(system: System) -> None:
    system.sh(f"{NO_NETWORK}\n{forget(system)}")
    with pytest.raises(OffloadError, match="package sources could not be read"):
        system.do(KernelSupport, {})
    assert not list(system.path("/etc").glob("nft-offload/*"))


class TestRpm:
    """What only rpm's managers can be brought to."""

    @pytest.fixture(autouse=True)
    def _only_rpm(self, system: System) -> None:
        if system.distribution.name == "pacman":
            pytest.skip("pacman goes on when a package's script fails, and has one version of each")

    def test_half_an_installation_is_undone(self, system: System) -> None:
        found = installed(system)
        succeeded, _output = carry_out(system, UpdatePackages(), InstallPackages(("nftables", "halfway")))
        assert not succeeded
        assert installed(system) == found

    def test_what_somebody_needs_by_now_is_not_taken_back(self, system: System) -> None:
        """dnf and zypper would take out what needs it as well."""
        firewalld = system.sh("ls /srv/rpm/firewalld-*.rpm").split()[0]
        succeeded, output = carry_out(
            system, UpdatePackages(), InstallPackages(("nftables",)), Rpm("-i", "--nodeps", firewalld), UninstallNew()
        )
        assert not succeeded
        assert "is needed by (installed) firewalld" in output
        assert {"nftables", "firewalld"} <= {name.rsplit("-", 2)[0] for name in installed(system)}

    def test_modules_of_one_kernel_beside_those_of_another(self, system: System) -> None:
        if system.distribution.name == "zypper":
            pytest.skip("no package of modules is installed there")
        system.sh("rpm -i /srv/rpm/kernel-modules-core-5.14.0-1.el9.rpm")
        found = installed(system)
        name = manager_of(system).find_modules_package("6.12.0-55.el10.noarch", "")
        succeeded, output = carry_out(system, UpdatePackages(), InstallPackages((name,)))
        assert succeeded, output
        assert installed(system) == sorted([*found, name])
        succeeded, output = carry_out(system, InstallPackages(("nftables",)), UninstallNew())
        assert succeeded, output
        assert installed(system) == sorted([*found, name])


def refresh(system: System) -> str:
    """Shell text that reads the lists."""
    return {"zypper": "zypper -n refresh", "pacman": "pacman -Sy"}.get(system.distribution.name, "dnf -q -y makecache")


def forget(system: System) -> str:
    """Shell text that forgets the lists, where an installation would read them again."""
    return "" if system.distribution.name == "pacman" else "rm -rf /var/cache/zypp /var/cache/dnf /var/cache/libdnf5"
