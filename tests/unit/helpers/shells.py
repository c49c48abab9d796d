# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shells of controllers and routers, and one exec in them, as a router gets it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.helpers.contained import contain

contain()

NONCE = "0123456789abcdef"
"""marks the sections of every answer in these tests; on a router it is random"""
ROUTER_SHELLS = (["dash"], ["busybox", "ash"])
"""what /bin/sh is on Debian and on OpenWrt"""
# Debian has dash, and `make system` installs busybox, so that none is skipped in `make test`.
SHELLS = [
    pytest.param(
        shell, id=" ".join(shell), marks=pytest.mark.skipif(not shutil.which(shell[0]), reason=f"no {shell[0]} here")
    )
    for shell in (["dash"], ["bash", "--posix"], ["bash"], ["busybox", "ash"])
]
"""pytest parameters: every shell that a script must run in"""


def run_script(shell: list[str], script: str, cwd: Path) -> str:
    """What a shell prints that gets the script on its standard input, in the directory ``cwd``."""
    command = [shutil.which(shell[0]) or shell[0], *shell[1:], "-s"]
    return subprocess.run(command, input=script.encode(), cwd=cwd, capture_output=True, check=False).stdout.decode()
