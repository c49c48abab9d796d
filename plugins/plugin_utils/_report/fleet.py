# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report on a fleet as data: what every format is rendered from. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from .._core.text import show
from .._core.values import build, prune
from .._verify.cost import Cost
from .._verify.finding import Kind, Severity, Status
from .._verify.overview import Traffic

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
FALLS_SHORT = Kind(
    "fleet.falls-short",
    "error",
    "What was demanded of the router is not shown",
    "The task demanded a rung (require), or that offload is off (expect: disabled). Nothing was found to be wrong, but"
    " not all of it was seen either, and what is not seen is not proven. The task failed for it.",
    "see the message; where it is traffic that was missing, verify again while there is some, or require a lower rung",
)
KINDS = (UNREACHABLE, NOT_VERIFIED, FALLS_SHORT)

State = Literal["unknown", "failed", "warned", "well"]
STATES: Final[Mapping[State, str]] = {
    "failed": "with errors",
    "unknown": "without a verdict",
    "warned": "with warnings",
    "well": "well",
}
"""state of a router, what is worse first -> how a count of such routers reads"""
_FROM_THE_WORST: Final[tuple[State, ...]] = ("unknown", "failed", "warned", "well")
"""for a comparison: a router that is seen again, with an error, is better than one of which nothing is known"""

ChangeKind = Literal["worse", "better", "absent", "new"]
CHANGES: Final[Mapping[ChangeKind, str]] = {
    "worse": "worse",
    "better": "better",
    "absent": "not in this run",
    "new": "new",
}
"""what became of a router -> how it reads; one that is as it was has none"""


@dataclass(frozen=True)
class RungReport:
    """One rung of one router, as offload_verify returns it."""

    number: int
    name: str
    status: Status
    evidence: tuple[str, ...]
    findings: tuple[str, ...]
    """ids"""


@dataclass(frozen=True)
class FindingReport:
    """One finding on one router."""

    id: str
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True)
class Expected:
    """What the task demanded of the router: options of offload_verify."""

    expect: Literal["hardware", "software", "disabled", "any"]
    require: str
    """name of the rung that had to be proven"""
    devices: tuple[str, ...]
    """that had to be in a flowtable"""


@dataclass(frozen=True)
class ListedDevices:
    """Devices by the flowtables that list them; one in a flowtable of each kind is with hardware."""

    hardware: tuple[str, ...] = ()
    software: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flows:
    """Forwarded flows out of the sample of connection tracking, by path."""

    hardware: int
    software: int
    slow: int


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
    offload: ListedDevices = ListedDevices()
    drivers: Mapping[str, str] = field(default_factory=dict)
    """of these devices"""
    flows: Flows | None = None
    """None where connection tracking could not be read"""
    traffic: Traffic | None = None
    """None where nothing was measured"""
    cost: Cost | None = None
    """the same"""
    cost_compared: str = ""
    """that before a change and now, in a sentence; empty where there is none from before"""

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
    def state(self) -> State:
        """How it is, in a word."""
        if not self.rungs:
            return "unknown"
        return "failed" if self.fails else "warned" if self.worst else "well"

    @property
    def stands(self) -> str:
        """The verdict for people: of a router that is to be without offload, and is, there is no rung to tell."""
        disabled = self.expected is not None and self.expected.expect == "disabled"
        return "off" if disabled and self.rungs and not self.fails else self.verdict

    def describe_listed(self) -> str:
        """Which flowtables list which devices; empty where none does."""
        kinds = (("hardware", self.offload.hardware), ("software", self.offload.software))
        return "; ".join(f"{kind} {', '.join(devices)}" for kind, devices in kinds if devices)


@dataclass(frozen=True)
class Change:
    """What became of a router since an earlier report."""

    kind: ChangeKind
    verdict: str = "none"
    """the earlier one"""
    state: State | None = None
    """the earlier one; None of a new router"""


@dataclass(frozen=True)
class Comparison:
    """What became of routers since an earlier report."""

    made: datetime | None
    """when that was made"""
    changes: Mapping[str, Change]
    """by name, those that are absent too"""


@dataclass(frozen=True)
class FleetReport:
    """Every router of a playbook run, by name.

    No text in it acts on a terminal, or on what shows a file: a hostile router would change the lines of others.
    """

    routers: Mapping[str, RouterReport] = field(default_factory=dict)
    made: datetime | None = None
    """when the run ended, with its zone"""
    comparison: Comparison | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "routers", show(self.routers))
        object.__setattr__(self, "comparison", show(self.comparison))

    @property
    def changes(self) -> Mapping[str, Change]:
        """Of the comparison; empty without one."""
        return self.comparison.changes if self.comparison else {}


def compare_reports(report: FleetReport, before: FleetReport) -> FleetReport:
    """The report with what became of its routers since an earlier one."""
    changes = {}
    for name in dict.fromkeys((*report.routers, *before.routers)):
        now, then = report.routers.get(name), before.routers.get(name)
        if now is None or then is None:
            kind: ChangeKind | None = "new" if then is None else "absent"
        else:
            kind = _tell_change(now, then)
        if kind:
            changes[name] = Change(kind, then.verdict, then.state) if then else Change(kind)
    return replace(report, comparison=Comparison(before.made, changes))


def _tell_change(now: RouterReport, then: RouterReport) -> ChangeKind | None:
    """The state decides, then what was found. None where it is as it was.

    That a rung is not proven any more is none: at night there is no traffic to prove it with. One that does not apply
    any more is, as where a flowtable has left the hardware; but not where another thing was demanded.
    """
    states = [_FROM_THE_WORST.index(one.state) for one in (now, then)]
    if states[0] != states[1]:
        return "better" if states[0] > states[1] else "worse"
    if now.expected != then.expected:
        return None
    for status in ("failed", "not_applicable"):
        lost, won = _list_proven(then, now, status), _list_proven(now, then, status)
        if lost != won and not (lost and won):
            return "worse" if lost else "better"
    found, earlier = ({one.id for one in router.findings if one.severity != "info"} for router in (now, then))
    return "worse" if found > earlier else "better" if found < earlier else None


def _list_proven(one: RouterReport, other: RouterReport, status: str) -> set[str]:
    """Rungs that are proven in ``one`` and have that status in ``other``."""
    return {name for name, found in one.statuses.items() if found == "proven" and other.statuses.get(name) == status}


def merge_reports(reports: Sequence[FleetReport]) -> FleetReport:
    """The routers of all, without comparisons.

    Of a router that several have, what the report says that was made last; of two that were made at the same time, or
    have no time, the later one in ``reports``.
    """
    routers: dict[str, RouterReport] = {}
    made = [report.made for report in reports if report.made]
    for report in sorted(reports, key=lambda one: one.made.timestamp() if one.made else 0.0):
        routers |= report.routers
    return FleetReport(dict(sorted(routers.items())), max(made, default=None))


def parse_result(result: Mapping[str, Any]) -> RouterReport | None:
    """What the report keeps of a task result of offload_verify, of a loop's last one; None where it has no verdict."""
    items = result.get("results")
    done = [item for item in (items if isinstance(items, list) else [result]) if not _is_skipped(item)]
    if not done or "verdict" not in done[-1] or "rungs" not in done[-1]:
        return None
    try:
        found: RouterReport = build(RouterReport, prune(RouterReport, done[-1]), "the result")
    except ValueError:
        return None
    if not (shortfall := str(done[-1].get("shortfall") or "")):
        return found
    return replace(found, findings=(*found.findings, _keep(FALLS_SHORT, shortfall)))


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
    return RouterReport(findings=(_keep(kind, message),))


def _keep(kind: Kind, message: str) -> FindingReport:
    """A finding of this kind, as a report keeps it."""
    found = kind.found(message)
    return FindingReport(found.id, found.severity, found.message, found.remedy)
