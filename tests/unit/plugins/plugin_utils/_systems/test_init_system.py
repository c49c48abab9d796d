# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init systems: what holds for every row, and that one more is a file and a row, shown with one that is made up."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action import nic_features, ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Plan, Step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import (
    SCRIPTS,
    Answer,
    Call,
    Section,
    compose,
    fragment,
    parse,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Verb
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._kernel import plan as _kernel
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._kernel.plan import KernelState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._nic import plan as _nic
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._nic.plan import Nic, NicState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import read_boot
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.modules import ModuleFacts
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import FRAGMENTS, list_calls
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Feature, Platform
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import state as _ruleset_state
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems import init_registry
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_system import (
    FEATURES_SCRIPTS,
    RULESET_SCRIPTS,
    InitSystem,
    Service,
    ServiceState,
    Starter,
)

from tests.unit.helpers.ruleset_states import FRESH, present
from tests.unit.helpers.shells import NONCE, SHELLS, run_script

# --- what holds for every row


@pytest.mark.parametrize("init", init_registry.INIT_SYSTEMS, ids=lambda init: init.name)
class TestEveryRow:
    def test_it_is_recognised(self, init: InitSystem) -> None:
        assert f"echo init={init.name}\n" in fragment("read/platform"), "sh/read/platform.sh needs a row for it"
        assert init_registry.find_init_system(init.name) is init

    def test_its_scripts_are_there(self, init: InitSystem) -> None:
        assert all((SCRIPTS / f"{name}.sh").is_file() for name in (*init.read_scripts, *init.scripts))

    def test_its_calls_are_functions_of_its_scripts(self, init: InitSystem) -> None:
        text = "\n".join(fragment(name) for name in init.read_scripts)
        for service in (init.ruleset, init.features):
            for call in init.list_state_calls(service):
                assert f"{call[0]}() {{" in text

    def test_every_reading_asks_it(self, init: InitSystem) -> None:
        asked = {"ruleset": init.list_state_calls(init.ruleset), "features": init.list_state_calls(init.features)}
        reading = [tuple(call) for call in list_calls()]
        for call in itertools.chain.from_iterable(asked.values()):
            assert tuple(call) in reading, "offload_verify does not know whether boot starts it"
        if asked["ruleset"]:
            assert set(init.read_scripts) <= set(ruleset.ActionModule.FRAGMENTS) & set(FRAGMENTS)
        if asked["features"]:
            assert set(init.read_scripts) <= set(nic_features.ActionModule.FRAGMENTS) & set(FRAGMENTS)

    def test_what_starts_is_what_is_written(self, init: InitSystem) -> None:
        for service in (init.ruleset, init.features):
            for starter in (service.at_boot, service.on_arrival):
                assert starter is None or set(starter.files) <= set(service.paths)
                assert starter is None or set(starter.files) & set(service.scripts), "nothing of ours would run"

    def test_every_path_is_seen_and_removed(self, init: InitSystem) -> None:
        assert set(init.ruleset.paths) <= set(_ruleset_state.list_own_files())
        assert set(init.features.paths) <= set(_nic.list_own_files())

    def test_nothing_is_left_to_do_on_a_router_that_is_done(self, init: InitSystem) -> None:
        """One that is not asked what is enabled has paths that show it, or every run would enable it again."""
        for service in (init.ruleset, init.features):
            asked = bool(init.list_state_calls(service))
            done = ServiceState(enabled=True, active=True) if asked else ServiceState()
            assert init.plan_after_writing(service, service.paths, (), done) == [], (
                "it needs a path in its links, or a call"
            )
            assert init.read_state(Answer({}), service) == ServiceState(), "nothing was seen"
            assert init.plan_after_removing(service, (), ServiceState()) == []
            assert init.plan_before_removing(service, ServiceState()) == []


def test_no_two_have_one_name() -> None:
    names = [init.name for init in init_registry.INIT_SYSTEMS]
    assert len(names) == len(set(names))


# --- one that is made up: this is all that it takes


@dataclass(frozen=True)
class Plant(Verb):
    """Have boot start a script."""

    name: str


@dataclass(frozen=True)
class Uproot(Verb):
    """Have boot start a script no more."""

    name: str


class Sprout(InitSystem):
    """It has to be asked what boot starts: no path shows it."""

    name = "sprout"
    scripts = ("apply/sprout",)
    read_scripts = ("read/sprout",)
    modules_list = "/etc/sprout/modules"
    ruleset = Service(
        scripts=RULESET_SCRIPTS,
        files={"/etc/sprout/table": ("0755", "load\n"), "/etc/sprout/hotplug": ("0755", "attach\n")},
        at_boot=Starter(("/etc/sprout/table", paths.RULESET_SCRIPT), must_be_enabled=True),
        on_arrival=Starter(("/etc/sprout/hotplug", paths.DEVICE_SCRIPT)),
        name="table",
    )
    features = Service(
        scripts=FEATURES_SCRIPTS,
        files={"/etc/sprout/features": ("0755", "set\n")},
        at_boot=Starter(("/etc/sprout/features", paths.FEATURES_SCRIPT), must_be_enabled=True),
        name="features",
    )

    def list_state_calls(self, service: Service) -> list[Call]:
        return [("read_sprout", service.name)]

    def read_state(self, answer: Answer, service: Service) -> ServiceState:
        return ServiceState(enabled=answer.text(f"sprout {service.name}") == "planted")

    def plan_after_writing(
        self, service: Service, found: Collection[str], changed: Collection[str], state: ServiceState
    ) -> list[Step]:
        return [] if state.enabled else [Step(f"plant {service.name}", Plant(service.name))]

    def plan_before_removing(self, service: Service, state: ServiceState) -> list[Step]:
        return [Step(f"uproot {service.name}", Uproot(service.name))] if state.enabled else []


ANSWER = {
    "platform": Section("uid=0\nkernel=6.12.1\ninit=sprout\nhas=nft\nhas=ethtool\nnft=nftables v1.1.3", 0),
    "links": Section("lo\nlan0\nwan0", 0),
    "nics": Section("device=lo\ndevice=lan0\ndevice=wan0", 0),
    "driver lan0": Section("driver: labnic", 0),
    "features lan0": Section("hw-tc-offload: on", 0),
}
PLANTED = {"sprout table": Section("planted", 0), "sprout features": Section("planted", 0)}


@pytest.fixture
def sprout(monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A router with it; the row is all that is added."""
    monkeypatch.setattr(init_registry, "INIT_SYSTEMS", (*init_registry.INIT_SYSTEMS, Sprout()))
    return replace(FRESH.platform, init="sprout")


def written(plan: Plan) -> dict[str, Section]:
    """The files of the router after the plan, as a reading has them."""
    return {f"file.{path}": Section(text.removesuffix("\n"), 0) for path, (_mode, text) in plan.files.items()}


@pytest.mark.usefixtures("sprout")
def test_it_is_asked() -> None:
    for service in (Sprout.ruleset, Sprout.features):
        assert ("read_sprout", service.name) in list_calls()
    assert ("read_sprout", "features") in init_registry.list_state_calls("features")
    assert ("read_sprout", "table") in init_registry.list_state_calls("ruleset")
    assert "read/sprout" in init_registry.list_state_scripts("features")
    assert "read/sprout" in init_registry.list_state_scripts("ruleset")


def test_only_its_own_answer_counts(sprout: Platform) -> None:
    systemd = {"unit": Section("UnitFileState=enabled\nActiveState=active", 0)}
    assert init_registry.read_service_state("systemd", Answer(systemd), "ruleset") == ServiceState(
        enabled=True, active=True
    )
    assert init_registry.read_service_state("systemd", Answer(PLANTED), "ruleset") == ServiceState()
    assert init_registry.read_service_state(sprout.init, Answer(systemd), "ruleset") == ServiceState()
    assert init_registry.read_service_state(sprout.init, Answer(PLANTED), "ruleset") == ServiceState(enabled=True)
    assert init_registry.read_service_state("no such", Answer(PLANTED | systemd), "ruleset") == ServiceState()


def test_the_ruleset_is_loaded_at_boot_and_taken_back(sprout: Platform) -> None:
    plan = present(replace(FRESH, platform=sprout))
    assert set(plan.files) == {paths.RULESET, paths.DEVICES, *Sprout.ruleset.written}
    assert [step.verb for step in plan.closing] == [Plant("table")]
    assert not plan.warnings
    assert plan.system_scripts == ("apply/sprout",)
    answer = ANSWER | written(plan) | {"table": Section("Error: No such file or directory", 1)}
    assert [step.verb for step in present(_ruleset_state.read_state(Answer(answer))).closing] == [Plant("table")]
    state = _ruleset_state.read_state(Answer(answer | PLANTED))
    assert not present(state).closing
    gone = _ruleset.plan_absent(state, "inet", "nft_offload", "00000000")
    assert set(gone.removed) == set(state.files)
    assert [step.verb for step in gone.stopping] == [Uproot("table")]
    assert gone.system_scripts == ("apply/sprout",)


def test_features_are_set_at_boot_and_taken_back(sprout: Platform) -> None:
    nics = {"lan0": Nic("labnic", {"hw-tc-offload": Feature(active=False)})}
    state = NicState(platform=sprout, names=frozenset(nics), nics=nics)
    plan = _nic.plan_present(state, ["lan0"], {"hw-tc-offload": True}, skip=False)
    assert set(plan.files) == {paths.FEATURES, *Sprout.features.written}
    assert plan.result["boot"] == {"persistent": True, "file": paths.FEATURES}
    assert not plan.warnings and [step.verb for step in plan.closing] == [Plant("features")]
    assert plan.system_scripts == ("apply/sprout",)
    state = _nic.read_state(Answer(ANSWER | written(plan) | PLANTED))
    assert not _nic.plan_present(state, ["lan0"], {"hw-tc-offload": True}, skip=False).changed
    gone = _nic.plan_absent(state)
    assert set(gone.removed) == set(plan.files)
    assert gone.steps[-1].verb == Uproot("features")


@pytest.mark.usefixtures("sprout")
def test_verifying_sees_what_boot_will_start() -> None:
    existing = [*Sprout.ruleset.paths, *Sprout.features.paths]
    assert set(existing) <= {*init_registry.list_starter_paths()}
    answer = {
        "platform": ANSWER["platform"],
        "boot.ruleset": Section("table inet t {\n}", 0),
        "boot.files": Section("\n".join(existing), 0),
    }
    enabled = {"/etc/sprout/table": False, "/etc/sprout/hotplug": True, "/etc/sprout/features": False}
    assert read_boot(Answer(answer)).enabled == enabled
    assert all(read_boot(Answer(answer | PLANTED)).enabled.values())
    answer["boot.files"] = Section("\n".join(path for path in existing if path != "/etc/sprout/table"), 0)
    assert read_boot(Answer(answer | PLANTED)).enabled == dict.fromkeys(enabled, True) | {"/etc/sprout/table": False}


@pytest.mark.parametrize("name", ["sprout", "sysvinit", "runit", ""])
def test_without_the_row_it_is_refused(name: str) -> None:
    platform = replace(FRESH.platform, init=name)
    reason = f"started by {name or 'an init system that is not known'}, and this collection only by "
    with pytest.raises(OffloadError, match=f"{reason}{init_registry.name_init_systems()}: .*nothing was changed"):
        present(replace(FRESH, platform=platform))
    with pytest.raises(OffloadError, match=reason):
        _nic.plan_present(NicState(platform=platform, names=frozenset()), ["lan0"], {"hw-tc-offload": True}, skip=True)
    with pytest.raises(OffloadError, match=reason):
        _kernel.plan_present(KernelState(platform=platform, facts=ModuleFacts()), [])


@pytest.mark.parametrize("name", ["sprout", ""])
def test_what_is_there_can_be_taken_back(name: str) -> None:
    state = replace(FRESH, platform=replace(FRESH.platform, init=name), files={paths.RULESET_SCRIPT: ""})
    assert paths.RULESET_SCRIPT in _ruleset.plan_absent(state, "inet", "nft_offload", "00000000").removed


# what the machine of the test has, and what it shall be taken for
INITS = [
    ("comm=runit-init", "runit"),
    ("comm=s6-svscan", "s6"),
    ("comm=dinit", "dinit"),
    ("comm=init; link=/bin/busybox", "busybox"),
    ("comm=init; link=/lib/sysvinit/init", "sysvinit"),
]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("machine", "name"), INITS, ids=[name for _machine, name in INITS])
def test_others_are_named(shell: list[str], machine: str, name: str, tmp_path: Path) -> None:
    """With a file for /proc/1/comm and a link for /sbin/init."""
    script = compose(NONCE, ("read/platform",), [("section", "init", "_other_init")])
    for path, own in (("/proc/1/comm", "comm"), ("/sbin/init", "init")):
        assert path in script
        script = script.replace(path, own)
    prepare = f"{machine}\necho $comm >comm; ln -s ${{link:-/nowhere}} init\n"
    answer = parse(run_script(shell, f"{prepare}{script}", tmp_path), NONCE)
    assert answer.text("init") == name
