# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text that is taken for our own table touches no other one when nft loads it, and nft's own readings are taken.

Shown with the nft of this machine in namespaces that nothing else sees; NFT names others to show it with.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import (
    DesiredTable,
    require_own_table,
)
from hypothesis import HealthCheck, assume, example, given, settings

from tests.unit.helpers.firewalls import NFT, needs_namespaces
from tests.unit.helpers.nft_scanner import FOREIGN, OWN, WRAPS, own_rulesets, rulesets

OTHERS = """
table inet other {
	set s { type ipv4_addr; elements = { 10.0.0.1 }; }
	counter k { packets 5 bytes 6 }
	chain c { tcp dport 22 counter packets 1 bytes 2 accept; }
}
table ip nft_offload {
	chain c { accept; }
}
table inet nft_offload2 {
	chain c { accept; }
}
"""
# The table of ours is there already, with what a second load has to meet.
LOAD = r"""
set -e
$nft -f - <<'OTHERS'
%s
OTHERS
before=$($nft list ruleset)
loaded=0
$nft -f /dev/fd/3 >/dev/null 2>&1 3<<'TEXT' || loaded=$?
%s
TEXT
printf 'table inet nft_offload\ndelete table inet nft_offload\n' | $nft -f -
after=$($nft list ruleset)
[ "$before" = "$after" ] || { printf '%%s\n' "$after" >&2; exit 9; }
exit "$loaded"
"""


def load(program: str, text: str) -> bool:
    """Load a text beside tables of others; whether nft took it. They must be as they were."""
    script = LOAD % (OTHERS, text)
    command = ["unshare", "-n", "sh", "-c", f"nft={program}; {script}"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 1), f"{text!r} changed another table:\n{done.stderr.decode()}"
    return done.returncode == 0


def is_taken(text: str) -> bool:
    try:
        require_own_table(text, "inet", "nft_offload", "here")
    except OffloadError:
        return False
    return True


def loaded_form(text: str) -> str:
    """With what comes before and after it when it is loaded."""
    desired = DesiredTable("inet", "nft_offload", text, ())
    return desired.boot_text() + "add chain inet nft_offload behind\n"


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(text=rulesets())
@example(text='table inet nft_offload { chain c { accept comment "a\n}"; } }\n')
def test_what_is_taken_touches_our_table_only(text: str, program: str) -> None:
    assume(is_taken(text))
    load(program, loaded_form(text))


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
@given(text=own_rulesets())
def test_what_nft_takes_for_our_table_is_taken(text: str, program: str) -> None:
    if re.search(r"\btable inet", text) and load(program, loaded_form(text)):
        require_own_table(text, "inet", "nft_offload", "here")


@needs_namespaces
@pytest.mark.parametrize("program", NFT)
@pytest.mark.parametrize("text", [f"define x = 0\n{text}\n" for text in OWN if "table" in text])
def test_ways_to_write_our_table(text: str, program: str) -> None:
    assert is_taken(text)
    assert load(program, loaded_form(text))


# Whole texts that the check took, or might have taken, and that nft would load
HOLES = {
    "line ends that are none": "# \x85 {\nflush ruleset\n# \x85 }\ntable inet nft_offload { }\n",
    "form feed": "# \x0c {\nflush ruleset\n# \x0c }\ntable inet nft_offload { }\n",
    "separators": "# \x1c {\nflush ruleset\n# \u2028 }\ntable inet nft_offload { }\n",
    "a string over two lines": 'table inet nft_offload { comment "\n{"; }\nflush ruleset\n#}\n',
    "a quote in a comment": 'table inet nft_offload { } # "\nflush ruleset\n# "\n',
    "a word and a comment": "table inet nft_offload { chain c { accept;#{\n}\n}\nflush ruleset\n#}\n",
    "one line": "table inet nft_offload { }; flush ruleset\n",
    "a definition before": "define x = 1; flush ruleset; table inet nft_offload { }\n",
    "a definition with braces": "define x = { 1 }; flush ruleset; table inet nft_offload { }\n",
    "a joined line": "table inet nft_offload { }\nflush \\\nruleset\n",
    "a joined name": "table inet nft_offload { }\ntable \\\ninet other { chain d { } }\n",
    "another family": "table inet nft_offload { }\ntable nft_offload { chain d { } }\n",
    "a comment that joins nothing": "define x = 1 # \\\nflush ruleset\ntable inet nft_offload { }\n",
    "an included file": 'table inet nft_offload { }\ninclude "/proc/self/fd/4"\n',
    "an included file in a chain": 'table inet nft_offload { chain c {\ninclude "/etc/*.nft"\n}\n}\n',
    "a rule without a table": "table inet nft_offload { }\ninet other c accept\n",
    "a chain of another table": "table inet nft_offload { }\nchain inet other d { }\n",
    "elements of another table": "table inet nft_offload { }\nadd element inet other s { 10.0.0.2 }\n",
    "counters": "table inet nft_offload { }\nreset counters\n",
}


@pytest.mark.parametrize("text", HOLES.values(), ids=HOLES)
def test_a_hole_is_closed(text: str) -> None:
    with pytest.raises(OffloadError, match=r"here, line \d+: ") as caught:
        require_own_table(text, "inet", "nft_offload", "here")
    assert "Remedy: " in str(caught.value)


@pytest.mark.parametrize("statement", FOREIGN)
@pytest.mark.parametrize("wrap", dict.fromkeys(WRAPS))
def test_a_statement_about_another_table_is_refused_or_none(statement: str, wrap: str) -> None:
    """Where the text is taken, the statement is in a string, in a comment, or in our table, where it is an error."""
    text = "table inet nft_offload { }\n" + wrap.format(statement)
    if is_taken(text):
        outside = re.sub(r'"[^"]*"|#[^\n]*', "", text)
        assert statement not in outside or f"nft_offload {{\n{statement}\n}}" in outside
