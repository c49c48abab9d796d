# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs that every change may use make of files: their modes, whatever the umask is and whoever left what."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.verbs import Commit, RunStep, Stage

from tests.unit.helpers.shells import NONCE, ROUTER_SHELLS, run_script

SHELL_IDS = [shell[0] for shell in ROUTER_SHELLS]


def write(shell: list[str], place: Path, umask: str, *files: Stage, wait: str = "") -> None:
    """Stage the files and rename them into place, under this umask; ``wait``: a command in between."""
    steps = [RunStep(number, verb).call for number, verb in enumerate((*files, Commit()))]
    calls = [*steps[:-1], *([("eval", wait)] if wait else []), steps[-1]]
    script = compose(NONCE, ("apply/steps",), [("umask", umask), *calls])
    answer = parse(run_script(shell, script, place), NONCE)
    assert [(name, section) for name, section in answer.items() if section.rc != 0] == []


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


@pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=SHELL_IDS)
@pytest.mark.parametrize("umask", ["0000", "0022", "0077", "0177"])
def test_a_private_file_is_in_a_private_directory(shell: list[str], umask: str, tmp_path: Path) -> None:
    home = tmp_path / "etc/nft-offload"
    unit = tmp_path / "etc/systemd/unit"
    write(
        *(shell, tmp_path, umask),
        Stage(str(home / "history/1.nft"), "0600", "secret\n"),
        Stage(str(home / "ruleset.nft"), "0600", "secret\n"),
        Stage(str(unit), "0644", "[Unit]\n"),
        wait=f"chmod a+rX '{tmp_path}'; ls -lR '{tmp_path}/etc' >'{tmp_path}/staged'",
    )
    private = [home, home / "history"]
    assert {mode(path) for path in private} == {"0700"}
    assert {mode(home / name) for name in ("history/1.nft", "ruleset.nft")} == {"0600"}
    assert (mode(unit.parent), mode(unit)) == ("0755", "0644")
    staged = [line.split()[0] for line in (tmp_path / "staged").read_text().splitlines() if "ruleset.nft" in line]
    assert staged == ["-rw-------"]


@pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=SHELL_IDS)
def test_a_directory_of_ours_that_others_could_read_is_closed(shell: list[str], tmp_path: Path) -> None:
    home = tmp_path / "etc/nft-offload"
    home.mkdir(parents=True, mode=0o755)
    write(shell, tmp_path, "0022", Stage(str(home / "ruleset.nft"), "0600", "secret\n"))
    assert mode(home) == "0700"


@pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=SHELL_IDS)
def test_a_directory_of_the_system_stays_as_it_is(shell: list[str], tmp_path: Path) -> None:
    place = tmp_path / "etc/config"
    place.mkdir(parents=True)
    place.chmod(0o755)
    write(shell, tmp_path, "0022", Stage(str(place / "secret"), "0600", "secret\n"))
    assert mode(place) == "0755"


@pytest.mark.parametrize("shell", ROUTER_SHELLS, ids=SHELL_IDS)
@pytest.mark.parametrize("left", ["a file that all may read", "a link"])
def test_what_was_left_beside_it_decides_nothing(shell: list[str], left: str, tmp_path: Path) -> None:
    home = tmp_path / "etc/nft-offload"
    home.mkdir(parents=True)
    staged, elsewhere = home / "ruleset.nft.nft-offload-new", tmp_path / "elsewhere"
    elsewhere.write_text("theirs\n")
    if left == "a link":
        staged.symlink_to(elsewhere)
    else:
        staged.touch()
        staged.chmod(0o666)
    write(shell, tmp_path, "0000", Stage(str(home / "ruleset.nft"), "0600", "secret\n"))
    assert (mode(home / "ruleset.nft"), (home / "ruleset.nft").is_symlink()) == ("0600", False)
    assert elsewhere.read_text() == "theirs\n"
