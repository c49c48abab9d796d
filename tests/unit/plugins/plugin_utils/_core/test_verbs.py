# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb is a shell function of sh/apply that takes as many arguments as the verb has fields."""

from __future__ import annotations

import importlib
import re
from dataclasses import fields

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.verbs import GiveUp
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS, with_needed
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import (
    PrintSection,
    Remove,
    RunStep,
    Stage,
    Verb,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.package_registry import PACKAGE_MANAGERS

ROOMS = sorted(file.parent.name for file in SCRIPTS.parent.glob("_*/verbs.py"))
for _room in ROOMS:
    importlib.import_module(f"ansible_collections.kmod.nft_offload.plugins.plugin_utils.{_room}.verbs")
OURS = [verb for verb in Verb.__subclasses__() if verb.__module__.startswith("ansible_collections.")]
VERBS = sorted(OURS, key=lambda verb: verb.function())
NEEDED = {
    m.apply_scripts[0]: {part for name in m.apply_scripts for part in with_needed(name)} for m in PACKAGE_MANAGERS
}
OF_PACKAGES = set().union(*NEEDED.values())
ALL = {f"apply/{file.stem}" for file in (SCRIPTS / "apply").glob("*.sh")}
APPLY = {
    manager.apply_scripts[0]: "\n".join(
        (SCRIPTS / f"{name}.sh").read_text()
        for name in ("prelude", *sorted(ALL - OF_PACKAGES | NEEDED[manager.apply_scripts[0]]))
    )
    for manager in PACKAGE_MANAGERS
}
"""package manager -> every script with verbs that may reach its router"""


def test_every_room_with_verbs_is_looked_at() -> None:
    assert {"_core", "_systems", "_confirm", "_kernel", "_nic", "_ruleset", "_fw4"} <= set(ROOMS)
    assert len({verb.function() for verb in VERBS}) == len(VERBS)


@pytest.mark.parametrize("manager", APPLY)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.function())
def test_a_verb_is_a_function_with_its_arguments(verb: type[Verb], manager: str) -> None:
    """The comment above the function names them: DEVICE, on|off, PACKAGE..., [FROM TO]..., COMMAND [ARGUMENT...]."""
    name = verb.function()
    assert len(re.findall(rf"^{name}\(\) {{$", APPLY[manager], re.MULTILINE)) == 1, f"no function {name}"
    usage = re.search(rf"^# {name}\b([^:\n]*)", APPLY[manager], re.MULTILINE)
    arguments = (
        re.findall(r"[A-Z]+ \[[A-Z]+\.\.\.\]|\[[A-Z ]+\]\.\.\.|[A-Z|a-z]+(?:\.\.\.)?", usage[1]) if usage else []
    )
    assert len(arguments) == len(fields(verb)), f"write '# {name} ARGUMENT: what it does' above the function"
    several = [field.name for field in fields(verb) if "tuple" in str(field.type) or field.type == "Verb"]
    assert several == [field.name for field, text in zip(fields(verb), arguments, strict=True) if "..." in text]
    assert not several or several == [fields(verb)[-1].name], (
        "only the last field can be as many arguments as there are"
    )


def test_the_call_of_a_verb() -> None:
    assert Stage("/etc/x", "0644", "a b\n").call == ("stage", "/etc/x", "0644", "a b\n")
    assert RunStep(2, Remove("/etc/x")).call == ("step", "2", "remove", "/etc/x")
    assert PrintSection("abandon", GiveUp("/run/x", "1-0", "why")).call == (
        *("section", "abandon", "give_up"),
        *("/run/x", "1-0", "why"),
    )
