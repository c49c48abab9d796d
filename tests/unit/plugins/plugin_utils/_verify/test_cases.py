# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every broken router of the table is named as it must be, and healthy ones are never accused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.offload import exclude_device, overlay
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import AGENTS, SERVICES
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.configured.managers import MANAGERS
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import RUNGS, Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import list_kinds

from tests.unit.helpers import ladder_cases_nic, ladder_cases_openwrt
from tests.unit.helpers.ladder_case import NEW_KERNEL, Case
from tests.unit.helpers.ladder_cases_filters import filtered
from tests.unit.helpers.ladder_cases_nic import LEFT_OUT, MAY_BE_MEANT
from tests.unit.helpers.ladder_cases_traffic import BOTH_WAYS, BOTH_WAYS6, COUNTED, NAME_LOOKUPS
from tests.unit.helpers.ladder_tables import CASES, TABLES
from tests.unit.helpers.routers import (
    bare,
    flows,
    foreign,
    router,
    verdict_on,
    with_boot,
    with_carried,
    with_device,
    with_platform,
    with_ruleset,
    with_sample,
)


def test_no_case_hides_another() -> None:
    assert len(CASES) == sum(map(len, TABLES))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_named(case: Case) -> None:
    verdict = verdict_on(case.state, case.expectation)
    assert {finding.id for finding in verdict.findings} == case.finds
    assert verdict.name == case.verdict
    statuses = {result.name: result.status for result in verdict.rungs}
    assert {name: statuses[name] for name in case.statuses} == case.statuses
    texts = "\n".join(
        [line for result in verdict.rungs for line in result.evidence]
        + [line for finding in verdict.findings for line in (finding.message, *finding.evidence)]
    )
    for words in case.says:
        assert words in texts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_only_an_error_fails_a_rung(case: Case) -> None:
    for result in verdict_on(case.state, case.expectation).rungs:
        errors = [finding.id for finding in result.findings if finding.severity == "error"]
        assert (result.status == "failed") == bool(errors)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_findings_stand_at_their_rung_and_tell_what_to_do(case: Case) -> None:
    for result in verdict_on(case.state, case.expectation).rungs:
        for finding in result.findings:
            assert finding.id.startswith(f"{result.name}.")
            assert finding.message and finding.remedy
            assert "{device" not in finding.remedy and "{pieces" not in finding.remedy


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_results_are_small_plain_and_stable(case: Case) -> None:
    result = verdict_on(case.state, case.expectation).as_result()
    assert len(json.dumps(result)) < 6000
    assert [rung["name"] for rung in result["rungs"]] == list(RUNGS)
    assert [rung["number"] for rung in result["rungs"]] == [1, 2, 3, 4, 5, 6, 7]
    assert {id for rung in result["rungs"] for id in rung["findings"]} == {f["id"] for f in result["findings"]}


def test_every_kind_of_finding_is_reached() -> None:
    reached = {finding for case in CASES.values() for finding in case.finds}
    # known faults of others have routers of their own: test_advisories.py
    declared = {kind.id for kind in list_kinds() if not kind.id.startswith("known.")}
    assert reached == declared


def test_what_each_service_does_is_known() -> None:
    assert MANAGERS.keys() == {*SERVICES, *AGENTS}
    assert all(manager.advice for manager in MANAGERS.values() if manager.effect != "harmless")


HEALTHY = {
    "hardware": router(),
    "software": router(hardware=False),
    "hardware, Linux 6.1": with_platform(replace(router(), hooks=None), kernel="6.1.0-40"),
    "software, Linux 6.1": with_platform(replace(router(hardware=False), hooks=None), kernel="6.1.0-40"),
    "hardware, Linux 7.2": NEW_KERNEL,
    "another firewall's": foreign(),
    "another firewall's, hardware": foreign(hardware=True),
    "quoted device names": with_boot(
        NEW_KERNEL, live=(NEW_KERNEL.boot.live or "").replace("lan0, wan0", '"lan0", "wan0"')
    ),
    "no traffic": replace(router(), flows=flows()),
    "measured": with_sample(router(hardware=False), *BOTH_WAYS, *BOTH_WAYS6),
    "measured, the NIC forwards": with_carried(with_sample(router(), "traversed4 lan0 wan0 9 9"), **COUNTED),
    "measured, the NIC forwards, and nothing counts": with_sample(router(), "traversed4 lan0 wan0 9 9"),
    "measured, name look-ups only": with_sample(router(hardware=False), *NAME_LOOKUPS),
    "measured, pings only": with_sample(replace(router(), flows=flows()), "traversed4 lan0 wan0 900 9"),
    "only the router's own traffic": replace(router(), flows=flows(local=30)),
    **ladder_cases_nic.HEALTHY,
    **ladder_cases_openwrt.HEALTHY,
}


@pytest.mark.parametrize("state", HEALTHY.values(), ids=HEALTHY.keys())
def test_a_healthy_router_is_not_accused(state: RouterState) -> None:
    hardware = all(flowtable.hardware for flowtable in state.flowtables or ())
    for expect in ("any", "hardware" if hardware else "software"):
        verdict = verdict_on(state, Expectation(expect, devices=("lan0", "wan0")))
        assert [finding.id for finding in verdict.findings if finding.severity != "info"] == []
        assert verdict.rung >= 4
        assert verdict.shortfall(Expectation(require="bound")) == ""


@pytest.mark.parametrize("state", MAY_BE_MEANT.values(), ids=MAY_BE_MEANT.keys())
def test_what_may_be_intended_is_an_info(state: RouterState) -> None:
    (found,) = (f for f in verdict_on(state).findings if f.id == "offloading.one-family")
    assert found.severity == "info"


def test_what_cannot_be_meant_is_a_warning() -> None:
    found = {f.id: f.severity for f in verdict_on(LEFT_OUT).findings}
    assert found == {"offloading.one-family": "warning"}


@pytest.mark.parametrize(
    ("selects", "severity"),
    [
        ({"whole": True}, "warning"),
        ({"by_flow": True, "ip_proto": "udp"}, "warning"),
        ({"by_flow": True, "dst_ip": "192.0.2.0/24"}, "warning"),
        ({"by_flow": True, "dst_ip": "192.0.2.1"}, "info"),
        ({"by_flow": True, "ip_proto": "2f"}, "info"),
        ({"ip_proto": "tcp"}, "info"),
        ({}, "info"),
    ],
)
def test_a_filter_is_a_warning_where_it_surely_selects_what_is_offloaded(
    selects: dict[str, Any], severity: str
) -> None:
    state = with_device(router(), "wan0", addresses=("192.0.2.1/24",))
    (found,) = verdict_on(filtered(state, "wan0 ingress", "police", **selects)).findings
    assert (found.id, found.severity) == ("configured.filter-bypassed", severity)


def test_an_untouched_router_has_findings_on_what_lacks() -> None:
    verdict = verdict_on(bare())
    assert (verdict.name, verdict.rung) == ("supported", 1)
    assert "configured.no-flowtable" in "".join(verdict.errors())


def test_what_rules_keep_out_for_it_would_be_lost_is_no_fault() -> None:
    """As the role leaves a router whose IPv4 leaves by an IPv6 gateway: IPv6 is offloaded, IPv4 delivered."""
    both = ("ipv4", "ipv6")
    state = with_device(router(hardware=False), "lan0", forwarding=both, addresses=("192.0.2.1/24", "2001:db8:1::1/64"))
    state = with_device(state, "wan0", forwarding=both, addresses=("2001:db8::1/64",), ipv6_gateways=("fe80::2",))
    flowtable = "flowtable ft { hook ingress priority 0; devices = { lan0, wan0 }; }"
    head = "table inet nft_offload {"
    further = [exclude_device("ipv4", "wan0", "it would be lost")]
    kept_out, all_in = (
        with_ruleset(state, overlay([], further=out).replace(head, f"{head}\n{flowtable}", 1)) for out in (further, [])
    )
    slow = ("traversed4 lan0 wan0 150 9", "slow4 lan0 wan0 udp 2 150 9", "slow4 wan0 lan0 udp 2 150 9")
    verdict = verdict_on(with_sample(kept_out, "fast 6 lan0 150", "fast 6 wan0 150", *slow))
    assert [finding.id for finding in verdict.findings if finding.severity != "info"] == []
    assert verdict.name == "bypassing"
    found = [finding.id for finding in verdict_on(all_in).findings if finding.severity != "info"]
    assert found == ["configured.not-deliverable"]
