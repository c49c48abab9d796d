# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The report on a fleet as data: what every format is rendered from. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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
class RouterReport:
    """What is known of one router."""

    verdict: str = "none"
    """name of the highest rung proven, or none"""
    rung: int = 0
    """its number, 0 to 7"""
    unproven: tuple[str, ...] = ()
    rungs: tuple[RungReport, ...] = ()
    """all seven; none of a router that was not verified"""
    findings: tuple[FindingReport, ...] = ()

    @property
    def statuses(self) -> dict[str, str]:
        """Name of a rung -> its status."""
        return {rung.name: rung.status for rung in self.rungs}

    @property
    def fails(self) -> bool:
        """Is any finding an error?"""
        return any(finding.severity == "error" for finding in self.findings)


@dataclass(frozen=True)
class FleetReport:
    """Every router of a playbook run, by name.

    No text in it acts on a terminal, or on what shows a file: a hostile router would change the lines of others.
    """

    routers: Mapping[str, RouterReport] = field(default_factory=dict)
    made: datetime | None = None
    """when the run ended, with its zone"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "routers", show(self.routers))


def parse_result(result: Mapping[str, Any]) -> RouterReport | None:
    """What the report keeps of a task result of offload_verify, of a loop's last one; None where it has no verdict.

    Values become plain ones: from ansible-core 2.19 on they carry tags that a format must not see.
    """
    items = result.get("results")
    done = [item for item in (items if isinstance(items, list) else [result]) if not _is_skipped(item)]
    if not done or "verdict" not in done[-1] or "rungs" not in done[-1]:
        return None
    item = done[-1]
    return RouterReport(
        verdict=str(item["verdict"]),
        rung=int(item["rung"]),
        unproven=_strings(item["unproven"]),
        rungs=tuple(_rung_report(rung) for rung in item["rungs"]),
        findings=tuple(_finding_report(finding) for finding in item["findings"]),
    )


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
