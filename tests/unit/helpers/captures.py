# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real routers printed (captured/, made by tests/tools/capture.py), and a shell to run their scripts in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import (
    Answer,
    fragment,
    parse,
    with_needed,
)

from tests.tools.capture import CAPTURED
from tests.unit.helpers.shells import NONCE

SUITES = sorted(file.name.partition(".")[0] for file in CAPTURED.glob("*.router.txt"))
AWKS = [
    pytest.param(awk, id=awk, marks=pytest.mark.skipif(not shutil.which(awk.split()[0]), reason=f"no {awk} here"))
    for awk in ("awk", "busybox awk")
]


def captured(suite: str, name: str) -> str:
    """Text of one capture."""
    return (CAPTURED / f"{suite}.{name}.txt").read_text(encoding="utf-8")


def answer(suite: str, name: str) -> Answer:
    """Sections of one capture."""
    return parse(captured(suite, name), NONCE)


def call(name: str, function: str, text: str, awk: str, cwd: Path) -> str:
    """What a function of ``sh/read/<name>.sh`` makes of a text on its standard input, with this awk."""
    fragments = "\n".join(map(fragment, with_needed(f"read/{name}")))
    script = f'awk() {{ command {awk} "$@"; }}\n{fragments}\n{function}'
    done = subprocess.run(["sh", "-c", script], input=text, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout
