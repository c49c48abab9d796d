# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel must not cost the hardware: the second table, for devices that hardware does not take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import Change, ConfirmedPlan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.verbs import Begin, ExpectGone
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import MARK
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Flowtable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import history
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.describe_undone import describe_undone
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.emergency import render_emergency
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.hardware import Request
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.options import (
    read_requests,
    read_software_content,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.rehearsal import plan_rehearsal
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.state import TableState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import SOFTWARE_HEAD
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.verbs import Rehearse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_system import ServiceState

from tests.unit.helpers.ruleset_states import BUSY, CONTENT, FRESH, LISTING, REFUSES, TAKES, TOKEN

SECOND = "inet", "nft_offload_software"
SOFTWARE_CONTENT = (
    "table inet nft_offload_software {\n\tchain forward {\n"
    "\t\ttype filter hook forward priority filter + 9; policy accept;\n"
    "\t\tiifname $software_devices meta l4proto { tcp, udp } flow add @ft\n"
    "\t\toifname $software_devices meta l4proto { tcp, udp } flow add @ft\n\t}\n}\n"
)
SOFTWARE_LISTING = (
    'table inet nft_offload_software {\n\tcomment "kmod.nft_offload"\n'
    "\tflowtable ft {\n\t\thook ingress priority filter + 10\n\t\tdevices = { lan0, wan0, wg0 }\n\t}\n\n"
    "\tchain forward {\n\t\ttype filter hook forward priority filter + 9; policy accept;\n"
    '\t\tiifname "wg0" meta l4proto { tcp, udp } flow add @ft\n'
    '\t\toifname "wg0" meta l4proto { tcp, udp } flow add @ft\n\t}\n}\n'
)
ROUTER = replace(
    FRESH,
    links=FRESH.links | {"wg0", "br0"},
    drivers={**FRESH.drivers, "wg0": ""},
    probes={**FRESH.probes, "wg0": REFUSES, "br0": REFUSES},
)
"""the branch of the case wireguard_branch, with a management NIC that refuses too"""
WITH_TUNNEL = Request("ft", ("lan0", "wan0", "wg0"), "auto")


def present(
    state: TableState, request: Request = WITH_TUNNEL, content: str = SOFTWARE_CONTENT, **options: Any
) -> ConfirmedPlan:
    return _ruleset.plan_present(
        state,
        "inet",
        "nft_offload",
        CONTENT,
        [request],
        check_mode=False,
        token=TOKEN,
        software_content=content,
        **options,
    )


def restored(state: TableState, which: str) -> ConfirmedPlan:
    return _ruleset.plan_restored(state, which, "inet", "nft_offload", check_mode=False, token=TOKEN)


def after(plan: ConfirmedPlan, state: TableState = ROUTER) -> TableState:
    """The router once a plan for both tables was carried out."""
    staged = {path: text for path, (_mode, text) in {**plan.files, **plan.records}.items()}
    kept = [path for path in plan.records if path.startswith(paths.HISTORY)]
    return replace(
        state,
        table=LISTING,
        flowtables=(Flowtable("inet", "nft_offload", "ft", ("lan0", "wan0"), hardware=True),),
        software_table=SOFTWARE_LISTING,
        files={**state.files, **staged, paths.LISTING: LISTING, paths.SOFTWARE_LISTING: SOFTWARE_LISTING},
        probes={**ROUTER.probes, "lan0": BUSY, "wan0": BUSY},
        service=ServiceState(enabled=True, active=True),
        kept=tuple(path.removeprefix(f"{paths.HISTORY}/").removesuffix(".nft") for path in kept),
    )


def where(plan: ConfirmedPlan) -> list[tuple[str, list[str], str]]:
    return [(one["table"], one["devices"], one["offload"]) for one in plan.result["flowtables"]]


def loaded(plan: ConfirmedPlan) -> str:
    return "".join(one.text for one in plan.texts)


def steps(plan: ConfirmedPlan) -> list[Any]:
    return [step.verb for phase in Change(plan, 30).phases() for step in phase]


def test_the_nics_are_in_hardware_and_the_tunnel_in_software() -> None:
    plan = present(ROUTER)
    assert where(plan) == [
        ("inet nft_offload", ["lan0", "wan0"], "hardware"),
        ("inet nft_offload_software", ["lan0", "wan0", "wg0"], "software"),
    ]
    assert list(plan.warnings) == [
        "flowtable ft offloads in hardware for lan0, wan0; in software for wg0. "
        "wg0: its driver (none) takes no flowtables"
    ]
    assert plan.result["flowtables"][0]["refused"] == {"wg0": "its driver (none) takes no flowtables"}
    assert plan.result["flowtables"][0]["reason"] == (
        "every device takes it, the others do not: wg0: its driver (none) takes no flowtables"
    )


def test_both_tables_are_one_transaction_and_one_change() -> None:
    plan = present(ROUTER)
    (text,) = (one.text for one in plan.texts)
    hard = 'add flowtable inet nft_offload ft { hook ingress priority 0; devices = { "lan0" }; flags offload; }\n'
    soft = 'add flowtable inet nft_offload_software ft { hook ingress priority 10; devices = { "wg0" }; }\n'
    assert text.startswith(plan.files[paths.RULESET][1])
    assert hard in text
    assert soft in text
    assert 'iifname "wg0" meta l4proto' in text
    assert 'devices = { "wg0" }; flags offload' not in text
    assert list(plan.tables) == [("inet", "nft_offload"), SECOND]
    assert [one.call for one in plan.listings] == [
        ("stage_listing", paths.LISTING, "inet", "nft_offload"),
        ("stage_listing", paths.SOFTWARE_LISTING, *SECOND),
    ]
    (begin,) = (verb for verb in steps(plan) if isinstance(verb, Begin))
    assert begin.tables == ("inet", "nft_offload", "-", *SECOND, "-")
    assert not any(isinstance(verb, ExpectGone) for verb in steps(plan))


def test_boot_makes_the_second_table_anew_and_each_device_joins_both() -> None:
    files = present(ROUTER).files
    _first, _head, second = files[paths.RULESET][1].partition("\n# What hardware does not take")
    assert [line for line in second.split("\n") if "table inet" in line][:3] == [
        "table inet nft_offload_software",
        "delete table inet nft_offload_software",
        f"table inet nft_offload_software {{ {MARK}; }}",
    ]
    joining = [line.split(" ")[:5] for line in files[paths.DEVICES][1].split("\n") if line]
    assert [(line[0], line[4]) for line in joining] == [
        ("lan0", "nft_offload"),
        ("wan0", "nft_offload"),
        ("lan0", "nft_offload_software"),
        ("wan0", "nft_offload_software"),
        ("wg0", "nft_offload_software"),
    ]


def test_a_second_run_changes_nothing() -> None:
    plan = present(after(present(ROUTER)))
    assert not plan.changed
    assert list(plan.diffs) == []
    assert list(plan.warnings) == []


def test_a_device_that_left_joins_what_it_left_and_nothing_else() -> None:
    state = after(present(ROUTER))
    gone = SOFTWARE_LISTING.replace("lan0, wan0, wg0", "lan0, wan0")
    assert loaded(present(replace(state, software_table=gone))) == (
        'add flowtable inet nft_offload_software ft { hook ingress priority 10; devices = { "wg0" }; }\n'
    )
    lost = replace(
        state,
        flowtables=(Flowtable("inet", "nft_offload", "ft", ("lan0",), hardware=True),),
        software_table=SOFTWARE_LISTING.replace("lan0, wan0, wg0", "lan0, wg0"),
        probes={**state.probes, "wan0": TAKES},
    )
    assert loaded(present(lost)) == (
        'add flowtable inet nft_offload ft { hook ingress priority 0; devices = { "wan0" }; flags offload; }\n'
        'add flowtable inet nft_offload_software ft { hook ingress priority 10; devices = { "wan0" }; }\n'
    )


@pytest.mark.parametrize(
    "second", [None, SOFTWARE_LISTING.replace("+ 9", "+ 8"), SOFTWARE_LISTING.replace(f"\t{MARK}\n", "")]
)
def test_a_second_table_that_is_lost_or_changed_by_hand_comes_back(second: str | None) -> None:
    plan = present(replace(after(present(ROUTER)), software_table=second))
    (text,) = (one.text for one in plan.texts)
    assert "delete table inet nft_offload_software\n" in text
    assert 'priority 10; devices = { "wan0" }; }\n' in text
    # the hardware flowtable stays in place, with its devices
    assert "delete flowtable inet nft_offload ft" not in text
    assert 'devices = { "wan0" }; flags offload' not in text
    assert [diff.header for diff in plan.diffs if "live" in diff.header] == ["live table inet nft_offload_software"]
    assert list(plan.tables) == [("inet", "nft_offload"), SECOND]


def test_without_the_tunnel_the_second_table_goes_with_the_same_change() -> None:
    state = after(present(ROUTER))
    plan = present(state, Request("ft", ("lan0", "wan0"), "auto"))
    (text,) = (one.text for one in plan.texts)
    assert text.startswith("table inet nft_offload_software\ndelete table inet nft_offload_software\n")
    assert text.count("nft_offload_software") == 2
    assert where(plan) == [("inet nft_offload", ["lan0", "wan0"], "hardware")]
    assert list(plan.tables) == [("inet", "nft_offload"), SECOND]
    assert [verb.tables for verb in steps(plan) if isinstance(verb, ExpectGone)] == [SECOND]
    assert paths.SOFTWARE_LISTING in plan.removed
    assert "nft_offload_software" not in plan.files[paths.RULESET][1] + plan.files[paths.DEVICES][1]


def test_mode_software_is_one_table_with_all_devices() -> None:
    plan = present(ROUTER, replace(WITH_TUNNEL, offload="software"))
    assert where(plan) == [("inet nft_offload", ["lan0", "wan0", "wg0"], "software")]
    assert "nft_offload_software" not in loaded(plan)


def test_hardware_stays_strict_and_names_the_device() -> None:
    with pytest.raises(OffloadError, match=r"hardware offload was requested, but wg0: its driver"):
        present(ROUTER, replace(WITH_TUNNEL, offload="hardware"))


@pytest.mark.parametrize("devices", [("lan0", "wg0"), ("lan0", "mgmt0", "wg0"), ("mgmt0", "wg0")], ids=str)
def test_hardware_at_one_end_alone_buys_nothing(devices: tuple[str, ...]) -> None:
    plan = present(ROUTER, Request("ft", devices, "auto"))
    assert where(plan) == [("inet nft_offload", list(devices), "software")]


def test_without_a_text_for_it_one_device_keeps_all_in_software_as_before() -> None:
    plan = present(ROUTER, content="")
    assert where(plan) == [("inet nft_offload", ["lan0", "wan0", "wg0"], "software")]


@pytest.mark.parametrize(
    ("forwards", "hardware", "left"),
    [
        # VLANs of one NIC are two ends
        ({"lan0.1": ["lan0"], "lan0.2": ["lan0"], "wg0": ["wg0"]}, ["lan0"], '"wg0"'),
        # rules see the bridge, and do not know by which of its ports a packet came
        ({"br0": ["lan0", "mgmt0"], "wan0": ["wan0"], "wg0": ["wg0"]}, None, ""),
        ({"br0": ["lan0", "mgmt0"], "wan0": ["wan0"], "dmz0": ["dmz0"]}, ["dmz0", "wan0"], '{ "br0", "mgmt0" }'),
    ],
    ids=["vlans", "bridge-and-one-more", "bridge-and-two-more"],
)
def test_what_goes_in_software_is_named_as_rules_see_it(
    forwards: Mapping[str, list[str]], hardware: list[str] | None, left: str
) -> None:
    devices = tuple(sorted({device for below in forwards.values() for device in below}))
    state = replace(ROUTER, links=ROUTER.links | {"dmz0"}, probes={**ROUTER.probes, "dmz0": ROUTER.probes["lan0"]})
    plan = present(state, Request("ft", devices, "auto", forwards={k: tuple(v) for k, v in forwards.items()}))
    if hardware is None:
        assert [offload for _table, _devices, offload in where(plan)] == ["software"]
    else:
        assert where(plan)[0] == ("inet nft_offload", hardware, "hardware")
        assert f"iifname {left} meta" in loaded(plan)


def test_a_pattern_is_left_for_software_where_nft_can_name_it() -> None:
    request = Request("ft", ("lan0", "tun*", "wan0", "wg0"), "auto")
    assert 'iifname { "tun*", "wg0" } meta' in loaded(present(ROUTER, request))
    old = replace(ROUTER, platform=replace(ROUTER.platform, nft_version=(1, 0, 5)))
    assert [offload for _table, _devices, offload in where(present(old, request))] == ["software"]
    alone = present(old, Request("ft", ("lan0", "tun*", "wan0"), "auto"))
    assert 'iifname "tun*" meta' in loaded(alone)


def test_somebody_elses_table_of_that_name_is_refused_until_it_is_adopted() -> None:
    theirs = replace(ROUTER, software_table="table inet nft_offload_software {\n\tset keep {\n\t}\n}\n")
    with pytest.raises(OffloadError, match="table inet nft_offload_software is live, and this collection did not make"):
        present(theirs)
    assert present(theirs, adopt=True).texts
    # where it is not needed, it is nobody's business
    plan = present(theirs, Request("ft", ("lan0", "wan0"), "auto"))
    assert "nft_offload_software" not in loaded(plan)
    assert list(plan.tables) == [("inet", "nft_offload")]
    gone = _ruleset.plan_absent(theirs, "inet", "nft_offload", TOKEN)
    assert not gone.texts
    assert "nft_offload_software" in gone.warnings[0]


def test_a_kernel_without_comments_knows_its_own_by_the_record() -> None:
    old = replace(ROUTER, platform=replace(ROUTER.platform, kernel="5.9.1"))
    plan = present(old)
    assert MARK not in plan.files[paths.RULESET][1]
    state = after(plan, old)
    bare = {path: text.replace(f"\t{MARK}\n", "") for path, text in state.files.items()}
    state = replace(
        state,
        files=bare,
        table=LISTING.replace(f"\t{MARK}\n", ""),
        software_table=SOFTWARE_LISTING.replace(f"\t{MARK}\n", ""),
    )
    assert not present(state).changed


def test_disabled_takes_both_tables_out() -> None:
    plan = _ruleset.plan_absent(after(present(ROUTER)), "inet", "nft_offload", TOKEN)
    assert [one.text for one in plan.texts] == [
        "delete table inet nft_offload\n",
        "delete table inet nft_offload_software\n",
    ]
    assert list(plan.tables) == [("inet", "nft_offload"), SECOND]
    assert {paths.RULESET, paths.LISTING, paths.SOFTWARE_LISTING, paths.DEVICES} <= set(plan.removed)


def test_a_table_of_another_name_takes_its_second_one_with_it() -> None:
    state = replace(
        after(present(ROUTER)), table=None, flowtables=(), software_table=None, old_table=LISTING, probes=ROUTER.probes
    )
    content = CONTENT.replace("nft_offload", "other")
    plan = _ruleset.plan_present(
        state, "inet", "other", content, [Request("ft", ("lan0", "wan0"), "auto")], check_mode=False, token=TOKEN
    )
    assert "table inet nft_offload_software\ndelete table inet nft_offload_software\n" in plan.texts[0].text
    assert list(plan.tables) == [("inet", "other"), ("inet", "nft_offload"), SECOND]
    gone = _ruleset.plan_absent(state, "inet", "other", TOKEN)
    assert [one.text for one in gone.texts] == [
        "delete table inet nft_offload\n",
        "table inet nft_offload_software\ndelete table inet nft_offload_software\n",
    ]


def test_what_was_confirmed_with_two_tables_is_restored_with_two() -> None:
    first = after(present(ROUTER))
    plan = present(first, Request("ft", ("lan0", "wan0"), "auto"))
    texts = {path: text for path, (_mode, text) in {**plan.files, **plan.records}.items()}
    files = {**first.files, **texts}
    del files[paths.SOFTWARE_LISTING]
    state = replace(first, files=files, software_table=None, kept=("1-00000000",))
    back = restored(state, "previous")
    assert back.files[paths.RULESET][1] == first.files[paths.RULESET]
    assert back.files[paths.DEVICES][1] == first.files[paths.DEVICES]
    assert where(back)[1] == ("inet nft_offload_software", ["lan0", "wan0", "wg0"], "software")
    assert 'add flowtable inet nft_offload_software ft { hook ingress priority 10; devices = { "wg0" }; }' in loaded(
        back
    )
    assert list(back.tables) == [("inet", "nft_offload"), SECOND]
    assert not restored(first, "last").changed


def test_a_kept_file_that_names_other_tables_is_refused() -> None:
    state = after(present(ROUTER))
    ruleset = state.files[paths.RULESET] + "delete table inet filter\n"
    kept = history.kept_text("1-00000000", ruleset, state.files[paths.DEVICES])
    state = replace(
        state,
        files={**state.files, history.path("1-00000000"): kept, paths.CONFIRMED: "2-00000000 x\n"},
        kept=("1-00000000",),
    )
    with pytest.raises(OffloadError, match="stands outside of the table"):
        restored(state, "1-00000000")


def test_a_trial_without_a_namespace_does_not_touch_the_second_table() -> None:
    (verb,) = (step.verb for step in present(ROUTER).validating if isinstance(step.verb, Rehearse))
    lines = dict(enumerate(verb.text.split("\n"), start=1))
    lines |= {int(number): text for number, _, text in (edit.partition(" ") for edit in verb.edits.split("\n"))}
    assert "nft_offload_software" in verb.text
    assert not [line for line in lines.values() if "nft_offload_software" in line]


def test_the_emergency_ruleset_is_that_of_the_first_table() -> None:
    content = "table inet nft_offload {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n"
    state = after(present(ROUTER))
    table = _ruleset.read_kept_table(state.files[paths.RULESET], state.files[paths.DEVICES])
    assert table.software is not None
    assert render_emergency(table, ()) is None
    filtering = replace(table, content=content)
    assert render_emergency(filtering, ()) == render_emergency(replace(filtering, software=None), ())
    assert plan_rehearsal(table, TOKEN, False).text == table.boot_text()


def test_a_comment_like_the_second_tables_first_line_is_the_users() -> None:
    state = after(present(ROUTER))
    table = _ruleset.read_kept_table(state.files[paths.RULESET], state.files[paths.DEVICES])
    content = f"{table.content}\n{SOFTWARE_HEAD}\n{CONTENT}"
    again = replace(table, content=content)
    assert _ruleset.read_kept_table(again.boot_text(), state.files[paths.DEVICES]) == again


def test_an_undo_that_left_the_second_table_behind_is_told() -> None:
    before = after(present(ROUTER))
    plan = present(before, Request("ft", ("lan0", "wan0"), "auto"))
    assert "as it was before" in describe_undone(plan, before, before)[1]["ran"]["after"]
    assert "something else" in describe_undone(plan, before, replace(before, software_table=None))[1]["ran"]["after"]


FLOWTABLE = {"name": "ft", "devices": ["lan0", "wan0"], "offload": "auto", "counter": False, "forwards": {}}


@pytest.mark.parametrize(
    ("content", "flowtables", "message"),
    [
        (SOFTWARE_CONTENT.replace("$software_devices", '"wg0"'), 1, r"no rule matches \$software_devices"),
        (SOFTWARE_CONTENT, 2, "exactly one flowtable"),
        (SOFTWARE_CONTENT.replace("_software {", " {"), 1, "is not the table that this task owns"),
    ],
)
def test_a_wrong_text_for_the_second_table_is_refused(content: str, flowtables: int, message: str) -> None:
    requests = read_requests([FLOWTABLE, {**FLOWTABLE, "name": "more", "devices": ["mgmt0"]}][:flowtables])
    with pytest.raises(OffloadError, match=message):
        read_software_content(content, "inet", "nft_offload", requests)


def test_forwards_are_names_of_devices() -> None:
    (request,) = read_requests([{**FLOWTABLE, "forwards": {"br0": ["wan0", "lan0"]}}])
    assert request.forwards == {"br0": ("lan0", "wan0")}
    with pytest.raises(OffloadError, match="forwards must be names of devices"):
        read_requests([{**FLOWTABLE, "forwards": {"br0": ["a b"]}}])
