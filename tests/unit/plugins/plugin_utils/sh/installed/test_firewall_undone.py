# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the flowtable, which this machine's kernel may not have: from one firewall to another one and back again.

The guard is the one that a router gets, and nft and the kernel are this machine's; test_guard.py beside this file has
more of the guard, with a stand-in for nft.
"""

from __future__ import annotations

import shutil
import subprocess
from itertools import permutations
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import guard_script
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import parse_objects
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredTable, transactions

from tests.unit.helpers.firewalls import NFT, golden, needs_namespaces, without_flowtable

# What the verb begin writes, then the guard, which finds that nobody confirms
CHANGE = """
set -e
nft -f old.nft
mkdir -p home/pending/7-0badcafe && cd home/pending/7-0badcafe
cp ../../../guard.sh guard
echo 7-0badcafe >id; echo 1 >timeout; printf '%4000s.' '' >outcome; : >staged; : >made; : >expected
echo 60 >limit; echo 7-0badcafe begun 1 1 0 . >events
echo "inet nft_offload" >tables
nft -s list table inet nft_offload >before.1
cp ../../../new.nft load.1
cp before.1 ../../../before
sh "$PWD/guard" watch
cd ../../..
cat home/last
nft -s list table inet nft_offload >after
"""


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
@pytest.mark.parametrize(("old", "new"), list(permutations(["small", "everything", "ipv6"], 2)))
def test_there_and_back(old: str, new: str, program: str, tmp_path: Path) -> None:
    before, after = (DesiredTable("inet", "nft_offload", without_flowtable(golden(name)), ()) for name in (old, new))
    (tmp_path / "old.nft").write_text(transactions(before, (), None, ())[0])
    (tmp_path / "new.nft").write_text(transactions(after, (), parse_objects(before.content), ())[0])
    (tmp_path / "guard.sh").write_text(guard_script())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nft").write_text(f'#!/bin/sh\nexec {shutil.which(program)} "$@"\n')
    (tmp_path / "bin/nft").chmod(0o755)
    command = ["unshare", "-n", "sh", "-c", f"PATH={tmp_path}/bin:$PATH; {CHANGE}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("7-0badcafe rolled_back "), done.stdout
    assert "not confirmed within 1 s" in done.stdout
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()
