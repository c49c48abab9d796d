# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``nft list hooks`` of several kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.hooks import parse_hooks
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Hook
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.shells import SHELLS, run_script


def listed(*hooks: str, device: str = "eth0") -> str:
    lines = "".join(f"\t\t{hook}\n" for hook in hooks)
    return f"family netdev {{\n\thook ingress device {device} {{\n{lines}\t}}\n}}\n"


@pytest.mark.parametrize(
    ("line", "hook"),
    [
        (" 0000000000 nf_flow_offload_inet_hook [nf_flow_table_inet]", Hook("eth0", "nf_flow_offload_inet_hook")),
        ("+0000000010 nf_flow_offload_ip_hook", Hook("eth0", "nf_flow_offload_ip_hook")),
        ("-0000000300 chain netdev nd in [nf_tables]", Hook("eth0", "chain netdev nd in")),
        ("+0000000010 flowtable inet t ft [nf_flow_table_inet]", Hook("eth0", "flowtable", "inet t ft")),
        ("+0000000010 flowtable inet t ft", Hook("eth0", "flowtable", "inet t ft")),
    ],
)
def test_hooks(line: str, hook: Hook) -> None:
    unknown: list[str] = []
    assert parse_hooks(listed(line), unknown) == (hook,)
    assert parse_hooks(listed(line) + listed(line, device="x;y"), unknown)[1].device == "x;y"
    assert unknown == []


def test_nothing_hooked() -> None:
    assert parse_hooks("") == parse_hooks("family netdev {\n}\n") == parse_hooks(listed()) == ()


@pytest.mark.parametrize(
    "line", ["Error: Could not process rule: Invalid argument", "hook egress device eth0 {", "0x10 f"]
)
def test_an_unknown_line_is_reported(line: str) -> None:
    unknown: list[str] = []
    assert parse_hooks(line, unknown) == ()
    assert unknown == [line]


@given(st.one_of(st.text(), st.text(alphabet="fhd01+ \n{}[]\t").map(listed)))
def test_no_text_is_too_odd(text: str) -> None:
    parse_hooks(text, [])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_name_ending_in_a_star_stands_for_every_match(shell: list[str], tmp_path: Path) -> None:
    for name in ("eth0", "eth*", "eth1", "leth", "e"):
        (tmp_path / "net" / name).mkdir(parents=True)
    stand_in = '_list_hooks() { printf "%s|" "$1"; }\nhas() { return 0; }\nsection() { :; }\n_count_hooks() { :; }'
    stand_in += '\n_rules= _listed=" eth* e leth* "'
    text = (
        fragment("read/nftables").replace("/sys/class/net", str(tmp_path / "net"))
        + f"\n{stand_in}\nread_nftables a b\n"
    )
    assert run_script(shell, text, tmp_path) == "eth*|eth0|eth1|e|leth|"
