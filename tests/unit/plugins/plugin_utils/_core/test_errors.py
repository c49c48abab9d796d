# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of exceptions has all of them."""

from __future__ import annotations

import ast

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import errors
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS

PLUGINS = SCRIPTS.parents[1]


def test_every_exception_is_on_the_page() -> None:
    known = {"Exception"}
    classes = [
        node
        for file in sorted(PLUGINS.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    while more := {node.name for node in classes for base in node.bases if ast.unparse(base) in known} - known:
        known |= more
    missing = [name for name in sorted(known) if name not in (errors.__doc__ or "")]
    assert {"OffloadError", "StepError"} <= known
    assert not missing, f"add to the docstring of _core/errors.py who raises it and what becomes of it: {missing}"
