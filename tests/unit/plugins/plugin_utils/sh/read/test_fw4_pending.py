# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fw4 would load is held against what is live, as the real nft lists both, in a network namespace."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import fragment

from tests.unit.helpers.firewalls import needs_namespaces

pytestmark = needs_namespaces
RULESET = """table inet fw4 {
	limit log_limit {
		rate 10/minute
	}

	set guests {
		type ether_addr
		comment "guests"
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		RULE
		limit name "log_limit" log prefix "drop: "
	}
}
"""
RULE = 'ether saddr @guests meta hour "22:00"-"06:00" drop comment "!fw4: night"'


def compare(place: Path, shell: list[str], live: str, rendered: str, then: str = "") -> str:
    """Lines as in the section fw4.pending; ``then`` comes between the load and the look."""
    for name, text in (("live", live), ("rendered", rendered)):
        (place / name).write_text(text.replace("RULE", RULE))
    text = "\n".join(fragment(name) for name in ("prelude", "events", "read/change", "read/fw4", "read/fw4_pending"))
    script = f"""{text.replace("/etc/config/firewall", f"{place}/config")}
fw4_state={place}/state
_fw4_as_loaded() {{ cat rendered; }}
: >config
export TZ=X-1
nft -f live && : >state || exit
{then}
_fw4_differences
"""
    words = ["unshare", "-n", shutil.which(shell[0]) or shell[0], *shell[1:], "-s"]
    done = subprocess.run(words, input=script, cwd=place, text=True, capture_output=True, check=False)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line != "table inet fw4"]
    return "\n".join(lines)


def test_a_rule_that_was_not_loaded_is_a_difference(tmp_path: Path, shell: list[str]) -> None:
    more = RULESET.replace("RULE", "RULE\n\t\ttcp dport 99 drop")
    assert compare(tmp_path, shell, RULESET, RULESET) == ""
    assert compare(tmp_path, shell, RULESET, more) == "+ inet fw4 chain forward: tcp dport 99 drop"


@pytest.mark.parametrize(("old", "new"), [("rate 10/", "rate 20/"), ('comment "guests"', 'comment "others"')])
def test_what_a_load_cannot_change_is_no_difference(tmp_path: Path, shell: list[str], old: str, new: str) -> None:
    """The kernel keeps the limit and the set that it has: a reload would not help, and all was loaded."""
    assert compare(tmp_path, shell, RULESET, RULESET.replace(old, new)) == ""


def test_a_summer_that_came_since_is_no_difference(tmp_path: Path, shell: list[str]) -> None:
    assert compare(tmp_path, shell, RULESET, RULESET, "TZ=X-2") == ""


def test_hours_that_were_changed_since_are_one(tmp_path: Path, shell: list[str]) -> None:
    later = RULESET.replace("RULE", RULE.replace("22:00", "20:00"))
    assert "meta hour" in compare(tmp_path, shell, RULESET, later, "touch -d '+2 seconds' config")


def test_a_line_end_in_a_name_is_text(tmp_path: Path, shell: list[str]) -> None:
    named = RULESET.replace("!fw4: night", "!fw4: ni{\nght").replace("RULE", RULE.replace("night", "ni{\nght"))
    assert compare(tmp_path, shell, named, named) == ""
