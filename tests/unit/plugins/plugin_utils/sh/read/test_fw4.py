# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is OpenWrt's table a firewall, or only its chains?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.helpers.captures import AWKS, call

SHELL = """\
table inet fw4 {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t}

\tchain forward {
\t\ttype filter hook forward priority filter; policy drop;
\t}

\tchain output {
\t\ttype filter hook output priority filter; policy accept;
\t}
}
"""
RULE = SHELL.replace(
    "priority filter; policy drop;\n", "priority filter; policy drop;\n\t\tct state established accept\n", 1
)


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize(
    ("listing", "empty"),
    [
        (SHELL, True),
        (RULE, False),
        (SHELL.replace("table inet fw4 {", "table inet fw4 {\n\tset s {\n\t\ttype ipv4_addr\n\t}\n"), True),
        (SHELL.replace("\t\ttype", '\t\tcomment "a chain"\n\t\ttype'), True),
        ("table inet fw4 {\n}\n", False),
        ("", False),
    ],
)
def test_a_table_without_a_rule(listing: str, empty: bool, awk: str, tmp_path: Path) -> None:
    asked = 'nft() { [ "$*" = "-s -t list table inet fw4" ] && cat; }'
    assert call("fw4", f"{asked}\n_fw4_is_empty; echo $?", listing, awk, tmp_path) == f"{0 if empty else 1}\n"
