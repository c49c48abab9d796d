# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' own promtool: the installed one, or Debian's, unpacked beside the lab's images."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab.host import cache_root, lock


def find_promtool() -> str:
    """Its path. Debian's package is not installed: it would start a server."""
    if found := shutil.which("promtool"):
        return found
    place = cache_root() / "promtool"
    program = place / "usr/bin/promtool"
    with lock(cache_root() / "locks" / "promtool", "promtool"):
        if not program.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            download = ["apt-get", "-qq", "download", "prometheus"]
            if subprocess.run(download, cwd=place, check=False).returncode != 0:
                subprocess.run(["apt-get", "-qq", "update"], check=True)
                subprocess.run(download, cwd=place, check=True)
            (package,) = place.glob("prometheus_*.deb")
            subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=place, check=True)
            package.unlink()
    return str(program)


def run(promtool: str, *words: str | Path) -> str:
    done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
