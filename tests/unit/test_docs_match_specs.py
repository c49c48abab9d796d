# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module's documentation says what its action accepts and returns, and each is in the action group."""

from __future__ import annotations

import copy
import importlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.tools.argument_docs import argument_errors, module_calls, option_differences, return_differences

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "kmod.nft_offload"
MODULES = sorted(file.stem for file in (ROOT / "plugins/modules").glob("[!_]*.py"))
ACTIONS = sorted(file.stem for file in (ROOT / "plugins/action").glob("[!_]*.py"))
ATTRIBUTES = {
    "action",
    "action_group",
    "async",
    "become",
    "check_mode",
    "connection",
    "delegation",
    "diff_mode",
    "idempotent",
    "platform",
}


@cache
def documentation() -> dict[str, dict[str, Any]]:
    """Short module name -> what ansible-doc shows of it, document fragments merged: doc, examples, return."""
    program = str(Path(sys.executable).parent / "ansible-doc")
    command = [program, "--type", "module", "--json", *(f"{COLLECTION}.{name}" for name in MODULES)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return {name.removeprefix(f"{COLLECTION}."): value for name, value in json.loads(output).items()}


def action(name: str) -> ModuleType:
    return importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.action.{name}")


def test_every_module_has_its_action() -> None:
    assert MODULES
    assert MODULES == ACTIONS


def test_the_action_group_holds_every_module() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert runtime["action_groups"] == {"all": MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_options_match_the_argument_spec(name: str) -> None:
    assert action(name).ActionModule.SPEC is action(name).ARGUMENT_SPEC
    documented = documentation()[name]["doc"].get("options") or {}
    assert option_differences(documented, action(name).ARGUMENT_SPEC) == []


@pytest.mark.parametrize("name", MODULES)
def test_return_values_are_documented(name: str) -> None:
    documented = documentation()[name]["return"]
    assert documented
    assert return_differences(documented) == []


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_accepted(name: str) -> None:
    calls = list(module_calls(yaml.safe_load(documentation()[name]["examples"]), f"{COLLECTION}."))
    assert name in dict(calls)
    for called, arguments in calls:
        plugin = action(called)
        assert argument_errors(arguments, plugin.ARGUMENT_SPEC, plugin.ActionModule.CONSTRAINTS) == []


@pytest.mark.parametrize("name", MODULES)
def test_attributes_are_filled_in(name: str) -> None:
    attributes = documentation()[name]["doc"]["attributes"]
    assert attributes.keys() >= ATTRIBUTES
    assert attributes["action_group"]["membership"] == [f"{COLLECTION}.all"]
    # The base of every action refuses neither, so no module can offer less.
    assert attributes["check_mode"]["support"] == "full"
    assert attributes["diff_mode"]["support"] in ("full", "N/A")
    assert attributes["idempotent"]["support"] == "full"


# The comparers themselves: each difference that they are there for is made, and must be seen.

DOCUMENTED = {
    "device": {"description": "A device.", "type": "str", "required": True, "aliases": ["dev"]},
    "rules": {
        "description": ["Rules."],
        "type": "list",
        "elements": "dict",
        "default": [],
        "suboptions": {"mode": {"description": "A mode.", "choices": ["a", "b"], "default": "a"}},
    },
    "fast": {"description": "Fast.", "type": "bool", "default": True},
}
SPEC: dict[str, Any] = {
    "device": {"type": "str", "required": True, "aliases": ["dev"], "no_log": False},
    "rules": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"mode": {"type": "str", "choices": ["a", "b"], "default": "a"}},
    },
    "fast": {"type": "bool", "default": True},
}


def test_agreement_is_seen() -> None:
    assert option_differences(DOCUMENTED, SPEC) == []


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("device", "type", "path"),
        ("device", "required", False),
        ("device", "aliases", []),
        ("device", "fallback", "env"),
        ("rules", "elements", "str"),
        ("rules", "default", None),
        ("rules.mode", "choices", ["a", "b", "c"]),
        ("rules.mode", "default", "b"),
        ("fast", "default", 1),
    ],
)
def test_a_difference_is_seen(path: str, key: str, value: object) -> None:
    spec = copy.deepcopy(SPEC)
    option, _, suboption = path.partition(".")
    (spec[option]["options"][suboption] if suboption else spec[option])[key] = value
    (difference,) = option_differences(DOCUMENTED, spec)
    assert difference.startswith(f"{path}: ") and key in difference


def test_missing_options_are_seen_on_both_sides() -> None:
    spec = copy.deepcopy(SPEC)
    del spec["rules"]["options"]["mode"]
    spec["slow"] = {"type": "bool"}
    assert option_differences(DOCUMENTED, spec) == [
        "slow: in the spec, but not documented",
        "rules.mode: documented, but not in the spec",
    ]


def test_an_option_without_description_is_seen() -> None:
    assert option_differences({"a": {"type": "str"}}, {"a": {"type": "str"}}) == ["a: no description"]


def test_a_bad_example_is_seen() -> None:
    assert argument_errors({"device": "eth0", "rules": [{"mode": "{{ mode }}"}], "fast": "{{ f }}"}, SPEC, {}) == []
    assert argument_errors({"device": "eth0", "rules": [{"mode": "c"}]}, SPEC, {})
    assert argument_errors({"device": "eth0", "rules": [{"mod": "a"}]}, SPEC, {})
    assert argument_errors({"fast": "maybe", "device": "eth0"}, SPEC, {})
    assert argument_errors({"fast": True}, SPEC, {})
    assert argument_errors({"device": "a", "fast": True}, SPEC, {"mutually_exclusive": [["device", "fast"]]})
    play = [{"hosts": "all", "tasks": [{"block": [{"name": "x", "kmod.nft_offload.info": None}]}]}]
    assert list(module_calls(play, "kmod.nft_offload.")) == [("info", {})]


def test_a_bad_return_value_is_seen() -> None:
    good = {"n": {"description": "A number.", "returned": "always", "type": "int", "sample": 1}}
    assert return_differences(good) == []
    for change in ({"description": ""}, {"returned": None}, {"type": "integer"}, {"sample": "1"}, {"sample": None}):
        assert return_differences({"n": {**good["n"], **change}})
    holder = {"description": "x", "returned": "always", "type": "list", "contains": good}
    assert return_differences({"h": {**holder, "sample": [{"n": 2}]}}) == []
    for sample in ({"n": 2}, [3], [{"m": 2}], [{"n": "2"}]):
        assert return_differences({"h": {**holder, "sample": sample}})
