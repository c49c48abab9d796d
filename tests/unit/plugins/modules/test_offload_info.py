# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What offload_info and offload_verify document is what they return: every field of RouterState, and of Cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import yaml
from ansible_collections.kmod.nft_offload.plugins.modules.offload_info import RETURN
from ansible_collections.kmod.nft_offload.plugins.modules.offload_verify import RETURN as VERIFY_RETURN
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import read_state
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import RouterState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.cost import Cost


def find_dataclass(annotation: Any) -> type | None:
    """The dataclass that a type is, or holds: Device of Mapping[str, Device]."""
    if is_dataclass(annotation) and isinstance(annotation, type):
        return annotation
    return next((found for part in get_args(annotation) if (found := find_dataclass(part)) is not None), None)


def list_differences(described: type, documented: Mapping[str, Any], path: str) -> Iterator[str]:
    """Fields of a dataclass that its documentation does not name, and the other way round.

    Names stand in ``contains``; where the keys of a dictionary are names of the router's own, as C(NAME) in the text.
    Fields of a base class are documented where that class stands by itself: Direction has those of Share.
    """
    inherited = {field.name for base in described.__bases__ if is_dataclass(base) for field in fields(base)}
    names = {field.name for field in fields(described)} - inherited
    if described is RouterState:
        names = set(read_state(Answer({})).as_result())
    contains = documented.get("contains", {})
    text = " ".join(re.findall(r"C\((\w+)\)", str(documented["description"])))
    yield from (f"{path}.{name}: not documented" for name in sorted(names - contains.keys() - set(text.split())))
    yield from (f"{path}.{name}: documented, and not returned" for name in sorted(contains.keys() - names))
    for name, annotation in get_type_hints(described).items():
        below = find_dataclass(annotation)
        if below is not None and name in contains:
            yield from list_differences(below, contains[name], f"{path}.{name}")


def test_every_field_is_documented() -> None:
    assert list(list_differences(RouterState, yaml.safe_load(RETURN)["router"], "router")) == []


def test_every_part_of_the_cost_is_documented() -> None:
    """By the one, and of the other one a whole example."""
    documented = yaml.safe_load(VERIFY_RETURN)["cost"]
    assert list(list_differences(Cost, documented, "cost")) == []
    assert yaml.safe_load(RETURN)["cost"]["sample"].keys() == documented["sample"].keys()


def test_a_difference_is_seen() -> None:
    documented = yaml.safe_load(RETURN)["router"]
    kernel, devices = (documented["contains"][name] for name in ("kernel", "devices"))
    kernel["contains"]["made_up"] = kernel["contains"].pop("modules")
    devices["description"] = [line.replace("C(mtu)", "the MTU") for line in devices["description"]]
    assert {*list_differences(RouterState, documented, "router")} == {
        "router.kernel.modules: not documented",
        "router.kernel.made_up: documented, and not returned",
        "router.devices.mtu: not documented",
    }
