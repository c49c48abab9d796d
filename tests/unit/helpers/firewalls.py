# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls of the tests, and nft of this machine in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kmod.nft_offload.plugins.filter.overlay_ruleset import overlay_ruleset
from ansible_collections.kmod.nft_offload.plugins.filter.router_ruleset import router_ruleset

GOLDEN = Path(__file__).with_name("golden")
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yml"))
NFT = os.environ.get("NFT", "nft").split()
"""names or paths of nft; set NFT to test with several"""


def rendered(variables: Mapping[str, Any], files: Mapping[str, str] | None = None) -> str:
    """As the role does it."""
    exclude = variables.get("flow_offload_exclude", [])
    if "flow_offload_router" not in variables:
        return overlay_ruleset(exclude)
    return router_ruleset(variables["flow_offload_router"], exclude, files, ["ssh"])


def golden(name: str) -> str:
    """Rendered from NAME.yml."""
    variables = yaml.safe_load((GOLDEN / f"{name}.yml").read_text())
    return rendered(variables, variables.get("files"))


def without_flowtable(text: str) -> str:
    """The host's kernel may have no flowtables; what feeds them is the lab's to test (tests/lab/test_firewall.py)."""
    return "".join(f"{line.replace('flow add @ft', 'counter')}\n" for line in text.splitlines())


def possible() -> bool:
    """May we make namespaces, and does this kernel let nft look into one?"""
    if not all(map(shutil.which, ("unshare", "nft", "ip"))):
        return False
    look = ["unshare", "-n", "-m", "nft", "list", "ruleset"]
    return subprocess.run(look, capture_output=True, check=False).returncode == 0


# `make system` brings the programs, so as root only a kernel that forbids namespaces, or without nf_tables, skips.
needs_namespaces = pytest.mark.skipif(not possible(), reason="needs root, nft, ip and network namespaces")


NAMELESS = (
    'for file in protocols services; do [ ! -e /etc/$file ] || mount --bind /dev/null /etc/$file; done; exec "$@"'
)


def nft(text: str, program: str = "nft", *more: str) -> subprocess.CompletedProcess[str]:
    """nft reads the text in a namespace that is gone afterwards, and as on a router that has no /etc/protocols."""
    command = ["unshare", "-n", "-m", "sh", "-ec", NAMELESS, "sh", program, *more, "-f", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
