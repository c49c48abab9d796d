# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What do the collection's playbooks refuse, and what do their variables request? Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..._core.errors import OffloadError
from ..restricted_pairs import Pair
from .steps import (
    change_options,
    verify_options,
)
from .variables import FOR_PLAYBOOKS, Values


def refuse_late(names: Iterable[str]) -> None:
    """Raise OffloadError for variables of READ_FIRST, by ``names``, that come from the inventory."""
    if late := sorted(names):
        raise OffloadError(
            f"{', '.join(late)} in the inventory or in group_vars does nothing: a playbook picks its routers before it "
            "knows their variables",
            "take it out there, and give it with -e; or narrow the run with -l",
        )


def refuse_after_losses(hosts: Sequence[str], left: Sequence[str], batch: Sequence[str], pattern: str) -> None:
    """Raise OffloadError in a rollout where a router of an earlier batch failed, or was lost.

    Ansible's own max_fail_percentage and any_errors_fatal count none that is unreachable. ``hosts`` are the play's,
    ``left`` those of them that are still in it, ``batch`` those whose turn it is, ``pattern`` is what the run was
    narrowed to.
    """
    lost = [host for host in hosts if host not in left]
    if not lost:
        return
    # Ansible splits a pattern at its colons where it has no comma.
    joint = ":!" if ":" in pattern and "," not in pattern else ",!"
    raise OffloadError(
        f"{', '.join(batch)} and what comes after were not touched, because these failed or were lost before: "
        f"{', '.join(lost)}",
        "find out what happened to them, then run the rollout again; leave out one that is down for another reason "
        f"(-l '{joint.join([pattern, *lost])}'). Routers that are done do not change",
    )


def plan_verify(values: Values) -> dict[str, Any]:
    """Options of the playbook verify's task; ``values`` are those of ``variables.read_variables``."""
    mode = values["flow_offload_mode"]
    return {"verify": verify_options(values, "any" if mode == "auto" else mode)}


def plan_rollback(values: Values) -> dict[str, Any]:
    """Options of the playbook rollback's task.

    What the older ruleset lets through is not known here, so every connection is flushed unless none is to be. A
    router's firewall may go where ``none`` is what was asked for.
    """
    target = values.get("flow_offload_rollback_to", FOR_PLAYBOOKS["flow_offload_rollback_to"]["default"])
    flush: list[Pair] = [] if values["flow_offload_flush_connections"] == "none" else [{"from": [], "to": []}]
    change = change_options(values)
    if target == "none":
        return {"ruleset": {"state": "absent", "flush": []}, "change": {**change, "keep_firewall": False}}
    return {"ruleset": {"state": "restored", "id": target, "flush": flush}, "change": change}
