# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report on a fleet as data: what every format is rendered from. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from .._core.text import show
from .._verify.finding import Kind

UNREACHABLE = Kind(
    "fleet.unreachable",
    "error",
    "The router could not be reached",
    "The connection to the router failed, so nothing is known of it.",
    "check that the router is up, and its address and login in the inventory",
)
NOT_VERIFIED = Kind(
    "fleet.not-verified",
    "error",
    "The router was not verified",
    "The play had this router among its hosts, but no kmod.nft_offload.offload_verify gave a verdict on it: the task"
    " did not run, or failed before it could read the router.",
    "find out why the play stopped for this router, then run kmod.nft_offload.offload_verify on it",
)
KINDS = (UNREACHABLE, NOT_VERIFIED)


@dataclass(frozen=True)
class RungReport:
    """One rung of one router, as offload_verify returns it."""

    number: int
    name: str
    status: str
    """proven, unproven, failed or not_applicable"""
    evidence: tuple[str, ...]
    findings: tuple[str, ...]
    """ids"""


@dataclass(frozen=True)
class FindingReport:
    """One finding on one router."""

    id: str
    severity: str
    """info, warning or error"""
    message: str
    remedy: str


@dataclass(frozen=True)
class Expected:
    """What the task demanded of the router: options of offload_verify."""

    expect: str
    """hardware, software, disabled or any"""
    require: str
    """name of the rung that had to be proven"""
    devices: tuple[str, ...]
    """that had to be in a flowtable"""


@dataclass(frozen=True)
class Offload:
    """Devices by where flowtables offload; one in a flowtable of each kind is with hardware."""

    hardware: tuple[str, ...]
    software: tuple[str, ...]


@dataclass(frozen=True)
class Flows:
    """Forwarded flows out of the sample of connection tracking, by path."""

    hardware: int
    software: int
    slow: int


@dataclass(frozen=True)
class Counts:
    """Packets over the sample."""

    traversed: int
    """through the forward chain"""
    late: int
    """of these, of offloaded flows"""
    slow: int
    """of these, of flows that are established and not offloaded"""
    bypassed: int
    """taken by the flowtables before it"""
    share: float | None
    """percent that late and slow ones are of them and the bypassed; None where there are none"""


@dataclass(frozen=True)
class Direction(Counts):
    """What came in at one device and left by another, of one address family."""

    family: str
    enters: str
    leaves: str


@dataclass(frozen=True)
class Sample:
    """What was measured over ``seconds``."""

    seconds: float
    total: Counts
    directions: tuple[Direction, ...]
    """the slowest first"""


@dataclass(frozen=True)
class RouterReport:
    """What is known of one router, by the names that offload_verify returns it with."""

    verdict: str = "none"
    """name of the highest rung proven, or none"""
    rung: int = 0
    """its number, 0 to 7"""
    unproven: tuple[str, ...] = ()
    rungs: tuple[RungReport, ...] = ()
    """all seven; none of a router that was not verified"""
    findings: tuple[FindingReport, ...] = ()
    groups: tuple[str, ...] = ()
    """of the inventory that it is in, less all and ungrouped"""
    kernel: str = ""
    """release; empty where it is not known, as the firewall"""
    firewall: str = ""
    """who else is in charge of rules, comma separated"""
    expected: Expected | None = None
    offload: Offload = Offload((), ())
    drivers: Mapping[str, str] = field(default_factory=dict)
    """of these devices"""
    flows: Flows | None = None
    """None where connection tracking could not be read"""
    sample: Sample | None = None
    """None where nothing was measured"""

    @property
    def statuses(self) -> dict[str, str]:
        """Name of a rung -> its status."""
        return {rung.name: rung.status for rung in self.rungs}

    @property
    def worst(self) -> FindingReport | None:
        """The first error, else the first warning."""
        return next(
            (found for severity in ("error", "warning") for found in self.findings if found.severity == severity), None
        )

    @property
    def fails(self) -> bool:
        """Is any finding an error?"""
        return bool(self.worst and self.worst.severity == "error")

    @property
    def state(self) -> str:
        """One of STATES."""
        if not self.rungs:
            return "unknown"
        return "failed" if self.fails else "warned" if self.worst else "well"


STATES: Final = {
    "failed": "with errors",
    "unknown": "without a verdict",
    "warned": "with warnings",
    "well": "well",
}
"""state of a router, what is worse first -> how a count of such routers reads"""


@dataclass(frozen=True)
class Change:
    """What became of a router since an earlier report."""

    kind: str
    """one of CHANGES"""
    verdict: str
    """the earlier one, or none; of a new router too"""
    state: str
    """the earlier one, of STATES; empty of a new router"""


CHANGES: Final = ("worse", "better", "gone", "new")
"""a router that is as it was has none"""


@dataclass(frozen=True)
class FleetReport:
    """Every router of a playbook run, by name.

    No text in it acts on a terminal, or on what shows a file: a hostile router would change the lines of others.
    """

    routers: Mapping[str, RouterReport] = field(default_factory=dict)
    made: datetime | None = None
    """when the run ended, with its zone"""
    changes: Mapping[str, Change] = field(default_factory=dict)
    """router -> what became of it; of those that are gone too. Empty where nothing is compared"""
    compared: datetime | None = None
    """when the earlier report was made that ``changes`` compares with"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "routers", show(self.routers))
        object.__setattr__(self, "changes", show(self.changes))


def compare_reports(report: FleetReport, before: FleetReport) -> FleetReport:
    """The report with what became of its routers since an earlier one.

    The verdict's rung decides, and where it is the same the state.
    """
    changes = {}
    for name in dict.fromkeys((*report.routers, *before.routers)):
        now, then = report.routers.get(name), before.routers.get(name)
        if kind := _tell_change(now, then):
            changes[name] = Change(kind, then.verdict if then else "none", then.state if then else "")
    return replace(report, changes=changes, compared=before.made)


def _tell_change(now: RouterReport | None, then: RouterReport | None) -> str:
    """One of CHANGES; empty where there is none."""
    if now is None or then is None:
        return "gone" if now is None else "new"
    order = list(STATES)
    after, earlier = (((one.rung, order.index(one.state))) for one in (now, then))
    return "better" if after > earlier else "worse" if after < earlier else ""


def merge_reports(reports: Sequence[FleetReport]) -> FleetReport:
    """The routers of all; of one that several have, what the report says that was made last. Without comparisons."""
    routers: dict[str, RouterReport] = {}
    made = [report.made for report in reports if report.made]
    for report in sorted(reports, key=lambda one: one.made.timestamp() if one.made else 0.0):
        routers |= report.routers
    return FleetReport(dict(sorted(routers.items())), max(made, default=None))


def parse_result(result: Mapping[str, Any]) -> RouterReport | None:
    """What the report keeps of a task result of offload_verify, of a loop's last one; None where it has no verdict.

    Values become plain ones: from ansible-core 2.19 on they carry tags that a format must not see.
    """
    items = result.get("results")
    done = [item for item in (items if isinstance(items, list) else [result]) if not _is_skipped(item)]
    if not done or "verdict" not in done[-1] or "rungs" not in done[-1]:
        return None
    item = done[-1]
    return parse_router(item)


def parse_router(item: Mapping[str, Any]) -> RouterReport:
    """One router, as offload_verify returns it and as a JSON report has it; raises what a wrong form raises."""
    offload, expected = item.get("offload") or {}, item.get("expected")
    flows, sample = item.get("flows"), item.get("sample")
    return RouterReport(
        verdict=str(item["verdict"]),
        rung=int(item["rung"]),
        unproven=_strings(item["unproven"]),
        rungs=tuple(_rung_report(rung) for rung in item["rungs"]),
        findings=tuple(_finding_report(finding) for finding in item["findings"]),
        groups=_strings(item.get("groups", ())),
        kernel=str(item.get("kernel", "")),
        firewall=str(item.get("firewall", "")),
        expected=Expected(str(expected["expect"]), str(expected["require"]), _strings(expected["devices"]))
        if expected
        else None,
        offload=Offload(_strings(offload.get("hardware", ())), _strings(offload.get("software", ()))),
        drivers={str(device): str(driver) for device, driver in (item.get("drivers") or {}).items()},
        flows=Flows(*(int(flows[name]) for name in ("hardware", "software", "slow"))) if flows else None,
        sample=_parse_sample(sample) if sample else None,
    )


def _parse_sample(sample: Mapping[str, Any]) -> Sample:
    """``sample`` of a result."""
    directions = (
        Direction(**_parse_counts(one), family=str(one["family"]), enters=str(one["enters"]), leaves=str(one["leaves"]))
        for one in sample["directions"]
    )
    return Sample(float(sample["seconds"]), Counts(**_parse_counts(sample["total"])), tuple(directions))


def _parse_counts(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Counts in ``sample.total`` of a result, or in one of its directions."""
    packets = {name: int(counts[name]) for name in ("traversed", "late", "slow", "bypassed")}
    share = counts["share"]
    return {**packets, "share": None if share is None else float(share)}


def _is_skipped(item: Any) -> bool:
    return not isinstance(item, Mapping) or bool(item.get("skipped"))


def report_unreachable(reason: str) -> RouterReport:
    """The report on a router that could not be reached; ``reason`` is the connection's error, on one line."""
    return _report_unknown(UNREACHABLE, f"the router could not be reached: {reason}")


def report_not_verified(reason: str) -> RouterReport:
    """The report on a router without a verdict; ``reason`` names the task that failed and its message, or is empty."""
    return _report_unknown(NOT_VERIFIED, f"the router was not verified{f' ({reason})' if reason else ''}")


def _report_unknown(kind: Kind, message: str) -> RouterReport:
    """A router of which nothing is known but why."""
    finding = kind.found(message)
    kept = FindingReport(finding.id, finding.severity, finding.message, finding.remedy)
    return RouterReport(findings=(kept,))


def _rung_report(rung: Mapping[str, Any]) -> RungReport:
    """One of ``rungs`` of a result."""
    return RungReport(
        number=int(rung["number"]),
        name=str(rung["name"]),
        status=str(rung["status"]),
        evidence=_strings(rung["evidence"]),
        findings=_strings(rung["findings"]),
    )


def _finding_report(finding: Mapping[str, Any]) -> FindingReport:
    """One of ``findings`` of a result."""
    return FindingReport(*(str(finding[key]) for key in ("id", "severity", "message", "remedy")))


def _strings(values: Any) -> tuple[str, ...]:
    """Values as plain strings."""
    return tuple(str(value) for value in values)
