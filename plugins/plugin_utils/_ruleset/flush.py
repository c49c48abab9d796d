# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Connections that are flushed after a change of the rules, so that the new rules re-evaluate them. Pure: no I/O.

Rules see no packet of a connection that is offloaded, and accept those that are established.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._confirm.change import ConfirmedPlan
from .._core import paths
from .._core.errors import OffloadError
from .._core.plan import Step
from .._core.text import iterate_lines
from .._core.verbs import Remove
from .state import TableState
from .verbs import FlushConnections

DevicePair = tuple[str, str]
"""the devices that a connection comes from and goes to, each separated by blanks; empty: any device"""

REMEDY = "install it, with kmod.nft_offload.kernel_support and packages: [nftables, ethtool, conntrack]"


def add_flush(plan: ConfirmedPlan, state: TableState, pairs: Sequence[DevicePair], check_mode: bool) -> ConfirmedPlan:
    """The plan, with a flush of ``pairs``, and of those that an earlier run left, as its last steps.

    The pairs are committed together with the rules (paths.PENDING_FLUSH), so whatever ends a run before the flush, a
    later one does it. Raises OffloadError where the router has no conntrack.
    """
    pending = [_parse_pair(line) for line in iterate_lines(state.files.get(paths.PENDING_FLUSH, ""))]
    every = list(dict.fromkeys([*pending, *pairs]))
    if not every:
        return plan
    if "conntrack" not in state.platform.commands and not check_mode:
        if not pairs:
            raise OffloadError(
                f"{paths.PENDING_FLUSH}: an earlier run left connections to flush, and there is no conntrack on this "
                "router",
                f"{REMEDY}; or delete that file",
            )
        raise OffloadError("option flush_connections: there is no conntrack on this router", REMEDY)
    between = ", ".join(f"{_describe_end(one)} to {_describe_end(other)}" for one, other in every)
    steps = [
        Step(f"flush connections: {between}", FlushConnections(tuple(end for pair in every for end in pair))),
        Step("note that they were flushed", Remove(paths.PENDING_FLUSH)),
    ]
    text = "".join(f"{one}:{other}\n" for one, other in every)
    records = {**plan.records, paths.PENDING_FLUSH: (paths.PRIVATE, text)} if pairs else plan.records
    return replace(plan, records=records, closing=[*plan.closing, *steps])


def _parse_pair(line: str) -> DevicePair:
    one, _colon, other = line.partition(":")
    return one.strip(), other.strip()


def _describe_end(devices: str) -> str:
    names = devices.replace("!", "")
    return names if names == devices != "" else f"any device but {names}" if names else "anywhere"
