# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an option that takes a number takes for one, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.arguments import validate
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

SPEC: dict[str, Any] = {
    "number": {"type": "int"},
    "numbers": {"type": "list", "elements": "int"},
    "inside": {"type": "dict", "options": {"number": {"type": "int"}}},
    "items": {"type": "list", "elements": "dict", "options": {"number": {"type": "int"}}},
}
PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "number": lambda value: {"number": value},
    "numbers[1]": lambda value: {"numbers": [1, value]},
    "inside.number": lambda value: {"inside": {"number": value}},
    "items[1].number": lambda value: {"items": [{}, {"number": value}]},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        float("inf"),
        float("nan"),
        1.5,
        1e300,
        10**18,
        -(10**18),
        "\u00b2",
        "\u0663",
        "9" * 5000,
        "1_0",
        "x",
        "",
        {},
    ],
    ids=lambda value: ascii(value)[:12],
)
def test_what_is_no_whole_number_is_refused_by_name(place: str, value: Any) -> None:
    with pytest.raises(OffloadError) as caught:
        validate(SPEC, {}, PLACES[place](value))
    assert caught.value.problem.startswith(f"{place}: a whole number was expected, not ")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [0, 12, -5, "12", " 7 ", 3.0, 10**18 - 1])
def test_a_whole_number_is_taken(value: Any) -> None:
    found = validate(SPEC, {}, {**PLACES["number"](value), **PLACES["items[1].number"](value), "inside": None})
    assert found["number"] == found["items"][1]["number"] == int(value)
    assert type(found["number"]) is int
