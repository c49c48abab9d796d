# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is offload what it is expected to be? One reading, judged."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ..plugin_utils._core.action import OffloadAction, Options
from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._core.names import DEVICE, require_table_name
from ..plugin_utils._core.router import Router
from ..plugin_utils._core.values import build
from ..plugin_utils._core.verbs import PrintSection
from ..plugin_utils._observe.reading import FRAGMENTS, list_calls, read_state, require_whole, validate_sample
from ..plugin_utils._observe.state import Flows
from ..plugin_utils._verify.cost import Cost, compare_costs, measure_cost
from ..plugin_utils._verify.finding import RUNGS, Expectation
from ..plugin_utils._verify.overview import describe_traffic, list_drivers
from ..plugin_utils._verify.subject import Subject
from ..plugin_utils._verify.verdict import judge, summarise
from ..plugin_utils._watch.verdict import RecordVerdict, format_verdict

ARGUMENT_SPEC: dict[str, Any] = {
    "expect": {"type": "str", "choices": ["hardware", "software", "disabled", "any"], "default": "any"},
    "require": {"type": "str", "choices": list(RUNGS), "default": "bound"},
    "devices": {"type": "list", "elements": "str", "default": []},
    "sample": {"type": "int", "default": 3},
    "slow_share": {"type": "int", "default": 50},
    "least_packets": {"type": "int", "default": 100},
    "cost_before": {"type": "dict"},
    "family": {"type": "str", "choices": ["inet", "ip", "ip6"], "default": "inet"},
    "table": {"type": "str", "default": "nft_offload"},
}


class ActionModule(OffloadAction):
    """The offload_verify action."""

    SPEC = ARGUMENT_SPEC

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        """The verdict with its evidence; failed where a rung does not hold or the required one is not proven."""
        expectation = _build_expectation(options)
        before = None if options["cost_before"] is None else _read_cost(options["cost_before"])
        seconds = 0 if expectation.expect == "disabled" else options["sample"]
        calls = list_calls(options["family"], options["table"], seconds, measure="no" if self.check_mode else "yes")
        answer = router.run(FRAGMENTS, calls=calls)
        require_whole(answer)
        state = read_state(answer)
        cost = measure_cost(state)
        subject = Subject(state, expectation)
        verdict = judge(subject)
        result = {
            **verdict.as_result(),
            "offload": {kind: list(names) for kind, names in subject.offload_devices.items()},
            "drivers": list_drivers(subject),
            "summary": summarise(subject, verdict),
            "expected": {"expect": expectation.expect, "require": expectation.require, "devices": options["devices"]},
            "shortfall": verdict.shortfall(expectation),
            "flows": _count_flows(state.flows),
            "traffic": asdict(traffic) if (traffic := describe_traffic(subject)) else None,
            "sample": asdict(state.sample) if state.sample else None,
            "cost": asdict(cost) if cost else None,
            "cost_compared": "" if before is None else compare_costs(before, cost),
            "kernel": state.platform.kernel,
            "firewall": ", ".join(state.firewalls),
        }
        notes = [f"{f.id}: {f.message}" for f in verdict.findings if f.severity == "warning"]
        if state.boot.watched and not self.check_mode:
            notes += _record(router, format_verdict(verdict, expectation))
        if notes:
            result["warnings"] = [f"{router.name}: {note}" for note in notes]
        if problems := [*verdict.errors(), *filter(None, [result["shortfall"]])]:
            result |= {"failed": True, "msg": f"{router.name}: {' | '.join(problems)}"}
        return result


def _record(router: Router, lines: str) -> list[str]:
    """Leave the verdict on a router that is watched; what keeps that from it, in words, is no matter of offload."""
    try:
        answer = router.run(("apply/verdict",), calls=[PrintSection("recorded", RecordVerdict(lines)).call])
        section = answer.require("recorded")
    except (AnsibleConnectionFailure, OffloadError) as error:
        return [f"the watch does not know of this verdict: {error}"]
    return [] if section.rc == 0 else [f"the watch does not know of this verdict: {section.complaint}"]


def _build_expectation(options: Options) -> Expectation:
    """The options, checked for what an argument spec cannot express; raises OffloadError."""
    validate_sample(options["sample"])
    if not 0 <= options["slow_share"] <= 100:
        raise OffloadError(
            f"option slow_share must be 0 to 100 percent, got {options['slow_share']}", "choose 0 to 100"
        )
    if options["least_packets"] < 1:
        raise OffloadError(
            f"option least_packets must be 1 or more, got {options['least_packets']}", "choose 1 or more"
        )
    require_table_name(options["table"])
    for device in options["devices"]:
        if not DEVICE.match(device):
            raise OffloadError(f"option devices: {device!r} is not a device name", "correct it; ip -br link lists them")
    if options["expect"] == "disabled" and options["devices"]:
        raise OffloadError("option devices: with expect: disabled no device can be in a flowtable", "leave devices out")
    return Expectation(
        expect=options["expect"],
        require=options["require"],
        devices=tuple(options["devices"]),
        table=f"{options['family']} {options['table']}",
        slow_share=options["slow_share"],
        least_packets=options["least_packets"],
    )


def _read_cost(value: dict[str, Any]) -> Cost:
    """What offload_info or offload_verify returned as ``cost``; raises OffloadError."""
    try:
        return build(Cost, value, "option cost_before")
    except ValueError as error:
        raise OffloadError(str(error), "give it what offload_info or offload_verify returned as cost") from error


def _count_flows(flows: Flows | None) -> dict[str, Any] | None:
    """The sample of connection tracking in numbers; None where it could not be read."""
    if flows is None:
        return None
    return {
        "total": flows.total,
        "maximum": flows.maximum,
        "sampled": flows.sampled,
        "seconds": flows.seconds,
        "hardware": flows.of("hardware"),
        "software": flows.of("software"),
        "slow": flows.of("slow"),
        "recent_slow": flows.recent_slow,
        "local": flows.of("local"),
        "error": flows.error,
        "carried": {name: asdict(carried) for name, carried in flows.carried.items()},
        "carried_seconds": flows.carried_seconds,
        "source": flows.source,
    }
