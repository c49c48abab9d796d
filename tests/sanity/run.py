# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``ansible-test sanity`` over exactly what ships: the built artifact, unpacked. There is no ignore file.

usage: python -m tests.sanity.run RESULTS

ansible-test wants a directory .../ansible_collections/NAMESPACE/NAME inside a git repository of its own, and keeps its
environments below HOME. Both are in build/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ansible_test._internal.host_configs import NativePythonConfig
from ansible_test._internal.python_requirements import get_venv_packages

ROOT = Path(__file__).resolve().parents[2]
STAGE = ROOT / "build/sanity/ansible_collections/kmod/nft_offload"
HOME = ROOT / "build/sanity/home"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# ansible-test downloads pip's installer into its cache before it makes an environment. Python ships pip, so a file in
# that place that installs it avoids the download.
GET_PIP = "import ensurepip\n\nensurepip.bootstrap()\n"


def stage() -> None:
    """Unpack the artifact where ansible-test accepts it as a checkout."""
    (artifact,) = (ROOT / "build").glob("kmod-nft_offload-*.tar.gz")
    shutil.rmtree(STAGE, ignore_errors=True)
    STAGE.mkdir(parents=True)
    shutil.unpack_archive(artifact, STAGE)
    (STAGE / "tests").mkdir()
    shutil.copy(ROOT / "tests/config.yml", STAGE / "tests")
    subprocess.run(["git", "init", "--quiet", STAGE], check=True)
    subprocess.run(["git", "-C", STAGE, "add", "--all"], check=True)


def make_home() -> None:
    """Make a home directory with what ansible-test would download, and the user's pip settings."""
    pip = get_venv_packages(NativePythonConfig(version=PYTHON, path=sys.executable))["pip"]
    cache = HOME / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{pip.replace('.', '_')}.py").write_text(GET_PIP)
    # ansible-test passes no PIP_* variable on to pip, but pip reads its settings below HOME.
    settings = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    options = {"quiet": "2"}
    for line in settings.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section == ":env:" or (section == "global" and key not in options):
            options[key] = value.strip("'")
    config = HOME / ".config/pip/pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.touch(mode=0o600)  # an index address may hold a password
    config.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in options.items()))


def main(results: Path) -> int:
    """ansible-test's exit code; its JUnit reports go to ``results``."""
    stage()
    make_home()
    program = str(Path(sys.executable).parent / "ansible-test")
    command = [program, "sanity", "--color", "no", "--junit", "--python", PYTHON]
    done = subprocess.run(command, cwd=STAGE, env={**os.environ, "HOME": str(HOME)}, check=False)
    results.mkdir(parents=True, exist_ok=True)
    for report in (STAGE / "tests/output/junit").glob("*.xml"):
        shutil.copy(report, results / f"sanity-{report.stem}.xml")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
