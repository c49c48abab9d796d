# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Arguments checked against a spec, for actions and filters alike. Pure: no I/O."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .errors import OffloadError


def validate(
    spec: Mapping[str, Any],
    constraints: Mapping[str, Any],
    arguments: Mapping[str, Any],
    remedy: str = "correct the option; ansible-doc shows what it takes",
) -> dict[str, Any]:
    """Arguments checked and completed against an argument spec; raises OffloadError naming the option.

    ``remedy`` is for a value of the wrong kind; for an unknown name it is the nearest one, or all that there are.
    """
    validated = ArgumentSpecValidator(dict(spec), **constraints).validate(dict(arguments))
    unknown = sorted(path if isinstance(path, tuple) else (path,) for path in validated.unsupported_parameters)
    for *above, name in unknown:
        known = spec
        for option in above:
            known = known[option]["options"]
        near = difflib.get_close_matches(name, list(known), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the options are: {', '.join(sorted(known))}"
        raise OffloadError(f"there is no option {'.'.join([*above, name])!r}", hint)
    if validated.error_messages:
        raise OffloadError("; ".join(validated.error_messages), remedy)
    return validated.validated_parameters
