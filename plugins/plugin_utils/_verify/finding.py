# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What a check finds, and what becomes of a rung. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]
"""info: worth knowing; warning: works, but not as it should, or will not stay so; error: the rung does not hold"""

Status = Literal["proven", "unproven", "failed", "not_applicable"]
"""shown to hold; neither shown nor refuted; shown not to hold; this rung does not apply to this router"""

RUNGS = ("supported", "loaded", "configured", "bound", "offloading", "bypassing", "hardware")
"""The ladder from the ground up: a rung's number is its place, counted from 1."""

LONGEST_EVIDENCE = 320
"""Characters of one line of evidence: a conntrack line of IPv6 has about 290, and its mark stands near the end."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or worth knowing on one router."""

    id: str
    """stable: rung.kebab-name, or known.kebab-name"""
    severity: Severity
    message: str
    """what is wrong, with the names and values of this router"""
    evidence: tuple[str, ...]
    """lines of the router's output that show it"""
    remedy: str
    """what to do about it, naming the module or the command"""
    under_fw4: str = ""
    """``remedy`` where the flowtable is that of OpenWrt's own firewall; empty: the same"""

    def remedied_under_fw4(self) -> Finding:
        """The same for a router whose flowtable is that of OpenWrt's own firewall."""
        return replace(self, remedy=self.under_fw4 or self.remedy)

    @property
    def rung(self) -> str:
        """Name of the rung that it belongs to."""
        return self.id.partition(".")[0]

    def as_result(self) -> dict[str, Any]:
        """As plain JSON types."""
        shown = {name: value for name, value in asdict(self).items() if name != "under_fw4"}
        return {**shown, "evidence": list(self.evidence)}


@dataclass(frozen=True)
class Kind:
    """A kind of finding, as the documentation explains it. Remedies may hold names in braces that ``found`` fills."""

    id: str
    severity: Severity
    title: str
    explanation: str
    remedy: str
    under_fw4: str = ""
    """the remedy where the flowtable is that of OpenWrt's own firewall, where it is another one (fw4_remedies.py)"""

    def found(self, message: str, *evidence: str, **names: str) -> Finding:
        """A finding of this kind on one router; ``names`` fill the remedy's braces, ``evidence`` is shortened."""
        remedies = (self.remedy.format_map(names), self.under_fw4.format_map(names))
        return Finding(self.id, self.severity, message, shorten_lines(evidence), *remedies)


@dataclass(frozen=True)
class Expectation:
    """What the user expects of the router."""

    expect: Literal["hardware", "software", "disabled", "any"] = "any"
    require: str = ""
    """the rung that must be proven; empty for none"""
    devices: tuple[str, ...] = ()
    """devices that must be in a flowtable"""
    table: str = "inet nft_offload"
    """'family table' whose flowtables are judged; where it does not exist, all are"""
    slow_share: int = 50
    """how many percent of the packets that could bypass the forward chain may traverse it"""
    least_packets: int = 100
    """packets; fewer prove nothing and are no ground for a finding"""


@dataclass(frozen=True)
class RungResult:
    """What became of one rung."""

    name: str
    status: Status
    evidence: tuple[str, ...] = ()
    """what was seen, also where all is well"""
    findings: tuple[Finding, ...] = ()

    @property
    def number(self) -> int:
        """1 to 7."""
        return RUNGS.index(self.name) + 1

    def as_result(self) -> dict[str, Any]:
        """As plain JSON types; of the findings their ids."""
        return {
            "number": self.number,
            "name": self.name,
            "status": self.status,
            "evidence": list(self.evidence),
            "findings": [finding.id for finding in self.findings],
        }


def conclude_rung(
    name: str, holds: bool | None, evidence: Sequence[str] = (), findings: Sequence[Finding] = ()
) -> RungResult:
    """The result of a rung: failed with any error finding, else proven, unproven, or not_applicable.

    ``holds``: was the rung shown to hold? None: it does not apply. ``evidence``: lines, each shortened.
    """
    if any(finding.severity == "error" for finding in findings):
        status: Status = "failed"
    elif holds is None:
        status = "not_applicable"
    else:
        status = "proven" if holds else "unproven"
    return RungResult(name, status, shorten_lines(evidence), tuple(findings))


def shorten_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Lines of a router's output, each LONGEST_EVIDENCE characters at most."""
    return tuple(line if len(line) <= LONGEST_EVIDENCE else line[: LONGEST_EVIDENCE - 3] + "..." for line in lines)
