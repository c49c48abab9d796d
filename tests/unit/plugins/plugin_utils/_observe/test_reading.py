# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router's whole answer -> RouterState, as lab routers gave it and with pieces missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import (
    HUNG,
    SCRIPTS,
    Answer,
    Section,
    compose,
    parse,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import (
    AGENTS,
    FRAGMENTS,
    SERVICES,
    list_calls,
    read_state,
    require_whole,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    FLOWTABLE_MODULES,
    Boot,
    Feature,
    Flowtable,
    Hook,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_registry import find_package_manager
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.helpers.captures import SUITES, answer
from tests.unit.helpers.shells import NONCE, SHELLS, run_script

ROUTER = answer("trixie", "router")
KERNELS = {"bookworm": (6, 1), "trixie": (6, 12), "forky": (7, 2)}
HOOK = {
    "bookworm": None,
    "trixie": Hook("lan0", "nf_flow_offload_inet_hook"),
    "forky": Hook("lan0", "flowtable", "inet nft_offload ft"),
}


@pytest.mark.parametrize("suite", SUITES)
def test_a_router_with_traffic(suite: str) -> None:
    state = read_state(answer(suite, "router"))
    assert state.not_understood == ()
    assert state.platform.kernel_version == KERNELS[suite]
    manager = find_package_manager(state.platform.init, state.platform.commands, state.platform.systems)
    assert manager and manager.name == "apt"
    assert set(state.kernel.modules) == set(FLOWTABLE_MODULES)
    assert set(state.kernel.modules.values()) == {"loaded"}
    assert state.flowtables is not None
    assert state.flowtables[0] == Flowtable(
        "inet", "nft_offload", "ft", ("lan0", "wan0"), "filter", hardware=True, counter=True
    )
    assert [rule.chain for rule in state.rules] == ["feed", "viamap", "nowhere", "forward", "forward"]
    assert state.ruleset is not None
    assert {chain.path for chain in state.ruleset.chains.values() if chain.hook == "forward"} == {
        "inet nft_offload forward",
    }
    assert state.devices["lan0"].hw_tc_offload == Feature(active=True)
    assert state.devices["mgmt0"].hw_tc_offload == Feature(active=False, fixed=True)
    assert state.devices["lan0"].driver == "labnic"
    assert state.devices["lo"].hw_tc_offload is None
    assert state.flows is not None
    flows = {"ipv4 tcp hardware", "ipv4 udp hardware", "ipv6 tcp hardware", "ipv6 udp hardware"}
    assert flows <= set(state.flows.counts) <= {*flows, "ipv4 tcp local"}
    assert len(state.flows.examples["hardware"]) == 3
    assert all("[HW_OFFLOAD]" in line for line in state.flows.examples["hardware"])
    assert replace(state.boot, live=None) == Boot(foreign=True), "what captured it loaded its table by hand"
    assert state.boot.live is not None
    assert "flowtable ft {" in state.boot.live


@pytest.mark.parametrize("suite", SUITES)
def test_hooks(suite: str) -> None:
    state = read_state(answer(suite, "router"))
    if HOOK[suite] is None:
        assert state.hooks is None
        assert "hooks" in state.unseen
    else:
        assert state.hooks is not None
        assert HOOK[suite] in state.hooks
        assert Hook("wan0", "chain netdev nd in") in state.hooks
        assert state.unseen == {}


@pytest.mark.parametrize("suite", SUITES)
def test_what_a_user_without_rights_sees(suite: str) -> None:
    state = read_state(answer(suite, "user"))
    assert state.platform.uid == 65534
    assert (state.flowtables, state.rules, state.hooks, state.flows) == (None, (), None, None)
    assert state.unseen.keys() == {"flowtables", "ruleset", "conntrack"}
    assert "Permission denied" in state.unseen["conntrack"]
    assert "not permitted" in state.unseen["flowtables"]
    assert state.devices == read_state(answer(suite, "router")).devices
    assert state.not_understood == ()


@pytest.mark.parametrize("suite", SUITES)
def test_odd_names_spoil_nothing_else(suite: str) -> None:
    state = read_state(answer(suite, "names"))
    usual = read_state(answer(suite, "router"))
    assert state.flowtables is not None
    assert usual.flowtables is not None
    assert state.flowtables[:3] == usual.flowtables
    assert state.rules == usual.rules
    assert {'a"b', "$(id)", "*", "-n", "{", "}", "a,b", "x;y", "jump"} < set(state.devices)
    assert state.devices["lan0"] == usual.devices["lan0"]
    assert state.hooks is None
    assert state.unseen["hooks"].startswith("Error: ")


def without(*names: str) -> dict[str, Section]:
    return {name: part for name, part in ROUTER.items() if not name.startswith(names)}


def test_a_router_without_nft() -> None:
    state = read_state(Answer(without("flowtables", "ruleset", "maps", "live", "hooks")))
    assert (state.flowtables, state.rules, state.hooks, state.boot.live) == (None, (), None, None)
    assert state.unseen == {"flowtables": "nft is not installed"}
    assert state.flows is not None


def test_a_tool_that_hangs_is_named_and_what_it_shows_is_not_known() -> None:
    hung = Section("nft did not end in time", HUNG)
    names = [name for name in ROUTER if name.startswith(("flowtables", "ruleset", "maps", "live", "hooks"))]
    state = read_state(
        Answer({**ROUTER, **dict.fromkeys(names, hung), "link": Section("ip did not end in time", HUNG)})
    )
    assert state.hung == {"nft": tuple(names), "ip": ("link",)}
    assert (state.flowtables, state.rules, state.hooks, state.flows is None) == (None, (), None, False)
    assert {state.unseen[name] for name in names} == {"nft did not end in time"}
    assert state.unseen["link"] == "ip did not end in time"


def test_fw4_is_not_known_by_half_of_what_it_shows() -> None:
    hung = Section("uci did not end in time", HUNG)
    assert read_state(Answer({**ROUTER, "fw4.uci": hung, "fw4.print": Section("", 0)})).fw4 is None


def test_nothing_is_changed_by_half_of_what_a_router_shows() -> None:
    Answer(ROUTER).require_ended()
    with pytest.raises(OffloadError, match="ip did not end in time on the router, so that not all was read"):
        Answer({**ROUTER, "link": Section("ip did not end in time", HUNG)}).require_ended()


def test_a_router_without_ethtool_and_ip() -> None:
    answered = without("features ", "addresses", "routes ")
    platform = Section(ROUTER["platform"].text.replace("has=ethtool\n", ""), 0)
    state = read_state(Answer({**answered, "platform": platform}))
    assert state.unseen == {"hw_tc_offload": "ethtool is not installed", "addresses": "ip is not installed"}
    assert state.devices["lan0"].hw_tc_offload is None
    assert state.devices["lan0"].addresses == ()


@pytest.mark.parametrize(
    ("error", "hooks"),
    [
        ("Error: Could not process rule: Invalid argument\nlist hooks netdev device lan0", None),
        ("Error: Could not process rule: No such device\nlist hooks netdev device lan0", ()),
    ],
)
def test_hooks_that_cannot_be_listed_and_a_device_that_is_gone(error: str, hooks: tuple[Hook, ...] | None) -> None:
    failed = {"hooks lan0": Section(error, 1), "hooks wan0": Section(error, 1)}
    state = read_state(Answer({**ROUTER, **failed}))
    assert state.hooks == hooks
    assert state.unseen == ({"hooks": error.splitlines()[0]} if hooks is None else {})


@pytest.mark.parametrize(("count", "hooks"), [(Section("0", 1), None), (Section("5", 0), ())])
def test_nothing_listed_where_nothing_can_be(count: Section, hooks: tuple[Hook, ...] | None) -> None:
    """Debian 12: nft 1.0.6 on a kernel without NETFILTER_NETLINK_HOOK lists nothing, and succeeds."""
    state = read_state(Answer({**ROUTER, "hooks lan0": Section("", 0), "hooks wan0": Section("", 0), "hooks": count}))
    assert state.hooks == hooks
    assert ("hooks" in state.unseen) == (hooks is None)


def test_a_flowtable_without_devices_has_no_hooks_to_list() -> None:
    assert read_state(Answer(without("hooks "))).hooks == ()


def test_a_ruleset_that_fails_half_way_is_reported() -> None:
    state = read_state(
        Answer({**ROUTER, "ruleset": Section("Error: Could not process rule: Interrupted system call", 1)})
    )
    assert (state.flowtables, state.rules) == (None, ())
    assert state.unseen == {"ruleset": "Error: Could not process rule: Interrupted system call"}


def test_pages_of_unknown_lines_are_shortened() -> None:
    lines = [f"line {n} {'x' * 300}" for n in range(100)] * 2
    state = read_state(Answer({**ROUTER, "flowtables": Section("\n".join(lines), 0)}))
    assert len(state.not_understood) == 21
    assert state.not_understood[-1] == "... and 80 more"
    assert len(state.not_understood[0]) == 200


def test_firewalls() -> None:
    words = ["active", *["inactive"] * (len(SERVICES) - 2), "active", *["inactive"] * (len(AGENTS) - 1), "active"]
    state = read_state(Answer({**ROUTER, "services": Section("\n".join(words), 3)}))
    assert state.firewalls == (SERVICES[0], SERVICES[-1])
    assert state.other_handlers.agents == (AGENTS[-1],)
    assert state.as_result()["firewall"] == f"{SERVICES[0]}, {SERVICES[-1]}"
    openwrt = Section("uid=0\nhas=fw4\nhas=ethtool", 0)
    assert read_state(Answer({**without("services"), "platform": openwrt})).firewalls == ("fw4",)


def test_an_empty_answer_is_a_picture_of_nothing() -> None:
    state = read_state(Answer({}))
    assert (state.devices, state.flowtables, state.hooks, state.flows) == ({}, None, None, None)
    assert state.unseen.keys() == {"flowtables", "addresses", "hw_tc_offload"}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", ["router", "devices", "names", "user"])
def test_the_result_is_small_and_plain(suite: str, name: str) -> None:
    result = read_state(answer(suite, name)).as_result()
    assert json.loads(json.dumps(result)) == result
    assert len(json.dumps(result["flows"])) < 2000
    assert len(json.dumps(result)) < 5000 + 320 * len(result["devices"])
    assert result["boot"]["ruleset"] is False


SECTIONS = sorted(ROUTER)
PARTS = st.builds(
    Section, st.one_of(st.text(), st.sampled_from([part.text for part in ROUTER.values()])), st.integers(0, 2)
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(SECTIONS), PARTS))
def test_no_answer_is_too_odd(sections: dict[str, Section]) -> None:
    json.dumps(read_state(Answer(sections)).as_result())
    json.dumps(read_state(Answer({**ROUTER, **sections})).as_result())


def test_the_calls_name_functions_that_the_fragments_have() -> None:
    text = "".join((SCRIPTS / f"{name}.sh").read_text() for name in FRAGMENTS)
    for function, *_arguments in list_calls():
        assert f"\n{function}() {{\n" in text


@pytest.mark.parametrize("shell", SHELLS)
def test_this_machine_can_be_read(shell: list[str], tmp_path: Path) -> None:
    """Whatever it is: no shell and no tool of it may make the script stumble."""
    sections = parse(run_script(shell, compose(NONCE, FRAGMENTS, list_calls()), tmp_path), NONCE)
    state = read_state(sections)
    assert state.devices["lo"].kind == "loopback"
    assert state.platform.kernel
    assert not [part.text for part in sections.values() if "syntax error" in part.text]


def test_a_tool_that_hangs_where_the_router_is_told_apart_is_named() -> None:
    """Nothing is said of a router of which nothing is known, such as that the login is not root."""
    hung = Section("nft did not end in time", HUNG)
    with pytest.raises(OffloadError, match="nft did not end in time on the router"):
        require_whole(Answer({**ROUTER, "platform": hung}))
