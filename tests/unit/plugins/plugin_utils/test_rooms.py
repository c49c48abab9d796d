# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of plugin_utils: each answers one question, and imports only from rooms that it rests on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.unit.helpers.rooms import ARROWS, CLOSED, PLUGIN_UTILS, PLUGINS, SCRIPTS

MOST_ENTRIES = 13
ADVICE = (
    "A line of code belongs to the room whose question it answers (docs/docsite/rst/architecture.rst). Move what both "
    "rooms need to a room that both may import from, such as _core or _observe; or hand it over as an argument."
)


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """(line, module as a path below plugins/) of each import of our own in a file of plugins/."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for name in node.names:
                module = place / name.name
                found = module if module.with_suffix(".py").is_file() else place
                yield node.lineno, str(found.relative_to(PLUGINS))


def of_plugin_utils() -> Mapping[str, list[tuple[int, str]]]:
    """Module as a path below plugins/ -> its imports of our own."""
    files = sorted(PLUGIN_UTILS.rglob("*.py"))
    return {str(file.relative_to(PLUGINS).with_suffix("")): list(imports(file)) for file in files}


def room(module: str) -> str:
    """The room of a module of plugin_utils; the plugin type of any other, such as action."""
    kind, _slash, below = module.partition("/")
    if kind != "plugin_utils":
        return kind
    return max((name for name in ARROWS if f"{below}/".startswith(f"{name}/")), key=len, default=below.split("/")[0])


def test_every_entry_is_a_room() -> None:
    entries = sorted(entry.name for entry in PLUGIN_UTILS.iterdir() if entry.name != "__pycache__")
    unknown = set(entries) - {*ARROWS, SCRIPTS}
    assert not unknown, f"{', '.join(sorted(unknown))}: a new room needs a row in ARROWS and a question. {ADVICE}"
    assert len(entries) <= MOST_ENTRIES, f"{len(entries)} entries are more than one takes in at a glance. {ADVICE}"


@pytest.mark.parametrize("name", ARROWS)
def test_a_room_imports_only_from_the_rooms_that_it_rests_on(name: str) -> None:
    allowed = {name, *ARROWS[name]}
    back = [
        f"{module}.py, line {line}, imports {target}: no arrow leads from {name} to {room(target)}"
        for module, found in of_plugin_utils().items()
        if room(module) == name
        for line, target in found
        if room(target) not in allowed
    ]
    assert not back, "\n".join([*back, ADVICE])


@pytest.mark.parametrize(("name", "part", "advice"), CLOSED)
def test_a_room_leaves_closed_parts_of_another_alone(name: str, part: str, advice: str) -> None:
    modules = of_plugin_utils()
    assert any(module.startswith(f"plugin_utils/{part}/") for module in modules), f"there is no {part} any more"
    wrong = [
        f"{module}.py, line {line}, imports {target}"
        for module, found in modules.items()
        if room(module) == name
        for line, target in found
        if target.startswith(f"plugin_utils/{part}")
    ]
    assert not wrong, "\n".join([*wrong, advice])


def test_no_room_rests_on_one_below_it() -> None:
    above: set[str] = set()
    for name, rests_on in ARROWS.items():
        assert rests_on <= above, (
            f"{name} rests on {', '.join(sorted(rests_on - above))}, which stands below it. {ADVICE}"
        )
        above.add(name)


def test_no_circle_of_modules() -> None:
    graph = {module: {target for _line, target in found} for module, found in of_plugin_utils().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other in a circle: {' <- '.join(error.args[1])}. {ADVICE}")


@pytest.mark.parametrize("kind", ["action", "callback", "filter", "modules"])
def test_a_plugin_imports_from_rooms_only(kind: str) -> None:
    wrong = [
        f"plugins/{kind}/{file.name}, line {line}, imports {target}"
        for file in sorted((PLUGINS / kind).glob("*.py"))
        for line, target in imports(file)
        if not target.startswith("plugin_utils/_")
    ]
    assert not wrong, "\n".join([*wrong, "What two plugins share belongs to a room of plugin_utils."])


def absolute_names(file: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of what a file imports by its whole name, or by one that it makes up while it runs."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)


def test_what_ships_imports_its_own_by_relative_names() -> None:
    """Any other way would pass by the list of arrows."""
    wrong = [
        f"{file.relative_to(PLUGINS.parent)}, line {line}, imports {name}"
        for file in sorted(PLUGINS.rglob("*.py"))
        for line, name in absolute_names(file)
        if name.startswith(("ansible_collections.kmod.nft_offload", "importlib"))
    ]
    assert not wrong, "\n".join([*wrong, "Write 'from ..ROOM.MODULE import NAME'."])


def used_elsewhere() -> Mapping[Path, set[str]]:
    """Module of plugin_utils -> its names that another room or a plugin imports."""
    used: dict[Path, set[str]] = {}
    for file in sorted(PLUGINS.rglob("*.py")):
        here = room(str(file.relative_to(PLUGINS)))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                module = file.parents[node.level - 1].joinpath(*(node.module or "").split(".")).with_suffix(".py")
                if module.is_file() and room(str(module.relative_to(PLUGINS))) != here:
                    used.setdefault(module, set()).update(name.name for name in node.names)
    return used


def test_what_another_room_imports_has_a_docstring() -> None:
    used = used_elsewhere()
    assert sum(map(len, used.values())) > 150, "a check of nothing would pass"
    missing = [
        f"{module.relative_to(PLUGINS.parent)}, line {node.lineno}: {node.name}"
        for module, names in used.items()
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in names and not ast.get_docstring(node)
    ]
    advice = (
        "Say what it is or does in one line; then shapes, units, errors and the source of a fact, where types do not."
    )
    assert not missing, "\n".join([*missing, advice])


def test_imports_are_found() -> None:
    """A check of nothing would pass."""
    found = of_plugin_utils()
    assert ("plugin_utils/_core/sections" in {target for _line, target in found["plugin_utils/_core/router"]}) is True
    assert len([target for targets in found.values() for target in targets]) > 150
    assert {room(module) for module in found} <= set(ARROWS)
