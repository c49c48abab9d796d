# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a router says of our table to the plan."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import ConfirmedPlan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.files import read_files
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Step, StepError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.require import require_nft
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Feature
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import history
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.hardware import Request, explain_refusal
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.owner import (
    list_replaced,
    refuse_without_firewall,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.state import TEXTS
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.verbs import DryLoad
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.procd import Procd
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.systemd import Systemd

from tests.unit.helpers.ruleset_states import (
    BUSY,
    CONTENT,
    FIXED,
    FRESH,
    LISTING,
    OFF,
    ON,
    PLATFORM,
    REFUSES,
    REQUEST,
    TAKES,
    TOKEN,
    converged,
    present,
)


def loaded(plan: ConfirmedPlan) -> str:
    return "".join(one.text for one in plan.texts)


def test_a_fresh_router_gets_table_files_and_unit() -> None:
    plan = present(FRESH)
    assert len(plan.texts) == 1
    assert [one.call[:2] for one in plan.listings] == [("stage_listing", paths.LISTING)]
    assert 'devices = { "wan0" }; flags offload;' in loaded(plan)
    assert set(plan.files) == {paths.RULESET, paths.DEVICES, *Systemd.ruleset.written}
    texts = (plan.files[path][1] for path in (paths.RULESET, paths.DEVICES))
    assert plan.records == {paths.CONFIRMED: ("0600", history.confirmation("1-00000000", *texts) + "\n")}
    assert [step.verb.call[0] for step in plan.closing] == ["reload_udev", "enable_unit"]
    assert plan.result["flowtables"][0]["offload"] == "hardware"


def test_a_converged_router_needs_nothing() -> None:
    plan = present(converged())
    assert not plan.changed
    assert plan.diffs == () or list(plan.diffs) == []


@pytest.mark.parametrize(
    "differs, steps",
    [
        ({"outdated": True}, ["reload_managers"]),
        ({"enabled": False}, ["enable_unit"]),
        ({"active": False, "outdated": True}, ["reload_udev", "enable_unit"]),
    ],
    ids=str,
)
def test_systemd_reads_its_files_once(differs: dict[str, bool], steps: list[str]) -> None:
    """Enabling a unit has systemd read all of them."""
    state = converged()
    state = replace(state, service=replace(state.service, **differs))
    assert [step.verb.call[0] for step in present(state).closing] == steps


def test_a_change_by_hand_is_put_right_and_shown() -> None:
    state = replace(converged(), table=LISTING.replace("policy accept", "policy drop"))
    plan = present(state)
    assert "policy accept" in loaded(plan)
    assert "policy drop" in plan.diffs[0].before
    assert "policy accept" in plan.diffs[0].after


def test_a_flushed_table_comes_back() -> None:
    state = replace(converged(), table=None, flowtables=(), probes={"lan0": TAKES, "wan0": TAKES})
    plan = present(state)
    assert 'devices = { "lan0" }' in loaded(plan)
    assert not plan.files


def test_a_lost_device_is_brought_back_alone() -> None:
    state = converged("lan0")
    state = replace(state, probes={"lan0": BUSY, "wan0": TAKES})
    assert loaded(present(state)) == (
        'add flowtable inet nft_offload ft { hook ingress priority 0; devices = { "wan0" }; flags offload; }\n'
    )


def test_a_device_that_is_away_is_a_warning_when_it_was_there_before() -> None:
    state = replace(converged("lan0"), links=frozenset({"lo", "lan0"}), probes={"lan0": BUSY, "wan0": REFUSES})
    for offload in ("auto", "hardware"):
        plan = present(state, Request("ft", ("lan0", "wan0"), offload))
        assert "wan0 is away" in plan.warnings[0]
        assert not plan.changed

    recorded = state.files[paths.DEVICES].replace(" flags offload;", "")
    state = replace(state, files={**state.files, paths.DEVICES: recorded})
    flowtable = present(state, Request("ft", ("lan0", "wan0"), "auto")).result["flowtables"][0]
    assert flowtable["offload"] == "software"
    assert set(flowtable["refused"]) == {"wan0"}


def test_an_unknown_device_is_an_error_with_a_hint() -> None:
    with pytest.raises(OffloadError, match=r"no device 'wam0'.*did you mean 'wan0'"):
        present(FRESH, Request("ft", ("lan0", "wam0"), "auto"))


def test_hardware_names_the_nic_that_refuses() -> None:
    with pytest.raises(OffloadError, match=r"mgmt0: hw-tc-offload is off and fixed by its driver \(virtio_net\)"):
        present(FRESH, Request("ft", ("lan0", "mgmt0"), "hardware"))


def test_auto_falls_back_and_says_why() -> None:
    plan = present(FRESH, Request("ft", ("lan0", "mgmt0"), "auto"))
    flowtable = plan.result["flowtables"][0]
    assert list(plan.warnings) == [f"flowtable ft offloads in software: {flowtable['reason']}"]
    assert flowtable["offload"] == "software"
    assert "mgmt0" in flowtable["reason"]
    assert list(flowtable["refused"]) == ["mgmt0"]


@pytest.mark.parametrize(
    ("feature", "probe", "checking", "why"),
    [
        (ON, TAKES, False, ""),
        (OFF, REFUSES, False, "hw-tc-offload is off"),
        (OFF, REFUSES, True, ""),
        (OFF, None, True, ""),
        (FIXED, None, True, "its driver (none) has no changeable hw-tc-offload"),
        (None, None, True, "its driver (none) has no changeable hw-tc-offload"),
        (ON, REFUSES, False, "its driver (none) takes no flowtables"),
        (ON, BUSY, False, "it is in another hardware flowtable already, and its driver takes only one"),
        (ON, Section("Error: something new", 1), False, "Error: something new"),
    ],
)
def test_refusals(feature: Feature | None, probe: Section | None, checking: bool, why: str) -> None:
    state = replace(FRESH, drivers={}, features={"x": feature} if feature else {}, probes={"x": probe} if probe else {})
    assert explain_refusal(state, "x", checking) == why


def test_busy_is_no_refusal_for_a_device_that_we_hold() -> None:
    assert explain_refusal(converged(), "lan0", check_mode=False) == ""


def test_a_hardware_flowtable_gets_another_name() -> None:
    """The driver takes only one, so the old one goes in a transaction of its own."""
    first, second = present(converged(), Request("fast", ("lan0", "wan0"), "hardware")).texts
    assert "delete flowtable inet nft_offload ft\n" in first.text and "devices" not in first.text
    assert second.text.count("add flowtable inet nft_offload fast ") == 2


def test_from_hardware_to_software() -> None:
    text = loaded(present(converged(), Request("ft", ("lan0", "wan0"), "software")))
    assert "delete flowtable inet nft_offload ft" in text
    assert "flags offload" not in text


def test_a_table_with_a_new_name_replaces_the_old_one() -> None:
    content = CONTENT.replace("nft_offload", "edge")
    state = replace(converged(), table=None, flowtables=())
    plan = _ruleset.plan_present(
        state, "inet", "edge", content, (Request("ft", (), "software"),), check_mode=False, token=TOKEN
    )
    drops, joins = plan.texts[0].text, [one.text for one in plan.texts[1:]]
    assert drops.startswith("table inet nft_offload\ndelete table inet nft_offload\n")
    assert "table inet edge {" in drops
    assert joins == []
    assert plan.tables == [("inet", "edge"), ("inet", "nft_offload")]


def test_devices_join_a_new_table_once_the_old_one_is_gone() -> None:
    state = replace(converged(), table=None, flowtables=(), probes={"lan0": TAKES, "wan0": TAKES})
    content = CONTENT.replace("nft_offload", "edge")
    plan = _ruleset.plan_present(state, "inet", "edge", content, (REQUEST,), check_mode=False, token=TOKEN)
    first, second = (one.text for one in plan.texts)
    assert "devices" not in first
    assert second.count("add flowtable inet edge ft") == 2


def test_check_mode_plans_the_same_as_the_real_run() -> None:
    real, check = present(FRESH), present(replace(FRESH, features={"lan0": OFF, "wan0": OFF}, probes={}), checking=True)
    assert real.actions() == check.actions()
    assert [diff.as_result() for diff in real.diffs] == [diff.as_result() for diff in check.diffs]
    assert check.dry_runs[0].verb.call[0] == "dry_load"
    assert "lan0" not in check.dry_runs[0].verb.call[1]


def test_an_emergency_ruleset_that_goes_is_empty_before_it_is_removed() -> None:
    """With the files that need it no more: a power failure before its removal must not let it be loaded."""
    state = converged()
    plan = present(replace(state, files={**state.files, paths.EMERGENCY: "table inet nft_offload {}\n"}))
    assert plan.removed == (paths.EMERGENCY,)
    assert plan.files == {paths.EMERGENCY: (paths.PRIVATE, "")}
    assert [diff.after for diff in plan.diffs] == [""]
    left = present(replace(state, files={**state.files, paths.EMERGENCY: ""}))
    assert left.removed == (paths.EMERGENCY,)


def test_absent_takes_everything_out_and_then_nothing() -> None:
    plan = _ruleset.plan_absent(converged(), "inet", "nft_offload", TOKEN)
    assert [one.text for one in plan.texts] == ["delete table inet nft_offload\n"]
    assert [step.verb.call[0] for step in plan.stopping] == ["disable_unit"]
    assert set(plan.removed) == {*TEXTS, *Systemd.ruleset.written} - {paths.EMERGENCY, paths.SOFTWARE_LISTING}
    assert not _ruleset.plan_absent(FRESH, "inet", "nft_offload", TOKEN).changed


FILTER = CONTENT[:-2] + "  chain input { type filter hook input priority filter; policy drop; }\n}\n"


@pytest.mark.parametrize(
    ("before", "wanted", "refused"),
    [
        ({paths.RULESET: FILTER}, CONTENT, True),
        ({paths.RULESET: FILTER}, "", True),
        ({paths.RULESET: FILTER}, FILTER.replace("drop", "accept"), False),
        ({paths.RULESET: FILTER}, FILTER.replace("inet", "ip"), True),
        ({paths.RULESET: FILTER.replace("inet", "ip")}, FILTER, False),
        ({paths.RULESET: FILTER}, FILTER.replace("hook input", "hook output"), True),
        ({paths.RULESET: FILTER}, FILTER.replace("type filter hook input", "type nat hook input"), True),
        ({paths.RULESET: FILTER}, CONTENT.replace("flow add", 'comment "type filter hook input" flow add'), True),
        ({paths.RULESET: FILTER}, FILTER.replace("  chain input", "  # chain input"), True),
        ({paths.RULESET: FILTER, paths.LISTING: LISTING}, "", False),
        ({paths.RULESET: CONTENT, paths.LISTING: FILTER}, CONTENT, True),
        ({paths.LISTING: FILTER}, "", True),
        ({paths.RULESET: CONTENT}, "", False),
        ({}, CONTENT, False),
    ],
)
def test_a_firewall_is_not_taken_out_by_the_way(before: dict[str, str], wanted: str, refused: bool) -> None:
    texts = list_replaced(before.get(paths.RULESET), before.get(paths.LISTING), None, False, False)
    with pytest.raises(OffloadError, match="this would remove the router's firewall") if refused else nullcontext():
        refuse_without_firewall("inet nft_offload", texts, wanted)


@pytest.mark.parametrize(
    ("foreign", "adopt", "refused"), [(False, False, True), (True, True, True), (True, False, False)]
)
def test_a_live_firewall_of_which_nothing_is_on_record_is_not_taken_out_either(
    foreign: bool, adopt: bool, refused: bool
) -> None:
    """Somebody else's is not taken out at all, unless it is to be replaced."""
    texts = list_replaced(None, None, FILTER, foreign, adopt)
    with pytest.raises(OffloadError, match="this would remove the router's firewall") if refused else nullcontext():
        refuse_without_firewall("inet nft_offload", texts, CONTENT)


def test_openwrt_loads_it_at_boot_too() -> None:
    plan = present(replace(FRESH, platform=replace(PLATFORM, init="procd")))
    assert set(plan.files) == {paths.RULESET, paths.DEVICES, *Procd.ruleset.written}
    assert [step.verb.call for step in plan.closing] == [("enable_init", "nft-offload")]
    assert plan.warnings == []
    files = {path: text for path, (_mode, text) in plan.files.items()} | {paths.RULESET_RC: "a link to the script"}
    absent = _ruleset.plan_absent(replace(FRESH, files=files), "inet", "nft_offload", TOKEN)
    assert set(absent.removed) == files.keys()
    assert (absent.stopping, absent.closing) == ([], [])


def test_nft_and_kernel_must_be_new_enough() -> None:
    with pytest.raises(OffloadError, match=r"nft 0\.9\.8 is too old"):
        require_nft(replace(PLATFORM, nft_version=(0, 9, 8)), checking=False)
    with pytest.raises(OffloadError, match=r"Linux 5\.4\.0 cannot"):
        require_nft(replace(PLATFORM, kernel="5.4.0"), checking=False)
    with pytest.raises(OffloadError, match="no nft"):
        require_nft(replace(PLATFORM, nft_version=None), checking=False)
    require_nft(replace(PLATFORM, nft_version=None), checking=True)


def test_nfts_complaint_is_shown_in_the_users_own_text() -> None:
    text = loaded(present(FRESH))
    line = text[: text.index("policy accept")].count("\n") + 1
    error = StepError(Step("load", DryLoad(text)), f"/dev/stdin:{line}:3-9: Error: syntax error", "nothing changed")
    shown = str(_ruleset.locate_complaint(error, CONTENT, "template edge.nft.j2"))
    assert "template edge.nft.j2, line 3 as rendered, column 3: syntax error: 'type filter hook forward" in shown


def test_nfts_complaint_behind_a_string_over_two_lines() -> None:
    """nft does not count line feeds in strings, and form feeds end no line."""
    content = CONTENT.replace("chain forward {", 'comment "two\nlines \x0c"\n\tchain forward {')
    text = loaded(present(FRESH, content=content))
    line = text[: text.index("policy accept")].count("\n")
    error = StepError(Step("load", DryLoad(text)), f"/dev/stdin:{line}:3-9: Error: syntax error", "nothing changed")
    shown = str(_ruleset.locate_complaint(error, content, "template edge.nft.j2"))
    assert "line 5 as rendered, column 3: syntax error: 'type filter hook forward" in shown


def test_a_kept_ruleset_has_its_own_comments_about_devices() -> None:
    ruleset = "# head\n# device of mine \u2028# device x\ntable inet t {\n# device lan0\n}\n"
    devices = "lan0 add a\nwan0 add b\n"
    assert history.read_kept_text(history.kept_text("1-0", ruleset, devices)) == (ruleset, devices)


def test_a_table_without_flowtables_converges() -> None:
    answer = {f"file.{paths.DEVICES}": Section("", 0)}
    assert (
        read_files(Answer(answer))[paths.DEVICES]
        == present(FRESH, Request("ft", (), "software")).files[paths.DEVICES][1]
    )


def test_an_unrelated_change_leaves_the_flowtable_alone() -> None:
    plan = present(converged(), content=CONTENT.replace("priority filter + 10", "priority filter + 11"))
    text = loaded(plan)
    assert "delete flowtable" not in text
    assert "add flowtable" not in text


def test_one_device_more_touches_that_device_only() -> None:
    state = replace(
        converged("lan0", "wan0"),
        links=FRESH.links | {"opt0"},
        features={**FRESH.features, "opt0": ON},
        probes={"lan0": BUSY, "wan0": BUSY, "opt0": TAKES},
    )
    plan = present(state, Request("ft", ("lan0", "wan0", "opt0"), "auto"))
    assert loaded(plan) == (
        'add flowtable inet nft_offload ft { hook ingress priority 0; devices = { "opt0" }; flags offload; }\n'
    )
    plan = present(converged(), Request("ft", ("lan0",), "auto"))
    assert loaded(plan) == (
        'delete flowtable inet nft_offload ft { hook ingress priority 0; devices = { "wan0" }; flags offload; }\n'
    )


def test_a_new_ruleset_keeps_the_one_before() -> None:
    state = converged()
    plan = present(state, content=CONTENT.replace("accept", "drop"))
    now = plan.records[paths.CONFIRMED][1].split()[0]
    assert now == "2-00000000"
    kept = plan.records[f"{paths.HISTORY}/1-00000000.nft"][1]
    assert state.files[paths.RULESET] in kept
    assert plan.result["ruleset"] == now
    assert plan.result["kept"] == ["1-00000000"]
    assert not present(replace(state, table=LISTING.replace("accept", "drop"))).records, "drift is no new ruleset"


def test_a_text_for_boot_that_was_changed_by_hand_is_no_ruleset_that_was_confirmed() -> None:
    state = converged()
    mine = replace(state, files={**state.files, paths.RULESET: state.files[paths.RULESET] + "# mine\n"})
    plan = present(mine)
    assert (list(plan.files), plan.texts, plan.records) == ([paths.RULESET], [], {})
    assert list(present(mine, content=CONTENT.replace("accept", "drop")).records) == [paths.CONFIRMED]
    with pytest.raises(OffloadError, match="changed by hand since 1-00000000 was confirmed"):
        _ruleset.plan_restored(mine, "last", "inet", "nft_offload", check_mode=False, token="00000009")


def test_nothing_to_go_back_to_is_told() -> None:
    plan = _ruleset.plan_restored(FRESH, "previous", "inet", "nft_offload", check_mode=False, token="00000009")
    assert (plan.changed, list(plan.warnings)) == (
        False,
        ["nothing was rolled back: this router has no ruleset that this module confirmed"],
    )


def test_back_to_the_one_before_and_no_further() -> None:
    state = converged()
    text = CONTENT.replace("accept", "drop")
    plan = present(state, content=text)
    files = {**state.files, **{path: text for path, (_mode, text) in {**plan.files, **plan.records}.items()}}
    newer = replace(state, files=files, kept=("1-00000000",), table=LISTING.replace("accept", "drop"))
    back = _ruleset.plan_restored(newer, "previous", "inet", "nft_offload", check_mode=False, token="00000009")
    assert back.files[paths.RULESET][1] == state.files[paths.RULESET]
    assert back.records[paths.CONFIRMED][1] == state.files[paths.CONFIRMED]
    assert f"{paths.HISTORY}/2-00000000.nft" in back.records
    assert back.forgotten == [f"{paths.HISTORY}/1-00000000.nft"]
    files = {**files, **{path: text for path, (_mode, text) in {**back.files, **back.records}.items()}}
    restored = replace(state, files=files, kept=("2-00000000",))
    assert not _ruleset.plan_restored(
        restored, "previous", "inet", "nft_offload", check_mode=False, token="0000000a"
    ).changed
    again = _ruleset.plan_restored(restored, "2-00000000", "inet", "nft_offload", check_mode=False, token="0000000a")
    assert again.files[paths.RULESET][1] == plan.files[paths.RULESET][1]


def test_another_table_than_the_one_that_was_confirmed() -> None:
    """The live table that is read is the one that the options name: a plan from it would leave chains behind."""
    for which in ("last", "1-00000000"):
        with pytest.raises(OffloadError, match="ruleset 1-00000000 is table inet nft_offload, not inet fire"):
            _ruleset.plan_restored(converged(), which, "inet", "fire", check_mode=False, token="00000009")


def test_before_the_first_ruleset_there_was_none() -> None:
    plan = _ruleset.plan_restored(converged(), "previous", "inet", "nft_offload", check_mode=False, token="00000009")
    assert [one.text for one in plan.texts] == ["delete table inet nft_offload\n"]
    with pytest.raises(OffloadError, match="no ruleset was ever confirmed"):
        _ruleset.plan_restored(FRESH, "last", "inet", "nft_offload", check_mode=False, token="00000009")
    assert not _ruleset.plan_restored(
        FRESH, "previous", "inet", "nft_offload", check_mode=False, token="00000009"
    ).changed


def test_sets_stay_unless_asked() -> None:
    content = CONTENT.replace("\tchain", "\tset seen { type ipv4_addr; flags dynamic; }\n\tchain", 1)
    listed = LISTING.replace("\tchain", "\tset seen {\n\t\ttype ipv4_addr\n\t\tflags dynamic\n\t}\n\n\tchain", 1)
    plan = present(FRESH, content=content)
    files = {path: text for path, (_mode, text) in {**plan.files, **plan.records}.items()}
    state = replace(converged(), table=listed, files={**files, paths.LISTING: listed})
    changed = content.replace("accept", "drop")
    assert "delete set" not in loaded(present(state, content=changed))
    renewed = _ruleset.plan_present(
        state, "inet", "nft_offload", changed, (REQUEST,), check_mode=False, token=TOKEN, keep_elements=False
    )
    assert "delete set inet nft_offload seen" in loaded(renewed)
