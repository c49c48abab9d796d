# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a check says, and what becomes of a rung. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]
"""info: worth knowing; warning: works, but not as it should, or will not stay so; error: the rung does not hold"""

Status = Literal["proven", "unproven", "failed", "not_applicable"]
"""seen to hold; nothing was seen either way; seen not to hold; this rung is not asked of this router"""

RUNGS = ("supported", "loaded", "configured", "bound", "offloading", "bypassing", "hardware")
"""The ladder from the ground up: a rung's number is its place, counted from 1."""

LONGEST_EVIDENCE = 320
"""Characters of one line of evidence: a conntrack line of IPv6 has about 290, and its mark stands near the end."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or worth knowing on one router."""

    id: str
    """stable: rung.kebab-name"""
    severity: Severity
    message: str
    """what is wrong, with the names and values of this router"""
    evidence: tuple[str, ...]
    """what the router said that shows it"""
    remedy: str
    """what to do about it, naming the module or the command"""

    @property
    def rung(self) -> str:
        return self.id.partition(".")[0]

    def as_result(self) -> dict[str, Any]:
        return {**asdict(self), "evidence": list(self.evidence)}


@dataclass(frozen=True)
class Kind:
    """A kind of finding, as the documentation explains it. ``remedy`` may hold names in braces that ``found`` fills."""

    id: str
    severity: Severity
    title: str
    explanation: str
    remedy: str

    def found(self, message: str, *evidence: str, **names: str) -> Finding:
        """This kind on one router."""
        return Finding(self.id, self.severity, message, shortened(evidence), self.remedy.format_map(names))


@dataclass(frozen=True)
class Expectation:
    """What the user says the router should be."""

    expect: Literal["hardware", "software", "disabled", "any"] = "any"
    require: str = ""
    """the rung that must be proven; empty for none"""
    devices: tuple[str, ...] = ()
    """devices that must be in a flowtable"""
    table: str = "inet nft_offload"
    """'family table' whose flowtables are judged; where it does not exist, every flowtable is"""
    slow_share: int = 50
    """percent of the packets that could bypass the forward chain that may traverse it"""
    least_packets: int = 100
    """fewer prove nothing, and accuse nobody"""


@dataclass(frozen=True)
class RungResult:
    """What became of one rung."""

    name: str
    status: Status
    evidence: tuple[str, ...] = ()
    """what was looked at, also where all is well"""
    findings: tuple[Finding, ...] = ()

    @property
    def number(self) -> int:
        return RUNGS.index(self.name) + 1

    def as_result(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "name": self.name,
            "status": self.status,
            "evidence": list(self.evidence),
            "findings": [finding.id for finding in self.findings],
        }


def rung(name: str, holds: bool | None, evidence: Sequence[str] = (), findings: Sequence[Finding] = ()) -> RungResult:
    """A rung's result: an error finding fails it, else ``holds`` says whether it was seen to hold (None: not asked)."""
    if any(finding.severity == "error" for finding in findings):
        status: Status = "failed"
    elif holds is None:
        status = "not_applicable"
    else:
        status = "proven" if holds else "unproven"
    return RungResult(name, status, shortened(evidence), tuple(findings))


def shortened(lines: Sequence[str]) -> tuple[str, ...]:
    """Lines that a router wrote, each short enough for a result."""
    return tuple(line if len(line) <= LONGEST_EVIDENCE else line[: LONGEST_EVIDENCE - 3] + "..." for line in lines)
