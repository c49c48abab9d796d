# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The verdict: the highest rung proven with none below it failed, and every finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import advisories, bound, bypassing, disabled, hardware, loaded, offloading, supported
from .configured import rung as configured
from .finding import RUNGS, Expectation, Finding, Kind, RungResult
from .subject import Subject

LADDER = (supported, loaded, configured, bound, offloading, bypassing, hardware)


def list_kinds() -> Iterator[Kind]:
    """Every kind of finding, in the order of the ladder; then what is known of others' faults."""
    found = [kind for part in (*LADDER, disabled) for kind in part.KINDS]
    yield from sorted(found, key=lambda kind: RUNGS.index(kind.id.partition(".")[0]))
    yield from advisories.KINDS


@dataclass(frozen=True)
class Verdict:
    """What was found of one router."""

    rungs: tuple[RungResult, ...]
    """all seven, from the ground up"""

    @property
    def rung(self) -> int:
        """Number of the highest rung proven with none below it failed; 0 for none."""
        highest = 0
        for result in self.rungs:
            if result.status == "failed":
                break
            if result.status == "proven":
                highest = result.number
        return highest

    @property
    def name(self) -> str:
        """Name of that rung, or 'none'."""
        return RUNGS[self.rung - 1] if self.rung else "none"

    @property
    def unproven(self) -> list[str]:
        """Names of the rungs that were neither shown nor refuted."""
        return [result.name for result in self.rungs if result.status == "unproven"]

    @property
    def findings(self) -> list[Finding]:
        """Every finding, from the ground up."""
        return [finding for result in self.rungs for finding in result.findings]

    def errors(self) -> list[str]:
        """Each error finding and its remedy, as one line each."""
        return [f"{f.id}: {f.message}. Remedy: {f.remedy}" for f in self.findings if f.severity == "error"]

    def shortfall(self, expectation: Expectation) -> str:
        """Why what must be shown is not, where no error finding does; empty when it is shown.

        The required rung must be proven, and each below it proven or not applicable: that nothing speaks against a
        rung is no proof. Where offload is expected to be off, nothing may be left unseen.
        """
        if expectation.expect == "disabled":
            unseen = next((result for result in self.rungs if result.status == "unproven"), None)
            return _explain_unproven(f"rung {unseen.name} must be shown, but is", unseen) if unseen else ""
        if not expectation.require:
            return ""
        *lower, required = self.rungs[: RUNGS.index(expectation.require) + 1]
        if any(result.status == "failed" for result in (*lower, required)):
            return ""
        reasons = []
        if required.status != "proven":
            reasons.append(_explain_unproven(f"rung {required.name} must be shown, but is", required))
        reasons += [
            _explain_unproven(f"rung {required.name} rests on rung {result.name}, which is", result)
            for result in lower
            if result.status == "unproven"
        ]
        return " | ".join(reasons)

    def as_result(self) -> dict[str, Any]:
        """The keys of a task's result, as plain JSON types."""
        return {
            "verdict": self.name,
            "rung": self.rung,
            "unproven": self.unproven,
            "rungs": [result.as_result() for result in self.rungs],
            "findings": [finding.as_result() for finding in self.findings],
        }


def judge(subject: Subject) -> Verdict:
    """The verdict on a router: all seven rungs with their evidence and findings. Pure, and never raises."""
    if subject.expectation.expect == "disabled":
        return Verdict(tuple(disabled.judge(subject)))
    return Verdict(tuple(part.judge(subject) for part in LADDER))


def summarise(subject: Subject, verdict: Verdict) -> str:
    """What is offloaded where, in one line: 'hardware for lan0, wan0; software for wg0'.

    As the flowtables have it: the verdict says how far it is shown, and its name is at the end.
    """
    kinds = [f"{kind} for {', '.join(names)}" for kind, names in subject.offload_devices.items() if names]
    return f"{'; '.join(kinds) or 'no device is in a flowtable'} ({verdict.name})"


def _explain_unproven(what: str, result: RungResult) -> str:
    """``what`` ends where the status of the rung follows, and why it is not proven, with what to do."""
    reasons = "; ".join(f"{finding.message}. Remedy: {finding.remedy}" for finding in result.findings)
    seen = "; ".join(result.evidence) or "nothing was seen of it"
    reason = reasons or f"{seen}. Remedy: require a rung that can be shown on this router"
    return f"{what} {result.status.replace('_', ' ')}: {reason}"
