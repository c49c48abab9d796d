# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What may take packets where neither connection tracking nor the sample of rung 6 sees them.

It is no fault, and what it does is not known. But without it nobody may say that there was no traffic, that most of it
was slow, or that nobody answered: rungs 5 and 6 ask here first.
"""

from __future__ import annotations

from .subject import Subject


def list_takers(subject: Subject) -> list[str]:
    """'the XDP program on wan0 (native)', of each that sees packets before a judged flowtable does."""
    programs = subject.state.other_handlers.xdp
    return [f"the XDP program on {name} ({programs[name]})" for name in subject.ingress_devices if name in programs]


def describe_takers(takers: list[str]) -> list[str]:
    """A line of evidence for each, eight at most."""
    return [f"what {taker} takes is not counted" for taker in takers[:8]]


def name_takers(takers: list[str]) -> str:
    """Their names in a sentence, three at most."""
    left = len(takers) - 3
    return ", ".join(takers[:3]) + (f" and {left} more" if left > 0 else "")
