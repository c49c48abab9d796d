# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.fw4 import parse_complaints
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.fw4_pending import parse_pending

TEXT = """\
seen 0123abcd  -
table inet fw4
table ip other outside
+ inet fw4 chain input_lan: jump reject_from_lan
- inet fw4 chain input_lan: jump accept_from_lan
~ inet fw4 chain input: tcp dport 99 accept
zone wan
? nft does not take it

ash: awk: not found
"""


def test_every_kind_of_line() -> None:
    found = parse_pending(TEXT)
    assert found.lines == (
        "- inet fw4 chain input_lan: jump accept_from_lan",
        "+ inet fw4 chain input_lan: jump reject_from_lan",
    )
    assert found.lost == ("inet fw4 chain input: tcp dport 99 accept",)
    assert found.unclear == ("nft does not take it", "ash: awk: not found"), "what nobody expected is no good sign"
    assert (found.zones, found.tables) == (("wan",), (("inet", "fw4"), ("ip", "other")))
    assert found.seen == "0123abcd"


def test_that_a_file_is_included_is_no_complaint() -> None:
    text = "[!] Automatically including '/usr/share/nftables.d/table-post/x.nft'\n[!] Section @zone[0] (lan) skipped\n"
    assert parse_complaints(text) == ("Section @zone[0] (lan) skipped",)


def function(script: str, name: str) -> str:
    text = Path(SCRIPTS, script).read_text(encoding="utf-8")
    return text.partition(f"\n{name}() {{\n")[2].partition("\n}\n")[0]


def test_the_digest_is_the_same_in_the_look_and_in_the_load() -> None:
    looked = function("read/fw4_pending.sh", "fw4_seen")
    assert looked and looked == function("installed/fw4.sh", "fw4_seen")
