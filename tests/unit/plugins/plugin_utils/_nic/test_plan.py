# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a router says of its NICs to the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Plan, StepError, raise_failed_step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._nic import plan as _nic
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._nic.plan import Nic, NicState, plan_absent, plan_present
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Feature, Platform
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.systemd import Systemd
from hypothesis import given
from hypothesis import strategies as st

ON, OFF = Feature(active=True), Feature(active=False)
HW = {"hw-tc-offload": True}
SYSTEMD = Platform(uid=0, kernel="6.12.1", init="systemd", commands=frozenset({"ethtool", "systemctl"}))
FRESH = NicState(
    platform=SYSTEMD,
    names=frozenset({"lo", "lan0", "wan0", "mgmt0"}),
    nics={
        "lan0": Nic("labnic", {"hw-tc-offload": OFF}),
        "wan0": Nic("labnic", {"hw-tc-offload": OFF}),
        "mgmt0": Nic("virtio_net", {"hw-tc-offload": Feature(active=False, fixed=True)}),
        "lo": Nic("", {}),
    },
)


def present(state: NicState, *devices: str, features: Mapping[str, bool] = HW, skip: bool = False) -> Plan:
    return plan_present(state, devices, features, skip)


def carried_out(plan: Plan, state: NicState) -> NicState:
    """The router after the plan."""
    nics = dict(state.nics)
    for step in plan.steps:
        _verb, device, feature, value, _wished = step.verb.call
        nics[device] = replace(nics[device], features={**nics[device].features, feature: Feature(value == "on")})
    files = {path: text for path, text in state.files.items() if path not in plan.removed}
    return replace(state, nics=nics, files=files | {path: text for path, (_mode, text) in plan.files.items()})


def record(state: NicState) -> list[str]:
    return [line for line in state.files.get(paths.FEATURES, "").splitlines() if not line.startswith("#")]


# --- present


def test_fresh_router() -> None:
    plan = present(FRESH, "wan0", "lan0")
    assert plan.actions() == [
        "turn hw-tc-offload on for lan0 (driver labnic)",
        "turn hw-tc-offload on for wan0 (driver labnic)",
        *(f"write {path}" for path in sorted([paths.FEATURES, *Systemd.features.written])),
        "make systemd and udev read their files again",
    ]
    assert (plan.diffs[0].before, plan.diffs[0].after) == (
        "lan0 hw-tc-offload: off\nwan0 hw-tc-offload: off\n",
        "lan0 hw-tc-offload: on\nwan0 hw-tc-offload: on\n",
    )
    assert [step.verb.call[1:4] for step in plan.undo] == [
        ("wan0", "hw-tc-offload", "off"),
        ("lan0", "hw-tc-offload", "off"),
    ]
    assert plan.files[paths.FEATURES_SCRIPT][0] == "0755"


def test_second_run_changes_nothing() -> None:
    state = carried_out(present(FRESH, "lan0", "wan0"), FRESH)
    assert record(state) == ["lan0 hw-tc-offload on off", "wan0 hw-tc-offload on off"]
    plan = present(state, "wan0", "lan0")
    assert not plan.changed
    assert plan.result["devices"]["lan0"] == {
        "driver": "labnic",
        "features": {"hw-tc-offload": {"active": True, "fixed": False, "was": False}},
    }
    assert plan.result["boot"] == {"persistent": True, "file": paths.FEATURES}


def test_value_found_first_is_the_one_remembered() -> None:
    state = carried_out(present(FRESH, "lan0"), FRESH)
    state = carried_out(present(state, "lan0", features={"hw-tc-offload": False}), state)
    assert record(state) == ["lan0 hw-tc-offload off off"]
    state = carried_out(present(state, "lan0"), state)
    assert record(state) == ["lan0 hw-tc-offload on off"]


def test_changed_by_hand_is_set_again() -> None:
    state = carried_out(present(FRESH, "lan0"), FRESH)
    state = replace(state, nics={**state.nics, "lan0": FRESH.nics["lan0"]})
    assert present(state, "lan0").actions() == ["turn hw-tc-offload on for lan0 (driver labnic)"]


def test_device_no_longer_listed_is_given_back() -> None:
    state = carried_out(present(FRESH, "lan0", "wan0"), FRESH)
    plan = present(state, "lan0")
    assert plan.actions() == ["turn hw-tc-offload off for wan0 (driver labnic)", f"write {paths.FEATURES}"]
    assert record(carried_out(plan, state)) == ["lan0 hw-tc-offload on off"]


def test_refused_wish_is_put_back_to_what_was_wished() -> None:
    lan0 = Nic("labnic", {"hw-tc-offload": Feature(active=False, requested=True)})
    plan = present(replace(FRESH, nics={**FRESH.nics, "lan0": lan0}), "lan0")
    assert plan.steps[0].verb.call == ("set_feature", "lan0", "hw-tc-offload", "on", "on")


@pytest.mark.parametrize(
    ("devices", "features", "says"),
    [
        (["lan1"], HW, "no device 'lan1'.*did you mean 'lan0'.*lan0, lo, mgmt0, wan0"),
        (["lan0", "mgmt0"], HW, "hw-tc-offload of mgmt0 is fixed off by its driver virtio_net.*leave the device out"),
        (["lo"], HW, r"lo \(driver unknown\) has no feature hw-tc-offload"),
        (
            ["lan0"],
            {"hw-tc-ofload": True},
            r"lan0 \(driver labnic\) has no feature hw-tc-ofload.*did you mean 'hw-tc-offload'.*ethtool -k lan0",
        ),
    ],
)
def test_what_cannot_be(devices: list[str], features: dict[str, bool], says: str) -> None:
    with pytest.raises(OffloadError, match=says):
        present(FRESH, *devices, features=features)


def test_unknown_device_is_not_skipped() -> None:
    with pytest.raises(OffloadError, match="no device"):
        present(FRESH, "lan1", skip=True)


def test_skipped_devices_are_named_and_the_others_set() -> None:
    plan = present(FRESH, "lan0", "mgmt0", "lo", skip=True)
    assert plan.result["unsupported_devices"] == {
        "mgmt0": "hw-tc-offload of mgmt0 is fixed off by its driver virtio_net",
        "lo": "lo (driver unknown) has no feature hw-tc-offload",
    }
    assert list(plan.result["devices"]) == ["lan0"]
    assert record(carried_out(plan, FRESH)) == ["lan0 hw-tc-offload on off"]


def test_nothing_to_set_leaves_no_file() -> None:
    plan = present(FRESH, "mgmt0", features={"hw-tc-offload": False})
    assert not plan.changed
    assert plan.result["devices"]["mgmt0"]["features"]["hw-tc-offload"]["fixed"]
    assert plan.result["boot"] == {"persistent": False, "file": ""}
    assert not present(FRESH).changed


def test_switch_ports_share_the_nic_behind_them() -> None:
    dsa = replace(
        FRESH,
        names=FRESH.names | {"eth0", "lan1", "lan2"},
        conduits={"lan1": "eth0", "lan2": "eth0"},
        nics={
            "lan1": Nic("mt7530", {"hw-tc-offload": ON, "rx-gro-list": OFF}),
            "lan2": Nic("mt7530", {"hw-tc-offload": ON, "rx-gro-list": OFF}),
            "eth0": Nic("mtk_soc_eth", {"hw-tc-offload": OFF, "rx-gro-list": OFF}),
        },
    )
    plan = present(dsa, "lan1", "lan2", features={"hw-tc-offload": True, "rx-gro-list": True})
    assert [step.verb.call[1:4] for step in plan.steps] == [
        ("eth0", "hw-tc-offload", "on"),
        ("lan1", "rx-gro-list", "on"),
        ("lan2", "rx-gro-list", "on"),
    ]
    assert plan.result["devices"]["lan1"]["conduit"] == "eth0"
    assert not present(
        carried_out(plan, dsa), "lan1", "lan2", features={"hw-tc-offload": True, "rx-gro-list": True}
    ).changed


def test_where_nothing_sets_them_at_boot_they_are_not_set() -> None:
    with pytest.raises(OffloadError, match="started by runit, and this collection only by systemd, procd"):
        present(replace(FRESH, platform=replace(SYSTEMD, init="runit")), "lan0")
    assert not plan_absent(replace(FRESH, platform=replace(SYSTEMD, init="runit"))).changed


WITHOUT = replace(FRESH, platform=replace(SYSTEMD, commands=frozenset()))


def test_ethtool_is_needed() -> None:
    with pytest.raises(OffloadError, match=r"ethtool is needed.*kernel_support"):
        _nic.require_ethtool(WITHOUT, "set a feature")
    _nic.require_ethtool(FRESH, "set a feature")
    assert not plan_absent(WITHOUT).changed
    with pytest.raises(OffloadError, match="ethtool is needed"):
        plan_absent(replace(WITHOUT, files={paths.FEATURES: "lan0 hw-tc-offload on off\n"}))


def test_a_check_run_before_ethtool_is_there_takes_nics_for_able() -> None:
    plan = present(_nic.assume_changeable(WITHOUT, HW), "lan0", "lo", skip=True)
    assert [step.verb.call[1:4] for step in plan.steps] == [("lan0", "hw-tc-offload", "on")]
    assert list(plan.result["unsupported_devices"]) == ["lo"]


# --- absent


def test_absent_on_an_untouched_router() -> None:
    assert not plan_absent(FRESH).changed


def test_absent_restores_and_leaves_no_file() -> None:
    state = carried_out(present(FRESH, "lan0", "wan0"), FRESH)
    plan = plan_absent(state)
    after = carried_out(plan, state)
    assert after.nics == FRESH.nics
    assert after.files == {}
    assert not plan_absent(after).changed
    assert plan.closing


def test_absent_with_a_device_that_is_away() -> None:
    state = carried_out(present(FRESH, "lan0", "wan0"), FRESH)
    away = replace(state, names=state.names - {"wan0"}, nics={n: nic for n, nic in state.nics.items() if n != "wan0"})
    assert [step.verb.call[1] for step in plan_absent(away).steps] == ["lan0"]


def test_absent_tells_of_a_feature_that_became_fixed() -> None:
    state = carried_out(present(FRESH, "lan0"), FRESH)
    fixed = Nic("labnic", {"hw-tc-offload": Feature(active=True, fixed=True)})
    plan = plan_absent(replace(state, nics={**state.nics, "lan0": fixed}))
    assert not plan.steps
    assert "hw-tc-offload of lan0 was off before" in plan.warnings[0]


# --- whatever the router and the wish


FEATURES = st.builds(Feature, st.booleans(), st.booleans())
STATES = st.builds(
    lambda nics: NicState(
        platform=SYSTEMD,
        names=frozenset(nics),
        nics={name: Nic("d", features) for name, features in nics.items()},
    ),
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.dictionaries(st.sampled_from(["f", "g"]), FEATURES, max_size=2), min_size=1
    ),
)


@given(STATES, st.dictionaries(st.sampled_from(["f", "g"]), st.booleans(), min_size=1), st.data())
def test_a_plan_leads_there_and_back(state: NicState, features: dict[str, bool], data: Any) -> None:
    first, second = (data.draw(st.lists(st.sampled_from(sorted(state.names)), unique=True)) for _ in range(2))
    now = state
    for devices in (first, second):
        now = carried_out(present(now, *devices, features=features, skip=True), now)
        assert not present(now, *devices, features=features, skip=True).changed
    after = carried_out(plan_absent(now), now)
    values = {(n, f): feature.active for n, nic in state.nics.items() for f, feature in nic.features.items()}
    assert values == {(n, f): feature.active for n, nic in after.nics.items() for f, feature in nic.features.items()}
    assert after.files == {}


# --- options, sections, failures


@pytest.mark.parametrize(
    ("devices", "features", "says"),
    [
        (["lan 0"], HW, "option devices: 'lan 0' is not the name of a device"),
        (["../etc"], HW, "option devices"),
        (["abcdefghijklmnop"], HW, "option devices"),
        (["lan0"], {}, "option features is empty"),
        (["lan0"], {"hw-tc-offload": "maybe"}, "option features, hw-tc-offload: 'maybe' is not a boolean"),
        (["lan0"], {"a|b": True}, r"option features: 'a\|b' is not the name of a feature"),
    ],
)
def test_bad_options(devices: list[str], features: dict[str, Any], says: str) -> None:
    with pytest.raises(OffloadError, match=says):
        _nic.check_options(devices, features)


def test_booleans_as_yaml_has_them() -> None:
    assert _nic.check_options(["lan-0.5"], {"f": "yes", "g": 0}) == {"f": True, "g": False}


def test_sections_become_a_state() -> None:
    answer = {
        "platform": Section("uid=0\nkernel=6.12.1\ninit=systemd", 0),
        "nics": Section("device=lan1\ndevice=eth0\nconduit=lan1 eth0\nconduit=broken", 0),
        "features eth0": Section("hw-tc-offload: on", 0),
        "driver eth0": Section("driver: mtk_soc_eth", 0),
        f"file.{paths.FEATURES}": Section("eth0 hw-tc-offload on off", 0),
    }
    state = _nic.read_state(Answer(answer))
    assert state.names == {"lan1", "eth0"}
    assert state.conduits == {"lan1": "eth0"}
    assert state.nics == {"eth0": Nic("mtk_soc_eth", {"hw-tc-offload": ON})}
    assert state.record == {("eth0", "hw-tc-offload"): ("on", "off")}


def test_refusal_names_device_driver_and_remedy() -> None:
    plan = present(FRESH, "lan0", "wan0")
    said = "Actual changes:\nhw-tc-offload: off [requested on]\nCould not change any device features"
    answer = {"step.4": Section("", 0), "step.5": Section(said, 1), "undo.1": Section("", 0)}
    with pytest.raises(StepError, match=r"(?s)on for wan0 \(driver labnic\).*requested on.*nothing was left.*dmesg"):
        raise_failed_step(plan, Answer(answer))
