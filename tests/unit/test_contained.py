# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No test can touch the machine that it runs on: neither its Python code, nor a script with a router's real paths."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Commit, RunStep, Stage

from tests.unit.helpers.contained import SYSTEM, is_contained
from tests.unit.helpers.shells import NONCE, ROUTER_SHELLS, run_script

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user may write nothing there anyhow")
NAME = "nft-offload-test"
# A script that a test runs without a router of its own, with the paths that a router has.
FORGETFUL = """
from pathlib import Path
{first}
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Commit, RunStep, Stage
from tests.unit.helpers.shells import run_script

def test_it(tmp_path):
    steps = [Stage("/etc/{name}", "0600", "x"), Stage("/run/{name}/x", "0600", "x"), Commit()]
    calls = [RunStep(number, verb).call for number, verb in enumerate(steps)]
    print(run_script(["sh"], compose("0123456789abcdef", ("apply/steps",), calls), tmp_path))
"""


def mounted(path: str) -> tuple[str, str, str]:
    """(options, what it is shared with, file system) of what is mounted last at a path."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    words = next(words for words in reversed(lines) if words[4] == path)
    dash = words.index("-")
    return words[5], " ".join(words[6:dash]), words[dash + 1]


@pytest.mark.parametrize("place", [*SYSTEM, "/usr/local/lib"])
def test_python_can_write_nothing_there(place: str) -> None:
    if not Path(place).is_dir():
        pytest.skip(f"there is no {place} here")
    with pytest.raises(OSError):
        Path(place, NAME).mkdir()


@AS_ROOT
def test_what_is_written_to_run_is_for_nobody_else() -> None:
    """It is a file system of this namespace, and nothing that is mounted here is mounted elsewhere too."""
    if not is_contained():
        pytest.skip("no mount namespace here: nothing is started either")
    _options, shared, kind = mounted("/run")
    assert (kind, shared) == ("tmpfs", "")
    assert "ro" in mounted("/etc")[0].split(",")
    assert not Path("/run/systemd").exists(), "a guard would be started by the machine's own systemd"


@pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("path", [paths.RULESET, paths.RULESET_SCRIPT, paths.RULESET_UNIT, paths.MODULES_LOAD])
def test_a_script_with_a_real_path_is_refused(shell: list[str], path: str, tmp_path: Path) -> None:
    before = Path(path).exists()
    calls = [RunStep(number, verb).call for number, verb in enumerate((Stage(path, "0600", "x"), Commit()))]
    answer = parse(run_script(shell, compose(NONCE, ("apply/steps",), calls), tmp_path), NONCE)
    assert answer["step.0"].rc != 0
    assert Path(path).exists() == before


def forgetful(place: Path, first: str, *options: str) -> tuple[int, str]:
    """(exit code, output) of a run of pytest with the test FORGETFUL, which stands outside of this tree."""
    (place / "test_it.py").write_text(FORGETFUL.format(first=first, name=NAME))
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", *options]
    path = f"{ROOT}:{ROOT / 'build/collections'}"
    done = subprocess.run(
        [*command, str(place / "test_it.py")],
        cwd=place, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("--noconftest",), ("-p", "no:xdist")], ids=str)
def test_a_test_that_knows_nothing_of_this_is_contained_too(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, said = forgetful(tmp_path, "", *options)
    assert code == 0, said
    assert "- step.0 0" not in said
    assert "step.0" in said
    assert not Path(f"/etc/{NAME}").exists()


@AS_ROOT
def test_nothing_is_started_where_root_gets_no_namespace(tmp_path: Path) -> None:
    none = """
import tests.unit.helpers.contained as contained
def none():
    raise PermissionError(1, "no mount namespace")
contained.unshare_mounts = none
contained.is_contained = lambda: False
"""
    code, said = forgetful(tmp_path, none)
    assert code == 1, said
    assert "NotContained: tests start nothing as root" in said
    assert "run them as an ordinary user" in said
