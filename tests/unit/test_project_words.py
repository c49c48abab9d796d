# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no file of this tree may contain, what every file must, and what shipped files must not depend on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HEADER = """\
# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
# Where packages come from is a choice of the machine that fetches them.
REGISTRY = re.compile(
    r"\b(?:(?:deb|ftp|security|snapshot)\.debian\.org|(?:archive|security)\.ubuntu\.com|pypi\.org|pythonhosted\.org"
    r"|registry\.npmjs\.org|proxy\.golang\.org|docker\.io|quay\.io)\b"
)
# An account that is nobody's here: whoever takes the name would be asked for help and told of vulnerabilities.
NOT_OURS = re.compile(r"\bgithub\.(?:com|io)/kmod\b|\bkmod\.github\.io\b")
# A path that exists on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:home|Users|work|workspace)/\w")
# A directory that does not ship, as a path or as a package.
NOT_SHIPPED = re.compile(
    r"(?<![\w/.-])(?:bench|lab|molecule|tests)/\w|^\s*(?:from|import) (?:bench|lab|molecule|tests)\b", re.MULTILINE
)
SHIPPED = ("meta/", "plugins/", "roles/", "playbooks/")


def read_tree() -> dict[str, str]:
    """Path -> text of every file that is tracked or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name: (ROOT / name).read_text(errors="replace") for name in names if (ROOT / name).is_file()}


TREE = read_tree()


@pytest.mark.parametrize("pattern", [REGISTRY, MACHINE_PATH, NOT_OURS], ids=["registry", "machine path", "account"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    assert {name: found.group() for name, text in TREE.items() if (found := pattern.search(text))} == {}


def test_what_ships_stands_alone() -> None:
    shipped = {name: text for name, text in TREE.items() if name.startswith(SHIPPED)}
    assert shipped
    assert {name: found.group() for name, text in shipped.items() if (found := NOT_SHIPPED.search(text))} == {}


def test_what_ships_flushes_no_ruleset() -> None:
    """Only a finding about another firewall mentions it."""
    shipped = {name: text for name, text in TREE.items() if name.startswith(SHIPPED)}
    assert {name for name, text in shipped.items() if re.search(r"flush\s+ruleset", text)} == {
        "plugins/plugin_utils/_verify/bypassing.py"
    }


def test_every_source_names_its_licence() -> None:
    python = {name: text for name, text in TREE.items() if name.endswith(".py")}
    assert [name for name, text in python.items() if not text.startswith(HEADER)] == []
    code = {
        name: text for name, text in python.items() if re.search(r"^(?:import|from|def|class) ", text, re.MULTILINE)
    }
    assert [name for name, text in code.items() if "\nfrom __future__ import annotations\n" not in text] == []
    other = {name: text for name, text in TREE.items() if name.endswith((".sh", ".c"))}
    says = "SPDX-License-{}: GPL-".format("Identifier")  # as one word, it would be read as this file's own
    assert [name for name, text in other.items() if says not in text[:300]] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY, "deb http://deb.{}.org/debian trixie main".format("debian")),
        (REGISTRY, "--index-url https://{}.org/simple".format("pypi")),
        (NOT_OURS, "issues: https://{}.com/kmod/nft_offload/issues".format("github")),
        (MACHINE_PATH, "see /{}/someone/notes".format("home")),
        (NOT_SHIPPED, "script: lab/guest/setup.sh"),
        (NOT_SHIPPED, "x\nfrom tests.tools import summary\n"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize(
    "text", ["C(/sys/class/net)", "the collaboration/lab", "https://example.org/home/x", "~/{}/x".format("work")]
)
def test_the_patterns_leave_the_rest_alone(text: str) -> None:
    assert not any(pattern.search(text) for pattern in (REGISTRY, MACHINE_PATH, NOT_OURS, NOT_SHIPPED))
