# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of flow offload on a router, without judging it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..plugin_utils._core.action import OffloadAction, Options
from ..plugin_utils._core.names import require_table_name
from ..plugin_utils._core.router import Router
from ..plugin_utils._observe.reading import (
    CHOICE_FRAGMENTS,
    FRAGMENTS,
    list_calls,
    list_choice_calls,
    read_choice,
    read_state,
    require_whole,
    validate_sample,
)
from ..plugin_utils._verify.cost import measure_cost

ARGUMENT_SPEC: dict[str, Any] = {
    "gather_subset": {"type": "str", "choices": ["all", "min"], "default": "all"},
    "sample": {"type": "int", "default": 0},
    "family": {"type": "str", "choices": ["inet", "ip", "ip6"], "default": "inet"},
    "table": {"type": "str", "default": "nft_offload"},
}


class ActionModule(OffloadAction):
    """The offload_info action."""

    SPEC = ARGUMENT_SPEC

    def work(self, router: Router, options: Options) -> dict[str, Any]:
        """``router``: the state, whole or as much of it as ``gather_subset`` asks for."""
        require_table_name(options["table"])
        if options["gather_subset"] == "min":
            calls = list_choice_calls(options["family"], options["table"])
            answer = router.run(CHOICE_FRAGMENTS, calls=calls)
            require_whole(answer, chosen=True)
            return {"router": read_choice(answer)}
        validate_sample(options["sample"])
        asked = {name: options[name] for name in ("family", "table", "sample")}
        calls = list_calls(**asked, measure="no" if self.check_mode else "always")
        answer = router.run(FRAGMENTS, calls=calls)
        require_whole(answer)
        state = read_state(answer)
        cost = measure_cost(state)
        return {"router": state.as_result(), "cost": asdict(cost) if cost else None}
