# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/unit/helpers/captured: what routers of the lab answer to the reading of _observe/reading.py.

    python -m lab up NAME=SUITE/offload && python -m tests.tools.capture NAME

Needed after the reading has changed. Leaves the router full of odd devices: take it down afterwards.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import FRAGMENTS, list_calls

from lab import api
from tests.unit.helpers.shells import NONCE

CAPTURED = Path(__file__).parents[1] / "unit" / "helpers" / "captured"
UNPRIVILEGED = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def run_on(router: str, command: str | list[str]) -> str:
    """Output of a command on the router; its failure ends the capture."""
    done = api.ssh(router, command, timeout=300)
    if done.returncode:
        sys.exit(f"{str(command)[:60]} ...: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def observe(router: str, as_user: list[str]) -> str:
    """The answer of one reading, run by /bin/sh after the command ``as_user``."""
    return run_on(router, [*as_user, "/bin/sh", "-c", compose(NONCE, FRAGMENTS, list_calls())])


def capture(router: str) -> None:
    """Capture a router with ruleset and traffic, the same without root, with all kinds of devices, with odd names."""
    suite = next(found.suite for found in api.list_routers() if found.name == router)
    run_on(router, "apt-get -qq update && apt-get -qq install nftables ethtool")
    run_on(router, "for nic in lan0 wan0; do ethtool -K $nic hw-tc-offload on; done")
    run_on(router, ["nft", (CAPTURED / "ruleset.nft").read_text()])
    api.drive_traffic(router, 600, background=True)
    texts = {"router": observe(router, []), "ruleset": run_on(router, "nft list ruleset")}
    texts["user"] = observe(router, UNPRIVILEGED)
    for name in ("devices", "names"):
        run_on(router, (CAPTURED / f"{name}.sh").read_text())
        texts[name] = observe(router, [])
    for name, text in texts.items():
        (CAPTURED / f"{suite}.{name}.txt").write_text(text)


if __name__ == "__main__":
    capture(sys.argv[1])
