# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tests stand: at the path of what they test, and what they share beside them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
UNIT = TESTS / "unit"
ROOT = TESTS.parent
SHARED = {"helpers"}
"""directories of tests/unit that test nothing"""


def list_tests(directory: Path) -> list[Path]:
    """Test modules and their conftest.py."""
    return sorted(file for name in ("test_*.py", "conftest.py") for file in directory.rglob(name))


def imported_modules(source: str) -> Iterator[tuple[int, str]]:
    """(line, full name of a module) of each import."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def imports_of_tests(source: str) -> list[tuple[int, str]]:
    """(line, module) of the imports from a test module or a conftest.py."""
    return [
        (line, module)
        for line, module in imported_modules(source)
        if module.startswith("tests.") and module.rpartition(".")[2].startswith(("test_", "conftest"))
    ]


def test_no_test_imports_from_another() -> None:
    files = [*list_tests(TESTS), *sorted((UNIT / "helpers").rglob("*.py"))]
    wrong = [
        f"{file.relative_to(ROOT)}, line {line}, imports {module}"
        for file in files
        for line, module in imports_of_tests(file.read_text(encoding="utf-8"))
    ]
    advice = "Move what both need to a module of tests/unit/helpers (live tests: one of tests/lab that is no test)."
    assert not wrong, "\n".join([*wrong, advice])


def test_each_test_stands_at_the_path_of_what_it_tests() -> None:
    files = [file.relative_to(UNIT) for file in list_tests(UNIT)]
    wrong = [
        f"tests/unit/{file}: there is no {file.parent} at the top of this tree"
        for file in files
        if file.parts[0] not in SHARED and not (ROOT / file.parent).is_dir()
    ]
    advice = (
        "Move it to tests/unit/PATH, where PATH is the directory of what it tests, such as plugins/plugin_utils/_nic."
    )
    assert not wrong, "\n".join([*wrong, advice])


def test_each_test_of_a_plugin_stands_in_a_room_or_with_its_kind() -> None:
    """One that stands higher up tests several: the rooms of plugin_utils."""
    plugins = UNIT / "plugins"
    wrong = [
        f"tests/unit/plugins/{file.name} is in no directory"
        for file in list_tests(plugins)
        if file.parent == plugins and file.name != "conftest.py"
    ]
    advice = (
        "Move it to tests/unit/plugins/plugin_utils/ROOM, or to tests/unit/plugins/KIND for an action, a callback or a "
        "filter. A test that needs every room belongs to tests/unit/plugins/plugin_utils."
    )
    assert not wrong, "\n".join([*wrong, advice])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from tests.unit.lab.test_spec import NAME", {"tests.unit.lab.test_spec"}),
        ("from tests.unit.lab import test_spec", {"tests.unit.lab.test_spec"}),
        ("import tests.lab.test_boot as boot", {"tests.lab.test_boot"}),
        ("from tests.lab.conftest import router", {"tests.lab.conftest"}),
        ("from tests.unit.helpers.shells import NONCE", set()),
        ("from tests.tools import summary", set()),
    ],
)
def test_imports_are_found(source: str, found: set[str]) -> None:
    """A check that sees nothing would pass."""
    assert {module for _line, module in imports_of_tests(source)} == found


def test_the_tests_are_found() -> None:
    names = {str(file.relative_to(TESTS)) for file in list_tests(TESTS)}
    assert {"unit/test_layout.py", "unit/conftest.py", "lab/test_boot.py"} <= names
