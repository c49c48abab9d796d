# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-doc shows every plugin and every role, without a complaint."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

COLLECTION = "kmod.nft_offload"
ROOT = Path(__file__).resolve().parents[2]

# Kinds of plugins that users call by name and ansible-doc therefore knows: directory below plugins/ -> ansible-doc -t.
KINDS = {
    "modules": "module",
    "become": "become",
    "cache": "cache",
    "callback": "callback",
    "connection": "connection",
    "inventory": "inventory",
    "lookup": "lookup",
    "shell": "shell",
    "strategy": "strategy",
    "vars": "vars",
}


def find_plugins() -> Iterator[tuple[str, str]]:
    """(kind, short name) of everything that must be documented."""
    for directory, kind in KINDS.items():
        for file in sorted((ROOT / "plugins" / directory).glob("[!_]*.py")):
            yield kind, file.stem
    # One file may hold several filters or tests, each documented on its own.
    for directory, table in (("filter", "filters"), ("test", "tests")):
        for file in sorted((ROOT / "plugins" / directory).glob("[!_]*.py")):
            module = importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.{directory}.{file.stem}")
            holder = getattr(module, f"{directory.capitalize()}Module")()
            yield from ((directory, name) for name in sorted(getattr(holder, table)()))
    for role in sorted((ROOT / "roles").glob("[!_]*/meta/argument_specs.yml")):
        yield "role", role.parents[1].name


PLUGINS = list(find_plugins())


def ansible_doc(*arguments: str) -> str:
    """What ansible-doc prints; fails on an exit code and on any warning."""
    program = str(Path(sys.executable).parent / "ansible-doc")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    complaints = [
        line for line in done.stderr.splitlines() if line.startswith(("[WARNING]", "[ERROR]", "[DEPRECATION"))
    ]
    # ansible-core 2.21 complains about a collection inside of itself.
    assert [line for line in complaints if "ansible/_protomatter" not in line] == []
    return done.stdout


@cache
def read_docs(kind: str) -> dict[str, Any]:
    """Full name -> documentation of every plugin or role of a kind, from one call."""
    names = [f"{COLLECTION}.{name}" for each, name in PLUGINS if each == kind]
    documents: dict[str, Any] = json.loads(ansible_doc("--type", kind, "--json", *names))
    return documents


def test_the_plugins_are_found() -> None:
    assert {"module", "role"} <= {kind for kind, _ in PLUGINS}


def test_every_role_has_argument_specs() -> None:
    assert [role.name for role in (ROOT / "roles").glob("*") if not (role / "meta/argument_specs.yml").exists()] == []


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_renders_as_text(kind: str, name: str) -> None:
    assert name in ansible_doc("--type", kind, f"{COLLECTION}.{name}")


@pytest.mark.parametrize(("kind", "name"), [plugin for plugin in PLUGINS if plugin[0] != "role"])
def test_plugin_is_documented(kind: str, name: str) -> None:
    document = read_docs(kind)[f"{COLLECTION}.{name}"]
    assert document["doc"]["short_description"] and document["doc"]["description"]
    if kind in ("module", "filter", "test", "lookup"):
        assert document["examples"] and document["return"]


@pytest.mark.parametrize("name", [name for kind, name in PLUGINS if kind == "role"])
def test_role_is_documented(name: str) -> None:
    entry_points = read_docs("role")[f"{COLLECTION}.{name}"]["entry_points"]
    assert "main" in entry_points
    for entry_point in entry_points.values():
        assert entry_point["short_description"] and entry_point["description"]
        assert all(option.get("description") for option in entry_point.get("options", {}).values())
