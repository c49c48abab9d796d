# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init systems: what holds for every row, and that one more is a file and a row, shown with one that is made up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Plan, Step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS, Answer, Section, fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Verb
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._nic import plan as _nic
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._nic.plan import Nic, NicState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import read_boot
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Feature, Platform
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import state as _ruleset_state
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems import registry
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_system import (
    FEATURES_SCRIPTS,
    RULESET_SCRIPTS,
    InitSystem,
    Service,
    ServiceState,
    Starter,
)

from tests.unit.helpers.ruleset_states import FRESH, present

# --- what holds for every row


@pytest.mark.parametrize("init", registry.INIT_SYSTEMS, ids=lambda init: init.name)
class TestEveryRow:
    def test_it_is_recognised(self, init: InitSystem) -> None:
        assert f"echo init={init.name}\n" in fragment("read/platform"), "sh/read/platform.sh needs a row for it"
        assert registry.find_init_system(init.name) is init

    def test_its_scripts_are_there(self, init: InitSystem) -> None:
        assert all((SCRIPTS / f"{name}.sh").is_file() for name in init.scripts)

    def test_what_starts_is_what_is_written(self, init: InitSystem) -> None:
        for service in (init.ruleset, init.features):
            for starter in (service.at_boot, service.on_arrival):
                assert starter is None or set(starter.files) <= set(service.paths)
                assert starter is None or set(starter.files) & set(service.scripts), "nothing of ours would run"

    def test_every_path_is_seen_and_removed(self, init: InitSystem) -> None:
        assert set(init.ruleset.paths) <= set(_ruleset_state.list_own_files())
        assert set(init.features.paths) <= set(_nic.list_own_files())

    def test_nothing_is_left_to_do_on_a_router_that_is_done(self, init: InitSystem) -> None:
        """Only systemd is asked what is enabled; elsewhere paths show it, or every run would enable it again."""
        done = ServiceState(enabled=True, active=True) if init.name == "systemd" else ServiceState()
        for service in (init.ruleset, init.features):
            assert init.plan_after_writing(service, service.paths, (), done) == [], "it needs a path in its links"
            assert init.plan_after_removing(service, (), ServiceState()) == []
            assert init.plan_before_removing(service, ServiceState()) == []


def test_no_two_have_one_name() -> None:
    names = [init.name for init in registry.INIT_SYSTEMS]
    assert len(names) == len(set(names))


# --- one that is made up: this is all that it takes


@dataclass(frozen=True)
class Plant(Verb):
    """Have boot start a script."""

    name: str


class Sprout(InitSystem):
    name = "sprout"
    scripts = ("apply/sprout",)
    modules_list = "/etc/sprout/modules"
    ruleset = Service(
        scripts=RULESET_SCRIPTS,
        files={"/etc/sprout/table": ("0755", "load\n"), "/etc/sprout/hotplug": ("0755", "attach\n")},
        at_boot=Starter(("/etc/sprout/table", "/etc/sprout/boot/table", paths.RULESET_SCRIPT)),
        on_arrival=Starter(("/etc/sprout/hotplug", paths.DEVICE_SCRIPT)),
        name="table",
        links=("/etc/sprout/boot/table",),
    )
    features = Service(
        scripts=FEATURES_SCRIPTS,
        files={"/etc/sprout/features": ("0755", "set\n")},
        at_boot=Starter(("/etc/sprout/features", paths.FEATURES_SCRIPT)),
    )

    def plan_after_writing(
        self, service: Service, found: Collection[str], changed: Collection[str], state: ServiceState
    ) -> list[Step]:
        return [Step(f"plant {service.name}", Plant(service.name)) for link in service.links if link not in found]


@pytest.fixture
def sprout(monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A router with it; the row is all that is added."""
    monkeypatch.setattr(registry, "INIT_SYSTEMS", (*registry.INIT_SYSTEMS, Sprout()))
    return replace(FRESH.platform, init="sprout")


def written(plan: Plan, *, enabled: Collection[str] = ()) -> dict[str, str]:
    """The files of the router after the plan; what enabling makes is empty."""
    return {path: text for path, (_mode, text) in plan.files.items()} | dict.fromkeys(enabled, "")


def test_the_ruleset_is_loaded_at_boot_and_taken_back(sprout: Platform) -> None:
    state = replace(FRESH, platform=sprout)
    plan = present(state)
    assert set(plan.files) == {paths.RULESET, paths.DEVICES, *Sprout.ruleset.written}
    assert [step.call for step in plan.closing] == [("plant", "table")]
    assert not plan.warnings
    assert registry.find_init_scripts("sprout") == ("apply/sprout",)
    state = replace(state, files=written(plan, enabled=Sprout.ruleset.links))
    assert not present(state).closing
    gone = _ruleset.plan_absent(state, "inet", "nft_offload", "00000000")
    assert set(gone.removed) == set(state.files)


def test_features_are_set_at_boot_and_taken_back(sprout: Platform) -> None:
    nics = {"lan0": Nic("labnic", {"hw-tc-offload": Feature(active=False)})}
    state = NicState(platform=sprout, names=frozenset(nics), nics=nics)
    plan = _nic.plan_present(state, ["lan0"], {"hw-tc-offload": True}, skip=False)
    assert set(plan.files) == {paths.FEATURES, *Sprout.features.written}
    assert plan.result["boot"] == {"persistent": True, "file": paths.FEATURES}
    assert not plan.warnings and not plan.closing
    assert set(_nic.plan_absent(replace(state, files=written(plan))).removed) == set(plan.files)


def test_verifying_sees_what_boot_will_start(sprout: Platform) -> None:
    existing = [*Sprout.ruleset.paths, *Sprout.features.paths]
    assert set(existing) - {"/etc/sprout/hotplug"} <= {*registry.list_starter_paths()}
    answer = {
        "platform": Section("uid=0\nkernel=6.12.1\ninit=sprout", 0),
        "boot.ruleset": Section("table inet t {\n}", 0),
        "boot.files": Section("\n".join(path for path in existing if path not in Sprout.ruleset.links), 0),
    }
    enabled = {"/etc/sprout/table": False, "/etc/sprout/hotplug": True, "/etc/sprout/features": True}
    assert read_boot(Answer(answer)).enabled == enabled
    answer["boot.files"] = Section("\n".join(existing), 0)
    assert all(read_boot(Answer(answer)).enabled.values())


def test_without_the_row_boot_starts_nothing() -> None:
    plan = present(replace(FRESH, platform=replace(FRESH.platform, init="sprout")))
    assert set(plan.files) == {paths.RULESET, paths.DEVICES, *RULESET_SCRIPTS}
    assert "nothing loads it at boot" in plan.warnings[0]
    assert f"({registry.name_init_systems()})" in plan.warnings[0]
