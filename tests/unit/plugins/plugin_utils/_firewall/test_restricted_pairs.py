# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without offloaded connections, which this machine's kernel may not have: the entries are deleted the same way.

A tightened policy reaches connections that are established. What becomes of offloaded ones: tests/lab/test_firewall.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kmod.nft_offload.plugins.filter.router_restricted_pairs import router_restricted_pairs
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import ConfirmedPlan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Step
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Call, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Flowtable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.options import read_device_pairs
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.state import TableState

from tests.unit.helpers.firewalls import needs_namespaces
from tests.unit.helpers.network import HOST, SIDES, Network
from tests.unit.helpers.ruleset_states import CONTENT, LISTING, PLATFORM, REQUEST, TAKES, TOKEN, converged
from tests.unit.helpers.shells import NONCE, ROUTER_SHELLS

ZONES = [{"name": side, "devices": [f"{side}0"], "services": ["ssh"]} for side in SIDES]
SHELLS_HERE = [shell for shell in ROUTER_SHELLS if shutil.which(shell[0])]
LAN_TO_WAN = {"from": "lan", "to": "wan"}
WAYS = [("lan0", "dmz0"), ("wan0", "lan0"), ("", "dmz0"), ("wan0", "wan0")]
TOLD = """#!/bin/sh
echo "$*" >>"$0.log"
deleted=0
case " $* " in *" -d 10.30.0.0/24 "*) deleted=2 ;; esac
echo "conntrack v1.4.7 (conntrack-tools): $deleted flow entries have been deleted." >&2
[ "$deleted" != 0 ]
"""


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    network = Network()
    network.run("ip", "route", "replace", "default", "via", HOST["wan"][4])
    network.run("ip", "-6", "route", "replace", "default", "via", HOST["wan"][6])
    yield network
    network.close()


def cut(net: Network, ways: list[tuple[str, str]], shell: list[str], path: str = "") -> str:
    """What the verb prints on the router."""
    call = ("section", "cut", "flush_connections", *(end for way in ways for end in way))
    script = compose(NONCE, ("apply/ruleset",), [call])
    answer = net.run("env", f"PATH={path}{os.environ['PATH']}", *shell, "-s", text=script)
    section = parse(answer, NONCE)["cut"]
    assert section.rc == 0, section.text
    return section.text.strip()


@needs_namespaces
@pytest.mark.parametrize("shell", SHELLS_HERE, ids=lambda shell: shell[0])
def test_ways_are_told_by_routes(net: Network, tmp_path: Path, shell: list[str]) -> None:
    program = tmp_path / "conntrack"
    program.write_text(TOLD)
    program.chmod(0o755)
    assert cut(net, WAYS, shell, f"{tmp_path}:") == "flushed=4"
    asked = (tmp_path / "conntrack.log").read_text().splitlines()
    assert asked == [
        "-D -f ipv4 -s 10.10.0.0/24 -d 10.30.0.0/24",
        "-D -f ipv6 -s fd00:10::/64 -d fd00:30::/64",
        "-D -f ipv4 -d 10.10.0.0/24",
        "-D -f ipv6 -d fd00:10::/64",
        "-D -f ipv4 -d 10.30.0.0/24",
        "-D -f ipv6 -d fd00:30::/64",
        "-D -f ipv4 --dst-nat",  # and nothing for what goes back through the device of the default route
    ]


# iproute2's words, but for those of busybox, which tells no device of a route with several
LOCAL = "local 192.0.2.1 dev lan0 table local proto kernel\nbroadcast 192.0.2.255 dev lan0 table local"
LAN = f"192.0.2.0/24 dev lan0 proto kernel scope link src 192.0.2.1\n{LOCAL}"
ECMP = "default \\\tnexthop via 198.51.100.2 dev wan0 weight 1 \\\tnexthop via 203.0.113.2 dev wan1 weight 1"
MANY = "\n".join(f"10.0.{number}.0/24 via 192.0.2.2 dev lan0" for number in range(9))
ROUTES = {
    "a default route with several ways": (f"{LAN}\n{ECMP}", {"lan0": "192.0.2.0/24", "wan0": "any", "wan1": "any"}),
    "patterns": (
        f"{LAN}\n{ECMP}",
        {"la*": "192.0.2.0/24", "wan* lan0": "any", "!wan*": "192.0.2.0/24", "!la* !wg*": "any", "wg*": ""},
    ),
    "the same by busybox": (f"{LAN}\ndefault", {"wan1": "any"}),
    "a way on a line of its own": ("10.9.0.0/16\n\tnexthop via 198.51.100.2 dev wan0 weight 1", {"wan0": "any"}),
    "a network with several ways": (f"{LAN}\n{ECMP}".replace("default", "10.9.0.0/16"), {"wan1": "10.9.0.0/16"}),
    "another table": (f"{LAN}\ndefault via 198.51.100.2 dev wan0 table 100", {"lan0": "192.0.2.0/24", "wan0": "any"}),
    "IPv6, for what comes from one prefix": ("default from 2001:db8::/56 via fe80::1 dev wan0", {"wan0": "any"}),
    "the same network in two tables": (f"{LAN}\n{LAN.replace(' proto', ' table 7 proto')}", {"lan0": "192.0.2.0/24"}),
    "nowhere": (f"{LAN}\nunreachable default dev lo\nblackhole 10.0.0.0/8", {"lan0": "192.0.2.0/24", "wan0": ""}),
    "very many": (MANY, {"lan0": "any", "wan0": ""}),
    "all but some": (f"{LAN}\n10.9.0.0/16 dev dmz0", {"!lan0 !wan0": "10.9.0.0/16", "!lan0 !dmz0": "", "": "any"}),
    "nothing at all": ("", {"lan0": "any"}),
}


@pytest.mark.parametrize("awk", ["awk", "busybox awk"])
@pytest.mark.parametrize("shell", SHELLS_HERE, ids=lambda shell: shell[0])
@pytest.mark.parametrize("routes", ROUTES)
def test_networks_behind_devices(tmp_path: Path, routes: str, shell: list[str], awk: str) -> None:
    if shutil.which(awk.split(maxsplit=1)[0]) is None:
        pytest.skip(f"no {awk} here")
    told, behind = ROUTES[routes]
    (tmp_path / "routes").write_text(f"{told}\n" if told else "")
    stand_in = f'ip() {{ cat {tmp_path}/routes; }}\nawk() {{ command {awk} "$@"; }}\n'
    for devices, networks in behind.items():
        script = compose(NONCE, ("apply/ruleset",), [("section", "found", "_networks", "4", devices)])
        script = script.replace("_networks() {", f"{stand_in}_networks() {{", 1)
        done = subprocess.run([*shell, "-s"], input=script, capture_output=True, text=True, check=True)
        assert parse(done.stdout, NONCE)["found"].text.strip() == networks, devices


@needs_namespaces
def test_what_conntrack_says_is_told(net: Network, tmp_path: Path) -> None:
    program = tmp_path / "conntrack"
    program.write_text("#!/bin/sh\necho 'Operation failed: such is life' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(AssertionError, match="such is life"):
        cut(net, WAYS, ["sh"], f"{tmp_path}:")


@needs_namespaces
@pytest.mark.parametrize("version", [4, 6])
def test_a_tightened_policy(net: Network, version: int) -> None:
    """The connection that is forbidden now ends; the one beside it goes on, and so does one that is judged anew."""
    before = [LAN_TO_WAN, {"from": "lan", "to": "dmz"}, {"from": "dmz", "to": "wan"}]
    after = [LAN_TO_WAN, {"from": "dmz", "to": "wan", "services": ["http"]}]
    lan, dmz = net.hosts["lan"], net.hosts["dmz"]
    net.firewall(forward=before)
    assert lan("tcp", address=HOST["dmz"][version], port=80, keep=True) == HOST["lan"][version]
    assert dmz("tcp", address=HOST["wan"][version], port=80, keep=True) == HOST["dmz"][version]
    net.firewall(forward=after)
    assert lan("talk") == "still there", "established connections go on by themselves"
    ways = router_restricted_pairs({"zones": ZONES, "forward": after})
    forgotten = cut(net, [(" ".join(way["from"]), " ".join(way["to"])) for way in ways], ["sh"])
    assert int(forgotten.removeprefix("flushed=")) >= 2
    assert lan("talk") == "nothing"
    assert dmz("talk") == "still there"
    for host in (lan, dmz):
        host("release")


WHICHEVER: list[dict[str, list[str]]] = [{"from": [], "to": []}]
TWO = {"name": "lan", "devices": ["lan0", "lan1"], "services": ["ssh"]}
OPEN = [{"from": "lan", "to": "lan"}, {"from": "wan", "to": ["lan", "wan"]}]
LAN_WAN = [ZONES[0], ZONES[1]]
OTHERS = ["!lan0", "!wan0"]


def pairs(**router: Any) -> list[str]:
    return [f"{' '.join(way['from'])}>{' '.join(way['to'])}" for way in router_restricted_pairs(router)]


def test_every_way_but_the_open_ones() -> None:
    beside = ["!lan0 !wan0>", ">!lan0 !wan0"]
    assert pairs(zones=LAN_WAN, forward=OPEN) == ["lan0>wan0", *beside]
    assert pairs(zones=LAN_WAN, forward=[LAN_TO_WAN]) == ["lan0>lan0", "wan0>lan0", "wan0>wan0", *beside]
    within = ["lan0 lan1>lan0 lan1", "wan0>lan0 lan1", "wan0>wan0"]
    assert pairs(zones=[TWO, ZONES[1]], forward=[LAN_TO_WAN])[:3] == within
    assert router_restricted_pairs({"zones": [TWO]}) == WHICHEVER, "nothing is open"
    assert pairs(zones=[{**TWO, "forward": "accept"}]) == ["!lan0 !lan1>", ">!lan0 !lan1"]


@pytest.mark.parametrize("place", ["table", "early", "mangle", "forward", "forward_last"])
def test_rules_of_the_users_own_are_on_every_way(place: str) -> None:
    extra = [{"place": place, "rules": ["chain c { }" if place == "table" else "tcp dport 25 drop"]}]
    assert router_restricted_pairs({"zones": LAN_WAN, "forward": [LAN_TO_WAN], "extra": extra}) == WHICHEVER


@pytest.mark.parametrize("filters", [{"antispoof": "loose"}, {"antispoof": "strict"}, {"bogons": True}])
def test_a_filter_at_one_end_closes_a_way(filters: dict[str, Any]) -> None:
    zones = [*LAN_WAN, {**ZONES[2], **filters}]
    forward = [LAN_TO_WAN, {"from": "dmz", "to": "wan"}, {"from": "lan", "to": "dmz"}]
    told = pairs(zones=zones, forward=forward)
    assert "lan0>wan0" not in told
    assert {"dmz0>wan0", "lan0>dmz0", "wan0>dmz0"} <= set(told)


def test_only_a_description_has_ways() -> None:
    values: list[Any] = [[], "lan", None]
    for wrong in values:
        with pytest.raises(AnsibleFilterError, match=r"router_restricted_pairs takes a dictionary.*flow_offload"):
            router_restricted_pairs(wrong)


def test_the_option_flush_connections() -> None:
    assert read_device_pairs([{"from": OTHERS, "to": []}]) == [("!lan0 !wan0", "")]
    for wrong, says in (
        (["!lan0", "wan0"], "only some devices of a list have a ! before their name: !lan0, wan0"),
        (["!"], "from and to must be names of devices, got '!'"),
    ):
        with pytest.raises(OffloadError, match=f"option flush_connections: {says}.*Remedy: "):
            read_device_pairs([{"from": [], "to": wrong}])


def test_only_a_change_of_the_rules_flushes() -> None:
    ways = [("lan0", "wan0"), ("", ""), ("!lan0 !wan0", "lan0")]

    def steps(state: TableState, content: str = CONTENT, checking: bool = False) -> list[Step]:
        plan = _ruleset.plan_present(
            state, "inet", "nft_offload", content, (REQUEST,), check_mode=checking, token=TOKEN, flush=ways
        )
        return [step for step in plan.closing if step.verb.call[0] == "flush_connections"]

    there = replace(converged(), platform=replace(PLATFORM, commands=PLATFORM.commands | {"conntrack"}))
    changed = CONTENT.replace("tcp, udp", "tcp")
    (step,) = steps(there, changed)
    assert step.verb.call == ("flush_connections", "lan0", "wan0", "", "", "!lan0 !wan0", "lan0")
    pairs = "lan0 to wan0, anywhere to anywhere, any device but lan0 wan0 to lan0"
    assert step.summary == f"flush connections: {pairs}"
    assert steps(there) == []
    lacking = (Flowtable("inet", "nft_offload", "ft", ("lan0",), hardware=True),)
    assert steps(replace(there, flowtables=lacking, probes={"wan0": TAKES})) == [], (
        "a device that joins forbids nothing"
    )
    with pytest.raises(OffloadError, match=r"there is no conntrack on this router.*Remedy: install it"):
        steps(converged(), changed)
    assert len(steps(converged(), changed, checking=True)) == 1, "the real run would have installed it before"


def flushing(plan: ConfirmedPlan) -> list[Call]:
    """The calls that flush connections, and what notes that they did."""
    return [step.verb.call for step in plan.closing if step.verb.call[0] in ("flush_connections", "remove")]


def after(state: TableState, plan: ConfirmedPlan, listing: str, *without: str) -> TableState:
    """The router once the files are in place."""
    files = {**state.files, **{path: text for path, (_mode, text) in {**plan.files, **plan.records}.items()}}
    left = {path: text for path, text in {**files, paths.LISTING: listing}.items() if path not in without}
    kept = tuple(path.rpartition("/")[2].removesuffix(".nft") for path in plan.records if paths.HISTORY in path)
    return replace(state, table=listing, files=left, kept=kept)


def test_a_flush_is_pending_until_it_is_done() -> None:
    ways = [("lan0 lan1", "wan0"), ("", "")]
    there = replace(converged(), platform=replace(PLATFORM, commands=PLATFORM.commands | {"conntrack"}))
    text, listing = CONTENT.replace("tcp, udp", "tcp"), LISTING.replace("tcp, udp", "tcp")

    def plan(state: TableState, *cut: tuple[str, str]) -> ConfirmedPlan:
        return _ruleset.plan_present(
            state, "inet", "nft_offload", text, (REQUEST,), check_mode=False, token=TOKEN, flush=cut
        )

    first = plan(there, *ways)
    calls = [("flush_connections", "lan0 lan1", "wan0", "", ""), ("remove", paths.PENDING_FLUSH)]
    assert flushing(first) == calls
    assert first.records[paths.PENDING_FLUSH] == ("0600", "lan0 lan1:wan0\n:\n")
    failed = after(there, first, listing)
    for again in (plan(failed, *ways), plan(failed), plan(failed, ("dmz0", "wan0"))):
        assert (again.texts, flushing(again), again.records) == ([], calls, {}), (
            "the rules are there, the flush is pending"
        )
    done = after(there, first, listing, paths.PENDING_FLUSH)
    assert not plan(done, *ways).changed
    other = _ruleset.plan_present(
        failed, "inet", "nft_offload", CONTENT, (REQUEST,), check_mode=False, token=TOKEN, flush=[("dmz0", "")]
    )
    assert flushing(other)[0] == (*calls[0], "dmz0", "")
    with pytest.raises(OffloadError, match=r"/etc/nft-offload/cut: .*no conntrack.*Remedy: install it.*or delete"):
        plan(replace(failed, platform=PLATFORM))
    assert paths.PENDING_FLUSH in _ruleset.plan_absent(failed, "inet", "nft_offload", TOKEN).removed


def test_restored_rules_flush() -> None:
    there = replace(converged(), platform=replace(PLATFORM, commands=PLATFORM.commands | {"conntrack"}))
    text, listing = CONTENT.replace("tcp, udp", "tcp"), LISTING.replace("tcp, udp", "tcp")
    newer = _ruleset.plan_present(there, "inet", "nft_offload", text, (REQUEST,), check_mode=False, token=TOKEN)
    state = after(there, newer, listing)
    restored: dict[str, Any] = {"check_mode": False, "token": "00000009", "flush": [("lan0", "wan0")]}
    back = _ruleset.plan_restored(state, "previous", "inet", "nft_offload", **restored)
    assert flushing(back) == [("flush_connections", "lan0", "wan0"), ("remove", paths.PENDING_FLUSH)]
    assert flushing(_ruleset.plan_restored(state, "last", "inet", "nft_offload", **restored)) == []
    with pytest.raises(OffloadError, match="option flush_connections: there is no conntrack"):
        _ruleset.plan_restored(replace(state, platform=PLATFORM), "previous", "inet", "nft_offload", **restored)
