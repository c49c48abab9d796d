# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The elements of sets and verdict maps that decide, as nft lists them: of large ones a part."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.ruleset import parse_ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.ruleset import Verdict

from tests.unit.helpers.captures import AWKS
from tests.unit.helpers.firewalls import needs_namespaces

LARGE = ", ".join(f"10.0.{n // 250}.{n % 250} : accept" for n in range(3000))
RULESET = f"""
table inet t {{
  set wanif {{ type ifname; flags interval; elements = {{ "wan0", "ppp*" }} }}
  set hosts {{ type ipv4_addr; elements = {{ 10.1.0.1 }} }}
  map states {{ type ct_state : verdict; elements = {{ established : accept, new : drop }} }}
  map pairs {{ type ifname . ifname : verdict; elements = {{ "lan0" . "wan0" : accept }} }}
  map large {{ type ipv4_addr : verdict; elements = {{ {LARGE} }} }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    iifname @wanif ip saddr @hosts accept
    ct state vmap @states
    iifname . oifname vmap @pairs
    ip saddr vmap @large
  }}
}}
"""


@needs_namespaces
@pytest.mark.parametrize("awk", AWKS)
def test_elements_that_decide_are_sent(awk: str, tmp_path: Path) -> None:
    script = (
        f'awk() {{ command {awk} "$@"; }}\nnft -f ruleset || exit\n{fragment("read/nftables")}\n_ruleset\n_elements'
    )
    (tmp_path / "ruleset").write_text(RULESET)
    command = ["unshare", "-n", "sh", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout) < 10_000
    found = parse_ruleset(done.stdout)
    assert set(found.sets) == {("inet", "t", "wanif")}
    assert set(found.sets["inet", "t", "wanif"]) == {"wan0", "ppp*"}
    assert dict(found.maps["inet", "t", "states"]) == {"established": Verdict("accept"), "new": Verdict("drop")}
    assert found.maps["inet", "t", "pairs"] == (("lan0 . wan0", Verdict("accept")),)
    assert found.partial == {("inet", "t", "large")}
