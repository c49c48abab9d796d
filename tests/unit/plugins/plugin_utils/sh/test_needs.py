# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fragment of sh says which others it needs, so that no exec is without a function that it calls."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import SCRIPTS, compose, with_needed

FRAGMENTS = sorted(
    str(path.relative_to(SCRIPTS).with_suffix("")) for path in SCRIPTS.rglob("*.sh") if path.parent.name != "installed"
)
TEXTS = {name: (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8") for name in FRAGMENTS}
DEFINED = {name: set(re.findall(r"^(\w+)\(\) [{(]", text, re.MULTILINE)) for name, text in TEXTS.items()}
COMMAND = re.compile(
    r"""(?:^|[;&|!`]|\$\(|(?<!\$)[({]|\b(?:then|do|else|if|while|until)\b|\bsection\s+(?:"[^"]*"|\S+))\s*(\w+)(?![\w)=])"""
)
PATTERNS = re.compile(r"\bin( [\w |]+)\) |^\s*[\w |]+\) ")
"""a word where a command stands; an assignment is none, and neither are the patterns of a case"""

IN_AWK = {("read/nftables", "queue")}
"""a word of a program in another language"""


def missing(name: str) -> Iterator[str]:
    """What a fragment calls and only another one has, which it does not need."""
    here = {function for part in ("prelude", *with_needed(name)) for function in DEFINED[part]}
    for line in TEXTS[name].splitlines():
        for called in COMMAND.findall("" if line.lstrip().startswith("#") else PATTERNS.sub(" ; ", line)):
            homes = [part for part in FRAGMENTS if called in DEFINED[part]]
            # what several have is a choice: the package manager's, the init system's
            if len(homes) == 1 and called not in here and (name, called) not in IN_AWK:
                yield f"{name} calls {called} of {homes[0]}"


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_needs_what_it_calls(name: str) -> None:
    assert list(missing(name)) == [], "name it in the fragment's line '# needs'"


def test_what_is_needed_comes_first_and_once() -> None:
    script = compose("n", ("read/login", "apply/change", "read/change"), [])
    places = [script.index(f"\n{function}() {{") for function in ("seconds_up", "guarded", "begin")]
    assert places == sorted(places)
    assert script.count("\nssh_connection() {") == 1


def test_a_call_of_another_fragment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXTS, "read/login", "look() {\n  [ -z yes ] || seconds_up\n}\n")
    assert list(missing("read/login")) == ["read/login calls seconds_up of events"]
