# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The last verdict of a controller, as the watch on the router repeats it. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.verbs import Verb
from .._verify.finding import RUNGS, Expectation
from .._verify.verdict import Verdict


@dataclass(frozen=True)
class RecordVerdict(Verb):
    """Leave the lines where the watch reads them, with the time (sh/apply/verdict.sh)."""

    lines: str


def format_verdict(verdict: Verdict, expectation: Expectation) -> str:
    """Lines ``rung N``, ``required N`` and ``finding ID SEVERITY``, each finding once.

    Rungs are numbers from 1 to 7; 0 is none, and what is required where offload is expected to be off.
    """
    needs = expectation.require if expectation.expect != "disabled" else ""
    required = RUNGS.index(needs) + 1 if needs else 0
    found = dict.fromkeys(f"finding {finding.id} {finding.severity}" for finding in verdict.findings)
    return "\n".join((f"rung {verdict.rung}", f"required {required}", *found))
