# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A here-document is a file in /tmp for some shells: it fails where that is full, and a secret would lie there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS

ONLY_READS = {"fw4_pending.sh"}
"""on OpenWrt, whose shell has pipes for it"""


@pytest.mark.parametrize("path", sorted(SCRIPTS.rglob("*.*")), ids=lambda path: path.name)
def test_no_script_has_a_here_document(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found = [line for line in lines if re.search(r"<<[-'\"A-Za-z]", line)]
    assert not found or path.name in ONLY_READS
