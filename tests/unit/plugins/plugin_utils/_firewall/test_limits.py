# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of rules, for all together and for each source, with real packets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import parse_objects
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    DesiredTable,
    kept_objects,
    transactions,
)

from tests.unit.helpers.firewalls import needs_namespaces, without_flowtable
from tests.unit.helpers.network import ELSEWHERE, HOST, ROUTER, Network, dial

pytestmark = needs_namespaces
BOTH = pytest.mark.parametrize("version", [4, 6])


@BOTH
def test_limits(net: Network, version: int) -> None:
    net.firewall(
        input=[
            {"from": "wan", "services": "ssh", "limit": {"rate": "2/minute", "burst": 2, "per": "source"}, "log": True},
            {"from": "wan", "services": "https", "connections": {"max": 2, "per": "source"}},
            {"from": "wan", "services": "http", "limit": {"rate": "1/hour", "burst": 3}},
        ],
        forward=[{"from": "lan", "to": "wan", "services": ["dns", "https"], "connections": {"max": 2}}],
    )
    router = ROUTER["wan"][version]
    answers = [dial(net, "wan", router, 22) for _each in range(4)]
    assert answers.count(HOST["wan"][version]) in (2, 3) and answers[-1] == "nothing"
    assert dial(net, "wan", router, 22, source=ELSEWHERE[version]) == ELSEWHERE[version], "each source has its own"
    kept = [dial(net, "wan", router, 443, keep=True) for _each in range(3)]
    assert kept == [HOST["wan"][version]] * 2 + ["nothing"]
    assert dial(net, "wan", router, 443, source=ELSEWHERE[version]) == ELSEWHERE[version]
    answers = [dial(net, "wan", router, 80) for _each in range(5)]
    assert answers.count(HOST["wan"][version]) in (3, 4) and answers[-1] == "nothing"
    assert dial(net, "wan", router, 80, source=ELSEWHERE[version]) == "nothing", "all sources share this one"
    through = [dial(net, "lan", HOST["wan"][version], 443, keep=True) for _each in range(3)]
    assert through == [HOST["lan"][version]] * 2 + ["nothing"]
    assert net.counter("over_limit") >= 5
    for side in ("lan", "wan"):
        net.hosts[side]("release")


@BOTH
@pytest.mark.parametrize("limit", [{"limit": {"rate": "9/second"}}, {"connections": {"max": 9}}], ids=str)
def test_who_a_full_set_has_no_room_for_is_refused(
    net: Network, version: int, limit: dict[str, dict[str, str]]
) -> None:
    each = {key: {**said, "per": "source"} for key, said in limit.items()}
    text = net.firewall(input=[{"from": "wan", "services": "ssh", **each}])
    net.run("nft", "-f", "-", text="flush ruleset\n" + text.replace("size 65535", "size 1"))
    assert dial(net, "wan", ROUTER["wan"][version], 22, keep=True) == HOST["wan"][version]
    assert dial(net, "wan", ROUTER["wan"][version], 22, source=ELSEWHERE[version]) == "nothing"
    assert net.counter("over_limit") > 0
    net.hosts["wan"]("release")


def test_a_limit_is_for_a_whole_network_of_ipv6(net: Network) -> None:
    """A host picks any address out of its /64."""
    neighbour = "2001:db8:203::99"
    # one that nothing else is sent from
    net.run(*f"ip -n wan addr replace {neighbour}/64 dev eth0 nodad preferred_lft 0".split())
    both = {"limit": {"rate": "2/hour", "burst": 2, "per": "source"}, "connections": {"max": 9, "per": "source"}}
    net.firewall(input=[{"from": "wan", "services": "ssh", **both}])
    answers = [dial(net, "wan", ROUTER["wan"][6], 22, source=HOST["wan"][6]) for _each in range(4)]
    assert answers.count(HOST["wan"][6]) in (2, 3) and answers[-1] == "nothing"
    assert dial(net, "wan", ROUTER["wan"][6], 22, source=neighbour) == "nothing"
    assert dial(net, "wan", ROUTER["wan"][6], 22, source=ELSEWHERE[6]) == ELSEWHERE[6]


def each(services: str, rate: str, **more: object) -> dict[str, object]:
    """A rule with a limit for each source, which is its burst as well."""
    return {"from": "wan", "services": services, "limit": {"rate": rate, "burst": 3, "per": "source"}, **more}


SLOW, FAST = each("https", "1/hour"), each("https", "100000/second")


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [
        ([SLOW], [SLOW], False),
        ([SLOW], [{**SLOW, "log": True, "comment": "told"}], False),
        ([SLOW], [FAST], True),
        ([FAST], [SLOW], True),
        ([SLOW], [each("ssh", "1/hour"), SLOW], True),
        ([each("ssh", "1/hour"), SLOW], [SLOW], True),
        ([each("ssh", "1/hour")], [SLOW, each("ssh", "1/hour")], True),
    ],
    ids=["same", "told", "raised", "tightened", "inserted", "taken_out", "another"],
)
def test_what_was_counted_stays_with_its_rule_and_its_limit(
    net: Network, before: list[dict[str, Any]], after: list[dict[str, Any]], passed: bool
) -> None:
    """As the module ruleset changes a table: does a source whose burst is used up begin anew?"""
    router = ROUTER["wan"][4]

    def listed(*flags: str) -> str:
        return net.run("nft", "-s", *flags, "list", "table", "inet", "nft_offload")

    old = DesiredTable("inet", "nft_offload", without_flowtable(net.firewall(input=before)), ())
    recorded = listed("-t")
    for port in (22, 443):
        for _each in range(5):
            dial(net, "wan", router, port)
    text = without_flowtable(net.firewall(input=after, load=False))
    new = DesiredTable("inet", "nft_offload", text, ())
    kept = kept_objects(old.boot_text(), new.boot_text(), recorded, listed("-t"))
    net.run("nft", "-f", "-", text="".join(transactions(new, (), parse_objects(listed("-t")), (), kept)))
    (limit,) = (rule["limit"] for rule in after if rule["services"] == "https")
    answers = [dial(net, "wan", router, 443) for _each in range(6)]
    if not passed:
        assert answers == ["nothing"] * 6
    elif limit == FAST["limit"]:
        assert "nothing" not in answers
    else:
        assert answers.count(HOST["wan"][4]) in (3, 4) and answers[-1] == "nothing"
