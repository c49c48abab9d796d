# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Arguments checked against a spec, for actions and filters alike. Pure: no I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .errors import OffloadError

_WHOLE = re.compile(r"[ \t]*[+-]?[0-9]{1,18}[ \t]*")
MOST = 10**18
"""below it a number is one to Ansible, to nft and to a shell; what an option takes is less"""


def validate(
    spec: Mapping[str, Any],
    constraints: Mapping[str, Any],
    arguments: Mapping[str, Any],
    remedy: str = "correct the option; ansible-doc shows what it takes",
) -> dict[str, Any]:
    """Arguments checked and completed against an argument spec; raises OffloadError naming the option.

    ``remedy`` is for a value of the wrong kind; for an unknown name it is the nearest one, or all that there are.
    """
    _refuse_secret_items(spec, arguments, remedy)
    _refuse_odd_numbers(spec, arguments)
    validated = ArgumentSpecValidator(dict(spec), **constraints).validate(_without_nulls(spec, arguments))
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


def name_kind(value: Any) -> str:
    """What kind of value it is, in words, for a message that must not show it."""
    kinds = ((str, "a text"), (bool, "a boolean"), (int | float, "a number"), (list, "a list"), (dict, "a dictionary"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "nothing" if value is None else "this")


def _without_nulls(spec: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments less what is null in the items of a list: it is left out.

    Of two options that exclude each other, Ansible would find both there.
    """
    cleared = dict(arguments)
    for name, value in arguments.items():
        if spec.get(name, {}).get("options") and isinstance(value, list):
            cleared[name] = [
                {key: each for key, each in item.items() if each is not None} if isinstance(item, Mapping) else item
                for item in value
            ]
    return cleared


def _refuse_odd_numbers(spec: Mapping[str, Any], arguments: Any, above: str = "") -> None:
    """Raise OffloadError naming the key of what is no whole number where one belongs.

    Ansible takes true for one, which stays a true, and raises at infinity.
    """
    if not isinstance(arguments, Mapping):
        return
    for name, value in arguments.items():
        option = spec.get(name, {})
        where = f"{above}{name}"
        items = {where: value}
        if isinstance(value, list | tuple) and option.get("type") == "list":
            items = {f"{where}[{number}]": item for number, item in enumerate(value)}
        for place, item in items.items():
            if "options" in option:
                _refuse_odd_numbers(option["options"], item, f"{place}.")
            elif "int" in (option.get("type"), option.get("elements")) and item is not None and not _is_whole(item):
                shown = str(item).lower() if isinstance(item, bool | float) else name_kind(item)
                raise OffloadError(f"{place}: a whole number was expected, not {shown}", "write one such as 10")


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return _WHOLE.fullmatch(value) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -MOST < value < MOST and value == int(value)


def _refuse_secret_items(spec: Mapping[str, Any], arguments: Mapping[str, Any], remedy: str) -> None:
    """Raise OffloadError for what is no dictionary where one may hold a secret; Ansible's own message would show it."""
    for name, value in arguments.items():
        if any(option.get("no_log") for option in spec.get(name, {}).get("options", {}).values()):
            items = value if isinstance(value, list) else [value]
            wrong = [item for item in items if item is not None and not isinstance(item, Mapping)]
            if wrong:
                raise OffloadError(f"option {name}: a dictionary was expected, not {name_kind(wrong[0])}", remedy)
